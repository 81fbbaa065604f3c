//! Behaviour 25: what of /proc and /sys nobody in a container may see, or may write.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use nix::sys::stat::makedev;

use super::super::common::{plain, start_cat};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "masks-covered",
        step: 4,
        behaviours: &[25],
        title: "what of /proc and /sys tells about the machine is covered: files by /dev/null, folders by nothing",
        points: 2,
        hints: &[
            "`docker run --rm busybox cat /proc/self/mountinfo` shows what Docker covers.",
            "Bind /dev/null on a file; one empty, read-only tmpfs does for all folders.",
            "Not every kernel has every one of them.",
        ],
        section: "04-chroot-proc.html#masks",
        after: &["mounts-flags"],
        run: covered,
        ..Check::NEW
    },
    Check {
        id: "masks-read-only",
        step: 4,
        behaviours: &[25],
        title: "/proc/bus, fs, irq, sys and sysrq-trigger are read-only mounts of their own",
        points: 2,
        hints: &["A bind of a path on itself is a mount, and a mount can be read-only: mount_setattr(2)."],
        section: "04-chroot-proc.html#masks",
        after: &["mounts-flags"],
        run: read_only,
        ..Check::NEW
    },
    Check {
        id: "masks-no-write",
        step: 4,
        behaviours: &[25],
        title: "not even the container's root can open sysrq-trigger, /proc/sys or /sys for writing",
        points: 3,
        hints: &[
            "Without a user namespace the container's root is the host's: file modes do not stop it.",
            "EROFS comes from the mount, whoever asks.",
        ],
        section: "04-chroot-proc.html#masks",
        after: &["masks-read-only"],
        run: no_write,
        ..Check::NEW
    },
];

const COVERED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

fn covered(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    let mut seen = 0;
    for path in COVERED.iter().filter(|path| Path::new("/").join(path).exists()) {
        let place = command.path(&format!("root/{path}"));
        let there = fs::metadata(&place)?;
        if there.is_dir() {
            expect_eq!(fs::read_dir(&place)?.count(), 0, "entries in the container's /{path}");
            let apart = there.dev() != fs::metadata(Path::new("/").join(path))?.dev();
            expect!(apart, "something mounted on the container's /{path}", "the host's own");
        } else {
            let null = there.file_type().is_char_device() && there.rdev() == makedev(1, 3);
            expect!(null, "/dev/null on the container's /{path}", "{:?}", there.file_type());
        }
        seen += 1;
    }
    expect!(seen > 0, "at least one of {COVERED:?} on this host", "none");
    Ok(())
}

fn read_only(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    let mounts = command.mounts()?;
    for path in READ_ONLY.iter().filter(|path| Path::new("/").join(path).exists()) {
        let mount = mounts.iter().rev().find(|mount| mount.point == format!("/{path}"));
        let closed = mount.is_some_and(|mount| mount.options.iter().any(|option| option == "ro"));
        expect!(closed, "a read-only mount on /{path}", "{mount:?}");
        let kept = mount.is_some_and(|mount| {
            ["nosuid", "nodev", "noexec"].iter().all(|flag| mount.options.iter().any(|option| option == flag))
        });
        expect!(kept, "nosuid, nodev and noexec on /{path} as on /proc", "{mount:?}");
    }
    Ok(())
}

fn no_write(subject: &Subject) -> Verdict {
    let candidates = [
        "/proc/sysrq-trigger",
        "/proc/sys/kernel/hostname",
        "/proc/sys/kernel/core_pattern",
        "/proc/sys/vm/drop_caches",
        "/proc/irq/default_smp_affinity",
        "/sys/kernel/uevent_helper",
        "/sys/kernel/profiling",
        "/sys/kernel/mm/ksm/run",
        "/sys/power/state",
        "/sys/module/printk/parameters/time",
    ];
    let paths: Vec<&str> = candidates.into_iter().filter(|path| Path::new(path).exists()).collect();
    // The probe opens, and writes nothing: a letter in sysrq-trigger could end this machine.
    let output = subject.run_probe(&[], "open-write", &paths)?.success()?;
    for (path, answer) in paths.iter().zip(output.out().lines()) {
        // In a user namespace the file's mode may refuse first.
        let refused = answer == "EROFS" || (answer == "EACCES" && !nix::unistd::geteuid().is_root());
        expect!(refused, "EROFS for {path} opened for writing", "{answer}");
    }
    expect_eq!(output.out().lines().count(), paths.len(), "answers");
    expect!(paths.contains(&"/proc/sysrq-trigger") || paths.len() > 2, "paths to try", "{paths:?}");
    Ok(())
}
