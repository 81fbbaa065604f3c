//! Behaviour 55: beside Docker's rules, and after somebody has thrown rules or links away.

use std::time::Duration;

use super::host::{Asker, HOST, Host, LINKS, NEEDS, Up, WORLD, address, path_with};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const MENDED: Check = Check {
    step: 8,
    behaviours: &[55],
    points: 3,
    section: "08-network.html#docker",
    needs: NEEDS,
    after: &["publish-everywhere"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

/// What Docker makes of the tables filter and nat, as far as it matters here.
const DOCKER: &str = "nft -f - <<'END'
table ip filter {
    chain DOCKER-USER { return; }
    chain FORWARD { type filter hook forward priority filter; policy drop; jump DOCKER-USER; iifname \"docker0\" accept; }
}
table ip nat {
    chain DOCKER { iifname \"docker0\" return; }
    chain PREROUTING { type nat hook prerouting priority dstnat; fib daddr type local jump DOCKER; }
    chain POSTROUTING { type nat hook postrouting priority srcnat; ip saddr 172.17.0.0/16 oifname != \"docker0\" masquerade; }
}
END";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "docker-policy-drop",
        title: "where Docker drops what is forwarded, containers get out and ports are reached; Docker's rules are as before in the end",
        points: 4,
        hints: &[
            "What one table accepts, another may still drop.",
            "Docker's manual, \"Packet filtering and firewalls\": the chain DOCKER-USER is for others.",
        ],
        run: docker,
        ..MENDED
    },
    Check {
        id: "mended-flushed",
        title: "after `nft flush ruleset` the next start mends the rules, those of containers that run, too",
        hints: &["The records say what belongs into the table."],
        run: flushed,
        ..MENDED
    },
    Check {
        id: "mended-reboot",
        title: "after a reboot, which leaves the records alone, a network comes back; one whose addresses the host uses by now does not",
        hints: &["Bridge and table are made when the next container wants them."],
        run: reboot,
        ..MENDED
    },
    Check {
        id: "mended-no-nft",
        title: "without nft, or a kernel that can do it, containers reach each other and the host, with one line that says so; what needs it is refused",
        points: 2,
        hints: &["A bridge needs no firewall; ports, masquerade and --internal do."],
        section: "08-network.html#rules",
        needs: LINKS,
        run: no_nft,
        ..MENDED
    },
];

fn docker(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let _world = host.serve(true, "world")?;
    host.sh(DOCKER)?;
    let before = host.settled()?;
    let web = host.server("web", &["-p", "8080:80"])?;
    host.answers(Asker::Container(&web), "tcp", (WORLD, "80"), &format!("world {HOST}"))?;
    host.answers(Asker::World, "tcp", (HOST, "8080"), &format!("web {WORLD}"))?;
    // As when Docker restarts.
    host.sh("nft flush chain ip filter DOCKER-USER; nft add rule ip filter DOCKER-USER return")?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    host.answers(Asker::World, "tcp", (HOST, "8080"), &format!("web {WORLD}"))?;
    host.bed.ok(&["rm", "-f", "web"])?;
    host.bed.ok(&["network", "rm", "bridge"])?;
    host.is_again(&before, "after `network rm` beside Docker")
}

fn flushed(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.server("web", &["-p", "8080:80", "-p", "127.0.0.1:9090:80/udp"])?;
    let before = host.settled()?;
    host.sh("nft flush ruleset")?;
    host.silent(Asker::World, "tcp", (HOST, "8080"))?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    host.answers(Asker::World, "tcp", (HOST, "8080"), &format!("web {WORLD}"))?;
    host.is_again(&before, "after `nft flush ruleset` and another start")?;
    // A table that somebody has changed is no hindrance either.
    let table = host.sh("nft list tables | sed -n 's/^table ip //p'")?;
    host.sh(&format!("nft add element ip {table} ports {{ tcp . 8081 : 10.9.9.9 . 80 }}"))?;
    host.server("second", &["-p", "8081:80"])?;
    host.answers(Asker::World, "tcp", (HOST, "8081"), &format!("second {WORLD}"))?;
    host.bed.ok(&["rm", "-f", "second"])?;
    host.is_again(&before, "after a container whose port somebody had put into the table")
}

fn reboot(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let remove_bridges =
        "for link in $(ip -o link show type bridge | cut -d: -f2); do ip link del $link; done";
    host.bed.ok(&["network", "create", "--subnet", "10.79.0.0/24", "lasting"])?;
    host.sh("nft flush ruleset")?;
    host.sh(remove_bridges)?;
    host.server("web", &["--network", "lasting", "-p", "8080:80"])?;
    host.answers(Asker::World, "tcp", (HOST, "8080"), &format!("web {WORLD}"))?;
    host.bed.ok(&["rm", "-f", "web"])?;
    host.sh(remove_bridges)?;
    host.sh(&format!("ip route add 10.79.0.128/25 via {WORLD}"))?;
    let refused = host.bed.launch(&["--network", "lasting"], &["true"]).output()?;
    host.bed.own_error(&refused, 125, "10.79.0.128/25", "a start on a network where the host has a route")?;
    host.bed.ok(&["network", "rm", "lasting"])?;
    expect_eq!(host.bed.ok(&["network", "ls", "-q"])?, "", "networks after `network rm` without a bridge");
    Ok(())
}

fn no_nft(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let without = |words: &[&str]| host.bed.call(words).env("PATH", "/nowhere").output();
    let said = without(&["network", "create", "n"])?.success()?.err();
    expect!(said.lines().count() == 1 && said.contains("nftables"), "a line about nft", "{said:?}");
    let image = subject.probe_image();
    let image = image.to_string_lossy();
    host.bed.own_error(
        &without(&["run", "--network", "n", "-p", "80", &image, "/bin/true"])?,
        125,
        "nft",
        "-p",
    )?;
    host.bed.own_error(&without(&["network", "create", "--internal", "i"])?, 125, "nft", "--internal")?;
    no_nat(&host)?;
    let serve = subject.probe_argv("serve")?;
    let serve: Vec<&str> = serve.iter().filter_map(|word| word.to_str()).collect();
    let words = [&["run", "-d", "--network", "n", &image][..], &serve, &["web", "80"]].concat();
    let web = Up::of(without(&words)?.success()?.out().trim_end())?;
    host.bed.until_logged(&web.id, "ready\n")?;
    let other = Up::of(
        without(&["run", "-d", "--network", "n", &image, "/bin/sleep", "1000"])?.success()?.out().trim_end(),
    )?;
    let web_address = address(&web)?;
    host.answers(Asker::Host, "tcp", (&web_address, "80"), &format!("web {}", host.gateway("n")?))?;
    host.answers(Asker::Container(&other), "tcp", (&web_address, "80"), &format!("web {}", address(&other)?))
}

/// nft is there, and the kernel lacks what it asks for.
fn no_nat(host: &Host) -> Verdict {
    const LACKING: &str = "cat > /dev/null
        echo '/dev/stdin:1:1-2: Error: Could not process rule: Operation not supported' >&2
        exit 1";
    let lacking = path_with(host.bed.subject, "nft", LACKING)?;
    let without = |words: &[&str]| host.bed.call(words).env("PATH", &lacking).output();
    let said = without(&["network", "create", "k"])?.success()?.err();
    expect!(said.lines().count() == 1 && said.contains("NAT"), "a line about NAT", "{said:?}");
    host.bed.own_error(&without(&["network", "create", "--internal", "i"])?, 125, "NAT", "--internal")
}
