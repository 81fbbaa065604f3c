//! Behaviour 42: where a detached command writes to, and what it reads.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;
use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, SOON, holds};
use crate::{Check, Subject, Verdict, expect, expect_eq, until};

const DETACHED: Check = Check {
    step: 7,
    behaviours: &[42],
    points: 2,
    section: "07-detach.html#detach",
    after: &["detach-returns"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "detach-log-direct",
        title: "the command's stdout and stderr are the log file itself, and no process copies",
        hints: &["Open it for appending, and dup2(2) it before execve(2)."],
        section: "07-detach.html#logs",
        run: direct,
        ..DETACHED
    },
    Check {
        id: "detach-stdin",
        title: "stdin of a detached command is at its end, or with -i open and empty",
        hints: &["/dev/null, or a FIFO whose other end stays open."],
        points: 1,
        section: "07-detach.html#console",
        run: stdin,
        ..DETACHED
    },
    Check {
        id: "detach-no-terminal",
        title: "-d with -t is refused: nobody would be at the other end",
        hints: &["One error, 125, before anything is made."],
        section: "07-detach.html#terminal",
        points: 1,
        run: refuses_terminal,
        ..DETACHED
    },
];

fn direct(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&[], "echo ready; echo to stderr >&2; exec sleep 1000")?;
    bed.until_logged(&up.id, "to stderr\n")?;
    // The shell has more open for a moment, and so has the start of sleep, while it looks for its libraries.
    let slept = || up.command.argv().is_ok_and(|argv| argv.first().is_some_and(|word| word == b"sleep"));
    let few = || up.command.descriptors().is_ok_and(|fds| fds.len() <= 3);
    until(SOON, "the shell to become sleep", || slept().then_some(()))?;
    until(SOON, "three descriptors in the command", || few().then_some(()))?;
    let log = bed.folder(&up.id).join("log");
    expect!(holds(up.command, &log)?, "the log open in the command", "it is not");
    expect!(!holds(up.runtime, &log)?, "the log closed in the supervisor", "it is open");
    let fds = up.command.descriptors()?;
    expect_eq!(fds.get(&1), fds.get(&2), "what stdout and stderr of the command lead to");
    expect_eq!(fds.keys().copied().collect::<Vec<_>>(), [0, 1, 2], "descriptors of the command");
    expect_eq!(bed.log(&up.id)?, b"ready\nto stderr\n", "the log");
    let flags = up.command.text("fdinfo/1")?;
    let flags = flags.lines().find_map(|line| line.strip_prefix("flags:")).unwrap_or_default().trim();
    let flags = i32::from_str_radix(flags, 8).with_context(|| format!("flags {flags:?}"))?;
    expect!(flags & libc::O_APPEND != 0, "the log opened for appending", "flags {flags:o}");
    Ok(())
}

fn stdin(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let ended = bed.launch(&["-d", "--name", "ended"], &["cat"]).output_for(b"not for it")?.success()?;
    expect_eq!(bed.ok(&["wait", "ended"])?, "0\n", "exit code of `cat` with nothing to read");
    expect_eq!(bed.log(ended.out().trim_end())?, b"", "what it read");
    let open = bed.up(&["-i"], &["cat"])?;
    std::thread::sleep(Duration::from_millis(200));
    expect!(open.command.alive(), "`cat` with -i to wait", "its end");
    send(open.command, Signal::SIGKILL)?;
    expect_eq!(bed.ok(&["wait", &open.id])?, "137\n", "exit code of a killed `cat`");
    Ok(())
}

fn refuses_terminal(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for options in [&["-d", "-t"][..], &["-dt"], &["-dit"]] {
        let output = bed.launch(options, &["true"]).output()?;
        bed.own_error(&output, 125, "-t", &format!("`run {options:?}`"))?;
    }
    bed.expect_nothing(&BTreeSet::new(), "after a refusal")
}
