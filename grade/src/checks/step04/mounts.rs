//! Behaviour 24: the kernel's filesystems, with Docker's flags and modes.

use std::fs;

use anyhow::{Context, Result};

use super::super::common::{plain, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "mounts-flags",
        step: 4,
        behaviours: &[24],
        title: "/proc, /sys, /dev, /dev/pts, /dev/shm and /dev/mqueue have the types, flags and options of Docker's",
        points: 3,
        hints: &[
            "`docker run --rm busybox cat /proc/self/mountinfo` is the model.",
            "nosuid, nodev, noexec wherever a filesystem can do without; /sys is read-only.",
            "`gid=5` of devpts must be a group that the user namespace maps.",
        ],
        section: "04-chroot-proc.html#kernel-filesystems",
        after: &["root-mounts"],
        run: flags,
        ..Check::NEW
    },
    Check {
        id: "proc-own-processes",
        step: 4,
        behaviours: &[24],
        title: "/proc shows the container's processes, and the command is number 1 in it",
        points: 2,
        hints: &["A /proc shows the PID namespace of the process that mounted it: mount it in the child."],
        section: "04-chroot-proc.html#proc",
        after: &["root-mounts"],
        run: own_processes,
        ..Check::NEW
    },
];

/// Point, type, flags and options that must be there, flags that must not.
const MOUNTS: [(&str, &str, &[&str], &[&str]); 6] = [
    ("/proc", "proc", &["rw", "nosuid", "nodev", "noexec"], &[]),
    ("/sys", "sysfs", &["ro", "nosuid", "nodev", "noexec"], &[]),
    ("/dev", "tmpfs", &["rw", "nosuid", "mode=755", "size=65536k"], &["nodev", "noexec"]),
    ("/dev/pts", "devpts", &["rw", "nosuid", "noexec", "mode=620", "ptmxmode=666"], &["nodev"]),
    ("/dev/shm", "tmpfs", &["rw", "nosuid", "nodev", "noexec", "size=65536k"], &[]),
    ("/dev/mqueue", "mqueue", &["rw", "nosuid", "nodev", "noexec"], &[]),
];

fn flags(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    let mounts = command.mounts()?;
    for (point, fstype, has, lacks) in MOUNTS {
        let found: Vec<_> = mounts.iter().filter(|mount| mount.point == point).collect();
        let [mount] = found[..] else {
            anyhow::bail!("expected one mount on {point}, the kernel showed {found:?}")
        };
        expect_eq!(mount.fstype, fstype, "the type of {point}");
        for option in has {
            // A filesystem that is writable as a whole can be mounted read-only.
            let there = if ["ro", "rw"].contains(option) {
                mount.options.iter().any(|own| own == option)
            } else {
                mount.has(option)
            };
            expect!(there, "{option} on {point}", "{:?} and {:?}", mount.options, mount.super_options);
        }
        for option in lacks {
            expect!(!mount.has(option), "no {option} on {point}", "{:?}", mount.options);
        }
    }
    let pts = mounts.iter().find(|mount| mount.point == "/dev/pts").context("no /dev/pts")?;
    let wanted = maps_group(command, 5)?;
    // The kernel shows the group by the reader's numbers; from outside that is another one for a mapped range.
    let there = pts.super_options.iter().any(|option| option.starts_with("gid="));
    expect_eq!(there, wanted, "whether /dev/pts has gid=5, which is mapped: {wanted}");
    Ok(())
}

/// Whether a group of the container stands for one of the host.
fn maps_group(command: Process, gid: u32) -> Result<bool> {
    let text = command.text("gid_map")?;
    let numbers = text.lines().map(|line| line.split_whitespace().map(str::parse::<u32>).collect::<Vec<_>>());
    let mut ranges =
        numbers.filter_map(|words| Some((words.first()?.clone().ok()?, words.get(2)?.clone().ok()?)));
    Ok(ranges.any(|(first, count)| gid >= first && gid - first < count))
}

fn own_processes(subject: &Subject) -> Verdict {
    let mut running = subject.start(&[], &["sh", "-c", "sleep 1000 & echo up; read end"])?;
    running.read_line()?;
    let command = running.command()?;
    let mut inside: Vec<i32> = Vec::new();
    for entry in fs::read_dir(command.path("root/proc"))? {
        inside.extend(entry?.file_name().to_str().and_then(|name| name.parse::<i32>().ok()));
    }
    inside.sort_unstable();
    expect_eq!(inside.len(), 2, "processes in the container's /proc, {inside:?}");
    expect_eq!(inside[0], 1, "the first number in the container's /proc");
    let there = fs::read(command.path("root/proc/1/cmdline"))?;
    expect_eq!(there, command.read("cmdline")?, "/proc/1/cmdline in the container");
    running.close_stdin();
    running.wait(PATIENCE)?;
    let output =
        subject.run(&[], &["sh", "-c", "echo $$; readlink /proc/self/exe >/dev/null && echo own"])?;
    expect_eq!(output.success()?.out(), "1\nown\n", "the shell's number, and whether /proc/self is there");
    Ok(())
}
