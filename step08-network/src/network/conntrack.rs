//! What conntrack remembers of UDP, and should not any more.
//!
//! The nat chains are asked about a connection's first packet alone. With UDP, all that comes from one port to another is a
//! connection, until there was a pause of half a minute; and some clients never pause. They would go on to be sent where
//! the port led before. So what is remembered of a port is forgotten whenever it comes or goes, and the next packet is a
//! first one. A TCP connection has an end, and what comes after it is a new one.
//!
//! include/uapi/linux/netfilter/nfnetlink_conntrack.h in the kernel's sources.

use super::Endpoint;
use super::netfilter::{Message, Netfilter};
use super::ports::{Port, Protocol};
use crate::explain::explain;
use anyhow::{Context, Result};
use netlink_packet_core::{DefaultNla, NLA_F_NESTED, NLM_F_DUMP};
use nix::libc::IPPROTO_UDP;
use std::net::Ipv4Addr;

const SUBSYSTEM: u16 = 1;
const GET: u16 = 1;
const DELETE: u16 = 2;

/// A connection as its first packet had it, and as the answers have it: these come from where it has been sent to.
const ORIGINAL: u16 = 1;
const REPLY: u16 = 2;

/// What each of the two has.
const SOURCE: [u16; 2] = [1, 1];
const DESTINATION: [u16; 2] = [1, 2];
const PROTOCOL: [u16; 2] = [2, 1];
const DESTINATION_PORT: [u16; 2] = [2, 3];

/// Forgets what leads to an endpoint by UDP, and what came to its ports before they led to it.
pub fn forget(endpoint: &Endpoint) -> Result<()> {
    let ports: Vec<_> = endpoint.ports.iter().filter(|port| port.protocol == Protocol::Udp).collect();
    let Some(plug) = endpoint.plug.as_ref().filter(|_| !ports.is_empty()) else { return Ok(()) };
    let mut netfilter = Netfilter::open()?;
    let all = netfilter.ask(SUBSYSTEM, GET, &[], NLM_F_DUMP).context("list the kernel's connections")?;
    let all = all.unwrap_or_default();
    explain!("sendto(NETLINK_NETFILTER, IPCTNL_MSG_CT_GET) = {} connections", all.len());
    for connection in all.iter().filter(|connection| concerns(connection, plug.address, &ports)) {
        let Some(original) = connection.attribute(&[ORIGINAL]) else { continue };
        let name = DefaultNla::new(ORIGINAL | NLA_F_NESTED, original);
        // It may have ended by itself.
        netfilter.ask(SUBSYSTEM, DELETE, &[name], 0).context("forget a connection")?;
        explain!("sendto(NETLINK_NETFILTER, IPCTNL_MSG_CT_DELETE) = 0");
    }
    Ok(())
}

fn concerns(connection: &Message, address: Ipv4Addr, ports: &[&Port]) -> bool {
    let has = |tuple: u16, [part, field]: [u16; 2], value: &[u8]| {
        connection.attribute(&[tuple, part, field]).as_deref() == Some(value)
    };
    let came_to = |port: &Port| {
        has(ORIGINAL, DESTINATION_PORT, &port.host.to_be_bytes())
            && port.address.is_none_or(|address| has(ORIGINAL, DESTINATION, &address.octets()))
    };
    has(ORIGINAL, PROTOCOL, &[IPPROTO_UDP as u8])
        && (has(REPLY, SOURCE, &address.octets()) || ports.iter().any(|port| came_to(port)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::network::netfilter::nested;

    fn tuple(kind: u16, protocol: u8, addresses: [[u8; 4]; 2], port: u16) -> DefaultNla {
        let [source, destination] = addresses.map(Vec::from);
        let addresses = [DefaultNla::new(1, source), DefaultNla::new(2, destination)];
        let protocol = [DefaultNla::new(1, vec![protocol]), DefaultNla::new(3, port.to_be_bytes().into())];
        nested(kind, &[nested(1, &addresses), nested(2, &protocol)])
    }

    #[test]
    fn connections_by_udp_to_the_port_or_to_the_container_are_found() {
        let [client, host, old, new] = [[192, 0, 2, 2], [192, 0, 2, 1], [10, 1, 2, 2], [10, 1, 2, 3]];
        let port = Port { address: None, host: 5353, container: 53, protocol: Protocol::Udp };
        let found = |protocol, called, answers, port: &Port| {
            let original = tuple(ORIGINAL, protocol, [client, host], called);
            let reply = tuple(REPLY, protocol, [answers, client], 4000);
            concerns(&Message::new(0, &[original, reply]), new.into(), &[port])
        };
        assert!(found(17, 5353, host, &port), "from before the port led anywhere");
        assert!(found(17, 5353, old, &port), "to a container that had the port before");
        assert!(found(17, 9, new, &port), "by another port to the container");
        assert!(!found(6, 5353, host, &port), "TCP");
        assert!(!found(17, 5354, old, &port), "another port");
        assert!(found(17, 5353, host, &Port { address: Some(host.into()), ..port }));
        assert!(!found(17, 5353, host, &Port { address: Some(client.into()), ..port }), "another address");
    }
}
