//! Behaviour 54: what a network leaves behind, which is nothing, and what of others it touches, which is nothing either.

use std::fs;
use std::time::Duration;

use super::host::{Host, NEEDS};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const TRACES: Check = Check {
    step: 8,
    behaviours: &[54],
    points: 3,
    section: "08-network.html#outside-nothing",
    needs: NEEDS,
    after: &["publish-everywhere"],
    timeout: Duration::from_secs(120),
    ..Check::NEW
};

/// Somebody else's rules: all that a table can hold.
const THEIRS: &str = "nft -f - <<'END'
table inet theirs {
    set friends { type ipv4_addr; elements = { 192.0.2.1, 192.0.2.2 } }
    chain forward { type filter hook forward priority 5; policy accept; ip saddr @friends counter packets 7 bytes 77 accept; }
}
table ip nat {
    chain PREROUTING { type nat hook prerouting priority dstnat; tcp dport 9999 redirect to :99; }
    chain POSTROUTING { type nat hook postrouting priority srcnat; ip saddr 192.0.2.0/24 masquerade; }
}
END";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "traces-none",
        title: "after the last container and `network rm`, links, routes, rules and records are as before; those of others always were",
        hints: &["A table of your own: deleting it takes all of it back."],
        run: none,
        ..TRACES
    },
    Check {
        id: "traces-in-use",
        title: "`network rm` of a network that a container is on is refused, with the container's name, and changes nothing",
        points: 2,
        hints: &["The leases know."],
        run: in_use,
        ..TRACES
    },
    Check {
        id: "traces-failed",
        title: "a start that fails gives back its address, its ports and its rules",
        hints: &["Whatever is undone when a container ends is undone when it does not begin."],
        run: failed,
        ..TRACES
    },
    Check {
        id: "traces-chaos",
        title: "after `kill -9` at any moment of fifty starts the next command leaves nothing of them",
        points: 4,
        hints: &["Write down what will be there before it is there."],
        section: "08-network.html#end",
        after: &["traces-failed"],
        slow: true,
        run: chaos,
        ..TRACES
    },
];

fn none(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.sh(THEIRS)?;
    let before = host.settled()?;
    host.bed.ok(&["network", "create", "backstage"])?;
    let made = host.settled()?;
    let options = ["--network", "backstage", "-p", "8080:80", "-p", "127.0.0.1:9090:80/udp"];
    host.server("web", &options)?;
    host.bed.idle(&["--name", "app", "--network", "backstage"])?;
    host.bed.idle(&["--name", "other"])?;
    let theirs = host.sh("nft list table inet theirs; nft list table ip nat")?;
    expect!(before.contains(&theirs), "the others' rules as before while containers run", "{theirs}");
    host.bed.ok(&["rm", "-f", "other"])?;
    host.bed.ok(&["network", "rm", "bridge"])?;
    host.bed.ok(&["rm", "-f", "web", "app"])?;
    host.is_again(&made, "after the containers")?;
    host.bed.ok(&["network", "rm", "backstage"])?;
    host.is_again(&before, "after `network rm`")?;
    let left: Vec<_> =
        fs::read_dir(host.bed.data.join("networks"))?.flatten().map(|it| it.file_name()).collect();
    expect!(left.is_empty(), "no record of a network", "{left:?}");
    Ok(())
}

fn in_use(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "backstage"])?;
    host.server("web", &["--network", "backstage", "-p", "8080:80"])?;
    let before = host.settled()?;
    host.bed.refused(&["network", "rm", "backstage"], "web")?;
    host.is_again(&before, "after a removal that was refused")?;
    host.bed.ok(&["stop", "-t", "0", "web"])?;
    host.bed.ok(&["network", "rm", "backstage"])?;
    // What has ended is on no network; it cannot start any more.
    host.bed.refused(&["start", "web"], "backstage")
}

fn failed(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    let before = host.settled()?;
    for (options, command, code) in [
        (&[][..], "no-such-command", 127),
        (&["-d"], "no-such-command", 127),
        (&["-u", "nobody-here"], "true", 125),
        (&["-d", "--mount", "type=bind,source=/no-such,target=/x"], "true", 125),
        (&["--dns", "192.0.2.1", "--ip", "10.0.0.1"], "true", 125),
    ] {
        let output = host.bed.launch(&[options, &["-p", "8080:80"]].concat(), &[command]).output()?;
        expect_eq!(output.code(), code, "exit status of a start that fails, {options:?}: {:?}", output.err());
        // Before another command looks: that would take back what this one has left.
        host.is_again(&before, "after a start that failed")?;
        expect_eq!(host.leases("bridge")?, 0, "leases after a start that failed, {options:?}");
    }
    Ok(())
}

fn chaos(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    host.bed.ok(&["network", "create", "--internal", "safe"])?;
    let before = host.settled()?;
    for turn in 0..50u64 {
        let options =
            [&["--rm", "-p", "8080:80"][..], &["--rm"], &["--rm", "--network", "safe"]][turn as usize % 3];
        let mut running = host.bed.launch(options, &["true"]).start()?;
        // Spread over the time that a start takes, and not in order.
        std::thread::sleep(Duration::from_millis(turn * 37 % 60));
        let _ = running.signal(nix::sys::signal::Signal::SIGKILL);
        running.wait(crate::subject::PATIENCE)?;
    }
    host.bed.ok(&["ps"])?;
    for network in ["bridge", "safe"] {
        expect_eq!(host.leases(network)?, 0, "leases of {network} after fifty `kill -9` and `ps`");
    }
    host.is_again(&before, "after fifty `kill -9` and `ps`")
}
