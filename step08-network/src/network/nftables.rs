//! Questions to the firewall, asked of the kernel directly: is what we have put there still there? Starting nft(8) for
//! this at every start of a container would cost more than all else that its network does.
//!
//! The protocol is nfnetlink's: a header with the family, and attributes that say which table, which chain.
//! include/uapi/linux/netfilter/nf_tables.h in the kernel's sources.

use super::netlink::Netlink;
use crate::explain::explain;
use anyhow::{Context, Result};
use netlink_packet_core::{
    DefaultNla, Emitable, NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable, Nla,
    NlasIterator, Parseable,
};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use std::convert::Infallible;

const SUBSYSTEM: u16 = 10;
const GET_TABLE: u16 = 1;
const GET_CHAIN: u16 = 4;
const GET_RULE: u16 = 7;

/// A table and a chain stand first in what is asked for, and in what is answered.
const TABLE: u16 = 1;
const CHAIN: u16 = 2;
const CHAIN_NAME: u16 = 3;
const CHAIN_POLICY: u16 = 5;
const RULE_HANDLE: u16 = 3;
const RULE_USER_DATA: u16 = 7;

/// The family `ip`, IPv4.
const IPV4: u8 = 2;
/// struct nfgenmsg: the family, a version and a number that nf_tables has no use for.
const HEADER: [u8; 4] = [IPV4, 0, 0, 0];

/// A rule of somebody's, as far as it matters here.
pub struct Rule {
    pub handle: u64,
    /// What nft(8) keeps beside it, its comment for one.
    user_data: Vec<u8>,
}

impl Rule {
    pub fn mentions(&self, words: &str) -> bool {
        self.user_data.windows(words.len()).any(|part| part == words.as_bytes())
    }
}

/// Whether the family `ip` has a table of this name.
pub fn has_table(table: &str) -> Result<bool> {
    let found = ask(GET_TABLE, &[(TABLE, table)], 0)?.is_some();
    explain!("sendto(NETLINK_NETFILTER, NFT_MSG_GETTABLE {table}) = {}", if found { "0" } else { "ENOENT" });
    Ok(found)
}

/// Whether a chain lets nothing through that no rule of it accepts; none when there is no such chain.
pub fn drops(table: &str, chain: &str) -> Result<Option<bool>> {
    const DROP: [u8; 4] = 0u32.to_be_bytes();
    let Some(answers) = ask(GET_CHAIN, &[(TABLE, table), (CHAIN_NAME, chain)], 0)? else { return Ok(None) };
    let policy = answers.iter().find_map(|answer| answer.attribute(CHAIN_POLICY));
    Ok(Some(policy.is_some_and(|policy| policy == DROP)))
}

/// The rules of a chain.
pub fn rules(table: &str, chain: &str) -> Result<Vec<Rule>> {
    let answers = ask(GET_RULE, &[(TABLE, table), (CHAIN, chain)], NLM_F_DUMP)?.unwrap_or_default();
    explain!("sendto(NETLINK_NETFILTER, NFT_MSG_GETRULE {table} {chain}) = {} rules", answers.len());
    let rule = |answer: &Message| {
        let handle = answer.attribute(RULE_HANDLE)?.try_into().ok()?;
        let user_data = answer.attribute(RULE_USER_DATA).unwrap_or_default();
        Some(Rule { handle: u64::from_be_bytes(handle), user_data })
    };
    Ok(answers.iter().filter_map(rule).collect())
}

/// Asks one question. None when what it is about is not there.
fn ask(question: u16, names: &[(u16, &str)], flags: u16) -> Result<Option<Vec<Message>>> {
    let mut body = HEADER.to_vec();
    // A name ends with a zero byte.
    let names: Vec<_> =
        names.iter().map(|(kind, name)| DefaultNla::new(*kind, format!("{name}\0").into())).collect();
    body.resize(HEADER.len() + names.as_slice().buffer_len(), 0);
    names.as_slice().emit(&mut body[HEADER.len()..]);
    let request = Message { kind: SUBSYSTEM << 8 | question, body };
    match Netlink::open(NETLINK_NETFILTER).and_then(|mut socket| socket.ask(request, flags)) {
        // Nothing of that name, no nf_tables in this kernel (EINVAL), or nothing of the kind.
        Err(error)
            if matches!(
                error.downcast_ref(),
                Some(Errno::ENOENT | Errno::EINVAL | Errno::EPROTONOSUPPORT)
            ) =>
        {
            Ok(None)
        }
        result => result.map(Some).context("ask the kernel for its firewall's rules"),
    }
}

/// A message of any kind, as bytes: the family's header, and attributes.
struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl Message {
    fn attribute(&self, wanted: u16) -> Option<Vec<u8>> {
        let attributes = NlasIterator::new(self.body.get(HEADER.len()..)?);
        let parsed = attributes.filter_map(|attribute| DefaultNla::parse(&attribute.ok()?).ok());
        let found = parsed.into_iter().find(|attribute| attribute.kind() == wanted)?;
        let mut value = vec![0; found.value_len()];
        found.emit_value(&mut value);
        Some(value)
    }
}

impl NetlinkSerializable for Message {
    fn message_type(&self) -> u16 {
        self.kind
    }

    fn buffer_len(&self) -> usize {
        self.body.len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer.copy_from_slice(&self.body);
    }
}

impl NetlinkDeserializable for Message {
    type Error = Infallible;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Message, Infallible> {
        Ok(Message { kind: header.message_type, body: payload.to_vec() })
    }
}
