//! Behaviour 44, in figures: `top`, `stats` and `pause`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::bed::{Bed, stat};
use super::listing::ids;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const LISTING: Check = Check {
    step: 7,
    behaviours: &[44],
    points: 1,
    section: "07-detach.html#ps",
    after: &["state-exit-codes"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "top-as-the-kernel",
        title: "`top` lists exactly the container's processes, by their numbers on the host",
        hints: &["Those in the first process's PID namespace; the file NSpid has both numbers."],
        section: "07-detach.html#stats",
        run: top,
        ..LISTING
    },
    Check {
        id: "stats-as-the-kernel",
        title: "`stats --no-stream` gives what the container's groups have counted",
        hints: &["pids.current, memory.usage_in_bytes or memory.current."],
        needs: &[Need::CgroupController("pids"), Need::CgroupController("memory")],
        section: "07-detach.html#stats",
        slow: true,
        run: stats,
        ..LISTING
    },
    Check {
        id: "pause-stops",
        title: "a paused container uses no CPU time and is said to be paused, until `unpause` lets it go on",
        points: 2,
        hints: &["freezer.state on v1, cgroup.freeze on v2."],
        section: "07-detach.html#pause",
        needs: &[Need::CgroupV2Tree],
        run: pause,
        ..LISTING
    },
];

fn top(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], "sleep 1000 & sleep 1001 & echo ready; wait")?;
    let other = bed.idle(&[])?;
    let text = bed.ok(&["top", "box"])?;
    let words = |line: &str| line.split_whitespace().map(String::from).collect::<Vec<_>>();
    let title = words(text.lines().next().unwrap_or_default());
    let at = title.iter().position(|word| word == "PID").context("no column PID")?;
    let listed: BTreeSet<String> =
        text.lines().skip(1).filter_map(|line| words(line).get(at).cloned()).collect();
    let wanted: BTreeSet<String> = up.members()?.iter().map(|it| it.0.to_string()).collect();
    expect_eq!(listed, wanted, "numbers in `top`");
    expect!(text.contains("sleep 1000") && text.contains("sleep 1001"), "both command lines", "{text:?}");
    bed.ok(&["stop", "-t", "0", &other.id])?;
    bed.refused(&["top", &other.id], &other.id)
}

fn stats(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "sleep 1000 & sleep 1000 & echo ready; wait";
    let up = bed.script(&["--name", "box", "--memory", "64m"], script)?;
    bed.launch(&[], &["true"]).output()?.success()?;
    let text = bed.ok(&["stats", "--no-stream", "--format", "json"])?;
    expect_eq!(text.lines().count(), 1, "lines of `stats` with one container that runs");
    let row: Value = serde_json::from_str(&text)?;
    expect_eq!(row["ID"], json!(up.id), "`ID` in `stats`");
    expect_eq!(row["Name"], json!("box"), "`Name` in `stats`");
    expect_eq!(row["PIDs"], json!(3), "`PIDs` in `stats`");
    expect_eq!(row["MemLimit"], json!(64 << 20), "`MemLimit` in `stats`");
    let dir = up.command.cgroup_dir("memory")?;
    let used = ["memory.usage_in_bytes", "memory.current"]
        .iter()
        .find_map(|it| fs::read_to_string(dir.join(it)).ok());
    let used: f64 = used.context("no file tells what memory is used")?.trim().parse()?;
    let told = row["MemUsage"].as_f64().unwrap_or_default();
    expect!((told - used).abs() < 4e6, "about {used} bytes in `MemUsage`", "{told}");
    expect!(row["CPUPerc"].as_f64().is_some_and(|share| share < 20.0), "little CPU time", "{row}");
    let table = bed.ok(&["stats", "--no-stream", "box"])?;
    expect!(table.lines().count() == 2 && table.contains("CPU %"), "a title and a line", "{table:?}");
    // Of a loop the share is known, too.
    let busy = bed.script(&[], "echo ready; while :; do :; done")?;
    let text = bed.ok(&["stats", "--no-stream", "--format", "json", &busy.id])?;
    let share = serde_json::from_str::<Value>(&text)?["CPUPerc"].as_f64().unwrap_or_default();
    expect!(share > 10.0 && share < 110.0, "the share of one CPU in percent", "{share}");
    bed.ok(&["stop", "-t", "0", "box"])?;
    bed.refused(&["stats", "--no-stream", "box"], "box")
}

fn pause(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], "echo ready; while :; do :; done")?;
    let used = || -> Result<i64> { Ok(stat(up.command, 14)? + stat(up.command, 15)?) };
    for _ in 0..2 {
        expect_eq!(bed.ok(&["pause", "box"])?, "box\n", "stdout of `pause`");
        let before = used()?;
        std::thread::sleep(Duration::from_millis(300));
        let after = used()?;
        expect!(
            after - before <= 1,
            "no CPU time while it is paused",
            "{} hundredths of a second",
            after - before
        );
        expect_eq!(bed.state("box")?.0, "paused", "status of a paused one");
        let row = &bed.ps(&["--filter", "status=paused"])?;
        expect_eq!(ids(row), [up.id.as_str()], "ids of `ps --filter status=paused`");
        expect!(
            row[0]["Status"].as_str().is_some_and(|it| it.contains("(Paused)")),
            "`(Paused)`",
            "{}",
            row[0]
        );
        bed.refused(&["pause", "box"], "box")?;
        bed.refused(&["exec", "box", "true"], "paused")?;
        bed.refused(&["rm", "box"], "box")?;
        expect_eq!(bed.ok(&["unpause", "box"])?, "box\n", "stdout of `unpause`");
        let before = used()?;
        crate::until(super::bed::SOON, "CPU time after `unpause`", || (used().ok()? > before).then_some(()))?;
        expect_eq!(bed.state("box")?.0, "running", "status after `unpause`");
        bed.refused(&["unpause", "box"], "box")?;
    }
    bed.ok(&["kill", "box"])?;
    bed.ok(&["wait", "box"])?;
    bed.refused(&["pause", "box"], "box")
}
