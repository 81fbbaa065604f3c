//! Behaviour 51: addresses, each of them one container's.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::send;
use super::super::step07::bed::until_all_gone;
use super::host::{Asker, Host, LINKS, NEEDS, PORT, address};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const ADDRESSES: Check = Check {
    step: 8,
    behaviours: &[51],
    points: 2,
    section: "08-network.html#ipam-idea",
    needs: NEEDS,
    after: &["reach-all"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "address-full",
        title: "a network gives each of its hosts' addresses once, never its own, the broadcast or the gateway; full, it says so",
        hints: &["A /29 has eight addresses, and five of them are for containers."],
        needs: LINKS,
        run: full,
        ..ADDRESSES
    },
    Check {
        id: "address-back",
        title: "an address comes back when its container ends, also when its runtime was killed",
        points: 3,
        hints: &["A lease says who holds it; the next command sees that its holder is gone."],
        after: &["address-full"],
        run: back,
        ..ADDRESSES
    },
    Check {
        id: "address-wanted",
        title: "--ip gives the address that is asked for; one that is taken, the gateway's or not in the subnet is an error",
        hints: &["The name of who has it helps."],
        needs: LINKS,
        run: wanted,
        ..ADDRESSES
    },
    Check {
        id: "address-subnets",
        title: "a subnet that overlaps a route of the host or another network is refused, and none is chosen that does",
        hints: &["RTM_GETROUTE lists the routes: rtnetlink(7)."],
        needs: LINKS,
        run: subnets,
        ..ADDRESSES
    },
    Check {
        id: "address-vpn",
        title: "a VPN's default route in two halves, 0.0.0.0/1 and 128.0.0.0/1, is no network that subnets could overlap",
        points: 1,
        hints: &["OpenVPN and WireGuard lay them over the default route, which stays as it is."],
        needs: LINKS,
        run: vpn,
        ..ADDRESSES
    },
];

fn vpn(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.sh("ip route add 0.0.0.0/1 via 203.0.113.2; ip route add 128.0.0.0/1 via 203.0.113.2")?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "n"]).map(drop)
}

fn full(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/29", "tiny"])?;
    let mut given = BTreeSet::new();
    for _ in 0..5 {
        given.insert(address(&host.bed.idle(&["--network", "tiny"])?)?);
    }
    let wanted: BTreeSet<String> = (2..7).map(|last| format!("10.78.0.{last}")).collect();
    expect_eq!(given, wanted, "addresses of five containers in a /29");
    let refused = host.bed.launch(&["--network", "tiny"], &["true"]).output()?;
    host.bed.own_error(&refused, 125, "10.78.0.0/29", "a run on a full network")?;
    expect_eq!(host.bed.folders()?.len(), 5, "folders of containers after one that got no address");
    Ok(())
}

fn back(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/30", "tiny"])?;
    for end in ["stop", "exit", "rm", "kill -9 and a start", "kill -9"] {
        let up = host.server("web", &["--network", "tiny", "-p", "8080:80"])?;
        expect_eq!(address(&up)?, "10.78.0.2", "the one address, after {end}");
        host.answers(Asker::Host, "tcp", ("127.0.0.1", "8080"), "web 10.78.0.1")?;
        match end {
            "stop" => drop(host.bed.ok(&["stop", "-t", "0", "web"])?),
            "exit" => {
                send(up.command, Signal::SIGKILL)?;
                host.bed.ok(&["wait", "web"])?;
            }
            "rm" => {}
            _ => {
                send(up.runtime, Signal::SIGKILL)?;
                until_all_gone(&[up.runtime, up.command], "of a container whose runtime was killed")?;
                if end == "kill -9 and a start" {
                    host.bed.launch(&["--rm", "--network", "tiny"], &["true"]).output()?.success()?;
                }
            }
        }
        host.bed.ok(&["rm", "-f", "web"])?;
    }
    expect_eq!(host.leases("tiny")?, 0, "leases when all have ended");
    Ok(())
}

fn wanted(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "n"])?;
    let up = host.bed.idle(&["--network", "n", "--ip", "10.78.0.77"])?;
    expect_eq!(address(&up)?, "10.78.0.77", "the address that was asked for");
    for (ip, named) in [
        ("10.78.0.77", up.id.as_str()),
        ("10.78.0.1", "gateway"),
        ("10.78.0.0", "10.78.0.0"),
        ("10.78.0.255", "10.78.0.255"),
        ("10.79.0.5", "10.79.0.5"),
    ] {
        let refused = host.bed.launch(&["--network", "n", "--ip", ip], &["true"]).output()?;
        host.bed.own_error(&refused, 125, named, &format!("a run with --ip {ip}"))?;
    }
    Ok(())
}

fn subnets(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.sh("ip route add 10.200.0.0/16 via 203.0.113.2; ip route add 10.90.7.0/24 via 203.0.113.2")?;
    for (subnet, named) in [
        ("203.0.113.128/25", "203.0.113.0/24"),
        ("10.90.0.0/16", "10.90.7.0/24"),
        ("10.90.0.0/8", "/16"),
        ("10.90.0.0/31", "/30"),
        ("10.91.0.7/24", "10.91.0.0/24"),
        ("127.0.0.0/24", "127.0.0.0"),
        ("224.0.0.0/24", "224.0.0.0"),
        ("somewhere", "somewhere"),
    ] {
        host.bed.refused(&["network", "create", "--subnet", subnet, "n"], named)?;
    }
    for gateway in ["10.92.0.1", "10.91.0.255"] {
        let words = ["network", "create", "--subnet", "10.91.0.0/24", "--gateway", gateway, "n"];
        host.bed.refused(&words, gateway)?;
    }
    host.bed.ok(&["network", "create", "--subnet", "10.91.0.0/24", "--gateway", "10.91.0.254", "n"])?;
    host.bed.refused(&["network", "create", "--subnet", "10.91.0.0/16", "m"], "10.91.0.0/24")?;
    // Without its bridge, as after a reboot, a network has no route.
    host.sh("ip link del $(ip -o link show type bridge | cut -d: -f2)")?;
    host.bed.refused(&["network", "create", "--subnet", "10.91.0.0/16", "m"], "10.91.0.0/24")?;
    expect_eq!(host.gateway("n")?, "10.91.0.254", "the gateway that was asked for");
    let up = host.server("web", &[])?;
    let own = address(&up)?;
    expect!(!own.starts_with("10.200."), "an address where the host has no route", "{own}");
    host.answers(Asker::Host, "tcp", (&own, PORT), &format!("web {}", host.gateway("bridge")?))
}
