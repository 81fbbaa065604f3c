//! From start to exit: a container of `true`.

use anyhow::Result;

use super::{Bench, NETWORK, PLAIN};
use crate::bench::line::Line;
use crate::bench::peers::oci::LIMITS;
use crate::bench::results::{Row, Unit};
use crate::bench::timing::Entry;

/// The peers have step 04's image as their root, a plain folder, and so have no union to mount; Docker has an image of it.
pub fn entries(bench: &Bench) -> Result<Vec<Entry>> {
    let mut entries = floor(bench);
    for ours in &bench.ours {
        let options = if ours.step == NETWORK { "--network none" } else { "" };
        let name = format!("{} {options}", ours.step);
        entries.push(Entry::ours("steps", &ours.step, name.trim(), ours.run(options)));
    }
    entries.extend(plain(bench)?);
    entries.extend(limits(bench)?);
    let ours = bench.step(NETWORK)?;
    entries.push(Entry::ours("bridge", "bridge", NETWORK, ours.run("")));
    entries.push(Entry::ours("port", "port", &format!("{NETWORK} -p 18080:80"), ours.run("-p 18080:80")));
    if let Some(docker) = &bench.peers.docker {
        entries.push(Entry::peer("bridge", "docker-bridge", "docker", docker.run(""), "bridge"));
        let port = docker.run("-p 18081:80");
        entries.push(Entry::peer("port", "docker-port", "docker -p 18081:80", port, "port"));
    }
    Ok(entries)
}

fn floor(bench: &Bench) -> Vec<Entry> {
    let entry = |id: &str, name: &str, line| {
        let row = Row::of(id, name, Unit::Milliseconds, &[]);
        Entry { group: "floor", row, line, before: None, after: None }
    };
    let mut entries = vec![entry("spawn", "fork, exec, wait", Line::of("true"))];
    if bench.peers.unshare {
        entries.push(entry("unshare", "unshare, the same namespaces", bench.peers.unshare()));
    }
    entries
}

fn plain(bench: &Bench) -> Result<Vec<Entry>> {
    let peers = &bench.peers;
    let mut entries = Vec::new();
    let mut add = |id: &str, name: &str, line| entries.push(Entry::peer("plain", id, name, line, PLAIN));
    if peers.bwrap {
        add("bwrap", "bubblewrap", peers.bwrap());
    }
    for runtime in &peers.oci {
        add(runtime.name, runtime.name, runtime.run(&peers.root, false)?);
    }
    if let Some(podman) = &peers.podman {
        add("podman", "podman --network none", podman.start(&peers.root));
    }
    if let Some(docker) = &peers.docker {
        add("docker", "docker --network none", docker.run("--network none"));
    }
    Ok(entries)
}

fn limits(bench: &Bench) -> Result<Vec<Entry>> {
    let peers = &bench.peers;
    let mut entries = vec![Entry::ours("limits", "limits", PLAIN, bench.step(PLAIN)?.run(LIMITS))];
    for runtime in &peers.oci {
        let line = runtime.run(&peers.root, true)?;
        entries.push(Entry::peer(
            "limits",
            &format!("{}-limits", runtime.name),
            runtime.name,
            line,
            "limits",
        ));
    }
    if let Some(docker) = &peers.docker {
        let line = docker.run(&format!("--network none {LIMITS}"));
        entries.push(Entry::peer("limits", "docker-limits", "docker --network none", line, "limits"));
    }
    Ok(entries)
}
