//! Behaviours 9 and 13: PID 1, and what the kernel keeps from it.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::{plain, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Launch, Need, Process, Subject, Terminal, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "pid-1",
        step: 2,
        behaviours: &[9],
        title: "the command is PID 1 of a pid namespace right below the host's",
        points: 1,
        hints: &[
            "`grep NSpid /proc/PID/status` shows a process's number in each namespace.",
            "CLONE_NEWPID, no fork behind it.",
        ],
        section: "02-namespaces.html#pid-1",
        needs: &[Need::UserNamespaces],
        run: pid_1,
        ..Check::NEW
    },
    Check {
        id: "ctrl-c-told-then-killed",
        step: 2,
        behaviours: &[13],
        title: "the first Ctrl-C at a PID 1 without a handler is explained, the second kills it: 137",
        points: 3,
        hints: &[
            "kill(2): what does PID 1 get of signals that it has no handler for? SIGKILL from outside is the exception.",
            "SigCgt in /proc/PID/status tells whether the command has a handler.",
            "Say so on stderr the first time, send SIGKILL the second.",
        ],
        section: "02-namespaces.html#ctrl-c",
        needs: &[Need::UserNamespaces],
        after: &["pid-1"],
        run: told_then_killed,
        ..Check::NEW
    },
    Check {
        id: "ctrl-c-on-terminal",
        step: 2,
        behaviours: &[13],
        title: "the same holds for the key on a terminal, and a command with a handler hears it without a word from the runtime",
        points: 1,
        hints: &["The terminal sends SIGINT to the whole process group, the runtime included."],
        section: "02-namespaces.html#ctrl-c",
        needs: &[Need::UserNamespaces, Need::Terminal],
        after: &["ctrl-c-told-then-killed"],
        run: on_terminal,
        ..Check::NEW
    },
];

fn pid_1(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    let outside = Process::this().pids()?.len();
    let pids = command.pids()?;
    expect_eq!(pids.len(), outside + 1, "pid namespaces of the command ({pids:?})");
    expect_eq!(pids.last(), Some(&1), "the command's number in its own namespace ({pids:?})");
    let output = subject.run(&[], &["sh", "-c", "echo $$"])?.success()?;
    expect_eq!(output.out(), "1\n", "`echo $$`");
    Ok(())
}

fn told_then_killed(subject: &Subject) -> Verdict {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let (mut running, command) = start_cat(plain(subject, &[]))?;
        expect_eq!(running.stderr_now(), "", "stderr before {signal}");
        running.signal(signal)?;
        running.wait_stderr("PID 1", Duration::from_secs(2))?;
        expect!(command.alive(), "the command to outlive the first {signal}", "{:?}", command.state());
        running.send(b"still here\n")?;
        expect_eq!(running.read_line()?, "still here", "what `cat` says after the first {signal}");
        running.signal(signal)?;
        let output = running.wait(Duration::from_secs(2))?;
        expect_eq!(output.code(), 137, "exit status after the second {signal}");
        expect_eq!(output.err().lines().count(), 1, "lines on stderr ({:?})", output.err());
    }
    Ok(())
}

/// A launch as a job of a shell: then the runtime does not lead the session, and the terminal can be handed over.
fn as_job(launch: Launch) -> Launch {
    launch.under(&["sh", "-c", "set -m; \"$@\"; exit $?", "sh"])
}

fn on_terminal(subject: &Subject) -> Verdict {
    for start in [|launch| launch, as_job] {
        let mut terminal = Terminal::open()?;
        let launch = start(subject.launch(&[], &["sh", "-c", "echo up; exec sleep 1000"]));
        let mut running = launch.start_on(&terminal)?;
        terminal.wait_for("up")?;
        let sleep = crate::until(Duration::from_secs(5), "`sleep` as the command", || {
            let is_sleep =
                |process: &Process| process.text("comm").is_ok_and(|name| name.trim_end() == "sleep");
            running.runtime().descendants().into_iter().find(is_sleep)
        })?;
        terminal.press("\x03")?;
        terminal.wait_for("PID 1")?;
        expect!(sleep.alive(), "the command to outlive the first Ctrl-C", "{:?}", sleep.state());
        terminal.press("\x03")?;
        expect_eq!(running.wait(PATIENCE)?.code(), 137, "exit status after the second Ctrl-C");

        let mut terminal = Terminal::open()?;
        let mut running = start(subject.probe(&[], "catch", &["1"])?).start_on(&terminal)?;
        terminal.wait_for("ready")?;
        terminal.press("\x03")?;
        expect_eq!(running.wait(PATIENCE)?.code(), 0, "exit status of a command that handles Ctrl-C");
        expect!(!terminal.screen().contains("PID 1"), "no word about PID 1", "{:?}", terminal.screen());
    }
    Ok(())
}
