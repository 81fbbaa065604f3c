//! IPAM, the management of addresses: which subnet a network gets, and which address of it a container.

use super::Addresses;
use super::records::Leases;
use super::subnet::Subnet;
use anyhow::{Context, Result, bail, ensure};
use std::collections::HashSet;
use std::net::Ipv4Addr;

/// Where subnets come from that nobody has chosen: private addresses, RFC 1918, of each of its three blocks, so that a
/// company's network that takes all of one leaves the others.
const POOLS: [(Ipv4Addr, u8); 3] = [
    (Ipv4Addr::new(10, 200, 0, 0), 16),
    (Ipv4Addr::new(172, 29, 0, 0), 16),
    (Ipv4Addr::new(192, 168, 128, 0), 17),
];

/// The size of a subnet that nobody has chosen: 1021 containers and the gateway. A bridge has 1024 ports, BR_MAX_PORTS in
/// net/bridge/br_private.h of the kernel's sources.
const PREFIX: u8 = 22;

/// Finds addresses for a network. Nothing of it may be in `taken`: the host would not know where to send packets.
pub fn choose(subnet: Option<Subnet>, gateway: Option<Ipv4Addr>, taken: &[Subnet]) -> Result<Addresses> {
    let subnet = match subnet {
        Some(subnet) => {
            check(subnet, taken)?;
            subnet
        }
        None => free_subnet(taken)?,
    };
    let gateway = match gateway {
        Some(gateway) if subnet.has_host(gateway) => gateway,
        Some(gateway) => bail!("--gateway: {gateway} is no host's address in {subnet}"),
        None => subnet.hosts().next().context("a subnet without hosts")?,
    };
    Ok(Addresses { subnet, gateway })
}

/// Refuses a subnet that the host has a route into already.
pub fn check(subnet: Subnet, taken: &[Subnet]) -> Result<()> {
    match taken.iter().find(|other| other.overlaps(subnet)) {
        Some(other) => {
            bail!("subnet {subnet}: the host has a route or network {other} there; choose another")
        }
        None => Ok(()),
    }
}

fn free_subnet(taken: &[Subnet]) -> Result<Subnet> {
    let pools = POOLS.iter().map(|(first, prefix)| Subnet::around(*first, *prefix));
    let mut parts = pools.flat_map(|pool| pool.cut(PREFIX));
    let free = parts.find(|part| taken.iter().all(|other| !other.overlaps(*part)));
    free.context("no subnet is left that the host has no route to; choose one with --subnet")
}

/// Takes an address: the one that is wanted, or the next free one behind the one that was given last. So an address that
/// came back rests, and whoever still sends to it does not reach somebody else.
pub fn allocate(addresses: &Addresses, leases: &mut Leases, wanted: Option<Ipv4Addr>) -> Result<Ipv4Addr> {
    let Addresses { subnet, gateway } = *addresses;
    let mut taken: HashSet<Ipv4Addr> =
        leases.endpoints.iter().filter_map(|it| Some(it.plug.as_ref()?.address)).collect();
    if let Some(wanted) = wanted {
        ensure!(subnet.has_host(wanted), "--ip: {wanted} is no host's address in {subnet}");
        ensure!(wanted != gateway, "--ip: {wanted} is the gateway's");
        if let Some(other) =
            leases.endpoints.iter().find(|it| it.plug.as_ref().is_some_and(|it| it.address == wanted))
        {
            bail!("--ip: container {} has {wanted}", other.container);
        }
        return Ok(wanted);
    }
    taken.insert(gateway);
    let last = leases.last.unwrap_or(subnet.address());
    let behind = subnet.hosts().filter(|address| *address > last);
    let before = subnet.hosts().filter(|address| *address <= last);
    let free = behind.chain(before).find(|address| !taken.contains(address));
    let free = free.with_context(|| {
        format!("{subnet}: all its addresses for containers are taken ({})", taken.len() - 1)
    })?;
    leases.last = Some(free);
    Ok(free)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Process;
    use crate::network::{Endpoint, Plug};
    use nix::unistd::getpid;

    fn addresses(subnet: &str) -> Addresses {
        choose(Some(subnet.parse().unwrap()), None, &[]).unwrap()
    }

    fn holding(address: Ipv4Addr) -> Endpoint {
        Endpoint {
            id: "1".to_owned(),
            network: "n".to_owned(),
            container: format!("has-{address}"),
            names: vec![],
            hostname: String::new(),
            extra_hosts: vec![],
            folder: "/nowhere".into(),
            plug: Some(Plug::new(address, "eth0")),
            ports: vec![],
            holder: Process::of(getpid()).unwrap(),
        }
    }

    /// Takes addresses until there are none.
    fn fill(addresses: &Addresses, leases: &mut Leases) -> Vec<Ipv4Addr> {
        let mut given = Vec::new();
        while let Ok(address) = allocate(addresses, leases, None) {
            leases.endpoints.push(holding(address));
            given.push(address);
        }
        given
    }

    #[test]
    fn every_host_s_address_is_given_once_and_no_other() {
        for (subnet, many) in [("10.9.0.0/30", 1), ("10.9.0.0/29", 5), ("10.9.0.0/24", 253)] {
            let addresses = addresses(subnet);
            let given = fill(&addresses, &mut Leases::default());
            assert_eq!(given.iter().collect::<HashSet<_>>().len(), many, "{subnet}");
            assert_eq!(given.len(), many, "{subnet}");
            for never in [addresses.subnet.address(), addresses.subnet.broadcast(), addresses.gateway] {
                assert!(!given.contains(&never), "{never} of {subnet}");
            }
        }
    }

    #[test]
    fn the_largest_network_is_full_after_its_last_address() {
        let addresses = addresses("10.9.0.0/16");
        let mut leases = Leases { last: Some("10.9.255.253".parse().unwrap()), ..Leases::default() };
        for wanted in ["10.9.255.254", "10.9.0.2", "10.9.0.3"] {
            let address = allocate(&addresses, &mut leases, None).unwrap();
            assert_eq!(address.to_string(), wanted);
            leases.endpoints.push(holding(address));
        }
    }

    #[test]
    fn an_address_that_comes_back_rests() {
        let addresses = addresses("10.9.0.0/29");
        let mut leases = Leases::default();
        let first = allocate(&addresses, &mut leases, None).unwrap();
        let second = allocate(&addresses, &mut leases, None).unwrap();
        assert_ne!(first, second);
        // Nobody has any of them, and still the first comes again only after all others.
        let rest: Vec<_> = (0..4).map(|_| allocate(&addresses, &mut leases, None).unwrap()).collect();
        assert_eq!((rest[3], rest.contains(&second)), (first, false));
    }

    #[test]
    fn a_full_network_says_so() {
        let addresses = addresses("10.9.0.0/30");
        let mut leases = Leases::default();
        fill(&addresses, &mut leases);
        let error = allocate(&addresses, &mut leases, None).unwrap_err().to_string();
        assert!(error.contains("10.9.0.0/30: all its addresses for containers are taken (1)"), "{error}");
    }

    #[test]
    fn an_address_can_be_asked_for() {
        let addresses = addresses("10.9.0.0/24");
        let mut leases = Leases::default();
        let wanted: Ipv4Addr = "10.9.0.77".parse().unwrap();
        assert_eq!(allocate(&addresses, &mut leases, Some(wanted)).unwrap(), wanted);
        leases.endpoints.push(holding(wanted));
        for (text, why) in [
            ("10.9.0.77", "has-10.9.0.77"),
            ("10.9.0.1", "gateway"),
            ("10.9.0.0", "no host's"),
            ("10.9.0.255", "no host's"),
            ("10.8.0.5", "no host's"),
        ] {
            let error =
                allocate(&addresses, &mut leases, Some(text.parse().unwrap())).unwrap_err().to_string();
            assert!(error.contains(why), "{text}: {error}");
        }
    }

    #[test]
    fn a_subnet_is_chosen_where_the_host_has_no_route() {
        let chosen = |taken: &[(&str, u8)]| {
            let taken: Vec<_> =
                taken.iter().map(|(first, prefix)| Subnet::around(first.parse().unwrap(), *prefix)).collect();
            choose(None, None, &taken).map(|it| it.subnet.to_string())
        };
        assert_eq!(chosen(&[]).unwrap(), "10.200.0.0/22");
        assert_eq!(chosen(&[("10.200.0.7", 32), ("10.200.5.128", 25)]).unwrap(), "10.200.8.0/22");
        assert_eq!(chosen(&[("10.0.0.0", 8)]).unwrap(), "172.29.0.0/22");
        assert_eq!(chosen(&[("10.0.0.0", 8), ("172.16.0.0", 12)]).unwrap(), "192.168.128.0/22");
        assert!(chosen(&[("10.0.0.0", 8), ("172.16.0.0", 12), ("192.168.0.0", 16)]).is_err());
    }

    #[test]
    fn a_subnet_that_overlaps_a_route_is_refused() {
        let taken = [Subnet::around("10.9.0.0".parse().unwrap(), 20)];
        for (subnet, free) in [("10.9.3.0/24", false), ("10.9.0.0/16", false), ("10.9.16.0/24", true)] {
            assert_eq!(choose(Some(subnet.parse().unwrap()), None, &taken).is_ok(), free, "{subnet}");
        }
    }

    #[test]
    fn a_gateway_is_a_host_of_its_subnet() {
        let subnet = Some("10.9.0.0/24".parse().unwrap());
        let choose = |gateway: &str| choose(subnet, Some(gateway.parse().unwrap()), &[]);
        assert_eq!(choose("10.9.0.254").unwrap().gateway.to_string(), "10.9.0.254");
        for gateway in ["10.9.0.0", "10.9.0.255", "10.8.0.1"] {
            assert!(choose(gateway).is_err(), "{gateway}");
        }
    }
}
