//! Behaviours 44 and 46 while a start is under way: its record is behind what the kernel has already, or still ahead of it.
//!
//! The moments that these checks are about last less than a millisecond. strace(1) makes them long: it holds the runtime
//! where it enters a system call, as a slow disk or a busy machine would.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, SOON};
use super::chaos::groups;
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Verdict, expect_eq, until};

const UNDER_WAY: Check = Check {
    step: 7,
    behaviours: &[44],
    points: 2,
    section: "07-detach.html#state",
    needs: &[Need::Strace],
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "state-found-at-once",
        title: "a container whose command has written its first line is found by `exec`, `stop` and `kill`",
        hints: &[
            "Between execve(2) and the word of it in the record, the supervisor has a moment's work: wait for it.",
            "The lock on its folder tells a start that is under way from one that failed.",
        ],
        behaviours: &[44, 46],
        after: &["exec-status"],
        slow: true,
        run: found_at_once,
        ..UNDER_WAY
    },
    Check {
        id: "state-killed-unstarted",
        title: "a runtime that was killed before its command ran leaves nothing that the next command does not remove",
        hints: &[
            "A record without a start or a name, in a folder that nobody has locked, is that of a failed start.",
        ],
        after: &["state-killed-freed"],
        section: "07-detach.html#sweep",
        slow: true,
        run: killed_unstarted,
        ..UNDER_WAY
    },
];

/// What holds a runtime, and nothing that it starts, for so long before each of these calls.
fn held_at(subject: &Subject, calls: &str, time: Duration) -> Result<Vec<String>> {
    let trace = subject.scratch().join("trace");
    let trace = trace.to_str().context("the scratch folder has an odd name")?.to_owned();
    let inject = format!("inject={calls}:delay_enter={}", time.as_micros());
    Ok(["strace", "-o", &trace, "-e", &format!("trace={calls}"), "-e", &inject].map(String::from).to_vec())
}

fn found_at_once(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // A record is on the disk before it is valid; here the disk takes its time.
    let front = held_at(subject, "fsync,fdatasync", Duration::from_millis(500))?;
    for words in [&["exec", "box", "true"][..], &["stop", "-t", "0", "box"], &["kill", "box"]] {
        let first = bed.launch(&["--name", "box"], &["sh", "-c", "echo up; exec sleep 1000"]);
        for (start, launch) in [("run", first), ("start -a", bed.call(&["start", "-a", "box"]))] {
            let mut running = launch.under(&front).start()?;
            expect_eq!(running.read_line()?, "up", "first line of the command");
            let when = format!("`{}`, as soon as `{start}` has written its first line", words.join(" "));
            bed.ok(words).with_context(|| when.clone())?;
            if words[0] == "exec" {
                bed.ok(&["kill", "box"])?;
            }
            let output = running.wait(SOON).with_context(|| format!("the end after {when}"))?;
            expect_eq!(output.code(), 137, "exit status of the runtime after {when}");
        }
        bed.ok(&["rm", "box"])?;
    }
    Ok(())
}

fn killed_unstarted(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for words in [&["ps", "-a"][..], &["images"]] {
        let ids = kill_unstarted(&bed, &["-v", "/anonymous"])?;
        bed.ok(words)?;
        let when = format!("after `{}` behind a start that was killed", words.join(" "));
        bed.expect_nothing(&BTreeSet::new(), &when)?;
        Bed::expect_swept(|| groups(&ids), &when)?;
        expect_eq!(bed.ok(&["ps", "-aq"])?, "", "stdout of `ps -aq` {when}");
        expect_eq!(bed.ok(&["volume", "ls", "-q"])?, "", "volumes {when}");
    }
    // Who has given it a name may ask for it.
    let ids = kill_unstarted(&bed, &["--name", "box"])?;
    bed.ok(&["diff", "box"])?;
    bed.ok(&["rm", "box"])?;
    bed.expect_nothing(&BTreeSet::new(), "after `rm` of one with a name")?;
    expect_eq!(groups(&ids), Vec::<PathBuf>::new(), "groups that are left then");
    Ok(())
}

/// Kills the runtime of a container that has its record, its groups and its volumes, but no process yet.
fn kill_unstarted(bed: &Bed, options: &[&str]) -> Result<BTreeSet<String>> {
    // Without a new process there is no command.
    let front = held_at(bed.subject, "clone,clone3,fork,vfork", Duration::from_secs(2))?;
    let mut running = bed.launch(options, &["true"]).under(&front).start()?;
    let recorded = || {
        let ids = bed.folders().ok()?;
        ids.iter().any(|id| bed.folder(id).join("container.json").exists()).then_some(ids)
    };
    let ids = until(PATIENCE, "the record of a container that is about to start", recorded)?;
    // What else a start needs before there is a process.
    std::thread::sleep(Duration::from_millis(200));
    let runtime = running.runtime().descendants();
    send(*runtime.first().context("no runtime below strace")?, Signal::SIGKILL)?;
    let output = running.wait(PATIENCE)?;
    expect_eq!(output.code(), -9, "how the runtime ended");
    Ok(ids.into_iter().collect())
}
