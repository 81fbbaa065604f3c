//! The driver for root: a bridge is a switch in the kernel, and a veth the cable from it to a container.

use super::links::{self, Links, Veth};
use super::{Addresses, Endpoint, Network, NetworkDriver, Plug, forwarding, ipam, mac, netns};
use anyhow::{Context, Result};
use nix::errno::Errno;
use std::os::fd::AsFd;

/// What the names of our bridges start with. A link's name has 15 characters at most.
pub const PREFIX: &str = "ftv-";

pub struct Bridge;

/// The link that is a network's bridge.
pub fn name(network: &Network) -> String {
    format!("{PREFIX}{:.8}", network.id)
}

impl NetworkDriver for Bridge {
    fn create(&self, network: &Network) -> Result<()> {
        let (name, addresses) = (name(network), addresses(network)?);
        if !network.internal {
            forwarding::switch_on()?;
        }
        if links::index(&name)?.is_some() {
            return Ok(());
        }
        let mut links = Links::open()?;
        // Since the network was made the host may have got a route there.
        let free = ipam::check(addresses.subnet, &links.routes()?);
        free.with_context(|| format!("network {}: remove it and create it anew", network.name))?;
        links.add_bridge(&name, mac(addresses.gateway))?;
        let made = links.add_address(&name, addresses.gateway, addresses.subnet);
        let made = made.and_then(|()| forwarding::refuse_ipv6(&name));
        if made.is_err() {
            links.delete(&name)?;
        }
        made
    }

    fn delete(&self, network: &Network) -> Result<()> {
        Links::open()?.delete(&name(network)).map(drop)
    }

    fn connect(&self, network: &Network, endpoint: &Endpoint, process: i32) -> Result<()> {
        let (plug, addresses) = (plug(endpoint)?, addresses(network)?);
        let bridge = name(network);
        let bridge =
            links::index(&bridge)?.with_context(|| format!("bridge {bridge}: somebody has removed it"))?;
        let namespace = netns::of(process)?;
        let veth = Veth {
            name: &plug.veth,
            bridge,
            peer: &plug.interface,
            mac: plug.mac,
            namespace: namespace.as_fd(),
        };
        let mut links = Links::open()?;
        match links.add_veth(&veth) {
            // The last container with this address has ended, and the kernel still takes its network namespace apart.
            Err(error) if error.downcast_ref() == Some(&Errno::EEXIST) => {
                links.delete(&plug.veth)?;
                links.add_veth(&veth)?;
            }
            result => result?,
        }
        if !endpoint.ports.is_empty() {
            links.reflect(&plug.veth)?;
        }
        netns::inside(&namespace, || {
            let mut links = Links::open()?;
            forwarding::open_to_users()?;
            links.set_up(&plug.interface)?;
            links.add_address(&plug.interface, plug.address, addresses.subnet)?;
            if network.internal { Ok(()) } else { links.add_default_route(addresses.gateway) }
        })
    }

    fn disconnect(&self, _network: &Network, endpoint: &Endpoint) -> Result<()> {
        Links::open()?.delete(&plug(endpoint)?.veth).map(drop)
    }
}

fn addresses(network: &Network) -> Result<&Addresses> {
    network
        .addresses
        .as_ref()
        .with_context(|| format!("network {}: its record has no addresses", network.name))
}

fn plug(endpoint: &Endpoint) -> Result<&Plug> {
    endpoint.plug.as_ref().with_context(|| format!("network {}: its lease has no address", endpoint.network))
}
