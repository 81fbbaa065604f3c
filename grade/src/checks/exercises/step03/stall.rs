//! The exercise stalled.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::super::step03::group::{Group, hold, release};
use crate::{Check, Need, Output, Subject, Verdict, expect, skip, until};

const SECTION: &str = "03-cgroups.html#ex-stalled";

pub(super) const NOT_COUNTED: Check = Check {
    id: "stall-not-counted",
    step: 3,
    title: "where the group has no memory.pressure, the line after the memory peak says `not counted here`",
    points: 2,
    hints: &[
        "v1 never has the file. On v2, a 0 in cgroup.pressure takes it away.",
        "`Group::read` answers `None` then, and `None` is not 0.",
    ],
    section: SECTION,
    needs: &[Need::CgroupController("memory")],
    run: not_counted,
    ..Check::NEW
};

pub(super) const AGREES: Check = Check {
    id: "stall-agrees",
    step: 3,
    title: "the memory stall is what the line `some` of memory.pressure adds up to, in seconds",
    points: 3,
    hints: &[
        "`some`: at least one process waits. `full`: all of them do.",
        "`total=` counts microseconds, as `usage_usec` does.",
    ],
    section: SECTION,
    needs: &[Need::CgroupV2("memory")],
    run: agrees,
    ..Check::NEW
};

/// The line about the stall, and the one before it.
fn stall_told(output: &Output) -> Result<(String, String)> {
    let text = output.err();
    let lines: Vec<&str> = text.lines().collect();
    let at = lines.iter().position(|line| line.contains("memory stall"));
    let at = at.with_context(|| format!("no line about \"memory stall\" on stderr: {text:?}"))?;
    let before = at.checked_sub(1).map_or("", |at| lines[at]);
    Ok((lines[at].to_string(), before.to_string()))
}

/// The microseconds in the line `some`.
fn counted(group: &Group) -> Result<f64> {
    let text = group.text("memory.pressure")?;
    let total = text.lines().find_map(|line| line.strip_prefix("some ")?.split_once("total="));
    let (_, total) = total.with_context(|| format!("memory.pressure holds {text:?}"))?;
    total.parse().context("a number")
}

fn not_counted(subject: &Subject) -> Verdict {
    let (mut running, command) = hold(subject, &["--stats"])?;
    let group = Group::of(command, "memory")?;
    if group.has("memory.pressure") {
        // Linux 6.1 can be told not to count.
        if group.has("cgroup.pressure") {
            fs::write(group.dir.join("cgroup.pressure"), "0").context("switch off cgroup.pressure")?;
        }
        if group.has("memory.pressure") {
            return Err(skip("this kernel counts in every group"));
        }
    }
    let output = release(&mut running)?;
    let (line, before) = stall_told(&output)?;
    expect!(
        line.ends_with("memory stall  not counted here"),
        "`not counted here` as memory stall",
        "{line:?}"
    );
    expect!(before.contains("memory peak"), "the memory stall after the memory peak", "{:?}", output.err());
    Ok(())
}

/// While one process is held back for its memory, another one computes: `some` has to wait, and not all of them.
const HELD_BACK: &str = "echo up; read go; while :; do :; done & busy=$!; \
                         head -c 40M /dev/zero | tail -n 1 >/dev/null & \
                         read enough; kill -9 $! $busy; echo done; read end; exit 0";

fn agrees(subject: &Subject) -> Verdict {
    let mut running = subject.start(&["--stats"], &["sh", "-c", HELD_BACK])?;
    running.read_line()?;
    let group = Group::of(running.command()?, "memory")?;
    if !group.has("memory.pressure") {
        return Err(skip("this kernel does not count stalls: no memory.pressure"));
    }
    fs::write(group.dir.join("memory.high"), "32M").context("set memory.high")?;
    running.send(b"\n")?;
    let some = || counted(&group).ok().filter(|stalled| *stalled > 2e5);
    until(Duration::from_secs(10), "0.2 s of stalls of a command that takes more than memory.high", some)?;
    running.send(b"\n")?;
    running.read_line()?;
    let stalled = counted(&group)? / 1e6;
    let output = release(&mut running)?;
    let (line, _) = stall_told(&output)?;
    let seconds = line.split_once("memory stall").and_then(|(_, rest)| rest.trim().strip_suffix(" s"));
    let seconds: f64 =
        seconds.and_then(|number| number.parse().ok()).with_context(|| format!("no seconds in {line:?}"))?;
    let same = (stalled..stalled + 1.0).contains(&(seconds + 1e-6));
    expect!(
        same,
        "{stalled} seconds as in memory.pressure just before the end, or a little more",
        "{line:?}"
    );
    Ok(())
}
