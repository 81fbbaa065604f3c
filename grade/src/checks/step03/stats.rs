//! Behaviour 22: what `--stats` says is what the kernel's files say.

use std::time::Duration;

use anyhow::{Context, Result};

use super::group::{Group, release};
use crate::{Check, Need, Output, Subject, Verdict, expect, expect_eq};

const COUNTED: &[Need] =
    &[Need::CgroupController("cpu"), Need::CgroupController("memory"), Need::CgroupController("pids")];

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "stats-agree",
        step: 3,
        behaviours: &[22],
        title: "--stats tells the CPU time, the peak of memory and the peak of processes that the kernel counted",
        points: 3,
        hints: &[
            "The files are there until the group is removed: read them after the command's end.",
            "v1: cpuacct.usage in nanoseconds, memory.max_usage_in_bytes; v2: usage_usec in cpu.stat, memory.peak.",
            "pids.peak is young; say so where the kernel does not have it.",
        ],
        section: "03-cgroups.html#stats",
        needs: COUNTED,
        after: &["cgroup-own"],
        timeout: Duration::from_secs(60),
        run: agree,
        ..Check::NEW
    },
    Check {
        id: "stats-throttled",
        step: 3,
        behaviours: &[22],
        title: "--stats tells how often and how long a quota held the command back",
        points: 1,
        hints: &["cpu.stat: nr_periods, nr_throttled, and throttled_time (ns) or throttled_usec."],
        section: "03-cgroups.html#stats",
        needs: COUNTED,
        after: &["stats-agree", "cpu-quota-written"],
        timeout: Duration::from_secs(60),
        run: throttled,
        ..Check::NEW
    },
    Check {
        id: "stats-oom-kills",
        step: 3,
        behaviours: &[16, 22],
        title: "--stats counts OOM kills, and changes neither the exit status nor stdout",
        points: 1,
        hints: &["The same figure as in the message about the OOM kill."],
        section: "03-cgroups.html#stats",
        needs: COUNTED,
        after: &["stats-agree", "memory-oom-137"],
        timeout: Duration::from_secs(60),
        run: oom_kills,
        ..Check::NEW
    },
];

/// The numbers in the line of stderr about `name`.
fn figures(output: &Output, name: &str) -> Result<Vec<f64>> {
    let text = output.err();
    let line = text.lines().find_map(|line| line.split_once(name));
    let (_, rest) = line.with_context(|| format!("no line about {name:?} on stderr: {text:?}"))?;
    Ok(rest.split(|c: char| !c.is_ascii_digit() && c != '.').filter_map(|word| word.parse().ok()).collect())
}

/// The only number in the line about `name`.
fn figure(output: &Output, name: &str) -> Result<f64> {
    match figures(output, name)?[..] {
        [one] => Ok(one),
        ref all => anyhow::bail!("expected one number behind {name:?}, got {all:?}: {:?}", output.err()),
    }
}

fn expect_between(what: &str, got: f64, least: f64, slack: f64) -> Verdict {
    expect!(
        (least..=least + slack).contains(&got),
        "{what} of {least} in the kernel's files just before the end, or a little more on stderr",
        "{got}"
    );
    Ok(())
}

fn agree(subject: &Subject) -> Verdict {
    let mut running = subject.probe(&["--stats"], "use-up", &["24", "7", "300"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    let command = running.command()?;
    let (memory, pids) = (Group::of(command, "memory")?, Group::of(command, "pids")?);
    let cpu = Group::of(command, if memory.v2 { "cpu" } else { "cpuacct" })?;
    let seconds = if cpu.v2 {
        cpu.keyed("cpu.stat", "usage_usec")? as f64 / 1e6
    } else {
        cpu.number("cpuacct.usage")? as f64 / 1e9
    };
    let peak_file = memory.file("memory.max_usage_in_bytes", "memory.peak");
    let peak = if memory.has(peak_file) { Some(memory.number(peak_file)?) } else { None };
    let pids_peak = if pids.has("pids.peak") { Some(pids.number("pids.peak")?) } else { None };
    let output = release(&mut running)?;
    let busy = seconds >= 0.3;
    expect!(busy, "0.3 s of CPU time in the kernel's file", "{seconds}");
    // The figure on stderr has six decimals.
    expect_between("CPU time", figure(&output, "CPU time")? + 1e-6, seconds, 2.0)?;
    match peak {
        Some(peak) => {
            expect!(peak >= 24 << 20, "a peak of 24 MiB at least in {peak_file}", "{peak}");
            expect_between("memory peak", figure(&output, "memory peak")?, peak as f64, 8e6)?;
        }
        None => expect_eq!(figures(&output, "memory peak")?.len(), 0, "figures without {peak_file}"),
    }
    match pids_peak {
        Some(peak) => expect_between("pids peak", figure(&output, "pids peak")?, peak as f64, 0.0)?,
        None => expect_eq!(figures(&output, "pids peak")?.len(), 0, "figures without pids.peak"),
    }
    expect_eq!(figure(&output, "OOM kills")?, 0.0, "OOM kills of a command without a limit");
    expect_eq!(output.out(), "ready\n", "stdout");
    Ok(())
}

fn throttled(subject: &Subject) -> Verdict {
    let mut running = subject.probe(&["--stats", "--cpus", "0.1"], "use-up", &["1", "0", "100"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    let cpu = Group::of(running.command()?, "cpu")?;
    let held = cpu.keyed("cpu.stat", "nr_throttled")? as f64;
    let all = cpu.keyed("cpu.stat", "nr_periods")? as f64;
    let seconds = if cpu.v2 {
        cpu.keyed("cpu.stat", "throttled_usec")? as f64 / 1e6
    } else {
        cpu.keyed("cpu.stat", "throttled_time")? as f64 / 1e9
    };
    let output = release(&mut running)?;
    let [seconds_told, held_told, all_told] = figures(&output, "throttled")?[..] else {
        anyhow::bail!("expected seconds and two numbers of periods on stderr, got {:?}", output.err());
    };
    let some = held >= 1.0;
    expect!(some, "0.1 s of CPU time under --cpus 0.1 held back at least once", "{held}");
    expect_between("time held back", seconds_told + 1e-6, seconds, 5.0)?;
    expect_between("periods in which it was held back", held_told, held, 50.0)?;
    expect_between("periods", all_told, all, 50.0)?;
    Ok(())
}

fn oom_kills(subject: &Subject) -> Verdict {
    let output = subject.run_probe(&["--stats", "--memory", "32m"], "hog", &["256"])?;
    expect_eq!(
        (output.code(), output.out()),
        (137, String::new()),
        "status and stdout of a hog with --stats"
    );
    expect_eq!(figure(&output, "OOM kills")?, 1.0, "OOM kills on stderr");
    let peak = figure(&output, "memory peak")?;
    expect!((24e6..=33_554_432.0).contains(&peak), "a peak near the limit of 33554432 bytes", "{peak}");
    Ok(())
}
