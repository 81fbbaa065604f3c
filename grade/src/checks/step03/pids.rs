//! Behaviour 18: the number of processes.

use std::process::Command;
use std::time::{Duration, Instant};

use super::group::{Group, release};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "pids-limit",
        step: 3,
        behaviours: &[18],
        title: "under `--pids-limit 30` a command can start 29 children and no more",
        points: 2,
        hints: &[
            "pids.max counts tasks of the group and of those below it: the command is one of them.",
            "fork(2) fails with EAGAIN at the limit.",
        ],
        section: "03-cgroups.html#pids",
        needs: &[Need::CgroupController("pids")],
        after: &["cgroup-pids-limit-one"],
        run: limit,
        ..Check::NEW
    },
    Check {
        id: "pids-fork-bomb",
        step: 3,
        behaviours: &[18],
        title: "a fork bomb under --pids-limit is held, and the host goes on",
        points: 3,
        hints: &[
            "pids.events counts the forks that the limit refused.",
            "When PID 1 of a PID namespace ends, the kernel kills everybody else in it.",
        ],
        section: "03-cgroups.html#pids",
        needs: &[Need::CgroupController("pids")],
        // A limit that holds for one generation is there: only then the bomb goes off.
        after: &["pids-limit"],
        timeout: Duration::from_secs(60),
        run: bomb,
        ..Check::NEW
    },
];

fn limit(subject: &Subject) -> Verdict {
    let mut running = subject.probe(&["--pids-limit", "30"], "forks", &["60"])?.start()?;
    expect_eq!(running.read_line()?, "29 EAGAIN", "children under --pids-limit 30, and why no more");
    let group = Group::of(running.command()?, "pids")?;
    expect_eq!(group.text("pids.max")?, "30", "pids.max");
    expect_eq!(group.text("pids.current")?, "30", "pids.current");
    expect_eq!(group.keyed("pids.events", "max")?, 1, "refused forks in pids.events");
    release(&mut running)?;
    Ok(())
}

fn bomb(subject: &Subject) -> Verdict {
    // Each process starts six, three generations deep: 258 at most, should the limit fail after all.
    let mut running = subject.probe(&["--pids-limit", "30"], "bomb", &["3", "6"])?.start()?;
    expect_eq!(running.read_line()?, "lit", "first line of the bomb");
    let command = running.command()?;
    let group = Group::of(command, "pids")?;
    expect_eq!(group.text("pids.max")?, "30", "pids.max");
    running.send(b"\n")?;
    crate::until(PATIENCE, "a fork refused by the limit", || {
        group.keyed("pids.events", "max").ok().filter(|refused| *refused > 0)
    })?;
    let end = Instant::now() + Duration::from_secs(1);
    let mut most = 0;
    while Instant::now() < end {
        // In pids.current a fork is counted before it is refused.
        most = most.max(group.text("cgroup.procs")?.lines().count());
        let host = Command::new("true").status()?;
        expect!(host.success(), "a host that can still start a process", "{host}");
    }
    expect!((2..=30).contains(&most), "at most 30 processes at any time", "{most}");
    let output = release(&mut running)?;
    expect_eq!(output.err(), "", "stderr of the runtime after the bomb");
    crate::until(PATIENCE, "the group to be gone", || (!super::group::exists(&group.dir)).then_some(()))
}
