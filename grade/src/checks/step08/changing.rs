//! Behaviours 50, 53 and 55: what changes while somebody uses it.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::Duration;

use super::host::{Asker, HOST, Host, NEEDS, WORLD};
use crate::{Check, Subject, Verdict, expect_eq, until};

/// How long the kernel remembers where to send what comes by UDP from one port: half a minute. It must not take that long.
const SOON_ENOUGH: Duration = Duration::from_secs(10);

const CHANGING: Check = Check {
    step: 8,
    points: 2,
    needs: NEEDS,
    after: &["publish-everywhere"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "publish-udp-flow",
        behaviours: &[50],
        title: "a client that keeps sending by UDP from one port reaches a container that starts meanwhile, and again after its restart",
        hints: &[
            "`conntrack -L`, or /proc/net/nf_conntrack: rules are asked about the first packet of a connection alone.",
            "IPCTNL_MSG_CT_DELETE over NETLINK_NETFILTER, or `conntrack -D`.",
        ],
        section: "08-network.html#forgotten",
        run: udp_flow,
        ..CHANGING
    },
    Check {
        id: "network-way-out",
        behaviours: &[53],
        title: "a container that leaves the network of its default route gets out through another",
        hints: &["The kernel removes a route with its link, and looks for no other."],
        section: "08-network.html#run-networks",
        after: &["network-connect"],
        run: way_out,
        ..CHANGING
    },
    Check {
        id: "mended-emptied",
        behaviours: &[55],
        title: "after `nft flush table` of the runtime's own table the next start mends the rules",
        hints: &["The table is still there, and its rules are not."],
        section: "08-network.html#rules",
        after: &["mended-flushed"],
        run: emptied,
        ..CHANGING
    },
    Check {
        id: "traces-two-names",
        behaviours: &[54],
        title: "a data folder that is reached by a symlink, too, leaves nothing behind under either name",
        hints: &["What is named after a path is named after its real one."],
        section: "08-network.html#outside-nothing",
        after: &["traces-none"],
        run: two_names,
        ..CHANGING
    },
];

fn udp_flow(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    // With rules of any kind the kernel remembers connections.
    host.bed.ok(&["network", "create", "front"])?;
    let answers = subject.scratch().join("answers");
    let sent = host.insist(HOST, "8080", &answers)?;
    let web = ["--network", "front", "-p", "8080:80/udp"];
    host.server("web", &web)?;
    until(SOON_ENOUGH, "an answer to who has sent from before the start", || more(&answers, 0))?;
    host.bed.ok(&["restart", "-t", "0", "web"])?;
    let before = length(&answers);
    until(SOON_ENOUGH, "an answer to who has sent from before the restart", || more(&answers, before))?;
    expect_eq!(sent.text("comm").is_ok(), true, "whether the client still runs");
    Ok(())
}

fn length(file: &Path) -> u64 {
    fs::metadata(file).map_or(0, |status| status.len())
}

fn more(file: &Path, than: u64) -> Option<()> {
    (length(file) > than).then_some(())
}

fn way_out(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let _world = host.serve(true, "world")?;
    for network in [&["network", "create", "--internal", "closed"][..], &["network", "create", "open"]] {
        host.bed.ok(network)?;
    }
    let app = host.bed.idle(&["--name", "app"])?;
    let gets_out = || host.answers(Asker::Container(&app), "tcp", (WORLD, "80"), &format!("world {HOST}"));
    gets_out()?;
    for network in ["closed", "open"] {
        host.bed.ok(&["network", "connect", network, "app"])?;
    }
    host.bed.ok(&["network", "disconnect", "bridge", "app"])?;
    gets_out()?;
    host.bed.ok(&["network", "disconnect", "open", "app"])?;
    host.silent(Asker::Container(&app), "tcp", (WORLD, "80"))
}

fn emptied(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.server("web", &["-p", "8080:80"])?;
    let before = host.settled()?;
    let table = host.sh("nft list tables | sed -n 's/^table ip //p'")?;
    host.sh(&format!("nft flush table ip {table}"))?;
    host.silent(Asker::World, "tcp", (HOST, "8080"))?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    host.answers(Asker::World, "tcp", (HOST, "8080"), &format!("web {WORLD}"))?;
    host.is_again(&before, "after `nft flush table` and another start")
}

fn two_names(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let link = subject.scratch().join("another-name");
    let before = host.settled()?;
    fs::create_dir_all(&host.bed.data)?;
    symlink(&host.bed.data, &link)?;
    let image = subject.probe_image();
    let image = image.to_string_lossy();
    host.bed.call(&["run", "--rm", &image, "/bin/true"]).output()?.success()?;
    let other = |words: &[&str]| host.bed.call(words).env("FORK_TO_VETH_ROOT", &link).output()?.success();
    other(&["run", "--rm", "-p", "8080:80", &image, "/bin/true"])?;
    host.bed.ok(&["network", "rm", "bridge"])?;
    host.is_again(&before, "after `network rm`, in a data folder with two names")
}
