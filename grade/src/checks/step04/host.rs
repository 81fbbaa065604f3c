//! Behaviour 29: the host's mount table does not change.

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::super::common::{start_cat, until_gone};
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Subject, Verdict, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "host-mounts-same",
        step: 4,
        behaviours: &[29],
        title: "the caller's mount table is byte for byte the same before, during and after a run",
        points: 2,
        hints: &["Every mount is made by the child, in its own mount namespace, after `/` was made private."],
        section: "04-chroot-proc.html#host",
        after: &["root-mounts"],
        run: same,
        ..Check::NEW
    },
    Check {
        id: "host-mounts-shared",
        step: 4,
        behaviours: &[10, 29],
        title: "it is the same, too, where every mount is shared, as systemd has it",
        points: 3,
        hints: &[
            "A mount below a shared one appears in every peer: mount_namespaces(7).",
            "`mount --make-rprivate /` in the child, before the first mount, and a failure of it is fatal.",
        ],
        section: "04-chroot-proc.html#host",
        needs: &[Need::Root],
        after: &["host-mounts-same"],
        run: shared,
        ..Check::NEW
    },
];

/// The table of this process, which every runtime that it starts has, too.
fn table() -> Result<String> {
    Process::this().text("mountinfo")
}

fn watch(subject: &Subject) -> Verdict {
    let before = table()?;
    for options in [&[][..], &["--read-only"], &["--init", "-w", "/tmp/made"], &["--chroot"]] {
        let (mut running, _) = start_cat(|words| subject.launch_in(subject.probe_image(), options, words))?;
        expect_eq!(table()?, before, "/proc/self/mountinfo of the caller during a run with {options:?}");
        running.close_stdin();
        running.wait(PATIENCE)?.success()?;
        expect_eq!(table()?, before, "/proc/self/mountinfo of the caller after a run with {options:?}");
    }
    subject.run(&[], &["no-such-command"])?;
    expect_eq!(table()?, before, "/proc/self/mountinfo of the caller after a run that failed");
    let (mut running, command) = start_cat(|words| subject.launch(&[], words))?;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    until_gone(command, PATIENCE, "the end of the command after `kill -9` of the runtime")?;
    expect_eq!(table()?, before, "/proc/self/mountinfo of the caller after `kill -9` of the runtime");
    Ok(())
}

fn same(subject: &Subject) -> Verdict {
    watch(subject)
}

fn shared(subject: &Subject) -> Verdict {
    // In a namespace of this check's own, so that what leaks does not reach the machine.
    unshare(CloneFlags::CLONE_NEWNS)?;
    let private = MsFlags::MS_REC | MsFlags::MS_PRIVATE;
    mount(None::<&str>, "/", None::<&str>, private, None::<&str>)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)?;
    watch(subject)
}
