//! The exercise cgroup-kill.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::super::step03::group::{directories, exists};
use crate::subject::PATIENCE;
use crate::{Check, Need, Output, Process, Running, Subject, Verdict, expect, expect_eq, until};

const SECTION: &str = "03-cgroups.html#ex-cgroup-kill";

pub(super) const TOLD: Check = Check {
    id: "cgroup-kill-told",
    step: 3,
    title: "--explain shows a write to cgroup.kill for a container that leaves a process behind, and for no other",
    points: 2,
    hints: &[
        "`write` in group.rs tells what it has written.",
        "Before rmdir(2) has failed, nobody knows whether there is anything to kill.",
    ],
    section: SECTION,
    needs: &[Need::Kernel(5, 14), Need::CgroupV2("pids")],
    run: told,
    ..Check::NEW
};

pub(super) const STRANGER: Check = Check {
    id: "cgroup-kill-stranger",
    step: 3,
    title: "a process of another PID namespace, which kill(2) cannot name, goes with the group that it was moved into",
    points: 2,
    hints: &[
        "In its own PID namespace the runtime reads 0 in cgroup.procs for such a process.",
        "`cgroup.kill` needs no numbers. Is it written when the list of numbers is empty, too?",
    ],
    section: SECTION,
    needs: &[Need::Root, Need::Kernel(5, 14), Need::CgroupV2("pids"), Need::Program("unshare")],
    run: stranger,
    ..Check::NEW
};

/// Without a PID namespace, what the command has started lives on.
const LEAVING: [&str; 3] = ["--explain", "--ns", "uts"];

/// How often it says that the file was written.
fn writes(output: &Output) -> usize {
    let write = |line: &&str| line.contains("] write(\"") && line.contains("/cgroup.kill\", \"1");
    output.err().lines().filter(write).count()
}

fn told(subject: &Subject) -> Verdict {
    let output = subject.run(&LEAVING, &["sh", "-c", "sleep 1000 & exit 6"])?;
    expect_eq!(output.code(), 6, "exit status of a shell that leaves a process behind");
    let one = "a line `[host] write(\"…/cgroup.kill\", \"1\") = 1`";
    expect!(writes(&output) > 0, "{one} when a process is left behind", "{:?}", output.err());
    for options in [&LEAVING[..], &["--explain"], &["--explain", "--init"]] {
        let output = subject.run(options, &["true"])?.success()?;
        let none = !output.err().contains("cgroup.kill");
        expect!(
            none,
            "no word of cgroup.kill when nothing is left behind, {options:?}",
            "{:?}",
            output.err()
        );
    }
    Ok(())
}

/// A runtime in a PID namespace of its own, and its command.
fn start_apart(subject: &Subject) -> Result<(Running, Process)> {
    let apart = ["unshare", "--pid", "--fork", "--mount-proc"];
    let mut running = subject.launch(&[], &["cat"]).under(&apart).start()?;
    running.send(b"up\n")?;
    running.read_line()?;
    let runtime = *running.runtime().children().first().context("unshare has no child")?;
    let command = running.command_below(runtime)?;
    Ok((running, command))
}

fn stranger(subject: &Subject) -> Verdict {
    let (mut running, command) = start_apart(subject)?;
    let mut stranger = Command::new("sleep").arg("1000").spawn().context("start sleep")?;
    let dirs = directories(command)?;
    for dir in &dirs {
        let file = dir.join("cgroup.procs");
        fs::write(&file, stranger.id().to_string()).with_context(|| format!("write {}", file.display()))?;
    }
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    let what = "the end of a process that only cgroup.kill reaches";
    until(Duration::from_secs(2), what, || stranger.try_wait().ok().flatten())?;
    let left: Vec<_> = dirs.iter().filter(|dir| exists(dir)).collect();
    expect!(left.is_empty(), "no group after cgroup.kill", "{left:?}");
    Ok(())
}
