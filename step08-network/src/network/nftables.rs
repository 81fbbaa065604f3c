//! Questions to the firewall, asked of the kernel directly: is what we have put there still there? Starting nft(8) for
//! this at every start of a container would cost more than all else that its network does.
//!
//! The attributes say which table, which chain:
//! include/uapi/linux/netfilter/nf_tables.h in the kernel's sources.

use super::netfilter::{Message, Netfilter};
use crate::explain::explain;
use anyhow::{Context, Result};
use netlink_packet_core::{DefaultNla, NLM_F_DUMP};

pub const SUBSYSTEM: u16 = 10;
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
    let policy = answers.iter().find_map(|answer| answer.attribute(&[CHAIN_POLICY]));
    Ok(Some(policy.is_some_and(|policy| policy == DROP)))
}

/// The rules of a chain.
pub fn rules(table: &str, chain: &str) -> Result<Vec<Rule>> {
    let answers = ask(GET_RULE, &[(TABLE, table), (CHAIN, chain)], NLM_F_DUMP)?.unwrap_or_default();
    explain!("sendto(NETLINK_NETFILTER, NFT_MSG_GETRULE {table} {chain}) = {} rules", answers.len());
    let rule = |answer: &Message| {
        let handle = answer.attribute(&[RULE_HANDLE])?.try_into().ok()?;
        let user_data = answer.attribute(&[RULE_USER_DATA]).unwrap_or_default();
        Some(Rule { handle: u64::from_be_bytes(handle), user_data })
    };
    Ok(answers.iter().filter_map(rule).collect())
}

/// Asks one question. None when what it is about is not there.
fn ask(question: u16, names: &[(u16, &str)], flags: u16) -> Result<Option<Vec<Message>>> {
    let names: Vec<_> = names.iter().map(|(kind, text)| name(*kind, text)).collect();
    Netfilter::open()
        .and_then(|mut netfilter| netfilter.ask(SUBSYSTEM, question, &names, flags))
        .context("ask the kernel for its firewall's rules")
}

/// A name as an attribute: it ends with a zero byte.
pub fn name(kind: u16, text: &str) -> DefaultNla {
    DefaultNla::new(kind, format!("{text}\0").into())
}
