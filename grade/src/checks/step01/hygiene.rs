//! Behaviour 5: what a fresh command must not inherit.

use std::os::unix::fs::MetadataExt;

use nix::errno::Errno;

use super::super::common::{expect_own_error, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Process, Subject, Verdict, expect, expect_eq, skip};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "hygiene-descriptors",
        step: 1,
        behaviours: &[5],
        title: "the command has the descriptors 0, 1 and 2 and no other, whatever the caller left open",
        points: 2,
        hints: &[
            "Start the runtime from a shell with `9</etc/passwd`, and look at `/proc/PID/fd` of the command.",
            "Your own sockets and pidfds are CLOEXEC; the caller's need not be.",
            "close_range(2) with CLOSE_RANGE_CLOEXEC, from 3 up, just before exec.",
        ],
        section: "01-fork.html#hygiene",
        run: descriptors,
        ..Check::NEW
    },
    Check {
        id: "hygiene-signals",
        step: 1,
        behaviours: &[5],
        title: "SigIgn, SigBlk and SigCgt of a fresh command are zero, even when the caller ignores and blocks signals",
        points: 3,
        hints: &[
            "Look at `grep Sig /proc/PID/status` of the command: execve(2) resets handlers, but keeps what is ignored and blocked.",
            "Rust's runtime ignores SIGPIPE before `main`; nohup(1) ignores SIGHUP; you block what you forward.",
            "Set every signal to SIG_DFL and empty the mask, in the child, last.",
            "posix_spawn(3) starts programs with 32 and 33 ignored, and signal(3) refuses to touch these; rt_sigaction(2) does not.",
        ],
        section: "01-fork.html#hygiene",
        run: signals,
        ..Check::NEW
    },
    Check {
        id: "hygiene-ignored-sigchld",
        step: 1,
        behaviours: &[1, 5],
        title: "a caller that ignores SIGCHLD does not cost the exit status",
        points: 1,
        hints: &[
            "wait(2), under NOTES: what happens to a child's status when its parent ignores SIGCHLD?",
            "An ignored signal stays ignored over execve(2): set SIGCHLD back to its default before the fork.",
        ],
        section: "01-fork.html#hygiene",
        after: &["exit-status-own"],
        run: ignored_sigchld,
        ..Check::NEW
    },
    Check {
        id: "hygiene-umask",
        step: 1,
        behaviours: &[5],
        title: "the command's umask is 0022, whatever the caller's is",
        points: 1,
        hints: &["`grep Umask /proc/PID/status`.", "umask(2) in the child, before exec."],
        section: "01-fork.html#hygiene",
        run: umask,
        ..Check::NEW
    },
    Check {
        id: "hygiene-workdir",
        step: 1,
        behaviours: &[5],
        title: "the command starts in `/`, or in the folder that `-w` names",
        points: 1,
        hints: &[
            "`readlink /proc/PID/cwd` of the command.",
            "chdir(2) in the child; the caller's folder means nothing to it.",
        ],
        section: "01-fork.html#hygiene",
        run: workdir,
        ..Check::NEW
    },
    Check {
        id: "hygiene-workdir-missing",
        step: 1,
        behaviours: &[5],
        title: "`-w` with a folder that is not there is one error, and the command does not start",
        points: 1,
        hints: &["An error of the child must become the parent's message and exit status 125."],
        section: "01-fork.html#hygiene",
        exceptions: &[
            (4, "from step 04 on the folder is made in the image, as Docker does"),
            (5, "from step 04 on the folder is made in the image, as Docker does"),
            (6, "from step 04 on the folder is made in the image, as Docker does"),
            (7, "from step 04 on the folder is made in the image, as Docker does"),
            (8, "from step 04 on the folder is made in the image, as Docker does"),
        ],
        run: workdir_missing,
        ..Check::NEW
    },
    Check {
        id: "hygiene-keyring",
        step: 1,
        behaviours: &[5],
        title: "the command cannot see the keys of the caller's session keyring",
        points: 1,
        hints: &[
            "keyrings(7): a session keyring is inherited over fork and exec, and no namespace keeps it apart.",
            "keyctl(2) with KEYCTL_JOIN_SESSION_KEYRING and no name gives the process a new one.",
        ],
        section: "01-fork.html#hygiene",
        run: keyring,
        ..Check::NEW
    },
];

fn descriptors(subject: &Subject) -> Verdict {
    let open = || -> std::io::Result<()> {
        for number in [3, 4, 9, 77, 200] {
            // SAFETY: dup2 is a system call on plain numbers; the copy has no CLOEXEC.
            Errno::result(unsafe { libc::dup2(0, number) })?;
        }
        Ok(())
    };
    // SAFETY: the hook makes system calls only.
    let launch = |words: &[&str]| unsafe { subject.launch(&[], words).hook(open) };
    let (_running, command) = start_cat(launch)?;
    let found = command.descriptors()?;
    expect_eq!(
        found.keys().copied().collect::<Vec<_>>(),
        [0, 1, 2],
        "descriptors of the command ({found:?})"
    );
    Ok(())
}

/// Ignores some signals and blocks others, as careless callers do.
fn spoil_signals() -> std::io::Result<()> {
    for signal in [
        libc::SIGHUP,
        libc::SIGINT,
        libc::SIGQUIT,
        libc::SIGPIPE,
        libc::SIGTSTP,
        libc::SIGTTOU,
        libc::SIGRTMAX(),
    ] {
        // SAFETY: an ignored signal runs no code.
        unsafe { libc::signal(signal, libc::SIG_IGN) };
    }
    // SAFETY: sigset_t is plain numbers; sigemptyset fills it before it is read.
    unsafe {
        let mut set: libc::sigset_t = std::mem::zeroed();
        libc::sigemptyset(&raw mut set);
        for signal in [libc::SIGTERM, libc::SIGCHLD, libc::SIGWINCH, libc::SIGALRM, libc::SIGRTMIN()] {
            libc::sigaddset(&raw mut set, signal);
        }
        Errno::result(libc::sigprocmask(libc::SIG_SETMASK, &raw const set, std::ptr::null_mut()))?;
    }
    Ok(())
}

fn signals(subject: &Subject) -> Verdict {
    // SAFETY: the hook makes system calls only.
    let launch = |words: &[&str]| unsafe { subject.launch(&[], words).hook(spoil_signals) };
    let (mut running, command) = start_cat(launch)?;
    for set in ["SigIgn", "SigBlk", "SigCgt"] {
        expect_eq!(format!("{:016x}", command.signals(set)?), "0000000000000000", "{set} of the command");
    }
    running.close_stdin();
    expect_eq!(running.wait(PATIENCE)?.code(), 0, "exit status under a caller that blocks SIGCHLD");
    Ok(())
}

fn ignored_sigchld(subject: &Subject) -> Verdict {
    let ignore = || -> std::io::Result<()> {
        // SAFETY: an ignored signal runs no code.
        unsafe { libc::signal(libc::SIGCHLD, libc::SIG_IGN) };
        Ok(())
    };
    // SAFETY: the hook makes system calls only.
    let launch = unsafe { subject.launch(&[], &["sh", "-c", "exit 9"]).hook(ignore) };
    // A store without the image `base`: making it takes more children than the command.
    let output = launch.env("FORK_TO_VETH_ROOT", subject.scratch().join("data")).output()?;
    expect_eq!(output.code(), 9, "exit status when the caller ignores SIGCHLD (stderr {:?})", output.err());
    Ok(())
}

fn umask(subject: &Subject) -> Verdict {
    for outside in [0o077, 0o000] {
        // SAFETY: umask is a system call on a plain number.
        let launch = |words: &[&str]| unsafe {
            subject.launch(&[], words).hook(move || {
                libc::umask(outside);
                Ok(())
            })
        };
        let (_running, command) = start_cat(launch)?;
        expect_eq!(
            command.status("Umask")?,
            ["0022"],
            "umask of the command under a caller with {outside:04o}"
        );
    }
    Ok(())
}

fn workdir(subject: &Subject) -> Verdict {
    for (options, dir) in
        [(&[][..], ""), (&["-w", "/tmp"], "tmp"), (&["--workdir=/usr/.."], ""), (&["-w", "/etc/"], "etc")]
    {
        let (_running, command) = start_cat(|words| subject.launch(options, words).cwd(subject.scratch()))?;
        // As files, not as names: seen from here, a path inside another root says nothing.
        let identity = |name: &str| -> anyhow::Result<_> {
            let file = std::fs::metadata(command.path(name))?;
            Ok((file.dev(), file.ino()))
        };
        let (there, wanted) = (identity("cwd")?, identity(&format!("root/{dir}"))?);
        expect!(
            there == wanted,
            "to start in /{dir} with {options:?}",
            "{:?}",
            std::fs::read_link(command.path("cwd"))
        );
    }
    Ok(())
}

fn workdir_missing(subject: &Subject) -> Verdict {
    let mark = subject.scratch().join("started");
    let touch = format!("touch {}", mark.display());
    let output = subject.run(&["-w", "/no/such/folder"], &["sh", "-c", &touch])?;
    expect_own_error(subject, &output, 125, "a run with `-w /no/such/folder`")?;
    expect!(!mark.exists(), "no command to have run", "{}", mark.display());
    Ok(())
}

fn keyring(subject: &Subject) -> Verdict {
    const JOIN: libc::c_long = 1;
    const SESSION: libc::c_long = -3;
    let description = format!("from-outside-{}", Process::this().0);
    let name = std::ffi::CString::new(description.clone())?;
    // SAFETY: the strings end with a NUL, the payload has the length given, and all live through the calls.
    let made = unsafe {
        Errno::result(libc::syscall(libc::SYS_keyctl, JOIN, std::ptr::null::<u8>())).and_then(|_| {
            let payload = c"x".as_ptr();
            Errno::result(libc::syscall(
                libc::SYS_add_key,
                c"user".as_ptr(),
                name.as_ptr(),
                payload,
                1usize,
                SESSION,
            ))
        })
    };
    if let Err(error) = made {
        return Err(skip(format!("this host gives no keyring: {error}")));
    }
    let here = std::process::Command::new(crate::own_executable()?)
        .args([crate::probe::PROBE, "key", &description])
        .output()?;
    expect_eq!(String::from_utf8_lossy(&here.stdout), "found\n", "the key outside");
    let inside = subject.run_probe(&[], "key", &[&description])?.success()?;
    expect!(inside.out() != "found\n", "the key not to be found inside", "{:?}", inside.out());
    Ok(())
}
