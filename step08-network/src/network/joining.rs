//! Containers that run, and what changes for them: another network, one network less, another name.

use super::attachment::{self, names_of};
use super::flags::Joined;
use super::links::Links;
use super::plugging::{self, unplug};
use super::records::{DEFAULT, Locked, Networks};
use super::{Endpoint, Kind, Member, Network, names, netns};
use crate::container::{Container, Record};
use crate::image::store::Store;
use anyhow::{Context, Result, bail, ensure};
use std::ffi::OsString;
use std::fs;
use std::os::unix::ffi::OsStringExt;

/// Connects a container to another network, and keeps in mind that it is, for its next start.
pub fn connect(store: &Store, joined: &Joined, container: &str) -> Result<()> {
    let container = Container::find(store, container)?;
    let process = container.running()?;
    let ended = || format!("container {}: it has just ended", container.title());
    // From here on the number of the process is this one's.
    let _pidfd = process.open()?.with_context(ended)?;
    let supervisor = container.record.state.supervisor.clone().with_context(ended)?;
    let path = container.folder().join(names::HOSTNAME);
    let mut hostname = fs::read(&path).with_context(|| format!("read {}", path.display()))?;
    hostname.pop();
    let member = Member::of(&container, &OsString::from_vec(hostname), supervisor);
    let networks = Networks::of(store).lock()?;
    refuse_own(&networks, &joined.network, &container.record)?;
    let (network, endpoint) = plug_in(&networks, joined, &member)?;
    let joined = Joined { network: network.name.clone(), ..joined.clone() };
    let connected = attachment::connect(&network, &endpoint, process.pid).and_then(|()| {
        Record::update(container.folder(), |record| record.run.network.joined.push(joined)).map(drop)
    });
    if connected.is_err() {
        unplug(&networks, &network, &|other| other.id == endpoint.id)?;
    }
    connected
}

/// The network of `run` comes back with all that `run` has asked for, ports and names among it, and that takes a start.
fn refuse_own(networks: &Locked, wanted: &str, record: &Record) -> Result<()> {
    let own = record.run.network.network.as_deref().unwrap_or(DEFAULT);
    let Ok(own) = networks.find(own) else { return Ok(()) };
    let has_left = networks.endpoints_of(&record.id)?.iter().all(|endpoint| endpoint.network != own.name);
    ensure!(
        !has_left || networks.find(wanted)?.name != own.name,
        "network {}: it is the container's own; 'restart' connects it again",
        own.name
    );
    Ok(())
}

/// Gives a container what it needs of one more network.
pub fn plug_in(networks: &Locked, joined: &Joined, member: &Member) -> Result<(Network, Endpoint)> {
    let network = networks.find(&joined.network)?;
    check(&network)?;
    let elsewhere = networks.endpoints_of(&member.id)?;
    for endpoint in &elsewhere {
        if endpoint.network == network.name {
            bail!("network {}: the container is connected to it already", network.name);
        }
        ensure!(
            endpoint.network != Kind::Host.name(),
            "the container has no network namespace of its own to connect"
        );
    }
    network.driver.driver().create(&network)?;
    let endpoint = plugging::plug_in(networks, &network, member, &elsewhere, joined.ip, vec![], vec![])?;
    Ok((network, endpoint))
}

fn check(network: &Network) -> Result<()> {
    let Network { name, driver, .. } = network;
    ensure!(*driver == Kind::Bridge, "network {name}: only bridges can be joined and left by what runs");
    Ok(())
}

/// Disconnects a container from a network. One that does not run is not connected to it at its next start.
pub fn disconnect(store: &Store, network: &str, container: &str) -> Result<()> {
    let container = Container::find(store, container)?;
    let networks = Networks::of(store).lock()?;
    let joined = &container.record.run.network.joined;
    let is_removed = !networks.names()?.iter().any(|name| name == network);
    if is_removed && joined.iter().any(|joined| joined.network == network) {
        return forget(&container, network);
    }
    let network = networks.find(network)?;
    check(&network)?;
    let endpoints = networks.leases(&network.name)?.endpoints;
    let found = endpoints.iter().find(|endpoint| endpoint.container == container.record.id);
    ensure!(
        found.is_some() || joined.iter().any(|joined| joined.network == network.name),
        "network {}: the container is not connected to it",
        network.name
    );
    if let Some(endpoint) = found {
        network.driver.driver().disconnect(&network, endpoint)?;
        unplug(&networks, &network, &|other| other.id == endpoint.id)?;
        keep_a_way_out(&networks, &container)?;
    }
    forget(&container, &network.name)
}

/// Sends what is for nobody else to another of the container's networks, if it went to the one that the container has left.
fn keep_a_way_out(networks: &Locked, container: &Container) -> Result<()> {
    // One that has just ended has no use for it.
    let Ok(process) = container.running() else { return Ok(()) };
    let Some(_pidfd) = process.open()? else { return Ok(()) };
    for endpoint in networks.endpoints_of(&container.record.id)? {
        let network = networks.find(&endpoint.network)?;
        if let Some(addresses) = network.addresses.filter(|_| !network.internal) {
            let add = || Links::open()?.add_default_route(addresses.gateway);
            return netns::inside(&netns::of(process.pid)?, add);
        }
    }
    Ok(())
}

fn forget(container: &Container, network: &str) -> Result<()> {
    let strike = |record: &mut Record| record.run.network.joined.retain(|joined| joined.network != network);
    Record::update(container.folder(), strike).map(drop)
}

/// Lets the others find a container by the name that it has now.
pub fn rename(store: &Store, record: &Record) -> Result<()> {
    let networks = Networks::of(store);
    if networks.endpoints_of(&record.id)?.is_empty() {
        return Ok(());
    }
    let networks = networks.lock()?;
    for (network, mut leases) in networks.look(&mut drop)? {
        let Some(endpoint) = leases.endpoints.iter_mut().find(|it| it.container == record.id) else {
            continue;
        };
        endpoint.names = names_of(record);
        networks.keep(&network, &leases)?;
        names::refresh(&networks, &network, &[])?;
    }
    Ok(())
}
