//! Behaviour 3: stdin, stdout and stderr are the caller's own, not copies.

use std::fs::File;
use std::io;

use super::super::common::{plain, start_cat};
use crate::{Check, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "streams-binary-safe",
        step: 1,
        behaviours: &[3],
        title: "whatever bytes go in come out, and stdout and stderr stay apart",
        points: 1,
        hints: &[
            "The command can simply keep the caller's descriptors 0, 1 and 2.",
            "A runtime that reads and writes for its command has to care for every byte; one that does not, need not.",
        ],
        section: "01-fork.html#streams",
        run: binary_safe,
        ..Check::NEW
    },
    Check {
        id: "streams-unbuffered",
        step: 1,
        behaviours: &[3],
        title: "what the command writes is seen at once, before it ends",
        points: 1,
        hints: &[
            "A prompt has no newline. Who could be holding it back?",
            "Inherit the descriptors instead of piping.",
        ],
        section: "01-fork.html#streams",
        run: unbuffered,
        ..Check::NEW
    },
    Check {
        id: "streams-inherited",
        step: 1,
        behaviours: &[3],
        title: "the command's descriptors 0, 1 and 2 are the very files that the caller gave",
        points: 2,
        hints: &[
            "Compare `ls -l /proc/PID/fd` of the runtime and of its command.",
            "fork(2) copies all descriptors already.",
        ],
        section: "01-fork.html#streams",
        run: inherited,
        ..Check::NEW
    },
    Check {
        id: "streams-closed",
        step: 1,
        behaviours: &[3],
        title: "a caller that closed stdin, stdout or stderr harms neither the runtime nor the command",
        points: 2,
        hints: &[
            "`step01 run ls /proc/self/fd >&-`: what has number 1 now?",
            "The kernel gives out the lowest free number: a socket or a pidfd can become descriptor 1.",
            "Rust's runtime opens /dev/null in place of the missing ones; a pipe made before that, or a `dup2`, undoes it.",
        ],
        section: "01-fork.html#streams",
        after: &["exit-status-own"],
        run: closed,
        ..Check::NEW
    },
];

fn binary_safe(subject: &Subject) -> Verdict {
    let mut all: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    all.push(b'x');
    let output = subject.launch(&[], &["cat"]).output_for(&all)?.success()?;
    expect!(output.stdout == all, "300001 bytes through `cat` unchanged", "{} bytes", output.stdout.len());
    let output = subject.run(&[], &["sh", "-c", "printf out; printf err >&2"])?.success()?;
    expect_eq!((output.out(), output.err()), ("out".to_string(), "err".to_string()), "stdout and stderr");
    Ok(())
}

fn unbuffered(subject: &Subject) -> Verdict {
    let mut running = subject.start(&[], &["sh", "-c", "printf prompt; read answer; printf $answer"])?;
    crate::until(std::time::Duration::from_secs(5), "a prompt without a newline on stdout", || {
        (running.stdout_now() == "prompt").then_some(())
    })?;
    running.send(b"hello\n")?;
    let output = running.wait(crate::subject::PATIENCE)?.success()?;
    expect_eq!(output.out(), "prompthello", "stdout");
    Ok(())
}

fn inherited(subject: &Subject) -> Verdict {
    let files = ["in", "out", "err"].map(|name| subject.scratch().join(name));
    std::fs::write(&files[0], "")?;
    let open = |path| File::options().read(true).write(true).create(true).truncate(true).open(path);
    let launch = subject.launch(&[], &["sleep", "1000"]);
    let launch = launch.stdin(open(&files[0])?).stdout(open(&files[1])?).stderr(open(&files[2])?);
    let command = launch.start()?.command()?;
    for (number, file) in files.iter().enumerate() {
        use std::os::unix::fs::MetadataExt;
        let there = std::fs::metadata(command.path(&format!("fd/{number}")))?;
        let here = std::fs::metadata(file)?;
        expect_eq!(
            (there.dev(), there.ino()),
            (here.dev(), here.ino()),
            "the file behind descriptor {number}"
        );
    }
    Ok(())
}

fn closed(subject: &Subject) -> Verdict {
    for number in 0..=2 {
        // SAFETY: close is a system call on a plain number.
        let close = || unsafe {
            subject.launch(&[], &["sh", "-c", "exit 3"]).hook(move || match libc::close(number) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            })
        };
        expect_eq!(close().output()?.code(), 3, "exit status with descriptor {number} closed");
        // SAFETY: as above.
        let launch = unsafe {
            subject.launch(&[], &["sleep", "1000"]).hook(move || match libc::close(number) {
                0 => Ok(()),
                _ => Err(io::Error::last_os_error()),
            })
        };
        let command: Process = launch.start()?.command()?;
        let found = command.descriptors()?.get(&number).cloned();
        let harmless = found.as_deref().is_none_or(|file| file == "/dev/null");
        expect!(
            harmless,
            "descriptor {number}, which the caller closed, to be closed or /dev/null",
            "{:?}",
            found
        );
    }
    // Nor may a full pipe or a caller that has gone away stop the runtime from telling how the command ended.
    let (mut running, _) = start_cat(plain(subject, &[]))?;
    running.close_stdin();
    expect_eq!(
        running.wait(crate::subject::PATIENCE)?.code(),
        0,
        "exit status of `cat` at the end of its input"
    );
    Ok(())
}
