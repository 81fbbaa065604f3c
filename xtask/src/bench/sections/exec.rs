//! One more command in a container that runs.

use anyhow::Result;

use super::{Bench, PLAIN, Section};
use crate::bench::timing::{Entry, Measured};

const NAME: &str = "running";

pub fn run(bench: &Bench) -> Result<Measured> {
    let (ours, peers, words) = (bench.step(PLAIN)?, &bench.peers, bench.place.words());
    let named = format!("--name {NAME}");
    ours.live(&named).timed(&words)?;
    let line = ours.line(&format!("exec {NAME} true"));
    let mut entries = vec![Entry::ours("exec", "exec", &format!("{PLAIN} exec"), line)];
    for runtime in &peers.oci {
        runtime.live(&peers.root, NAME)?.timed(&words)?;
        let (id, name) = (format!("{}-exec", runtime.name), format!("{} exec", runtime.name));
        entries.push(Entry::peer("exec", &id, &name, runtime.exec(NAME), "exec"));
    }
    if let Some(docker) = &peers.docker {
        docker.live(&format!("{named} --network none")).timed(&words)?;
        let line = docker.line(&format!("exec {NAME} /bin/true"));
        entries.push(Entry::peer("exec", "docker-exec", "docker exec", line, "exec"));
    }
    let measured = bench.measure(Section::Exec, entries, bench.pace);
    ours.clear()?;
    for runtime in &peers.oci {
        runtime.delete(NAME).timed(&words)?;
    }
    if let Some(docker) = &peers.docker {
        docker.line(&format!("rm -f {NAME}")).timed(&words)?;
    }
    measured
}
