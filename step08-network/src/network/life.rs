//! The life of a network: made, and removed when nobody is connected to it.

use super::links::Links;
use super::records::{DEFAULT, Locked};
use super::subnet::Subnet;
use super::{Kind, Network, bridge, docker, ipam, nat, nft, nftables, remark};
use crate::output::print_line;
use crate::{explain, id};
use anyhow::{Context, Result, bail, ensure};
use nix::net::if_::if_nameindex;
use nix::unistd::geteuid;
use std::mem;
use std::net::Ipv4Addr;

/// Makes a network, in the kernel and on disk.
pub fn make(
    networks: &Locked,
    name: &str,
    subnet: Option<Subnet>,
    gateway: Option<Ipv4Addr>,
    driver: Kind,
    internal: bool,
) -> Result<Network> {
    ensure!(
        driver == Kind::Bridge,
        "there is one network of the driver {}, and it is there already",
        driver.name()
    );
    ensure!(geteuid().is_root(), "network {name}: a bridge is root's; an ordinary user has --network pasta");
    let stuck = !nft::is_installed() && nftables::has_table(&nat::table(networks))?;
    ensure!(!stuck, "network {name}: there are rules to add to, and {}", nft::MISSING);
    let addresses = ipam::choose(subnet, gateway, &taken(networks)?)?;
    let (name, id, addresses) = (name.to_owned(), id::new()?, Some(addresses));
    let mut network = Network { name, id, driver, addresses, internal, complete: false };
    networks.add(&network)?;
    let made = bring_up(networks, &network).and_then(|()| {
        network.complete = true;
        networks.replace(&network)
    });
    if made.is_err() {
        // The error on its way matters more than what could go wrong here, which the next removal would meet again.
        let _ = take_down(networks, &network);
    }
    made.map(|()| network)
}

fn bring_up(networks: &Locked, network: &Network) -> Result<()> {
    network.driver.driver().create(network)?;
    let Some(lack) = nat::add(networks, &nat::of_network(network))? else {
        return if network.internal { Ok(()) } else { docker::warn_of_others() };
    };
    ensure!(!network.internal, "--internal: nothing would close the network, for {lack}");
    let words = format_args!("{lack}, so containers reach each other and this host, and nothing beyond");
    // The default network has been asked for by nobody.
    if network.name == DEFAULT {
        remark(words);
    } else {
        explain::tell(words);
    }
    Ok(())
}

/// Removes networks that nobody is connected to. An error with one does not keep the others from their turn.
pub fn remove_each(networks: &Locked, names: &[String]) -> Result<()> {
    let mut last = Ok(());
    for name in names {
        if let Err(error) = remove(networks, name).and_then(|()| print_line(name))
            && let Err(earlier) = mem::replace(&mut last, Err(error))
        {
            explain::tell(format_args!("{earlier:#}"));
        }
    }
    last
}

/// Removes a network and all traces of it.
fn remove(networks: &Locked, name: &str) -> Result<()> {
    if networks.damaged()?.iter().any(|damaged| damaged == name) {
        return take_down_damaged(networks, name);
    }
    let network = &networks.find(name)?;
    if network.id.is_empty() {
        bail!("network {}: it is always there", network.name);
    }
    if let Some(endpoint) = networks.leases(&network.name)?.endpoints.first() {
        let user = endpoint.names.first().unwrap_or(&endpoint.container);
        bail!("network {}: container {user} is connected to it", network.name);
    }
    take_down(networks, network)
}

/// The record goes last, as it came first: what it names is found again when this process is killed.
pub fn take_down(networks: &Locked, network: &Network) -> Result<()> {
    nat::remove_network(networks, network)?;
    network.driver.driver().delete(network)?;
    networks.remove(&network.name)
}

/// Removes what there is of a network whose record does not say any more which bridge was its own: one of those that our
/// table knows, and no other record.
fn take_down_damaged(networks: &Locked, name: &str) -> Result<()> {
    for damaged in networks.damaged()? {
        let endpoints = networks.leases(&damaged).unwrap_or_default().endpoints;
        if let Some(endpoint) = endpoints.iter().find(|endpoint| endpoint.holder.is_alive()) {
            bail!("network {damaged}: container {} is connected to it", endpoint.container);
        }
    }
    let known: Vec<String> = networks.all()?.iter().map(bridge::name).collect();
    for link in if_nameindex().context("list the links")?.iter() {
        let link = link.name().to_string_lossy();
        if link.starts_with(bridge::PREFIX)
            && !known.iter().any(|bridge| *bridge == link)
            && nat::has_bridge(networks, &link)?
        {
            Links::open()?.delete(&link)?;
        }
    }
    nat::remove_damaged(networks, name)?;
    networks.remove(name)
}

/// The blocks of addresses that are somebody's: the host has a route there, or another network that may just not be up.
fn taken(networks: &Locked) -> Result<Vec<Subnet>> {
    let mut taken = Links::open()?.routes()?;
    taken.extend(networks.all()?.into_iter().filter_map(|network| Some(network.addresses?.subnet)));
    Ok(taken)
}
