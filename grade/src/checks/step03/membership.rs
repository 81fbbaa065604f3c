//! Behaviour 15: the command is in its own group before its first instruction.

use anyhow::Result;

use super::group::{Group, USUAL, hold, release};
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "cgroup-own",
        step: 3,
        behaviours: &[15],
        title: "every container has groups of its own, apart from the caller's and from other containers'",
        points: 2,
        hints: &[
            "Compare /proc/PID/cgroup of two containers that run at the same time, and of your shell.",
            "A group is a directory: name it after the container's id, and make it before the clone.",
        ],
        section: "03-cgroups.html#groups",
        needs: &[
            Need::CgroupController("cpu"),
            Need::CgroupController("memory"),
            Need::CgroupController("pids"),
        ],
        run: own,
        ..Check::NEW
    },
    Check {
        id: "cgroup-first-instruction",
        step: 3,
        behaviours: &[15],
        title: "what the command first reads of its groups is what they are to the end",
        points: 3,
        hints: &[
            "Who moves the process, and is it sure to be done before exec?",
            "On v2 a process can be born in its group: CLONE_INTO_CGROUP in clone3(2).",
            "On v1 the child writes `0` to each `tasks` file itself, before exec.",
        ],
        section: "03-cgroups.html#joining",
        needs: &[Need::CgroupController("pids")],
        after: &["cgroup-own"],
        run: first_instruction,
        ..Check::NEW
    },
    Check {
        id: "cgroup-pids-limit-one",
        step: 3,
        behaviours: &[15],
        title: "under `--pids-limit 1` the command runs, and cannot start a child even as its first act",
        points: 2,
        hints: &[
            "The limit must be in the file before the process is in the group.",
            "A process that is moved into a group is not held to pids.max; its next fork is.",
        ],
        section: "03-cgroups.html#joining",
        needs: &[Need::CgroupController("pids")],
        run: limit_one,
        ..Check::NEW
    },
    Check {
        id: "cgroup-descendants",
        step: 3,
        behaviours: &[15],
        title: "what the command starts is in the same groups, with --init, too",
        points: 1,
        hints: &["fork(2) keeps the groups: nothing has to be done, unless init joined too late."],
        section: "03-cgroups.html#groups",
        needs: &[Need::CgroupController("pids")],
        after: &["cgroup-own"],
        run: descendants,
        ..Check::NEW
    },
    Check {
        id: "cgroup-namespace-root",
        step: 3,
        behaviours: &[15],
        title: "in its cgroup namespace the command sees its own group as `/`",
        points: 2,
        hints: &[
            "cgroup_namespaces(7): the root is the group in which the process was when the namespace was made.",
            "With CLONE_NEWCGROUP and CLONE_INTO_CGROUP in one clone3 the root is the parent's group.",
            "Join first; then `unshare(CLONE_NEWCGROUP)` in the child.",
        ],
        section: "03-cgroups.html#cgroup-namespace",
        needs: &[Need::Namespace("cgroup")],
        run: namespace_root,
        ..Check::NEW
    },
];

fn own(subject: &Subject) -> Verdict {
    let (mut first, one) = hold(subject, &[])?;
    let (mut second, two) = hold(subject, &[])?;
    for controller in USUAL {
        let (one, two, host) = (
            one.cgroup_dir(controller)?,
            two.cgroup_dir(controller)?,
            Process::this().cgroup_dir(controller)?,
        );
        expect!(one != two, "a group of {controller} for each container", "{one:?} for both");
        for dir in [&one, &two] {
            expect!(*dir != host, "a group of {controller} apart from the caller's", "{dir:?}");
            let procs = std::fs::read_to_string(dir.join("cgroup.procs"))?;
            expect_eq!(procs.lines().count(), 1, "processes in {}", dir.display());
        }
    }
    release(&mut first)?;
    release(&mut second)?;
    Ok(())
}

/// Without a cgroup namespace the command reads the paths that the host has for its groups.
const HOST_PATHS: [&str; 2] = ["--ns", "pid,uts,ipc,mnt,net"];

fn first_instruction(subject: &Subject) -> Verdict {
    // A runtime that is late loses a race, and not every time.
    for turn in 1..=5 {
        let mut running = subject.probe::<&str>(&HOST_PATHS, "groups", &[])?.start()?;
        let count: usize = running.read_line()?.parse()?;
        let seen = (0..count).map(|_| running.read_line()).collect::<Result<Vec<_>>>()?;
        let command = running.command()?;
        let (last, host) = (command.text("cgroup")?, Process::this().text("cgroup")?);
        expect_eq!(
            seen,
            last.lines().collect::<Vec<_>>(),
            "/proc/self/cgroup at the command's start ({turn})"
        );
        expect!(last != host, "groups other than the caller's", "{last:?}");
        release(&mut running)?;
    }
    Ok(())
}

fn limit_one(subject: &Subject) -> Verdict {
    let options = ["--pids-limit", "1"];
    subject.run(&options, &["true"])?.success()?;
    for _ in 0..3 {
        let mut running = subject.probe(&options, "forks", &["1"])?.start()?;
        expect_eq!(
            running.read_line()?,
            "0 EAGAIN",
            "children that the command could start, and why no more"
        );
        let group = Group::of(running.command()?, "pids")?;
        expect_eq!(group.text("pids.max")?, "1", "pids.max");
        expect_eq!(group.text("pids.current")?, "1", "pids.current");
        release(&mut running)?;
    }
    Ok(())
}

fn descendants(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"]] {
        let script = "sleep 1000 & (sleep 1000 & echo up; read end); kill $! 2>/dev/null; exit 0";
        let mut running = subject.start(options, &["sh", "-c", script])?;
        running.read_line()?;
        let command = running.command()?;
        let groups = command.text("cgroup")?;
        let below = running.runtime().contained();
        expect!(below.len() >= 4, "shell, subshell and two sleeps below the runtime", "{below:?}");
        for process in below {
            expect_eq!(process.text("cgroup")?, groups, "the groups of process {} {options:?}", process.0);
        }
        running.send(b"\n")?;
        expect_eq!(running.wait(PATIENCE)?.code(), 0, "exit status {options:?}");
    }
    Ok(())
}

fn namespace_root(subject: &Subject) -> Verdict {
    let mut running = subject.probe::<&str>(&[], "groups", &[])?.start()?;
    let count: usize = running.read_line()?.parse()?;
    for _ in 0..count {
        let line = running.read_line()?;
        expect!(line.ends_with(":/"), "`/` as the group in a line of /proc/self/cgroup", "{line:?}");
    }
    expect!(count > 0, "groups in /proc/self/cgroup", "none");
    let (inside, host) = (running.command()?.ns("cgroup")?, Process::this().ns("cgroup")?);
    expect!(inside != host, "a cgroup namespace apart from the host's", "{inside} for both");
    release(&mut running)?;
    Ok(())
}
