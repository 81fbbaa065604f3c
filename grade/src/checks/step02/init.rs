//! Behaviour 9: `--init`.

use std::time::Duration;

use anyhow::Context;
use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::super::common::{expect_own_error, plain, send, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq, until};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "init-pid-2",
        step: 2,
        behaviours: &[9],
        title: "with --init the command is PID 2, a child of PID 1",
        points: 1,
        hints: &[
            "One more fork inside the namespace: the parent stays as PID 1, the child becomes the command.",
        ],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["pid-1"],
        run: pid_2,
        ..Check::NEW
    },
    Check {
        id: "init-exit-status",
        step: 2,
        behaviours: &[1, 9],
        title: "the exit status passes through init: the command's own, 128+N, 126, 127",
        points: 2,
        hints: &[
            "init is a process, too: it can only exit, so the signal has to become a number there.",
            "A failing exec is reported by PID 2; the socket to the runtime must stay open that far, and no further.",
        ],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["init-pid-2", "exit-status-own"],
        run: status,
        ..Check::NEW
    },
    Check {
        id: "init-reaps",
        step: 2,
        behaviours: &[9],
        title: "with --init no orphan stays a zombie",
        points: 2,
        hints: &[
            "Whose child becomes a process whose parent ends first?",
            "On each SIGCHLD call waitpid(-1, WNOHANG) until there is nothing left: one signal can stand for several ends.",
        ],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["init-pid-2"],
        run: reaps,
        ..Check::NEW
    },
    Check {
        id: "init-leaves-with-command",
        step: 2,
        behaviours: &[9],
        title: "when the command ends, the container ends, whatever it left in the background",
        points: 1,
        hints: &["init must not wait for the others: its own end ends them, in a pid namespace."],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["init-pid-2"],
        run: leaves,
        ..Check::NEW
    },
    Check {
        id: "init-fast-command",
        step: 2,
        behaviours: &[9],
        title: "a command that ends at once, before init has settled, is not missed",
        points: 1,
        hints: &[
            "A SIGCHLD that nobody blocks or handles is gone.",
            "init has to block its signals before it forks; the command empties the mask before exec.",
        ],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["init-pid-2"],
        run: fast,
        ..Check::NEW
    },
    Check {
        id: "init-forwards",
        step: 2,
        behaviours: &[4, 9],
        title: "signals pass through init to the command, once each, and a fresh command has none blocked or ignored",
        points: 2,
        hints: &[
            "init blocks signals to wait for them; the command must not inherit that.",
            "kill(2) the command's pid, not -1.",
        ],
        section: "02-namespaces.html#init",
        needs: &[Need::UserNamespaces],
        after: &["signals-reach-command", "hygiene-signals"],
        run: forwards,
        ..Check::NEW
    },
];

fn pid_2(subject: &Subject) -> Verdict {
    let (running, command) = start_cat(plain(subject, &["--init"]))?;
    let pids = command.pids()?;
    expect_eq!(pids.last(), Some(&2), "the command's number in its own namespace ({pids:?})");
    let first = running.runtime().children();
    expect_eq!(first.len(), 1, "children of the runtime");
    expect_eq!(first[0].pids()?.last(), Some(&1), "the number of init in its namespace");
    expect_eq!(first[0].children(), [command], "children of init");
    Ok(())
}

fn status(subject: &Subject) -> Verdict {
    for code in [0, 7, 255] {
        let output = subject.run(&["--init"], &["sh", "-c", &format!("exit {code}")])?;
        expect_eq!(output.code(), code, "exit status of `sh -c 'exit {code}'` through init");
    }
    for signal in [Signal::SIGKILL, Signal::SIGTERM, Signal::SIGUSR1, Signal::SIGABRT] {
        let (mut running, command) = start_cat(plain(subject, &["--init"]))?;
        send(command, signal)?;
        expect_eq!(
            running.wait(PATIENCE)?.code(),
            128 + signal as i32,
            "exit status after {signal} through init"
        );
    }
    let output = subject.run(&["--init"], &["no-such-command"])?;
    expect_own_error(subject, &output, 127, "a run of a missing command through init")?;
    let output = subject.run(&["--init"], &["/tmp"])?;
    expect_own_error(subject, &output, 126, "a run of a folder through init")
}

fn reaps(subject: &Subject) -> Verdict {
    // Each subshell ends at once, so that its `sleep` is an orphan.
    let script = "for orphan in 1 2 3; do (sleep 0.5 &); done; echo up; cat";
    let mut running = subject.start(&["--init"], &["sh", "-c", script])?;
    running.read_line()?;
    let command = running.command()?;
    let init = running.runtime().children()[0];
    let orphans = until(Duration::from_secs(5), "three orphans below init", || {
        let orphans: Vec<_> = init.children().into_iter().filter(|child| *child != command).collect();
        (orphans.len() == 3).then_some(orphans)
    })?;
    // While init is stopped all three end: then one SIGCHLD has to do for all of them.
    send(init, Signal::SIGSTOP)?;
    let zombies = || orphans.iter().all(|orphan| orphan.state() == Some('Z')).then_some(());
    until(Duration::from_secs(5), "three zombies while init is stopped", zombies)?;
    send(init, Signal::SIGCONT)?;
    let only_command = || (init.children() == [command]).then_some(());
    until(Duration::from_secs(5), "no child of init but the command", only_command)?;
    expect!(command.alive(), "the command to go on", "{:?}", command.state());
    running.close_stdin();
    expect_eq!(running.wait(PATIENCE)?.code(), 0, "exit status after orphans");
    Ok(())
}

fn fast(subject: &Subject) -> Verdict {
    let on_one_cpu = || -> std::io::Result<()> {
        // SAFETY: cpu_set_t is plain numbers, CPU_SET writes into it, and it lives through the call.
        unsafe {
            let mut set: libc::cpu_set_t = std::mem::zeroed();
            libc::CPU_SET(usize::try_from(libc::sched_getcpu()).unwrap_or(0), &mut set);
            Errno::result(libc::sched_setaffinity(0, size_of_val(&set), &raw const set))?;
        }
        Ok(())
    };
    for _ in 0..4 {
        // Many at once on one CPU: PID 1 is often behind its child.
        // SAFETY: the hook makes system calls on its own stack only.
        let launch = || unsafe { subject.launch(&["--init"], &["true"]).hook(on_one_cpu) };
        let runs: anyhow::Result<Vec<_>> = (0..25).map(|_| launch().start()).collect();
        for mut running in runs? {
            let output = running.wait(Duration::from_secs(10)).context("a command that ends at once")?;
            expect_eq!(output.code(), 0, "exit status of `run --init true`");
        }
    }
    Ok(())
}

fn leaves(subject: &Subject) -> Verdict {
    for options in [&["--init"][..], &[]] {
        let script = "(sleep 1000 &) ; sleep 1000 & exit 4";
        let mut running = subject.start(options, &["sh", "-c", script])?;
        let output = running.wait(Duration::from_secs(5))?;
        expect_eq!(output.code(), 4, "exit status with processes in the background {options:?}");
        expect_eq!(crate::Process::this().children(), [], "processes left with {options:?}");
    }
    Ok(())
}

fn forwards(subject: &Subject) -> Verdict {
    let signals =
        [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGWINCH, Signal::SIGTERM];
    let mut running = subject.probe(&["--init"], "catch", &[signals.len().to_string()])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    for signal in signals {
        running.signal(signal)?;
        expect_eq!(
            running.read_line()?,
            (signal as i32).to_string(),
            "signal seen by the command after {signal}"
        );
    }
    let output = running.wait(PATIENCE)?;
    expect_eq!((output.code(), output.err()), (0, String::new()), "exit status and stderr of the run");
    let (_running, command) = start_cat(plain(subject, &["--init"]))?;
    for set in ["SigIgn", "SigBlk", "SigCgt"] {
        expect_eq!(
            format!("{:016x}", command.signals(set)?),
            "0000000000000000",
            "{set} of the command below init"
        );
    }
    expect_eq!(
        command.descriptors()?.into_keys().collect::<Vec<_>>(),
        [0, 1, 2],
        "descriptors of the command"
    );
    Ok(())
}
