//! Behaviour 19: how limits are written on the command line.

use super::super::common::expect_own_error;
use super::group::{Group, hold, release};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const MIB: u64 = 1024 * 1024;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "limits-sizes",
        step: 3,
        behaviours: &[19],
        title: "sizes are Docker's: bytes, or a number with b, k, m or g, large or small, each 1024 of the one before",
        points: 2,
        hints: &["`64m`, `64M`, `64mb` and `65536k` are the same number.", "A fraction is allowed: `0.5g`."],
        section: "03-cgroups.html#sizes",
        needs: &[Need::CgroupController("memory")],
        run: sizes,
        ..Check::NEW
    },
    Check {
        id: "limits-bad-refused",
        step: 3,
        behaviours: &[19],
        title: "a bad limit is one message that names it, exit status 125, and nothing is started",
        points: 3,
        hints: &[
            "clap's `value_parser` can be a function of yours.",
            "A number that looks like an option (`-1`) needs `allow_hyphen_values`, or the message is about the dash.",
            "Some values are bad only beside others: --memory-swap counts the memory, too.",
        ],
        section: "03-cgroups.html#sizes",
        after: &["exit-status-usage"],
        run: bad,
        ..Check::NEW
    },
];

fn sizes(subject: &Subject) -> Verdict {
    let all = [
        ("64m", 64 * MIB),
        ("64M", 64 * MIB),
        ("64mb", 64 * MIB),
        ("65536k", 64 * MIB),
        ("65536K", 64 * MIB),
        ("67108864", 64 * MIB),
        ("67108864b", 64 * MIB),
        ("6m", 6 * MIB),
        ("1g", 1024 * MIB),
        ("0.5g", 512 * MIB),
        ("2G", 2048 * MIB),
        ("1t", 1024 * 1024 * MIB),
    ];
    for (text, bytes) in all {
        let (mut running, command) = hold(subject, &["--memory", text])?;
        let group = Group::of(command, "memory")?;
        let limit = group.number(group.file("memory.limit_in_bytes", "memory.max"))?;
        expect_eq!(limit, bytes, "the limit in bytes with --memory {text}");
        release(&mut running)?;
    }
    Ok(())
}

const BAD: &[&[&str]] = &[
    &["--memory", "0"],
    &["--memory", "-1"],
    &["--memory", "-64m"],
    &["--memory", "5m"],
    &["--memory", "512k"],
    &["--memory", "99999999999999999999"],
    &["--memory", "9999999t"],
    &["--memory", "lots"],
    &["--memory", "m"],
    &["--memory", ""],
    &["--memory", "64x"],
    &["--memory", "64m64m"],
    &["--memory", "1..5g"],
    &["--memory", "0x40000000"],
    &["--memory-swap", "64m"],
    &["--memory", "64m", "--memory-swap", "32m"],
    &["--memory", "64m", "--memory-swap", "-2"],
    &["--cpus", "0"],
    &["--cpus", "-1"],
    &["--cpus", "100000"],
    &["--cpus", "half"],
    &["--cpus", "nan"],
    &["--cpus", "inf"],
    &["--cpus", ""],
    &["--cpu-shares", "1"],
    &["--cpu-shares", "-5"],
    &["--cpu-shares", "262145"],
    &["--cpu-shares", "1.5"],
    &["--cpuset-cpus", "99999"],
    &["--cpuset-cpus", "0-99999"],
    &["--cpuset-cpus", "1-0"],
    &["--cpuset-cpus", "one"],
    &["--cpuset-cpus", "0,,0"],
    &["--cpuset-cpus", ""],
    &["--pids-limit", "0"],
    &["--pids-limit", "-5"],
    &["--pids-limit", "many"],
    &["--pids-limit", "1.5"],
    &["--blkio-weight", "9"],
    &["--blkio-weight", "1001"],
    &["--blkio-weight", "-1"],
    &["--device-read-bps", "/dev/null"],
    &["--device-read-bps", "/dev/null:1m"],
    &["--device-read-bps", "/no/such/device:1m"],
    &["--device-write-bps", "/dev/zero:1m"],
    &["--device-write-bps", ":1m"],
    &["--net-cls", "class"],
    &["--net-cls", "-1"],
    &["--net-cls", "0x1ffffffff"],
];

fn bad(subject: &Subject) -> Verdict {
    for options in BAD {
        let output = subject.run(options, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?}"))?;
        let option = options[options.len() - 2].trim_start_matches('-');
        // Without --memory the other half of the pair may be what the message is about.
        let named = output.err().contains(option.trim_end_matches("-swap"));
        expect!(named, "{option} in the message", "{:?}", output.err());
    }
    Ok(())
}
