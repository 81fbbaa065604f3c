//! `run --network-alias` and `network connect --alias`.

use std::fs;

use anyhow::{Context, Result};

use super::super::super::step08::host::{Host, SOON, Up, address};
use crate::{Subject, Verdict, expect_eq, until};

/// The subnet of another network. The default one's addresses stand before these in /proc/net/fib_trie, of which [`address`]
/// takes the first.
const BACK: &str = "10.210.0.0/24";

/// The addresses that a container's /etc/hosts has for a name, in their order.
fn known(up: &Up, name: &str) -> Result<Vec<String>> {
    let path = up.command.path("root/etc/hosts");
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    let line = |line: &str| {
        let (address, names) = line.split_once([' ', '\t'])?;
        names.split_whitespace().any(|word| word == name).then(|| address.to_owned())
    };
    Ok(text.lines().filter_map(line).collect())
}

/// Ends the check unless exactly these are the addresses, in any order.
fn knows(up: &Up, name: &str, addresses: &[&str], when: &str) -> Verdict {
    let mut wanted = addresses.to_vec();
    wanted.sort_unstable();
    let now = || {
        let mut found = known(up, name)?;
        found.sort();
        Ok::<_, anyhow::Error>(found)
    };
    until(SOON, "the addresses", || now().ok().filter(|found| *found == wanted)).ok();
    expect_eq!(now()?, wanted, "addresses of {name} in /etc/hosts {when}");
    Ok(())
}

/// The answer to a question by name, asked in a container.
fn ask(host: &Host, from: &str, name: &str) -> Result<String> {
    let probe = host.bed.subject.probe_argv("ask")?;
    let probe: Vec<&str> = probe.iter().filter_map(|word| word.to_str()).collect();
    host.bed.ok(&[&["exec", from][..], &probe, &["tcp", name, "80", "3000"]].concat())
}

pub(super) fn found(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", BACK, "back"])?;
    let older = host.server("older", &[])?;
    let web = host.server("web", &["--network-alias", "www", "--network-alias", "shop.example"])?;
    let younger = host.server("younger", &[])?;
    let behind = host.server("behind", &["--network", "back"])?;
    host.bed.ok(&["network", "connect", "--alias", "cache", "--alias", "store", "back", "web"])?;
    let (front, back) = (address(&web)?, "10.210.0.3");
    for up in [&older, &younger] {
        for name in ["www", "shop.example", "web"] {
            knows(up, name, &[&front], "of a sibling")?;
        }
        knows(up, "cache", &[], "of who is on the other network")?;
    }
    for name in ["cache", "store", "web"] {
        knows(&behind, name, &[back], "of a sibling on the other network")?;
    }
    knows(&behind, "www", &[], "of who is on the other network")?;
    expect_eq!(ask(&host, "older", "www")?, format!("web {}\n", address(&older)?), "the answer to an alias");
    expect_eq!(
        ask(&host, "behind", "cache")?,
        format!("web {}\n", address(&behind)?),
        "the answer to another"
    );
    Ok(())
}

pub(super) fn shared(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let one = host.server("one", &["--network-alias", "db"])?;
    let two = host.server("two", &["--network-alias", "db"])?;
    let asker = host.server("asker", &[])?;
    let (first, second) = (address(&one)?, address(&two)?);
    knows(&asker, "db", &[&first, &second], "with two containers of this alias")?;
    host.bed.ok(&["stop", "-t", "0", "one"])?;
    knows(&asker, "db", &[&second], "when one of two has ended")?;
    expect_eq!(
        ask(&host, "asker", "db")?,
        format!("two {}\n", address(&asker)?),
        "the answer of who is left"
    );
    host.bed.ok(&["rm", "-f", "two"])?;
    knows(&asker, "db", &[], "when both have ended")
}

pub(super) fn kept(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", BACK, "back"])?;
    let asker = host.server("asker", &[])?;
    host.bed.ok(&["network", "connect", "back", "asker"])?;
    let web = host.server("web", &["--network-alias", "www"])?;
    host.bed.ok(&["network", "connect", "--alias", "cache", "back", "web"])?;
    let check = |up: &Up, name: &str, when: &str| -> Verdict {
        let own = address(up)?;
        let back = known(&asker, "cache")?;
        knows(&asker, "www", &[&own], when)?;
        expect_eq!(back.len(), 1, "addresses of cache in /etc/hosts {when}");
        knows(&asker, name, &[&own, &back[0]], when)
    };
    check(&web, "web", "at first")?;
    host.bed.ok(&["rename", "web", "shop"])?;
    check(&web, "shop", "after `rename`")?;
    knows(&asker, "web", &[], "after `rename`")?;
    host.bed.ok(&["restart", "-t", "0", "shop"])?;
    let again = Up::of(&web.id)?;
    check(&again, "shop", "after `restart`")?;
    host.bed.ok(&["network", "disconnect", "back", "shop"])?;
    knows(&asker, "cache", &[], "after `disconnect`")?;
    knows(&asker, "www", &[&address(&again)?], "after `disconnect` from the other network")?;
    host.bed.ok(&["network", "connect", "back", "shop"])?;
    knows(&asker, "cache", &[], "after `connect` without it")
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let app = host.bed.idle(&["--name", "app"])?;
    host.bed.ok(&["network", "create", "back"])?;
    for alias in ["", "a b", "a\tb", "db\n10.0.0.1 bank", "a/b", "ä", "a#b"] {
        let output = host.bed.launch(&[&format!("--network-alias={alias}")], &["true"]).output()?;
        host.bed.own_error(&output, 125, "--network-alias", &format!("a run with the alias {alias:?}"))?;
        host.bed.refused(&["network", "connect", &format!("--alias={alias}"), "back", "app"], "--alias")?;
    }
    for network in ["none", "host"] {
        let output = host.bed.launch(&["--network", network, "--network-alias", "db"], &["true"]).output()?;
        host.bed.own_error(&output, 125, "--network-alias", &format!("an alias with --network {network}"))?;
    }
    expect_eq!(host.bed.folders()?, [app.id], "folders of containers after that");
    Ok(())
}
