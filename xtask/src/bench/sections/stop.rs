//! The end of a running container, by request and by force.

use anyhow::Result;

use super::{Bench, NETWORK, PLAIN, Section};
use crate::bench::line::Line;
use crate::bench::peers::docker::IMAGE;
use crate::bench::timing::{Entry, Measured};

const NAME: &str = "ending";

/// A PID 1 that obeys SIGTERM at once.
const OBEYS: &str = "trap 'exit 0' TERM; sleep 100000 & wait";

pub fn run(bench: &Bench) -> Result<Measured> {
    let named = format!("--name {NAME}");
    let (plain, network) = (bench.step(PLAIN)?, bench.step(NETWORK)?);
    let mut entries = Vec::new();
    for (ours, id, name) in
        [(plain, "", PLAIN.to_owned()), (network, "-bridge", format!("{NETWORK}, on its bridge"))]
    {
        let obeys = ours.line(&format!("run -d {named} base")).with("sh -c").word(OBEYS);
        entries.push(stop(&format!("stop{id}"), &name, None, &|words| ours.line(words), obeys));
        let rm = Entry::ours("rm", &format!("rm{id}"), &name, ours.line(&format!("rm -f {NAME}")));
        entries.push(rm.before(ours.live(&named)));
    }
    let peers = &bench.peers;
    for runtime in &peers.oci {
        let (id, name) = (format!("{}-rm", runtime.name), format!("{} delete --force", runtime.name));
        let entry = Entry::peer("rm", &id, &name, runtime.delete(NAME), "rm");
        entries.push(entry.before(runtime.live(&peers.root, NAME)?));
    }
    if let Some(docker) = &peers.docker {
        for (id, name, options, beside) in [
            ("", "docker --network none", "--network none", ""),
            ("-bridge", "docker, on its bridge", "", "-bridge"),
        ] {
            let obeys = docker.line(&format!("run -d {named} {options} {IMAGE} /bin/sh -c")).word(OBEYS);
            let beside = (format!("stop{beside}"), format!("rm{beside}"));
            let line = |words: &str| docker.line(words);
            entries.push(stop(&format!("docker-stop{id}"), name, Some(&beside.0), &line, obeys));
            let rm = docker.line(&format!("rm -f {NAME}"));
            let rm = Entry::peer("rm", &format!("docker-rm{id}"), name, rm, &beside.1);
            entries.push(rm.before(docker.live(&format!("{named} {options}"))));
        }
    }
    let measured = bench.measure(Section::Stop, entries, bench.pace.divided(2));
    plain.clear()?;
    network.clear()?;
    measured
}

fn stop(id: &str, name: &str, beside: Option<&str>, line: &dyn Fn(&str) -> Line, obeys: Line) -> Entry {
    let stop = line(&format!("stop {NAME}"));
    let entry = match beside {
        None => Entry::ours("stop", id, name, stop),
        Some(beside) => Entry::peer("stop", id, name, stop, beside),
    };
    entry.before(obeys).after(line(&format!("rm {NAME}")))
}
