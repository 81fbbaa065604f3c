//! Behaviour 50, the ways out: from a container to its siblings, to the host and to the world.

use std::fs;
use std::time::Duration;

use super::host::{Asker, HOST, Host, LINKS, NEEDS, PORT, WORLD, address};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const REACH: Check = Check {
    step: 8,
    behaviours: &[50],
    points: 3,
    section: "08-network.html#bridge",
    needs: NEEDS,
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "reach-all",
        title: "a container reaches its siblings and the host by their addresses, and the world under the host's, over TCP and UDP",
        hints: &[
            "A veth pair for each container, its host's end on a bridge, the bridge with the gateway's address.",
            "ip_forward, and masquerade for what leaves the subnet by another link than a bridge.",
        ],
        run: all,
        ..REACH
    },
    Check {
        id: "reach-not-in",
        title: "nobody from outside gets into a network where nothing is published",
        points: 2,
        hints: &["Drop what is forwarded to a bridge, unless it answers or was translated."],
        section: "08-network.html#rules",
        after: &["reach-all"],
        run: not_in,
        ..REACH
    },
    Check {
        id: "reach-internal",
        title: "an internal network's containers reach each other, and nothing else, in no direction",
        points: 2,
        hints: &["No default route is not enough: a container can make itself one."],
        section: "08-network.html#run-networks",
        after: &["reach-all"],
        run: internal,
        ..REACH
    },
    Check {
        id: "reach-forwarding",
        title: "net.ipv4.ip_forward is switched on when a network needs it, with one line that says so",
        points: 1,
        hints: &["/proc/sys/net/ipv4/ip_forward"],
        section: "08-network.html#rules",
        after: &["reach-all"],
        run: forwarding,
        ..REACH
    },
    Check {
        id: "reach-host-none",
        title: "--network host shares the host's network; --network none has `lo` alone; --ns without net is the host's",
        points: 2,
        hints: &["/proc/PID/ns/net tells which it is."],
        section: "08-network.html#run-networks",
        needs: LINKS,
        run: host_and_none,
        ..REACH
    },
];

fn all(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let _world = host.serve(true, "world")?;
    let (web, app) = (host.server("web", &[])?, host.server("app", &[])?);
    let (web_address, app_address) = (address(&web)?, address(&app)?);
    expect!(web_address != app_address, "two addresses", "{web_address} twice");
    let gateway = host.gateway("bridge")?;
    for protocol in ["tcp", "udp"] {
        let web_place = (web_address.as_str(), PORT);
        host.answers(Asker::Host, protocol, web_place, &format!("web {gateway}"))?;
        host.answers(Asker::Container(&app), protocol, web_place, &format!("web {app_address}"))?;
        host.answers(Asker::Container(&web), protocol, (&app_address, PORT), &format!("app {web_address}"))?;
        host.answers(Asker::Container(&web), protocol, (WORLD, PORT), &format!("world {HOST}"))?;
    }
    let _own = host.serve(false, "host")?;
    for place in [(gateway.as_str(), PORT), (HOST, PORT)] {
        host.answers(Asker::Container(&web), "tcp", place, &format!("host {web_address}"))?;
    }
    Ok(())
}

fn not_in(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let web = host.server("web", &[])?;
    host.bed.ok(&["network", "create", "other"])?;
    let stranger = host.server("stranger", &["--network", "other"])?;
    let web_address = address(&web)?;
    let web = (web_address.as_str(), PORT);
    host.all_silent(&[
        (Asker::World, "tcp", web),
        (Asker::Container(&stranger), "tcp", web),
        (Asker::World, "udp", web),
        (Asker::Container(&stranger), "udp", web),
    ])
}

fn internal(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let _world = host.serve(true, "world")?;
    host.bed.ok(&["network", "create", "--internal", "--subnet", "10.77.0.0/24", "safe"])?;
    let one = host.server("one", &["--network", "safe"])?;
    let two = host.server("two", &["--network", "safe"])?;
    let web = host.server("web", &["-p", "8080:80"])?;
    let (one_address, two_address, web_address) = (address(&one)?, address(&two)?, address(&web)?);
    host.answers(Asker::Container(&one), "tcp", (&two_address, PORT), &format!("two {one_address}"))?;
    let places = [(WORLD, PORT), (web_address.as_str(), PORT), (HOST, "8080"), ("10.77.0.1", "8080")];
    let out = places.map(|place| (Asker::Container(&two), "tcp", place));
    let into = [Asker::World, Asker::Container(&web)].map(|who| (who, "tcp", (two_address.as_str(), PORT)));
    host.all_silent(&out)?;
    // The second time with a route that it has made itself.
    host.inside(&two, "ip route add default via 10.77.0.1")?;
    host.all_silent(&[&out[..], &into].concat())?;
    // What has an IPv6 address is reached past all rules for IPv4.
    let addresses =
        "for link in $(ip -o link show type bridge | cut -d: -f2); do ip -6 -o addr show $link; done";
    expect_eq!(host.sh(addresses)?, "", "IPv6 addresses of bridges");
    let refused = host.bed.launch(&["--network", "safe", "-p", "80"], &["true"]).output()?;
    host.bed.own_error(&refused, 125, "internal", "a port published on an internal network")
}

fn forwarding(subject: &Subject) -> Verdict {
    const SWITCH: &str = "/proc/sys/net/ipv4/ip_forward";
    let host = Host::new(subject)?;
    fs::write(SWITCH, "0")?;
    host.bed.ok(&["network", "create", "--internal", "safe"])?;
    expect_eq!(fs::read_to_string(SWITCH)?.trim(), "0", "ip_forward with an internal network alone");
    let said = host.bed.launch(&["--rm"], &["true"]).output()?.success()?.err();
    expect!(said.lines().count() == 1 && said.contains("ip_forward"), "a line about ip_forward", "{said:?}");
    expect_eq!(fs::read_to_string(SWITCH)?.trim(), "1", "ip_forward with a bridge");
    let said = host.bed.launch(&["--rm"], &["true"]).output()?.success()?.err();
    expect_eq!(said, "", "stderr of the next start");
    Ok(())
}

fn host_and_none(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let own = crate::Process::this().ns("net")?;
    for options in [&["--network", "host"][..], &["--ns", "pid,mnt,uts,ipc"]] {
        let up = host.bed.idle(options)?;
        expect_eq!(up.command.ns("net")?, own, "the network namespace with {options:?}");
    }
    let lonely = host.bed.idle(&["--network", "none"])?;
    let devices = lonely.command.text("net/dev")?;
    let names: Vec<&str> = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    expect_eq!(names, ["lo"], "network devices with --network none");
    for (options, named) in [
        (&["--network", "host", "-p", "80"][..], "-p"),
        (&["--network", "none", "-p", "80"], "-p"),
        (&["--network", "none", "--ip", "10.1.2.3"], "--ip"),
        (&["--network", "nowhere"], "nowhere"),
        (&["--ns", "pid,mnt", "--network", "bridge"], "--network"),
    ] {
        let refused = host.bed.launch(options, &["true"]).output()?;
        host.bed.own_error(&refused, 125, named, &format!("a run with {options:?}"))?;
    }
    Ok(())
}
