//! Behaviours 51 and 52 for many at once: fifty containers with a port each.

use std::collections::BTreeSet;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::send;
use super::super::step07::bed::{Gate, until_all_gone};
use super::host::{Asker, Host, NEEDS, Up, address};
use crate::{Check, Running, Subject, Verdict, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "crowd-fifty",
        step: 8,
        behaviours: &[51, 54],
        title: "fifty `run -d -p` at once have fifty addresses, and every port answers; after `rm -f` the host is as before",
        points: 5,
        hints: &["From the look at the leases to the new one on disk there is one lock."],
        section: "08-network.html#ipam-idea",
        needs: NEEDS,
        after: &["publish-everywhere"],
        timeout: Duration::from_secs(180),
        slow: true,
        run: fifty,
        ..Check::NEW
    },
    Check {
        id: "crowd-killed",
        step: 8,
        behaviours: &[51, 54],
        title: "and after `kill -9` of all their runtimes the next command leaves the host as before, too",
        points: 4,
        hints: &["What goes with a network namespace is gone by itself; leases and map elements are not."],
        section: "08-network.html#end",
        needs: NEEDS,
        after: &["crowd-fifty"],
        timeout: Duration::from_secs(180),
        slow: true,
        run: killed,
        ..Check::NEW
    },
];

/// Starts so many at the same moment, each with a port of its own.
fn crowd(host: &Host, count: u16) -> anyhow::Result<Vec<Up>> {
    let gate = Gate::new(host.bed.subject)?;
    let serve = host.bed.subject.probe_argv("serve")?;
    let serve: Vec<&str> = serve.iter().filter_map(|word| word.to_str()).collect();
    let start = |number: u16| {
        let (port, name) = (format!("{}:80", 8000 + number), format!("box{number}"));
        let words = [&serve[..], &[name.as_str(), "80"]].concat();
        gate.before(host.bed.launch(&["-d", "-p", &port, "--name", &name], &words)).start()
    };
    let mut all = (0..count).map(start).collect::<anyhow::Result<Vec<Running>>>()?;
    std::thread::sleep(Duration::from_millis(200));
    let _open = gate.open()?;
    let mut up = Vec::new();
    for running in &mut all {
        let output = running.wait(Duration::from_secs(100))?.success()?;
        up.push(Up::of(output.out().trim_end())?);
    }
    for container in &up {
        host.bed.until_logged(&container.id, "ready\n")?;
    }
    Ok(up)
}

fn fifty(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    let before = host.settled()?;
    let up = crowd(&host, 50)?;
    let addresses = up.iter().map(address).collect::<anyhow::Result<BTreeSet<String>>>()?;
    expect_eq!(addresses.len(), 50, "different addresses of fifty containers");
    expect_eq!(host.leases("bridge")?, 50, "leases");
    let gateway = host.gateway("bridge")?;
    for number in 0..50 {
        let port = (8000 + number).to_string();
        host.answers(
            Asker::World,
            "tcp",
            (super::host::HOST, &port),
            &format!("box{number} {}", super::host::WORLD),
        )?;
        host.answers(Asker::Host, "tcp", ("127.0.0.1", &port), &format!("box{number} {gateway}"))?;
    }
    let ids: Vec<&str> = up.iter().map(|it| it.id.as_str()).collect();
    host.bed.call(&[&["rm", "-f"], &ids[..]].concat()).output()?.success()?;
    expect_eq!(host.leases("bridge")?, 0, "leases after `rm -f` of all");
    host.is_again(&before, "after `rm -f` of all")
}

fn killed(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    let before = host.settled()?;
    let up = crowd(&host, 20)?;
    for container in &up {
        send(container.runtime, Signal::SIGKILL)?;
    }
    let all: Vec<_> = up.iter().flat_map(|it| [it.runtime, it.command]).collect();
    until_all_gone(&all, "of containers whose runtimes were killed")?;
    host.bed.ok(&["ps"])?;
    expect_eq!(host.leases("bridge")?, 0, "leases after `kill -9` and `ps`");
    host.is_again(&before, "after `kill -9` of all and `ps`")
}
