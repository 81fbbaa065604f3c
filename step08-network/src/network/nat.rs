//! NAT: how packets get out of a network under the host's address, and in through published ports.
//!
//! The rules stand in a table of their own, `nat.nft`, and never change; what does change are the elements of its sets and
//! maps. All of these follow from the records, so a table that somebody has flushed is made again from them.

use super::elements::{Element, Verb};
use super::records::Locked;
use super::{Endpoint, Network, bridge, docker, elements, nft, nftables};
use anyhow::Result;
use sha2::{Digest, Sha256};
use std::os::unix::ffi::OsStrExt;

const RULES: &str = include_str!("nat.nft");

/// The name of the table. Each data directory has its own, by whatever path it is reached: none knows the networks of the
/// others.
pub fn table(networks: &Locked) -> String {
    let hash = Sha256::digest(networks.place.as_os_str().as_bytes());
    let digits: String = hash.iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    format!("fork_to_veth_{digits}")
}

/// Makes sure that the rules are there, with these elements of a network or an endpoint that has its record already, and
/// that Docker's rules let us pass. Without such rules a network works as far as its bridge goes: what they lack is returned
/// then.
pub fn add(networks: &Locked, elements: &[Element]) -> Result<Option<&'static str>> {
    let table = table(networks);
    // A table can be there and have nothing in it any more: `nft flush table`.
    if !nftables::rules(&table, "postrouting")?.is_empty() {
        change(networks, Verb::Add, elements)?;
    } else if !nft::is_installed() {
        return Ok(Some(nft::MISSING));
    } else if let Err(error) = nft::load(&whole(networks, &[])?) {
        if nft::kernel_lacks(&error) {
            return Ok(Some("this kernel has no NAT for nftables"));
        }
        return Err(error);
    }
    docker::make_way(&table)?;
    Ok(None)
}

/// Removes elements whose records are about to go.
pub fn remove(networks: &Locked, elements: &[Element]) -> Result<()> {
    if elements.is_empty() || !nftables::has_table(&table(networks))? {
        return Ok(());
    }
    change(networks, Verb::Delete, elements)
}

/// Removes what there is of a network whose record is about to go; with the last one, the table.
pub fn remove_network(networks: &Locked, network: &Network) -> Result<()> {
    if is_last(networks, &network.name)? {
        remove_table(networks)
    } else {
        remove(networks, &of_network(network))
    }
}

/// The same for one whose record cannot be read: the others' elements stay.
pub fn remove_damaged(networks: &Locked, name: &str) -> Result<()> {
    if is_last(networks, name)? {
        remove_table(networks)
    } else if nftables::has_table(&table(networks))? {
        nft::load(&whole(networks, &[])?)
    } else {
        Ok(())
    }
}

/// Whether the table knows this bridge.
pub fn has_bridge(networks: &Locked, bridge: &str) -> Result<bool> {
    let table = table(networks);
    let question = format!("get element ip {table} bridges {{ \"{bridge}\" }}\n");
    Ok(nftables::has_table(&table)? && nft::load(&question).is_ok())
}

fn is_last(networks: &Locked, name: &str) -> Result<bool> {
    Ok(networks.names()?.iter().all(|other| other == name))
}

fn remove_table(networks: &Locked) -> Result<()> {
    let table = table(networks);
    docker::leave(&table)?;
    if nftables::has_table(&table)? { nft::load(&format!("delete table ip {table}\n")) } else { Ok(()) }
}

/// What does not fit what is there (somebody has changed the table, or another data directory was here before) is written
/// anew, all of it.
fn change(networks: &Locked, verb: Verb, elements: &[Element]) -> Result<()> {
    if elements.is_empty() {
        return Ok(());
    }
    let leaving = if verb == Verb::Delete { elements } else { &[] };
    elements::change(verb, &table(networks), elements).or_else(|_| nft::load(&whole(networks, leaving)?))
}

/// The table with all that the records say, but for what is leaving; a network whose record cannot be read has nothing to
/// say. A table must be there to be deleted, so it is added first.
fn whole(networks: &Locked, leaving: &[Element]) -> Result<String> {
    let table = table(networks);
    let mut text =
        format!("add table ip {table}\ndelete table ip {table}\n{}", RULES.replace("TABLE", &table));
    for (network, leases) in networks.look(&mut drop)? {
        let endpoints = leases.endpoints.iter().flat_map(of_endpoint);
        let elements = of_network(&network).into_iter().chain(endpoints);
        let elements = elements.filter(|element| !leaving.contains(element));
        text.extend(elements.map(|element| element.statement(Verb::Add, &table)));
    }
    Ok(text)
}

/// What the table has of a network.
pub fn of_network(network: &Network) -> Vec<Element> {
    let Some(addresses) = &network.addresses else { return vec![] };
    let bridge = bridge::name(network);
    let subnet = addresses.subnet;
    let mut elements = vec![
        Element::new("bridges", format!("\"{bridge}\"")),
        Element::new("same", format!("\"{bridge}\" . \"{bridge}\"")),
    ];
    if network.internal {
        elements.push(Element::new("closed", format!("\"{bridge}\"")));
    } else {
        elements.push(Element::new("subnets", subnet.to_string()));
        elements.push(Element::new("homes", format!("{subnet} . \"{bridge}\"")));
    }
    elements
}

/// What the table has of an endpoint: its published ports.
pub fn of_endpoint(endpoint: &Endpoint) -> Vec<Element> {
    let Some(plug) = &endpoint.plug else { return vec![] };
    endpoint.ports.iter().map(|port| Element::port(port, plug.address)).collect()
}
