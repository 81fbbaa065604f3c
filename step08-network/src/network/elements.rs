//! Elements of the firewall's sets and maps: the part of its rules that changes.
//!
//! nft(8) takes all of them. But ports come and go with containers, and to start a program for one takes longer than all else
//! that a container's network does; so the kernel gets theirs directly, in the messages that nft would send.
//! include/uapi/linux/netfilter/nf_tables.h in the kernel's sources.

use super::netfilter::{Message, Netfilter, nested};
use super::nft;
use super::nftables::{SUBSYSTEM, name};
use super::ports::{Port, Protocol};
use crate::explain::explain;
use anyhow::{Context, Result};
use netlink_packet_core::{DefaultNla, NLM_F_CREATE};
use nix::libc::{IPPROTO_TCP, IPPROTO_UDP};
use std::mem::ManuallyDrop;
use std::net::Ipv4Addr;

const NEW: u16 = 12;
const DELETE: u16 = 14;

/// The attributes of a message about elements: the table, the set or map, and a list.
const TABLE: u16 = 1;
const SET: u16 = 2;
const LIST: u16 = 3;
/// Those of an element.
const ELEMENT: u16 = 1;
const KEY: u16 = 1;
const VALUE: u16 = 2;
const BYTES: u16 = 1;

/// What is done with elements.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    Add,
    Delete,
}

/// An element of a set or a map.
#[derive(PartialEq, Eq)]
pub struct Element {
    of: &'static str,
    key: String,
    /// What a map has behind the key.
    value: String,
    /// Both as the kernel has them. A whole subnet would be more than one element there.
    bytes: Option<[Vec<u8>; 2]>,
}

/// Changes a table: all of these elements, or none.
pub fn change(verb: Verb, table: &str, elements: &[Element]) -> Result<()> {
    let messages: Option<Vec<_>> = elements.iter().map(|element| element.message(verb, table)).collect();
    let Some(messages) = messages else {
        return nft::load(&elements.iter().map(|element| element.statement(verb, table)).collect::<String>());
    };
    let (name, flags) = match verb {
        Verb::Add => ("NFT_MSG_NEWSETELEM", NLM_F_CREATE),
        Verb::Delete => ("NFT_MSG_DELSETELEM", 0),
    };
    // The kernel destroys what is deleted after a grace period, and keeps whoever closes the socket waiting until then. The end
    // of this process closes it, when everything else has been done meanwhile.
    let mut netfilter = ManuallyDrop::new(Netfilter::open()?);
    netfilter.change(SUBSYSTEM, messages, flags).context("change the elements of the firewall's maps")?;
    let told: Vec<_> = elements.iter().map(|element| element.text(verb)).collect();
    explain!("sendto(NETLINK_NETFILTER, {name} {table} {}) = 0", told.join(", "));
    Ok(())
}

impl Element {
    pub fn new(of: &'static str, key: String) -> Element {
        Element { of, key, value: String::new(), bytes: None }
    }

    /// A port that leads to a container.
    pub fn port(port: &Port, container: Ipv4Addr) -> Element {
        let protocol = match port.protocol {
            Protocol::Tcp => IPPROTO_TCP,
            Protocol::Udp => IPPROTO_UDP,
        };
        let (mut of, mut key) = ("ports", format!("{} . {}", port.protocol, port.host));
        let mut bytes = joined(&[&[protocol as u8], &port.host.to_be_bytes()]);
        if let Some(address) = port.address {
            (of, key) = ("ports_of", format!("{address} . {key}"));
            bytes = joined(&[&address.octets(), &bytes]);
        }
        let leads_to = joined(&[&container.octets(), &port.container.to_be_bytes()]);
        Element {
            of,
            key,
            value: format!(" : {container} . {}", port.container),
            bytes: Some([bytes, leads_to]),
        }
    }

    /// The line for nft(8).
    pub fn statement(&self, verb: Verb, table: &str) -> String {
        let name = if verb == Verb::Add { "add" } else { "delete" };
        format!("{name} element ip {table} {}\n", self.text(verb))
    }

    fn text(&self, verb: Verb) -> String {
        let value = if verb == Verb::Add { &self.value } else { "" };
        format!("{} {{ {}{value} }}", self.of, self.key)
    }

    /// The message for the kernel.
    fn message(&self, verb: Verb, table: &str) -> Option<Message> {
        let [key, value] = self.bytes.as_ref()?.each_ref().map(|it| DefaultNla::new(BYTES, it.clone()));
        let mut parts = vec![nested(KEY, &[key])];
        let mut kind = DELETE;
        if verb == Verb::Add {
            parts.push(nested(VALUE, &[value]));
            kind = NEW;
        }
        let list = nested(LIST, &[nested(ELEMENT, &parts)]);
        Some(Message::new(SUBSYSTEM << 8 | kind, &[name(TABLE, table), name(SET, self.of), list]))
    }
}

/// Fields of a key or a value: each takes a multiple of four bytes.
fn joined(fields: &[&[u8]]) -> Vec<u8> {
    let padded = |field: &&[u8]| {
        let mut field = field.to_vec();
        field.resize(field.len().next_multiple_of(4), 0);
        field
    };
    fields.iter().flat_map(padded).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_has_its_fields_at_multiples_of_four_bytes() {
        let port = Port { address: None, host: 8080, container: 80, protocol: Protocol::Tcp };
        let everywhere = Element::port(&port, Ipv4Addr::new(10, 1, 2, 2));
        assert_eq!(everywhere.text(Verb::Add), "ports { tcp . 8080 : 10.1.2.2 . 80 }");
        let [key, value] = everywhere.bytes.unwrap();
        assert_eq!(key, [6, 0, 0, 0, 0x1f, 0x90, 0, 0]);
        assert_eq!(value, [10, 1, 2, 2, 0, 80, 0, 0]);
        let port = Port { address: Some(Ipv4Addr::LOCALHOST), protocol: Protocol::Udp, ..port };
        let one = Element::port(&port, Ipv4Addr::new(10, 1, 2, 2));
        assert_eq!(one.text(Verb::Delete), "ports_of { 127.0.0.1 . udp . 8080 }");
        assert_eq!(one.bytes.unwrap()[0], [127, 0, 0, 1, 17, 0, 0, 0, 0x1f, 0x90, 0, 0]);
    }
}
