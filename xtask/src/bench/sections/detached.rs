//! A container that lives on: until the command that started it has returned.

use anyhow::Result;

use super::{Bench, NETWORK, PLAIN, Section};
use crate::bench::timing::{Entry, Measured};

const NAME: &str = "detached";

pub fn run(bench: &Bench) -> Result<Measured> {
    let (plain, network) = (bench.step(PLAIN)?, bench.step(NETWORK)?);
    let named = format!("--name {NAME}");
    let remove = format!("rm -f {NAME}");
    let mut entries = vec![
        Entry::ours("detached", "detached", PLAIN, plain.live(&named)).after(plain.line(&remove)),
        Entry::ours(
            "detached",
            "detached-bridge",
            &format!("{NETWORK}, on its bridge"),
            network.live(&named),
        )
        .after(network.line(&remove)),
    ];
    let peers = &bench.peers;
    for runtime in &peers.oci {
        let id = format!("{}-detached", runtime.name);
        let line = runtime.live(&peers.root, NAME)?;
        let entry = Entry::peer("detached", &id, &format!("{} run -d", runtime.name), line, "detached");
        entries.push(entry.after(runtime.delete(NAME)));
    }
    if let Some(podman) = &peers.podman {
        let line = podman.live(&peers.root, NAME);
        let entry = Entry::peer("detached", "podman-detached", "podman --network none", line, "detached");
        entries.push(entry.after(podman.remove(NAME)));
    }
    if let Some(docker) = &peers.docker {
        let remove = docker.line(&remove);
        let lines = [
            ("docker-detached", "docker --network none", "--network none", "detached"),
            ("docker-detached-bridge", "docker, on its bridge", "", "detached-bridge"),
        ];
        for (id, name, options, beside) in lines {
            let line = docker.live(&format!("{named} {options}"));
            entries.push(Entry::peer("detached", id, name, line, beside).after(remove.clone()));
        }
    }
    let measured = bench.measure(Section::Detached, entries, bench.pace.divided(2));
    plain.clear()?;
    network.clear()?;
    measured
}
