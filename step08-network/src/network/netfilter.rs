//! Messages to netfilter's parts, nf_tables and conntrack: a header with the family, and attributes, of which some hold
//! others. include/uapi/linux/netfilter/nfnetlink.h in the kernel's sources.

use super::netlink::Netlink;
use anyhow::Result;
use netlink_packet_core::{
    DefaultNla, Emitable, NLA_F_NESTED, NLM_F_ACK, NetlinkDeserializable, NetlinkHeader, NetlinkSerializable,
    NlasIterator,
};
use netlink_sys::protocols::NETLINK_NETFILTER;
use nix::errno::Errno;
use std::convert::Infallible;

/// The family `ip`, IPv4.
const IPV4: u8 = 2;
/// struct nfgenmsg: the family, a version, and a number that says in a batch whose it is.
const HEADER: [u8; 4] = [IPV4, 0, 0, 0];

/// What stands before and behind changes that are made all together or not at all.
const BATCH_BEGIN: u16 = 16;
const BATCH_END: u16 = 17;

pub struct Netfilter(Netlink<Message>);

impl Netfilter {
    pub fn open() -> Result<Netfilter> {
        Netlink::open(NETLINK_NETFILTER).map(Netfilter)
    }

    /// Asks one of the parts. None when what it is about is not there.
    pub fn ask(
        &mut self,
        subsystem: u16,
        question: u16,
        attributes: &[DefaultNla],
        flags: u16,
    ) -> Result<Option<Vec<Message>>> {
        match self.0.ask(Message::new(subsystem << 8 | question, attributes), flags) {
            // Nothing of that name, no such part in this kernel (EINVAL), or nothing of the kind.
            Err(error)
                if matches!(
                    error.downcast_ref(),
                    Some(Errno::ENOENT | Errno::EINVAL | Errno::EPROTONOSUPPORT)
                ) =>
            {
                Ok(None)
            }
            result => result.map(Some),
        }
    }

    /// Has one of the parts make all of these changes, or none.
    pub fn change(&mut self, subsystem: u16, changes: Vec<Message>, flags: u16) -> Result<()> {
        let [high, low] = subsystem.to_be_bytes();
        let edge = |kind| (Message { kind, body: vec![0, 0, high, low] }, 0);
        // The last one is acknowledged for all.
        let last = changes.len() - 1;
        let changes = changes.into_iter().enumerate();
        let changes = changes.map(|(place, it)| (it, if place == last { flags | NLM_F_ACK } else { flags }));
        let batch = [edge(BATCH_BEGIN)].into_iter().chain(changes).chain([edge(BATCH_END)]);
        self.0.ask_at_once(batch).map(drop)
    }
}

/// An attribute that holds others.
pub fn nested(kind: u16, attributes: &[DefaultNla]) -> DefaultNla {
    DefaultNla::new(kind | NLA_F_NESTED, bytes(attributes))
}

fn bytes(attributes: &[DefaultNla]) -> Vec<u8> {
    let mut bytes = vec![0; attributes.buffer_len()];
    attributes.emit(&mut bytes);
    bytes
}

/// A message of any kind, as bytes: the family's header, and attributes.
pub struct Message {
    kind: u16,
    body: Vec<u8>,
}

impl Message {
    pub fn new(kind: u16, attributes: &[DefaultNla]) -> Message {
        Message { kind, body: [HEADER.to_vec(), bytes(attributes)].concat() }
    }

    /// The value of an attribute: the path leads through those that hold others.
    pub fn attribute(&self, path: &[u16]) -> Option<Vec<u8>> {
        let all = self.body.get(HEADER.len()..)?.to_vec();
        path.iter().try_fold(all, |attributes, wanted| {
            let mut attributes = NlasIterator::new(attributes.as_slice()).filter_map(Result::ok);
            attributes.find(|attribute| attribute.kind() == *wanted).map(|found| found.value().to_vec())
        })
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
