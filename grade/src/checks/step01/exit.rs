//! Behaviour 1: whose exit status the caller sees, and what is said.

use std::os::unix::fs::symlink;

use nix::sys::signal::Signal;

use super::super::common::{expect_own_error, place, plain, send, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "exit-status-own",
        step: 1,
        behaviours: &[1],
        title: "the runtime's exit status is the command's, and it says nothing of its own",
        points: 2,
        hints: &[
            "What does waitpid(2) tell the parent about a child that called `exit(7)`?",
            "The status word is not the exit status: WEXITSTATUS takes it out. In Rust: `WaitStatus::Exited(_, code)`.",
            "Leave `main` with that number: `ExitCode::from(code)`.",
        ],
        section: "01-fork.html#exit-codes",
        run: own_status,
        ..Check::NEW
    },
    Check {
        id: "exit-status-signal",
        step: 1,
        behaviours: &[1],
        title: "a command ended by signal N gives exit status 128+N",
        points: 2,
        hints: &[
            "A process that a signal ends has no exit status. What do shells print for `$?` then?",
            "`WaitStatus::Signaled(_, signal, _)` is the other way in which waitpid(2) reports an end.",
            "Exit with `128 + signal as i32`.",
        ],
        section: "01-fork.html#exit-codes",
        after: &["exit-status-own"],
        run: by_signal,
        ..Check::NEW
    },
    Check {
        id: "exit-status-not-found",
        step: 1,
        behaviours: &[1],
        title: "a command that is not there gives 127 and one message that names it",
        points: 2,
        hints: &[
            "The child finds out that exec fails; the parent has to print the message and exit. How does it learn of it?",
            "A pipe or socket with CLOEXEC: exec closes it, a failure is written to it.",
            "ENOENT and ENOTDIR become 127, the shell's number for `not found`.",
        ],
        section: "01-fork.html#exec-failures",
        run: not_found,
        ..Check::NEW
    },
    Check {
        id: "exit-status-not-executable",
        step: 1,
        behaviours: &[1],
        title: "a file that is there but cannot be executed gives 126: no x bit, a folder, a bad interpreter, no program",
        points: 3,
        hints: &[
            "Try each in a shell, and look at `$?`.",
            "execve(2) answers ENOENT for a script whose interpreter is missing, although the script is there.",
            "Look for the file before exec: when it is there, whatever execve(2) says is 126.",
        ],
        section: "01-fork.html#exec-failures",
        after: &["exit-status-not-found"],
        run: not_executable,
        ..Check::NEW
    },
    Check {
        id: "exit-status-usage",
        step: 1,
        behaviours: &[1],
        title: "the runtime's own errors, usage included, give 125 and one message",
        points: 1,
        hints: &[
            "clap exits with 2 by itself, which could be the command's own status.",
            "`Cli::try_parse` hands you the error instead of exiting.",
            "Print one line of it, and leave with 125. `--help` is no error.",
        ],
        section: "01-fork.html#exit-codes",
        run: usage,
        ..Check::NEW
    },
];

fn own_status(subject: &Subject) -> Verdict {
    for code in [0, 1, 2, 42, 125, 126, 127, 255] {
        let output = subject.run(&[], &["sh", "-c", &format!("exit {code}")])?;
        expect_eq!(output.code(), code, "exit status of `sh -c 'exit {code}'`");
        expect_eq!(output.err(), "", "stderr of `sh -c 'exit {code}'`");
    }
    Ok(())
}

fn by_signal(subject: &Subject) -> Verdict {
    // From step 02 on the command is PID 1, which hears SIGKILL alone without a handler of its own.
    let more = [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1, Signal::SIGALRM];
    let signals = [Signal::SIGKILL].iter().chain(if subject.step == 1 { &more[..] } else { &[] });
    for signal in signals {
        let (mut running, command) = start_cat(plain(subject, &[]))?;
        send(command, *signal)?;
        let output = running.wait(PATIENCE)?;
        expect_eq!(output.code(), 128 + *signal as i32, "exit status after {signal} to the command");
    }
    // A fault is no signal that somebody sent: it ends a PID 1, too.
    let output = subject.run_probe::<&str>(&[], "fault", &[])?;
    expect_eq!(output.code(), 128 + libc::SIGSEGV, "exit status of a command with a segmentation fault");
    Ok(())
}

fn not_found(subject: &Subject) -> Verdict {
    for name in ["no-such-command", "/no/such/file", "./no-such-file", "/etc/passwd/below-a-file"] {
        let output = subject.run(&[], &[name])?;
        expect_own_error(subject, &output, 127, &format!("a run of {name:?}"))?;
        expect!(output.err().contains(name), "{name:?} in the message", "{:?}", output.err());
    }
    Ok(())
}

fn not_executable(subject: &Subject) -> Verdict {
    let cases = [
        ("no-x-bit", "#!/bin/sh\n", 0o644, "a script without x bit"),
        ("no-interpreter", "#!/no/such/interpreter\n", 0o755, "a script whose interpreter is missing"),
        ("no-program", "neither ELF nor script\n", 0o755, "a text file with an x bit"),
        ("empty", "", 0o755, "an empty file with an x bit"),
    ];
    for (name, content, mode, what) in cases {
        let placed = place(subject, name, content, mode)?;
        let output = subject.launch_in(&placed.image, &[], &[&placed.path]).output()?;
        expect_own_error(subject, &output, 126, &format!("a run of {what}"))?;
        expect!(output.err().contains(name), "{name:?} in the message", "{:?}", output.err());
    }
    let output = subject.run(&[], &["/tmp"])?;
    expect_own_error(subject, &output, 126, "a run of a folder")?;
    if !subject.has_images() {
        let link = subject.scratch().join("link-to-itself");
        symlink(&link, &link)?;
        expect_own_error(subject, &subject.run(&[], &[&link])?, 126, "a run of a symlink to itself")?;
    }
    Ok(())
}

fn usage(subject: &Subject) -> Verdict {
    let cases: [&[&str]; 7] = [
        &["no-such-subcommand"],
        &["--no-such-option"],
        &["run"],
        &["run", "--no-such-option", "x", "true"],
        &["run", "--env-file", "/no/such/file", "./x", "true"],
        &["run", "-e", "=value", "./x", "true"],
        &["run", "-w", "relative", "./x", "true"],
    ];
    for words in cases {
        expect_own_error(subject, &subject.raw(words).output()?, 125, &format!("{words:?}"))?;
    }
    let help = subject.raw(&["run", "--help"]).output()?;
    expect_eq!(help.code(), 0, "exit status of `run --help`");
    expect!(help.out().contains("--env"), "`run --help` to list the options on stdout", "{:?}", help.out());
    expect_eq!(help.err(), "", "stderr of `run --help`");
    Ok(())
}
