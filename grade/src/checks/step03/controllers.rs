//! Behaviour 21: each limit in its controller's file, on v1 and on v2, and what becomes of one that cannot be had.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;

use nix::sys::stat::{major, minor};

use super::super::common::expect_own_error;
use super::group::{Group, hold, mounted, release};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "limits-v1-files",
        step: 3,
        behaviours: &[21],
        title: "on cgroup v1 each limit is in the file of its controller, in that controller's words",
        points: 2,
        hints: &[
            "`ls /sys/fs/cgroup/*/` shows a hierarchy for each controller.",
            "cgroups(7), Cgroups version 1",
        ],
        section: "03-cgroups.html#v1",
        needs: &[Need::CgroupV1("memory"), Need::CgroupV1("cpu"), Need::CgroupV1("pids")],
        run: v1_files,
        ..Check::NEW
    },
    Check {
        id: "limits-v2-files",
        step: 3,
        behaviours: &[21],
        title: "on cgroup v2 each limit is in the container's one group, in v2's words",
        points: 2,
        hints: &[
            "A controller must be in cgroup.subtree_control of every group above.",
            "The kernel's Documentation/admin-guide/cgroup-v2.rst lists the files.",
        ],
        section: "03-cgroups.html#v2",
        needs: &[Need::CgroupV2("memory"), Need::CgroupV2("cpu"), Need::CgroupV2("pids")],
        run: v2_files,
        ..Check::NEW
    },
    Check {
        id: "limits-device-rates",
        step: 3,
        behaviours: &[19, 21],
        title: "--device-read-bps and --device-write-bps limit the block device that was named",
        points: 2,
        hints: &[
            "The kernel wants `MAJOR:MINOR`, not a path: stat(2), `st_rdev`.",
            "v1: blkio.throttle.read_bps_device; v2: `rbps=` in io.max.",
        ],
        section: "03-cgroups.html#block-devices",
        needs: &[Need::Root],
        run: device_rates,
        ..Check::NEW
    },
    Check {
        id: "limits-weight-or-error",
        step: 3,
        behaviours: &[21],
        title: "--blkio-weight is in the kernel's file, or the run is refused: never silently dropped",
        points: 1,
        hints: &["Not every kernel has a scheduler that knows weights: then there is no file for them."],
        section: "03-cgroups.html#block-devices",
        needs: &[Need::Root],
        run: weight,
        ..Check::NEW
    },
    Check {
        id: "limits-net-cls",
        step: 3,
        behaviours: &[21],
        title: "--net-cls marks the container's packets through net_cls.classid of cgroup v1",
        points: 1,
        hints: &["net_cls_cgroups(7) is v1's alone: 0xAAAABBBB stands for class AAAA:BBBB."],
        section: "03-cgroups.html#net-cls",
        needs: &[Need::CgroupV1("net_cls")],
        run: net_cls,
        ..Check::NEW
    },
    Check {
        id: "limits-controller-missing",
        step: 3,
        behaviours: &[21],
        title: "a limit whose controller this kernel does not offer is an error that names it and the way out",
        points: 2,
        hints: &[
            "Which file would you write? See that it is there before anything starts.",
            "For net_cls the way out is a mount: say which.",
        ],
        section: "03-cgroups.html#missing-controllers",
        run: controller_missing,
        ..Check::NEW
    },
    Check {
        id: "limits-not-delegated",
        step: 3,
        behaviours: &[21],
        title: "an ordinary user without a delegated group is told so for each limit; without a limit the run works",
        points: 2,
        hints: &[
            "access(2) tells whether a group may be made in the caller's own.",
            "`systemd-run --user --scope -p Delegate=yes` is how a user gets one.",
        ],
        section: "03-cgroups.html#delegation",
        needs: &[Need::NotRoot],
        run: not_delegated,
        ..Check::NEW
    },
];

const ALL: [&str; 5] =
    ["--memory=64m", "--memory-swap=96m", "--cpus=0.5", "--cpu-shares=512", "--pids-limit=50"];

fn expect_files(subject: &Subject, controllers: &[&str], v2: bool, files: &[(&str, &str, &str)]) -> Verdict {
    let (mut running, command) = hold(subject, &ALL)?;
    for controller in controllers {
        expect_eq!(Group::of(command, controller)?.v2, v2, "whether {controller} is v2's");
    }
    for (controller, file, want) in files {
        let group = Group::of(command, controller)?;
        if !group.has(file) && file.contains("sw") {
            continue; // This kernel does not count swap.
        }
        expect_eq!(group.text(file)?, *want, "{file} of {}", group.dir.display());
    }
    release(&mut running)?;
    Ok(())
}

fn v1_files(subject: &Subject) -> Verdict {
    let files = [
        ("memory", "memory.limit_in_bytes", "67108864"),
        ("memory", "memory.memsw.limit_in_bytes", "100663296"),
        ("cpu", "cpu.cfs_quota_us", "50000"),
        ("cpu", "cpu.cfs_period_us", "100000"),
        ("cpu", "cpu.shares", "512"),
        ("pids", "pids.max", "50"),
    ];
    expect_files(subject, &["memory", "cpu", "pids"], false, &files)
}

fn v2_files(subject: &Subject) -> Verdict {
    let files = [
        ("memory", "memory.max", "67108864"),
        ("memory", "memory.swap.max", "33554432"),
        ("cpu", "cpu.max", "50000 100000"),
        ("cpu", "cpu.weight", "20"),
        ("pids", "pids.max", "50"),
    ];
    expect_files(subject, &["memory", "cpu", "pids"], true, &files)
}

/// A block device that takes limits, by path and `MAJOR:MINOR`: a whole disk with a size.
fn disk() -> Option<(PathBuf, String)> {
    fs::read_dir("/sys/block").ok()?.flatten().find_map(|entry| {
        let size = fs::read_to_string(entry.path().join("size")).ok()?;
        let path = PathBuf::from("/dev").join(entry.file_name());
        let node = fs::metadata(&path).ok()?;
        let number = format!("{}:{}", major(node.rdev()), minor(node.rdev()));
        (size.trim() != "0" && node.file_type().is_block_device()).then_some((path, number))
    })
}

fn expect_blkio() -> Verdict {
    if mounted("blkio") { Ok(()) } else { Err(crate::skip("this host has no controller for block devices")) }
}

fn device_rates(subject: &Subject) -> Verdict {
    expect_blkio()?;
    let Some((path, number)) = disk() else {
        return Err(crate::skip("this host has no disk with a node in /dev"));
    };
    let read = format!("{}:512k", path.display());
    let write = format!("{}:1m", path.display());
    let (mut running, command) = hold(subject, &["--device-read-bps", &read, "--device-write-bps", &write])?;
    let group = Group::of(command, "blkio")?;
    if group.v2 {
        let want = format!("{number} rbps=524288 wbps=1048576 riops=max wiops=max");
        expect_eq!(group.text("io.max")?, want, "io.max");
    } else {
        for (file, rate) in [("read", 524_288), ("write", 1_048_576)] {
            let text = group.text(&format!("blkio.throttle.{file}_bps_device"))?;
            expect_eq!(text, format!("{number} {rate}"), "blkio.throttle.{file}_bps_device");
        }
    }
    release(&mut running)?;
    Ok(())
}

fn weight(subject: &Subject) -> Verdict {
    expect_blkio()?;
    let mut running = subject.start(&["--blkio-weight", "500"], &["cat"])?;
    running.send(b"up\n")?;
    if running.read_line().is_err() {
        running.close_stdin();
        let output = running.wait(crate::subject::PATIENCE)?;
        expect_own_error(subject, &output, 125, "a run with --blkio-weight")?;
        let named = ["blkio", "io."].iter().any(|name| output.err().contains(name));
        expect!(named, "the controller in the message", "{:?}", output.err());
        return Ok(());
    }
    let group = Group::of(running.command()?, "blkio")?;
    let files = ["blkio.bfq.weight", "blkio.weight", "io.bfq.weight", "io.weight"];
    let values: Vec<String> = files.iter().filter_map(|file| group.text(file).ok()).collect();
    let wants = ["500", "default 500", "default 4950", "default 4951"];
    let there = values.iter().any(|value| wants.iter().any(|want| value.lines().any(|line| line == *want)));
    expect!(there, "a weight of 500 in one of {files:?}", "{values:?}");
    release(&mut running)?;
    Ok(())
}

fn net_cls(subject: &Subject) -> Verdict {
    for (text, want) in [("0x100001", "1048577"), ("65537", "65537")] {
        let (mut running, command) = hold(subject, &["--net-cls", text])?;
        expect_eq!(Group::of(command, "net_cls")?.text("net_cls.classid")?, want, "net_cls.classid");
        release(&mut running)?;
    }
    Ok(())
}

/// An option of each controller, by the controller's v1 name.
const OPTIONS: [(&str, &[&str]); 5] = [
    ("memory", &["--memory", "64m"]),
    ("cpu", &["--cpus", "0.5"]),
    ("cpuset", &["--cpuset-cpus", "0"]),
    ("pids", &["--pids-limit", "50"]),
    ("net_cls", &["--net-cls", "0x100001"]),
];

fn controller_missing(subject: &Subject) -> Verdict {
    let missing: Vec<_> = OPTIONS.iter().filter(|(controller, _)| !mounted(controller)).collect();
    if missing.is_empty() {
        return Err(crate::skip("this host has every controller"));
    }
    for (controller, options) in missing {
        let output = subject.run(options, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?} without {controller}"))?;
        expect!(output.err().contains(controller), "{controller} in the message", "{:?}", output.err());
        let way_out = *controller != "net_cls" || output.err().contains("mount");
        expect!(way_out, "what to mount for net_cls, in the message", "{:?}", output.err());
    }
    Ok(())
}

fn not_delegated(subject: &Subject) -> Verdict {
    let closed: Vec<_> = OPTIONS
        .iter()
        .filter(|(name, _)| mounted(name) && Need::CgroupController(name).missing().is_some())
        .collect();
    if closed.is_empty() {
        return Err(crate::skip("this user has a delegated group"));
    }
    subject.run(&[], &["true"])?.success()?;
    if closed.iter().any(|(controller, _)| ["cpu", "memory", "pids"].contains(controller)) {
        let output = subject.run(&["--stats"], &["echo", "started"])?;
        expect_own_error(subject, &output, 125, "a run with --stats and no group to count in")?;
    }
    for (controller, options) in closed {
        let output = subject.run(options, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?}"))?;
        expect!(output.err().contains(controller), "{controller} in the message", "{:?}", output.err());
        let text = output.err().to_lowercase();
        let way_out = text.contains("root") || text.contains("delegate");
        expect!(way_out, "root or a delegated group as the way out", "{text:?}");
    }
    Ok(())
}
