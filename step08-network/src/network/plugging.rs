//! Endpoints: what a container has of a network, given to it and taken back.

use super::ports::Port;
use super::records::Locked;
use super::{Endpoint, Kind, Member, Network, Plug, bridge, conntrack, forwarding, ipam, life, names, nat};
use crate::{explain, id};
use anyhow::{Context, Result, bail};
use std::net::{IpAddr, Ipv4Addr};

/// Gives a container an address and its ports, and tells the others of it. What it has of other networks stays as it is.
pub fn plug_in(
    networks: &Locked,
    network: &Network,
    member: &Member,
    elsewhere: &[Endpoint],
    ip: Option<Ipv4Addr>,
    ports: Vec<Port>,
    extra_hosts: Vec<(String, IpAddr)>,
) -> Result<Endpoint> {
    let mut leases = networks.leases(&network.name)?;
    let has =
        |name: &str| elsewhere.iter().any(|it| it.plug.as_ref().is_some_and(|plug| plug.interface == name));
    let interface = (0..).map(|number| format!("eth{number}")).find(|name| !has(name)).unwrap_or_default();
    let address = network.addresses.as_ref().map(|addresses| ipam::allocate(addresses, &mut leases, ip));
    let address = address.transpose().with_context(|| format!("network {}", network.name))?;
    let endpoint = Endpoint {
        id: id::new()?,
        network: network.name.clone(),
        container: member.id.clone(),
        names: member.names.clone(),
        hostname: member.hostname.to_string_lossy().into_owned(),
        extra_hosts,
        folder: member.folder.clone(),
        plug: address.map(|address| Plug::new(address, &interface)),
        ports,
        holder: member.holder.clone(),
    };
    leases.endpoints.push(endpoint.clone());
    networks.keep(network, &leases)?;
    let told = publish(networks, network, &endpoint).and_then(|()| match elsewhere {
        [] => names::welcome(&leases.endpoints, &endpoint),
        _ => names::refresh(networks, network, &[]),
    });
    if told.is_err()
        && let Err(error) = unplug(networks, network, &|other| other.id == endpoint.id)
    {
        explain::tell(format_args!("{error:#}"));
    }
    told.map(|()| endpoint)
}

/// Lets the endpoint's ports lead to it. The rules are looked after even if it has none: somebody may have flushed them.
fn publish(networks: &Locked, network: &Network, endpoint: &Endpoint) -> Result<()> {
    if network.driver != Kind::Bridge {
        return Ok(());
    }
    match nat::add(networks, &nat::of_endpoint(endpoint))? {
        _ if endpoint.ports.is_empty() => Ok(()),
        Some(lack) => bail!("-p: {lack}"),
        // Not before the rules are there: they keep the containers from what listens on 127.0.0.1.
        None => {
            forwarding::allow_loopback(&bridge::name(network))?;
            conntrack::forget(endpoint)
        }
    }
}

/// Takes back what some endpoints have. What the kernel has of them goes with their network namespaces.
pub fn unplug(networks: &Locked, network: &Network, which: &dyn Fn(&Endpoint) -> bool) -> Result<()> {
    let mut leases = networks.leases(&network.name)?;
    let gone: Vec<Endpoint> = leases.endpoints.extract_if(.., |endpoint| which(endpoint)).collect();
    if gone.is_empty() {
        return Ok(());
    }
    nat::remove(networks, &gone.iter().flat_map(nat::of_endpoint).collect::<Vec<_>>())?;
    for endpoint in &gone {
        conntrack::forget(endpoint)?;
        network.driver.driver().clean_up(endpoint)?;
    }
    // The record goes last: if this process is killed, whoever finds it does all of this again.
    networks.keep(network, &leases)?;
    names::refresh(networks, network, &gone)
}

/// Takes back what killed runtimes have left, networks that they were making among it.
pub fn sweep(networks: &Locked) -> Result<()> {
    networks.remove_drafts()?;
    for network in networks.all()?.iter().filter(|network| !network.complete) {
        life::take_down(networks, network)?;
    }
    unplug_everywhere(networks, &|endpoint| !endpoint.holder.is_alive())
}

pub fn unplug_everywhere(networks: &Locked, which: &dyn Fn(&Endpoint) -> bool) -> Result<()> {
    let all = networks.look(&mut drop)?;
    let concerned = all.iter().filter(|(_, leases)| leases.endpoints.iter().any(which));
    concerned.map(|(network, _)| network).try_for_each(|network| unplug(networks, network, which))
}
