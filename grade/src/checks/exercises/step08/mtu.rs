//! `network create --mtu`.

use anyhow::{Context, Result};

use super::super::super::step08::host::{Host, Up};
use crate::{Subject, Verdict, expect_eq};

/// The MTU in a line of `ip -o link`, which is one line.
fn mtu(line: &str) -> Result<u32> {
    let word = line.split_whitespace().skip_while(|word| *word != "mtu").nth(1);
    word.and_then(|word| word.parse().ok()).with_context(|| format!("one MTU in {line:?}"))
}

/// The MTU of a container's interface, and of the host's end of this cable and the bridge that it is plugged into.
fn mtus(host: &Host, up: &Up, interface: &str) -> Result<[u32; 3]> {
    let inside = host.inside(up, &format!("ip -o link show {interface}"))?;
    // The name is `eth0@if7`, where 7 is the number of the other end.
    let number = inside.split_once("@if").and_then(|(_, rest)| rest.split_once(':'));
    let (number, _) = number.with_context(|| format!("the number of the other end in {inside:?}"))?;
    let outside = host.sh(&format!("ip -o link | grep '^{number}:'"))?;
    let mut words = outside.split_whitespace().skip_while(|word| *word != "master");
    let bridge = words.nth(1).with_context(|| format!("a bridge in {outside:?}"))?;
    Ok([mtu(&inside)?, mtu(&outside)?, mtu(&host.sh(&format!("ip -o link show {bridge}"))?)?])
}

pub(super) fn on_links(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "--mtu", "1400", "narrow"])?;
    host.bed.ok(&["network", "create", "--subnet", "10.79.0.0/24", "--mtu", "9000", "wide"])?;
    host.bed.ok(&["network", "create", "--subnet", "10.80.0.0/24", "plain"])?;
    let all = [("narrow", 1400), ("wide", 9000), ("plain", 1500), ("bridge", 1500)];
    for (network, size) in all {
        let up = host.bed.idle(&["--network", network, "--name", network])?;
        expect_eq!(
            mtus(&host, &up, "eth0")?,
            [size; 3],
            "MTUs of eth0, the host's end and the bridge of {network}"
        );
    }
    host.bed.ok(&["network", "connect", "narrow", "plain"])?;
    let id = host.bed.inspect("plain")?["id"].as_str().unwrap_or_default().to_owned();
    let up = Up::of(&id)?;
    expect_eq!(mtus(&host, &up, "eth1")?, [1400; 3], "MTUs of what `network connect` has made");
    expect_eq!(mtus(&host, &up, "eth0")?, [1500; 3], "MTUs of the other network");
    Ok(())
}

pub(super) fn kept(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "--subnet", "10.78.0.0/24", "--mtu", "1400", "narrow"])?;
    let up = host.bed.idle(&["--network", "narrow", "--name", "box"])?;
    host.bed.ok(&["restart", "-t", "0", "box"])?;
    expect_eq!(mtus(&host, &Up::of(&up.id)?, "eth0")?, [1400; 3], "MTUs after `restart`");
    host.bed.ok(&["stop", "-t", "0", "box"])?;
    // As after a reboot.
    host.sh("ip link del $(ip -o link show type bridge | cut -d: -f2)")?;
    host.bed.ok(&["start", "box"])?;
    expect_eq!(mtus(&host, &Up::of(&up.id)?, "eth0")?, [1400; 3], "MTUs with a new bridge");
    let inspected = |network: &str| -> Result<serde_json::Value> {
        let all: serde_json::Value = serde_json::from_str(&host.bed.ok(&["network", "inspect", network])?)?;
        Ok(all[0]["Mtu"].clone())
    };
    expect_eq!(inspected("narrow")?, 1400, "Mtu in `network inspect`");
    host.bed.ok(&["network", "create", "plain"])?;
    expect_eq!(inspected("plain")?, serde_json::Value::Null, "Mtu of a network that was made without one");
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    for size in ["67", "65536", "-1", "1400b", "", "4294968696"] {
        host.bed.refused(&["network", "create", &format!("--mtu={size}"), "n"], "--mtu")?;
    }
    for (name, size) in [("least", 68), ("most", 65535)] {
        host.bed.ok(&["network", "create", "--mtu", &size.to_string(), name])?;
        let up = host.bed.idle(&["--network", name])?;
        expect_eq!(mtus(&host, &up, "eth0")?[0], size, "the MTU of eth0 on the network {name}");
    }
    host.bed.refused(&["network", "inspect", "n"], "n")
}
