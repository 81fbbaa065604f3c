//! Networks: what containers are connected to, and how.
//!
//! A network is a thing of its own, with a name, addresses to give out and a driver that makes it; it is there before its
//! containers and after them. Where a container is plugged in, there is an endpoint.

mod attachment;
mod bridge;
mod commands;
mod conntrack;
mod docker;
mod documents;
mod elements;
mod files;
mod flags;
mod forwarding;
mod ipam;
mod joining;
mod life;
mod links;
mod names;
mod nat;
mod netfilter;
mod netlink;
mod netns;
mod nft;
mod nftables;
mod pasta;
mod ping;
mod plugging;
mod ports;
mod records;
mod reservation;
mod resolver;
mod shown;
mod subnet;
mod without;

pub use attachment::{Attachment, Member};
pub use commands::Command;
pub use files::{Names, mount_points};
pub use flags::Flags;
pub use joining::rename;
pub use ping::ping;
pub use ports::ContainerPort;
pub use shown::{describe_all, list_ports, published};

use crate::container::Process;
use crate::image::store::Store;
use crate::{explain, os_text};
use anyhow::Result;
use clap::ValueEnum;
use ports::Port;
use records::{Leases, Networks};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::io::{self, IsTerminal};
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use subnet::Subnet;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Network {
    pub name: String,
    pub id: String,
    pub driver: Kind,
    /// The addresses that it gives out, if it does.
    pub addresses: Option<Addresses>,
    /// Whether it has no way out, and no way in.
    pub internal: bool,
    /// Whether all that belongs to it has been made. If not, its maker still works on it, or was killed.
    pub complete: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Addresses {
    pub subnet: Subnet,
    /// The host's own address on the network.
    pub gateway: Ipv4Addr,
}

/// One container on one network, as long as it is connected.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    pub id: String,
    pub network: String,
    pub container: String,
    /// The names by which the containers of the network find it.
    pub names: Vec<String>,
    /// The name that it has for itself.
    pub hostname: String,
    /// What the caller wants its /etc/hosts to have besides.
    pub extra_hosts: Vec<(String, IpAddr)>,
    /// The container's folder, where its /etc/hosts is.
    #[serde(with = "os_text")]
    pub folder: PathBuf,
    /// What the container has of a bridge.
    pub plug: Option<Plug>,
    pub ports: Vec<Port>,
    /// The process that looks after the container. When it is gone, so is the container.
    pub holder: Process,
}

/// The container's place on a bridge.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plug {
    /// The name of the host's end of the cable, and of the container's.
    pub veth: String,
    pub interface: String,
    pub address: Ipv4Addr,
    pub mac: [u8; 6],
}

impl Plug {
    /// Everything follows from the address. So does the hardware address, as in Docker: when another container gets the
    /// address, nobody has a stale entry for it in a table of neighbours, arp(7). The first byte says that no manufacturer
    /// has given it.
    fn new(address: Ipv4Addr, interface: &str) -> Plug {
        Plug {
            veth: format!("veth{:08x}", address.to_bits()),
            interface: interface.to_owned(),
            address,
            mac: mac(address),
        }
    }
}

fn mac(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x42, a, b, c, d]
}

/// How a network is made. Nobody else changes networks while these are called, but for `connect`: fifty starts need not wait
/// for each other's cables. The endpoint is on disk by then, so that nobody removes its network, or has its address.
pub trait NetworkDriver {
    /// Makes what the network needs of the kernel, if that is not there: a machine forgets it when it stops.
    fn create(&self, network: &Network) -> Result<()>;
    /// Removes it.
    fn delete(&self, network: &Network) -> Result<()>;
    /// Connects the network namespace of a process.
    fn connect(&self, network: &Network, endpoint: &Endpoint, process: i32) -> Result<()>;
    /// Disconnects a container that goes on living. At the end of one, its network namespace takes everything along.
    fn disconnect(&self, network: &Network, endpoint: &Endpoint) -> Result<()>;
    /// Ends what outlives a container's network namespace.
    fn clean_up(&self, _endpoint: &Endpoint) -> Result<()> {
        Ok(())
    }
}

/// The kinds of networks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Bridge,
    Host,
    None,
    Pasta,
}

impl Kind {
    pub fn driver(self) -> &'static dyn NetworkDriver {
        match self {
            Kind::Bridge => &bridge::Bridge,
            Kind::Host | Kind::None => &without::Without,
            Kind::Pasta => &pasta::Pasta,
        }
    }

    pub fn name(self) -> &'static str {
        match self {
            Kind::Bridge => "bridge",
            Kind::Host => "host",
            Kind::None => "none",
            Kind::Pasta => "pasta",
        }
    }
}

/// Takes back what killed runtimes have left. Who finds nothing of that kind waits for nobody.
pub fn sweep(store: &Store) -> Result<()> {
    let tell = |error| explain::tell(format_args!("{error:#}"));
    let networks = Networks::of(store);
    let in_order = |(network, leases): &(Network, Leases)| {
        network.complete && leases.endpoints.iter().all(|endpoint| endpoint.holder.is_alive())
    };
    if networks.look(&mut |damage| tell(damage))?.iter().all(in_order) {
        return Ok(());
    }
    // What cannot be taken back now keeps its record, for the next command; this one has other things to do.
    plugging::sweep(&networks.lock()?).unwrap_or_else(tell);
    Ok(())
}

/// Says what a person should know once; a script, which starts many containers, has read it in the manual.
fn remark(words: fmt::Arguments) {
    if io::stderr().is_terminal() {
        explain::tell(words);
    }
}
