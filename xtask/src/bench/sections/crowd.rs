//! Many containers at once: how fast they start, how one starts among them, and what stays in memory with each.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Instant;

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::{Bench, NETWORK, PLAIN};
use crate::bench::line::Line;
use crate::bench::ours::Ours;
use crate::bench::peers::docker::Docker;
use crate::bench::peers::{pss, pss_of_all};
use crate::bench::results::{Row, Unit};
use crate::bench::timing::{GAP, Measured};
use crate::bench::{headroom, interrupt};

/// How many of Docker's: enough to see what each of them costs.
const DOCKED: usize = 10;

/// How many are started at a time.
const JOBS: usize = 2;

/// The default network's subnet has addresses for so many, and some to spare.
const ON_A_BRIDGE: u32 = 1000;

pub fn run(bench: &Bench) -> Result<Measured> {
    let mut measured = Measured::default();
    for ours in [bench.step(PLAIN)?, bench.step(NETWORK)?] {
        let network = ours.step == NETWORK;
        for count in bench.crowd.iter().copied().filter(|count| !network || *count <= ON_A_BRIDGE) {
            headroom::check(count)?;
            let result = crowd(bench, ours, count, &mut measured);
            ours.clear()?;
            result.with_context(|| format!("{count} containers of {}", ours.step))?;
        }
    }
    if let Some(docker) = &bench.peers.docker {
        docked(docker, &mut measured).or_else(|error| {
            measured.absent("docker, many at once", &error);
            interrupt::check()
        })?;
    }
    if let Some(podman) = &bench.peers.podman {
        let name = "crowded";
        let started = podman.live(&bench.peers.root, name).timed(&bench.place.words());
        let sizes = started.and_then(|_| pss_of_all("conmon"));
        podman.remove(name).timed(&bench.place.words()).ok();
        memory(&mut measured, "conmon", "conmon of podman", sizes, true);
    }
    Ok(measured)
}

/// So many of ours: the rate, one more among them, and their supervisors' memory.
fn crowd(bench: &Bench, ours: &Ours, count: u32, measured: &mut Measured) -> Result<()> {
    let (step, many) = (&ours.step, count as usize);
    let name = format!("{step}, {count}");
    let rate = rate(&ours.live(""), many)?;
    let ids = ours.containers()?;
    ensure!(ids.len() == many, "{count} were started, and ps shows {}", ids.len());
    if count > 1 {
        let row = Row::of(&format!("rate-{step}-{count}"), &name, Unit::ASecond, &[rate]).ours();
        measured.row("rate", Row { runs: many, ..row });
    }
    // Whoever wants a name has to look through all of them.
    for (id, named, options) in [("crowded", "", ""), ("named", " --name NAME", "--name one-more")] {
        let times = one_more(bench, ours, options)?;
        let row =
            Row::of(&format!("{id}-{step}-{count}"), &format!("{name}{named}"), Unit::Milliseconds, &times);
        measured.row("crowded", row.ours().beside(&format!("{id}-{step}-1")));
    }
    let row = Row::of(&format!("memory-{step}-{count}"), &name, Unit::Kibibytes, &supervisors(ours, &ids)?);
    measured.row("memory", row.ours());
    Ok(())
}

/// Each worker starts the next container when its last one runs; after a failure none starts another. How many a second.
fn rate(line: &Line, count: usize) -> Result<f64> {
    let next = AtomicUsize::new(0);
    let work = || -> Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let started = interrupt::check().and_then(|()| line.output());
            started.inspect_err(|_| next.store(count, Ordering::Relaxed))?;
        }
        Ok(())
    };
    let begin = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = (0..JOBS).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })?;
    Ok(count as f64 / begin.elapsed().as_secs_f64())
}

/// Starts one more, again and again; in milliseconds.
fn one_more(bench: &Bench, ours: &Ours, options: &str) -> Result<Vec<f64>> {
    let start = ours.live(options);
    let once = |_| -> Result<f64> {
        interrupt::check()?;
        thread::sleep(GAP);
        let begin = Instant::now();
        let id = start.output()?;
        let time = begin.elapsed().as_secs_f64() * 1000.0;
        ours.on("rm -f", &[id.trim().to_owned()]).output().map(|_| time)
    };
    (0..bench.pace.runs * bench.pace.rounds).map(once).collect()
}

/// What the supervisors of these have in memory.
fn supervisors(ours: &Ours, ids: &[String]) -> Result<Vec<f64>> {
    let records = ours.on("inspect", ids).output()?;
    let records: Vec<Value> = serde_json::from_str(&records).context("read what inspect prints")?;
    let size = |record: &Value| {
        let pid = record["state"]["supervisor"]["pid"].as_i64().context("inspect names no supervisor")?;
        pss(pid.try_into().context("a supervisor's number")?)
    };
    records.iter().map(size).collect()
}

fn docked(docker: &Docker, measured: &mut Measured) -> Result<()> {
    for (id, name, options, beside) in [
        ("docker", "docker --network none", "--network none", PLAIN),
        ("docker-bridge", "docker, on its bridge", "", NETWORK),
    ] {
        let rate = rate(&docker.live(options), DOCKED);
        if beside == PLAIN {
            memory(
                measured,
                "shim",
                &format!("containerd-shim of docker, {DOCKED}"),
                pss_of_all("containerd-shim"),
                true,
            );
        }
        docker.clear()?;
        let row = Row::of(&format!("rate-{id}"), &format!("{name}, {DOCKED}"), Unit::ASecond, &[rate?]);
        measured.row("rate", Row { runs: DOCKED, ..row }.beside(&format!("rate-{beside}-{DOCKED}")));
    }
    memory(measured, "containerd", "containerd, once for all", pss_of_all("containerd"), false);
    memory(measured, "dockerd", "dockerd, once for all", pss_of_all("dockerd"), false);
    Ok(())
}

/// The row of a peer; what there is once for all is beside nothing.
fn memory(measured: &mut Measured, id: &str, name: &str, sizes: Result<Vec<f64>>, compared: bool) {
    match sizes {
        Ok(sizes) if !sizes.is_empty() => {
            let row = Row::of(&format!("memory-{id}"), name, Unit::Kibibytes, &sizes);
            let row = if compared { row.beside(&format!("memory-{PLAIN}-{DOCKED}")) } else { row };
            measured.row("memory", row);
        }
        Ok(_) => measured.absent(name, &anyhow!("no such process here")),
        Err(error) => measured.absent(name, &error),
    }
}
