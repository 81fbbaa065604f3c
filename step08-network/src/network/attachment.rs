//! A container on its networks: plugged in before it starts, and out when it has ended.

use super::flags::Flags;
use super::joining;
use super::links::Links;
use super::plugging::{plug_in, sweep, unplug_everywhere};
use super::records::{DEFAULT, Locked, Networks};
use super::{Endpoint, Kind, Network, life, names, nft, pasta, remark};
use crate::container::{Container, Process, Record};
use crate::explain;
use crate::image::store::Store;
use anyhow::{Context, Result, bail};
use nix::unistd::geteuid;
use std::ffi::{OsStr, OsString};
use std::net::IpAddr;
use std::os::fd::OwnedFd;
use std::path::PathBuf;

/// A container that can be connected.
pub struct Member {
    pub id: String,
    /// The names by which others find it.
    pub names: Vec<String>,
    pub hostname: OsString,
    pub folder: PathBuf,
    /// The process that looks after it.
    pub holder: Process,
}

impl Member {
    pub fn of(container: &Container, hostname: &OsStr, holder: Process) -> Member {
        Member {
            id: container.record.id.clone(),
            names: names_of(&container.record),
            hostname: hostname.to_owned(),
            folder: container.folder().to_owned(),
            holder,
        }
    }
}

/// The names by which others find a container: the one that it was given, and its id.
pub fn names_of(record: &Record) -> Vec<String> {
    record.name.iter().chain([&record.id]).cloned().collect()
}

/// The connections of a container that this process starts. Dropped, they are undone.
pub struct Attachment {
    networks: Networks,
    container: String,
    plugs: Vec<(Network, Endpoint)>,
    /// Nobody else gets the published ports as long as these are open.
    _held: Vec<OwnedFd>,
}

impl Attachment {
    /// Does all that can fail before there is a process: finds the network, takes ports and an address, and writes the
    /// files with names.
    pub fn prepare(store: &Store, flags: &Flags, member: &Member) -> Result<Attachment> {
        let networks = Networks::of(store);
        let locked = networks.lock()?;
        sweep(&locked)?;
        let network = choose(&locked, flags)?;
        let kind = network.driver;
        check(&network, flags)?;
        kind.driver().create(&network)?;
        let (mut ports, mut held) = (Vec::new(), Vec::new());
        for publish in &flags.publish {
            let (taken, sockets): (Vec<_>, Vec<_>) = publish.reserve().context("-p")?.into_iter().unzip();
            ports.extend(taken);
            held.extend(sockets);
        }
        if kind == Kind::Pasta {
            // It takes them itself. They were free, and that has to do.
            held.clear();
        }
        let extra = extra_hosts(&network, flags)?;
        names::write(&member.folder, &member.hostname, kind, &flags.dns, &extra)?;
        let endpoint = plug_in(&locked, &network, member, &[], flags.ip, ports, extra)?;
        let mut plugs = vec![(network, endpoint)];
        let joined = flags
            .joined
            .iter()
            .try_for_each(|it| joining::plug_in(&locked, it, member).map(|plug| plugs.push(plug)));
        drop(locked);
        // Dropped by an error, it gives back what there is already.
        let attachment = Attachment { networks, container: member.id.clone(), plugs, _held: held };
        joined.map(|()| attachment)
    }

    /// Connects the network namespace of the container's first process.
    pub fn connect(&self, process: i32) -> Result<()> {
        self.plugs.iter().try_for_each(|(network, endpoint)| connect(network, endpoint, process))
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        if let Err(error) = release(&self.networks, &self.container) {
            explain::tell(format_args!("{error:#}"));
        }
    }
}

/// Connects the network namespace of a process.
pub fn connect(network: &Network, endpoint: &Endpoint, process: i32) -> Result<()> {
    let connected = network.driver.driver().connect(network, endpoint, process);
    connected.with_context(|| format!("network {}", network.name))
}

/// The network that is asked for, or the one for who does not ask.
fn choose(networks: &Locked, flags: &Flags) -> Result<Network> {
    let wanted = match &flags.network {
        Some(name) => name,
        None if geteuid().is_root() => DEFAULT,
        None => users_default(flags)?.name(),
    };
    if wanted == DEFAULT && networks.names()?.iter().all(|name| name != DEFAULT) {
        return life::make(networks, DEFAULT, None, None, Kind::Bridge, false);
    }
    networks.find(wanted)
}

/// What an ordinary user gets who does not ask: a way out, if there is one.
fn users_default(flags: &Flags) -> Result<Kind> {
    let missing = if !pasta::is_installed()? {
        "an ordinary user needs pasta for more; Debian's package passt has it"
    } else if !Links::open()?.has_default_route()? {
        "pasta shares the host's way out, and the host has no default route"
    } else {
        return Ok(Kind::Pasta);
    };
    if !flags.publish.is_empty() {
        bail!("-p: {missing}");
    }
    remark(format_args!("no network but lo: {missing}"));
    Ok(Kind::None)
}

/// Refuses what a network does not have.
fn check(network: &Network, flags: &Flags) -> Result<()> {
    if network.driver == Kind::Bridge && !geteuid().is_root() {
        bail!("network {}: a bridge is root's; an ordinary user has --network pasta", network.name);
    }
    if flags.ip.is_some() && network.addresses.is_none() {
        bail!("--ip: network {} gives out no addresses", network.name);
    }
    match (network.driver, flags.publish.is_empty()) {
        (Kind::Host, false) => bail!("-p: with --network host the container's ports are the host's already"),
        (Kind::None, false) => bail!("-p: a container without a network has no port to publish"),
        (Kind::Bridge, false) if !nft::is_installed() => bail!("-p: {}", nft::MISSING),
        (_, false) if network.internal => bail!("-p: network {} is internal, it has no way in", network.name),
        _ => Ok(()),
    }
}

fn extra_hosts(network: &Network, flags: &Flags) -> Result<Vec<(String, IpAddr)>> {
    let gateway = network.addresses.as_ref().map(|addresses| IpAddr::V4(addresses.gateway));
    let hosts = flags.add_host.iter().map(|host| {
        let address = host.address.or(gateway);
        let address =
            address.with_context(|| format!("--add-host {}: the network has no gateway", host.name))?;
        Ok((host.name.clone(), address))
    });
    hosts.collect()
}

/// Takes a container from all its networks.
fn release(networks: &Networks, container: &str) -> Result<()> {
    unplug_everywhere(&networks.lock()?, &|endpoint| endpoint.container == container)
}
