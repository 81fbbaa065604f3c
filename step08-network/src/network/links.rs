//! Links, addresses and routes: what `ip` does, asked of the kernel directly, rtnetlink(7).

use super::netlink::Netlink;
use super::subnet::Subnet;
use crate::explain::explain;
use anyhow::{Context, Error, Result};
use netlink_packet_core::{NLM_F_CREATE, NLM_F_DUMP, NLM_F_EXCL};
use netlink_packet_route::address::{AddressAttribute, AddressMessage};
use netlink_packet_route::link::{
    InfoBridgePort, InfoData, InfoKind, InfoPortData, InfoPortKind, InfoVeth, LinkAttribute, LinkFlags,
    LinkInfo, LinkMessage,
};
use netlink_packet_route::route::{
    RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteProtocol, RouteType,
};
use netlink_packet_route::{AddressFamily, RouteNetlinkMessage as Message};
use netlink_sys::protocols::NETLINK_ROUTE;
use nix::errno::Errno;
use nix::net::if_::if_nametoindex;
use std::net::{IpAddr, Ipv4Addr};
use std::os::fd::{AsRawFd, BorrowedFd};

/// A request to make something that must not be there yet.
const NEW: u16 = NLM_F_CREATE | NLM_F_EXCL;

/// The links of the network namespace that this process is in.
pub struct Links(Netlink<Message>);

/// A virtual cable, veth(4): what goes into one end comes out of the other.
pub struct Veth<'a> {
    /// The host's end, and the index of the bridge that it is plugged into.
    pub name: &'a str,
    pub bridge: u32,
    /// The container's end: its name, its hardware address, and the network namespace that it is made in.
    pub peer: &'a str,
    pub mac: [u8; 6],
    pub namespace: BorrowedFd<'a>,
}

impl Links {
    pub fn open() -> Result<Links> {
        Netlink::open(NETLINK_ROUTE).map(Links)
    }

    /// Makes a bridge and brings it up. Its hardware address is given to it: a bridge without one of its own takes that
    /// of one of its ports, and changes it as they come and go.
    pub fn add_bridge(&mut self, name: &str, mac: [u8; 6]) -> Result<()> {
        let mut bridge = LinkMessage::default();
        bring_up(&mut bridge);
        bridge.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::Address(mac.to_vec()),
            LinkAttribute::LinkInfo(vec![LinkInfo::Kind(InfoKind::Bridge)]),
        ];
        let made = self.0.ask(Message::NewLink(bridge), NEW);
        made.map_err(|error| lacking("bridge", error)).with_context(|| format!("make the bridge {name}"))?;
        explain!("sendto(NETLINK_ROUTE, RTM_NEWLINK {name}: bridge, up) = 0");
        Ok(())
    }

    /// Makes a cable with both its ends in their places, in one request. An end that is moved into its namespace afterwards
    /// is taken out of another first, and the kernel waits until nobody sees it there: twenty times as long. The peer
    /// cannot come up here, for it is configured before it has got its other end.
    pub fn add_veth(&mut self, veth: &Veth) -> Result<()> {
        let mut peer = LinkMessage::default();
        peer.attributes = vec![
            LinkAttribute::IfName(veth.peer.to_owned()),
            LinkAttribute::Address(veth.mac.to_vec()),
            LinkAttribute::NetNsFd(veth.namespace.as_raw_fd()),
        ];
        let mut host = LinkMessage::default();
        bring_up(&mut host);
        host.attributes = vec![
            LinkAttribute::IfName(veth.name.to_owned()),
            LinkAttribute::Controller(veth.bridge),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::Kind(InfoKind::Veth),
                LinkInfo::Data(InfoData::Veth(InfoVeth::Peer(peer))),
            ]),
        ];
        let made = self.0.ask(Message::NewLink(host), NEW);
        let (name, peer, namespace) = (veth.name, veth.peer, veth.namespace.as_raw_fd());
        made.map_err(|error| lacking("veth", error)).with_context(|| format!("make the veth {name}"))?;
        explain!(
            "sendto(NETLINK_ROUTE, RTM_NEWLINK {name}: veth, up, master {}, peer {peer} in namespace {namespace}) = 0",
            veth.bridge
        );
        Ok(())
    }

    /// Lets a port of a bridge give back what came in through it. A bridge does not, by itself, for the sender has it
    /// already; but one that has called its own published port is sent its own packets, changed on their way.
    pub fn reflect(&mut self, name: &str) -> Result<()> {
        let mut port = LinkMessage::default();
        port.attributes = vec![
            LinkAttribute::IfName(name.to_owned()),
            LinkAttribute::LinkInfo(vec![
                LinkInfo::PortKind(InfoPortKind::Bridge),
                LinkInfo::PortData(InfoPortData::BridgePort(vec![InfoBridgePort::HairpinMode(true)])),
            ]),
        ];
        self.0.ask(Message::NewLink(port), 0).with_context(|| format!("set the hairpin mode of {name}"))?;
        explain!("sendto(NETLINK_ROUTE, RTM_NEWLINK {name}: hairpin) = 0");
        Ok(())
    }

    pub fn set_up(&mut self, name: &str) -> Result<()> {
        let mut link = LinkMessage::default();
        bring_up(&mut link);
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        self.0.ask(Message::SetLink(link), 0).with_context(|| format!("bring {name} up"))?;
        explain!("sendto(NETLINK_ROUTE, RTM_SETLINK {name}: up) = 0");
        Ok(())
    }

    /// Removes a link; the other end of a cable goes with it. False when there is none of that name.
    pub fn delete(&mut self, name: &str) -> Result<bool> {
        let mut link = LinkMessage::default();
        link.attributes = vec![LinkAttribute::IfName(name.to_owned())];
        match self.0.ask(Message::DelLink(link), 0) {
            Err(error) if error.downcast_ref() == Some(&Errno::ENODEV) => return Ok(false),
            result => result.with_context(|| format!("remove the link {name}"))?,
        };
        explain!("sendto(NETLINK_ROUTE, RTM_DELLINK {name}) = 0");
        Ok(true)
    }

    /// Gives a link an address. The route to its subnet comes with it.
    pub fn add_address(&mut self, link: &str, address: Ipv4Addr, subnet: Subnet) -> Result<()> {
        let mut message = AddressMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.prefix_len = subnet.prefix;
        message.header.index = index(link)?.with_context(|| format!("link {link}: it is gone"))?;
        message.attributes = vec![
            AddressAttribute::Local(IpAddr::V4(address)),
            AddressAttribute::Address(IpAddr::V4(address)),
            AddressAttribute::Broadcast(subnet.broadcast()),
        ];
        let added = self.0.ask(Message::NewAddress(message), NEW);
        added.with_context(|| format!("give {link} the address {address}"))?;
        explain!("sendto(NETLINK_ROUTE, RTM_NEWADDR {link}: {address}/{}) = 0", subnet.prefix);
        Ok(())
    }

    /// Sends what is for nobody else to a gateway; to the first one that comes, where there is more than one network.
    pub fn add_default_route(&mut self, gateway: Ipv4Addr) -> Result<()> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        message.header.table = RouteHeader::RT_TABLE_MAIN;
        message.header.protocol = RouteProtocol::Boot;
        message.header.kind = RouteType::Unicast;
        message.attributes = vec![RouteAttribute::Gateway(RouteAddress::Inet(gateway))];
        match self.0.ask(Message::NewRoute(message), NEW) {
            Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => return Ok(()),
            result => result.with_context(|| format!("make {gateway} the gateway"))?,
        };
        explain!("sendto(NETLINK_ROUTE, RTM_NEWROUTE default via {gateway}) = 0");
        Ok(())
    }

    /// The blocks of addresses that this namespace has a route to, its own addresses among them; the default route is
    /// none of them, nor are the parts of one that a VPN lays over it, such as 0.0.0.0/1.
    pub fn routes(&mut self) -> Result<Vec<Subnet>> {
        Ok(self.all_routes()?.iter().filter_map(destination).collect())
    }

    /// Whether there is a way to everywhere.
    pub fn has_default_route(&mut self) -> Result<bool> {
        let all = self.all_routes()?;
        Ok(all.iter().any(|route| {
            route.header.kind == RouteType::Unicast && route.header.destination_prefix_length == 0
        }))
    }

    fn all_routes(&mut self) -> Result<Vec<RouteMessage>> {
        let mut message = RouteMessage::default();
        message.header.address_family = AddressFamily::Inet;
        let answers = self.0.ask(Message::GetRoute(message), NLM_F_DUMP).context("list the routes")?;
        explain!("sendto(NETLINK_ROUTE, RTM_GETROUTE) = {} routes", answers.len());
        let route = |answer| if let Message::NewRoute(route) = answer { Some(route) } else { None };
        Ok(answers.into_iter().filter_map(route).collect())
    }
}

/// The index of a link; none when there is no link of that name.
pub fn index(name: &str) -> Result<Option<u32>> {
    match if_nametoindex(name) {
        Err(Errno::ENODEV) => Ok(None),
        result => result.map(Some).with_context(|| format!("look for the link {name}")),
    }
}

fn bring_up(link: &mut LinkMessage) {
    link.header.flags = LinkFlags::Up;
    link.header.change_mask = LinkFlags::Up;
}

fn destination(route: &RouteMessage) -> Option<Subnet> {
    let address = route.attributes.iter().find_map(|attribute| match attribute {
        RouteAttribute::Destination(RouteAddress::Inet(address)) => Some(*address),
        _ => None,
    });
    let prefix = route.header.destination_prefix_length;
    address.filter(|_| prefix >= 8).map(|address| Subnet::around(address, prefix))
}

/// Says what a reader can do about a kind of link that the kernel does not know, or a right that is missing.
fn lacking(kind: &str, error: Error) -> Error {
    let hint = match error.downcast_ref() {
        Some(Errno::EOPNOTSUPP) => format!("this kernel has no {kind}; 'modprobe {kind}' loads it"),
        Some(Errno::EPERM) => {
            "this process lacks CAP_NET_ADMIN; --network none needs no such right".to_owned()
        }
        _ => return error,
    };
    error.context(hint)
}
