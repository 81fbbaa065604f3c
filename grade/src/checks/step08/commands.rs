//! Behaviours 53 and 54, the commands: networks that are joined and left, and what is told of them.

use std::time::Duration;

use serde_json::Value;

use super::host::{Asker, Host, LINKS, NEEDS, PORT, Up, address};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const COMMANDS: Check = Check {
    step: 8,
    behaviours: &[53, 54],
    points: 2,
    section: "08-network.html#run-networks",
    needs: NEEDS,
    after: &["names-siblings"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "network-connect",
        title: "`network connect` gives a running container one more interface and name; `disconnect` takes both away",
        points: 3,
        hints: &["The namespace is there already: make the veth's end in it."],
        run: connect,
        ..COMMANDS
    },
    Check {
        id: "network-connect-refused",
        title: "what cannot be connected, or is not, is one error",
        points: 1,
        hints: &["--network host has no namespace of its own: the link would be the host's."],
        after: &["network-connect"],
        needs: LINKS,
        run: connect_refused,
        ..COMMANDS
    },
    Check {
        id: "network-listed",
        title: "`network ls` and `inspect` show the networks and who is on them, with Docker's keys",
        points: 1,
        hints: &["Name, Id, Driver, IPAM.Config[].Subnet and Gateway, Internal, Containers."],
        behaviours: &[54],
        run: listed,
        ..COMMANDS
    },
    Check {
        id: "network-names",
        title: "a network's name is as a container's, and nobody else's; bridge, host and none are there",
        points: 1,
        hints: &["Docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]*"],
        behaviours: &[54],
        needs: LINKS,
        run: names,
        ..COMMANDS
    },
    Check {
        id: "network-again",
        title: "`start` and `restart` connect a container as `run` did, with its ports",
        hints: &["The record has the options."],
        run: again,
        ..COMMANDS
    },
    Check {
        id: "network-connect-again",
        title: "`start` connects a container to the networks that it was connected to later, too, and to no others",
        hints: &["`network connect` writes the network into the container's record."],
        after: &["network-connect", "network-again"],
        needs: LINKS,
        run: connect_again,
        ..COMMANDS
    },
];

fn connect(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "back"])?;
    let app = host.server("app", &[])?;
    let db = host.server("db", &["--network", "back"])?;
    let place = |address: &'static str| (address, PORT);
    host.silent(Asker::Container(&app), "tcp", place("10.78.0.2"))?;
    let own = address(&app)?;
    host.bed.ok(&["network", "connect", "--ip", "10.78.0.9", "back", "app"])?;
    host.answers(Asker::Container(&app), "tcp", place("10.78.0.2"), "db 10.78.0.9")?;
    host.answers(Asker::Container(&db), "tcp", place("10.78.0.9"), "app 10.78.0.2")?;
    let hosts = |up: &Up| std::fs::read_to_string(up.command.path("root/etc/hosts"));
    expect!(hosts(&db)?.contains("10.78.0.9\tapp "), "app in /etc/hosts of db", "{:?}", hosts(&db)?);
    for line in ["10.78.0.2\tdb ", "10.78.0.9\tapp ", &format!("{own}\tapp ")] {
        expect!(hosts(&app)?.contains(line), "{line:?} in /etc/hosts of app", "{:?}", hosts(&app)?);
    }
    let networks = host.bed.inspect("app")?["networks"].clone();
    let keys: Vec<&String> = networks.as_object().into_iter().flat_map(serde_json::Map::keys).collect();
    expect_eq!(keys, ["back", "bridge"], "networks of app in `inspect`");
    host.bed.refused(&["network", "rm", "back"], "back")?;
    host.bed.ok(&["network", "disconnect", "back", "app"])?;
    host.silent(Asker::Container(&app), "tcp", place("10.78.0.2"))?;
    expect!(!hosts(&db)?.contains("app"), "no app in /etc/hosts of db", "{:?}", hosts(&db)?);
    let links = host.inside(&app, "ip -o link")?;
    expect_eq!(links.lines().count(), 2, "links of app after `disconnect`: {links}");
    host.answers(Asker::Host, "tcp", (&address(&app)?, PORT), &format!("app {}", host.gateway("bridge")?))
}

fn connect_refused(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "back"])?;
    let app = host.bed.idle(&["--name", "app"])?;
    host.bed.idle(&["--name", "shared", "--network", "host"])?;
    host.bed.launch(&["-d", "--name", "over"], &["true"]).output()?.success()?;
    host.bed.ok(&["wait", "over"])?;
    let before = host.settled()?;
    for (network, container, named) in [
        ("nowhere", "app", "nowhere"),
        ("back", "nobody", "nobody"),
        ("bridge", "app", "already"),
        ("back", "over", "not running"),
        ("back", "shared", "namespace"),
        ("host", "app", "bridges"),
    ] {
        host.bed.refused(&["network", "connect", network, container], named)?;
    }
    host.bed.refused(&["network", "connect", "--ip", "10.0.0.1", "back", "app"], "10.0.0.1")?;
    host.bed.refused(&["network", "disconnect", "back", "app"], "not connected")?;
    host.is_again(&before, "after connections that were refused")?;
    // The kernel has no room for the link.
    host.inside(&app, "ip link add eth1 type veth peer name other")?;
    host.bed.refused(&["network", "connect", "back", "app"], "back")?;
    expect_eq!(host.leases("back")?, 0, "leases of back after a connection that failed");
    host.bed.ok(&["network", "rm", "back"]).map(drop)
}

fn listed(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let id = host.bed.ok(&["network", "create", "--internal", "--subnet", "10.78.0.0/24", "safe"])?;
    let up = host.bed.idle(&["--name", "box", "--network", "safe"])?;
    let table = host.bed.ok(&["network", "ls"])?;
    for words in [&["NETWORK ID", "NAME", "DRIVER"][..], &[id.trim(), "safe", "bridge"], &["host"], &["none"]]
    {
        let found = table.lines().any(|line| words.iter().all(|word| line.contains(word)));
        expect!(found, "a line with {words:?} in `network ls`", "{table:?}");
    }
    expect_eq!(host.bed.ok(&["network", "ls", "-q"])?, id, "stdout of `network ls -q`");
    let digits = id.get(..6).unwrap_or_default();
    let found: Value = serde_json::from_str(&host.bed.ok(&["network", "inspect", digits])?)?;
    let network = &found[0];
    expect_eq!(network["Name"], "safe", "the Name, asked for by the first digits of the id");
    expect_eq!(network["Internal"], true, "Internal");
    expect_eq!(network["Driver"], "bridge", "Driver");
    expect_eq!(network["IPAM"]["Config"][0]["Subnet"], "10.78.0.0/24", "the subnet");
    let own = &network["Containers"][&up.id];
    expect_eq!(own["Name"], "box", "the container's name");
    expect_eq!(own["IPv4Address"], format!("{}/24", address(&up)?), "the container's address");
    let link = host.inside(&up, "ip -o link show eth0")?;
    let mac = own["MacAddress"].as_str().unwrap_or("none");
    expect!(link.contains(mac), "{mac} on eth0", "{link}");
    for line in host.bed.ok(&["network", "ls", "--format", "json"])?.lines() {
        let network: Value = serde_json::from_str(line)?;
        expect!(network["Name"].is_string(), "a Name in each line of JSON", "{line}");
    }
    Ok(())
}

fn names(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    for wrong in ["", "/", "a/b", "..", ".a", "_a", "a b", "a\nb", "ä"] {
        host.bed.refused(&["network", "create", "--", wrong], "name")?;
    }
    for taken in ["host", "none", "pasta"] {
        host.bed.refused(&["network", "create", taken], taken)?;
        host.bed.refused(&["network", "rm", taken], taken)?;
    }
    host.bed.ok(&["network", "create", "A1_.-"])?;
    host.bed.refused(&["network", "create", "A1_.-"], "A1_.-")?;
    host.bed.ok(&["network", "rm", "A1_.-"])?;
    host.bed.refused(&["network", "rm", "A1_.-"], "A1_.-")
}

fn again(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "n"])?;
    let options =
        ["--network", "n", "--ip", "10.78.0.50", "-p", "8080:80", "--add-host", "registry:192.0.2.7"];
    let up = host.server("web", &options)?;
    for words in [&["restart", "-t", "0", "web"][..], &["start", "web"]] {
        host.bed.ok(&["stop", "-t", "0", "web"])?;
        host.bed.ok(words)?;
        let again = Up::of(&up.id)?;
        expect_eq!(address(&again)?, "10.78.0.50", "the address after {words:?}");
        let hosts = std::fs::read_to_string(again.command.path("root/etc/hosts"))?;
        expect!(hosts.contains("192.0.2.7\tregistry"), "--add-host after {words:?}", "{hosts:?}");
        host.bed.until_logged(&up.id, "ready\n")?;
        crate::until(super::host::SOON, "an answer", || {
            host.answers(Asker::Host, "tcp", ("127.0.0.1", "8080"), "web 10.78.0.1").ok()
        })?;
    }
    Ok(())
}

fn connect_again(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "back"])?;
    host.bed.ok(&["network", "create", "--subnet", "10.79.0.0/24", "side"])?;
    let app = host.bed.idle(&["--name", "app"])?;
    host.bed.ok(&["network", "connect", "--ip", "10.78.0.9", "back", "app"])?;
    host.bed.ok(&["network", "connect", "side", "app"])?;
    host.bed.ok(&["network", "disconnect", "side", "app"])?;
    host.bed.ok(&["restart", "-t", "0", "app"])?;
    let again = Up::of(&app.id)?;
    let addresses = host.inside(&again, "ip -4 -o addr show scope global")?;
    let devices: Vec<&str> = addresses.lines().filter_map(|line| line.split_whitespace().nth(1)).collect();
    expect_eq!(devices, ["eth0", "eth1"], "devices with an address after `restart`: {addresses}");
    expect!(
        addresses.contains("10.78.0.9/24"),
        "the address of `network connect` after `restart`",
        "{addresses}"
    );
    let db = host.server("db", &["--network", "back"])?;
    host.answers(Asker::Container(&again), "tcp", (&address(&db)?, PORT), "db 10.78.0.9")?;
    host.bed.ok(&["stop", "-t", "0", "app"])?;
    expect_eq!(host.leases("back")?, 1, "leases of back when app has ended");
    host.bed.ok(&["network", "disconnect", "back", "app"])?;
    host.bed.ok(&["start", "app"])?;
    let links = host.inside(&Up::of(&app.id)?, "ip -o link")?;
    expect_eq!(links.lines().count(), 2, "links after a `disconnect` of what did not run: {links}");
    // A start that fails on its second network gives back the first.
    host.bed.ok(&["network", "connect", "back", "app"])?;
    host.bed.ok(&["stop", "-t", "0", "app"])?;
    host.bed.ok(&["rm", "-f", "db"])?;
    host.bed.ok(&["network", "rm", "back"])?;
    host.bed.refused(&["start", "app"], "back")?;
    expect_eq!(host.leases("bridge")?, 0, "leases of bridge after a start that failed");
    Ok(())
}
