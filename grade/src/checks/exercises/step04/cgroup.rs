//! The exercise own-cgroup-inside.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::Result;

use super::super::super::common::start_cat;
use super::super::super::step03::group::{Group, release};
use crate::{Check, Need, Process, Running, Subject, Verdict, expect, expect_eq};

const SECTION: &str = "04-chroot-proc.html#ex-own-cgroup-inside";

const INSIDE: &str = "/sys/fs/cgroup";

pub(super) const SEEN: Check = Check {
    id: "own-cgroup-seen",
    step: 4,
    title: "on cgroup v2, /sys/fs/cgroup in the container is the container's own group, with its limits",
    points: 3,
    hints: &[
        "`stat -c '%d %i'` of the group on the host and of the directory inside have to agree.",
        "What is at the top of a new cgroup2 mount depends on the cgroup namespace of the process that mounts.",
    ],
    section: SECTION,
    needs: &[Need::CgroupV2("memory")],
    run: seen,
    ..Check::NEW
};

pub(super) const READ_ONLY: Check = Check {
    id: "own-cgroup-read-only",
    step: 4,
    title: "nothing can be written there, and the mount is nosuid, nodev and noexec like the others of the kernel",
    points: 2,
    hints: &["The attributes belong to the mount, and are fsmount(2)'s third argument."],
    section: SECTION,
    needs: &[Need::CgroupV2("memory")],
    run: read_only,
    ..Check::NEW
};

pub(super) const NAMESPACE: Check = Check {
    id: "own-cgroup-namespace",
    step: 4,
    title: "there is such a mount with a cgroup namespace, and without one the directory is empty",
    points: 1,
    hints: &["Without a namespace of its own the container would see the groups of the whole host."],
    section: SECTION,
    needs: &[Need::CgroupV2("memory")],
    run: namespace,
    ..Check::NEW
};

fn start(subject: &Subject, options: &[&str]) -> Result<(Running, Process)> {
    start_cat(|words| subject.launch_in(subject.probe_image(), options, words))
}

/// The attributes of the mount, if there is one.
fn mounted(command: Process) -> Result<Option<Vec<String>>> {
    let mut mounts = command.mounts()?;
    mounts.retain(|mount| mount.point == INSIDE && mount.fstype == "cgroup2");
    Ok(mounts.pop().map(|mount| mount.options))
}

fn seen(subject: &Subject) -> Verdict {
    for more in [&[][..], &["--chroot"], &["--init"]] {
        let options = [&["--memory", "64m"], more].concat();
        let (mut running, command) = start(subject, &options)?;
        let group = Group::of(command, "memory")?;
        let inside = command.path(&format!("root{INSIDE}"));
        let identity = |dir: &Path| fs::metadata(dir.join(".")).map(|dir| (dir.dev(), dir.ino()));
        expect_eq!(
            identity(&inside)?,
            identity(&group.dir)?,
            "device and inode of {INSIDE} with {options:?}"
        );
        let limit = fs::read_to_string(inside.join("memory.max"))?;
        expect_eq!(limit, "67108864\n", "memory.max in {INSIDE} with {options:?}");
        release(&mut running)?;
    }
    Ok(())
}

fn read_only(subject: &Subject) -> Verdict {
    let paths = ["memory.max", "cgroup.procs"].map(|name| format!("{INSIDE}/{name}"));
    let output = subject.run_probe(&["--memory", "64m"], "open-write", &paths)?.success()?;
    expect_eq!(output.out(), "EROFS\nEROFS\n", "answers to opening {paths:?} for writing");
    let (mut running, command) = start(subject, &[])?;
    let options = mounted(command)?.unwrap_or_default();
    for attribute in ["ro", "nosuid", "nodev", "noexec"] {
        expect!(options.iter().any(|own| own == attribute), "{attribute} on {INSIDE}", "{options:?}");
    }
    release(&mut running)?;
    Ok(())
}

fn namespace(subject: &Subject) -> Verdict {
    let (mut running, command) = start(subject, &[])?;
    expect!(mounted(command)?.is_some(), "a cgroup2 mount on {INSIDE}", "none");
    release(&mut running)?;
    let (mut running, command) = start(subject, &["--ns", "pid,uts,ipc,mnt,net"])?;
    let entries = fs::read_dir(command.path(&format!("root{INSIDE}")))?.count();
    expect_eq!(entries, 0, "entries in {INSIDE} without a cgroup namespace");
    release(&mut running)?;
    Ok(())
}
