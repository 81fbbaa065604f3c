//! Behaviour 47, and what comes after an end: `start` and `restart`.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use serde_json::Value;

use super::bed::{Bed, Up, bind, contained, ours};
use super::ending::POLITE;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const ENDING: Check = Check {
    step: 7,
    behaviours: &[47],
    points: 2,
    section: "07-detach.html#stop",
    after: &["state-exit-codes"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "start-as-before",
        title: "`start` runs the same command with its files, environment, folder, user and volumes of before",
        points: 3,
        hints: &[
            "What `run` was told is part of the record; the writable layer is in the container's folder.",
        ],
        section: "07-detach.html#commands",
        run: as_before,
        ..ENDING
    },
    Check {
        id: "start-limits",
        title: "and under the same limits",
        hints: &["The groups are made anew for each run."],
        points: 1,
        needs: &[Need::CgroupController("pids")],
        after: &["start-as-before"],
        section: "07-detach.html#commands",
        run: same_limits,
        ..ENDING
    },
    Check {
        id: "start-attached",
        title: "`start -a` runs it in the foreground and leaves with its exit status",
        hints: &["The same parent.rs, without the fork."],
        points: 1,
        after: &["start-as-before"],
        section: "07-detach.html#commands",
        run: attached,
        ..ENDING
    },
    Check {
        id: "start-once",
        title: "of several `start` at once one starts the container, and it runs once",
        hints: &["The lock on its folder belongs to one runtime."],
        after: &["start-as-before"],
        section: "07-detach.html#commands",
        run: once,
        ..ENDING
    },
    Check {
        id: "restart-anew",
        title: "`restart` ends the container as `stop` does and starts it; one that does not run is started",
        hints: &["A new process, the same id."],
        points: 1,
        after: &["start-as-before", "stop-asks-first"],
        section: "07-detach.html#commands",
        run: restarts,
        ..ENDING
    },
];

fn as_before(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let options = [
        "--name",
        "box",
        "-e",
        "FOO=a b",
        "-w",
        "/var",
        "--hostname",
        "chest",
        "-v",
        "data:/data",
        "-v",
        &bind(&source, "/in"),
        "--tmpfs",
        "/scratch",
        "-v",
        "/anonymous",
    ];
    let script =
        "echo \"$FOO|$PWD|$(cat /proc/sys/kernel/hostname)|$(id -u)\"; ls /tmp /data /anonymous /scratch
        touch /tmp/layer /data/named /anonymous/nameless /scratch/gone; echo ready; exec sleep 1000";
    let output = bed.launch(&[&["-d"], &options[..]].concat(), &["sh", "-c", script]).output()?.success()?;
    let id = output.out().trim_end().to_owned();
    let first = "a b|/var|chest|0\n/anonymous:\n\n/data:\n\n/scratch:\n\n/tmp:\nready\n";
    bed.until_logged(&id, "ready\n")?;
    expect_eq!(String::from_utf8_lossy(&bed.log(&id)?), first, "the log of the first run");
    let before = bed.inspect("box")?;
    bed.ok(&["stop", "-t", "0", "box"])?;
    expect_eq!(bed.ok(&["start", "box"])?, "box\n", "stdout of `start`");
    let second =
        "a b|/var|chest|0\n/anonymous:\nnameless\n\n/data:\nnamed\n\n/scratch:\n\n/tmp:\nlayer\nready\n";
    bed.until_logged(&id, second)?;
    expect_eq!(String::from_utf8_lossy(&bed.log(&id)?), format!("{first}{second}"), "the log of both runs");
    let after = bed.inspect("box")?;
    for key in ["id", "name", "image", "settings", "volumes", "run"] {
        expect_eq!(after[key], before[key], "`{key}` in `inspect` after `start`");
    }
    let state = &after["state"];
    expect_eq!(state["created"], before["state"]["created"], "when it was made");
    expect!(state["process"] != before["state"]["process"], "another process", "the same");
    expect!(
        state["exit_code"] == Value::Null && state["finished"] == Value::Null,
        "no end of the new run",
        "{state}"
    );
    // One that runs is left as it is.
    bed.ok(&["start", "box"])?;
    expect_eq!(
        bed.inspect("box")?["state"]["process"],
        state["process"],
        "its process after another `start`"
    );
    expect_eq!(ours().len(), 2, "processes: a supervisor and its command");
    bed.refused(&["start", "no-such"], "no-such")
}

fn same_limits(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--pids-limit", "17", "--read-only"])?;
    for _ in 0..2 {
        bed.ok(&["stop", "-t", "0", &up.id])?;
        bed.ok(&["start", &up.id])?;
        let now = Up::of(&up.id)?;
        let limit = fs::read_to_string(now.command.cgroup_dir("pids")?.join("pids.max"))?;
        expect_eq!(limit, "17\n", "pids.max after `start`");
        let root = now.command.mounts()?.into_iter().rfind(|mount| mount.point == "/");
        expect!(
            root.as_ref().is_some_and(|root| root.has("ro")),
            "a read-only root after `start`",
            "{root:?}"
        );
    }
    Ok(())
}

fn attached(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.launch(&["-d", "--name", "box"], &["sh", "-c", "echo out; echo err >&2; exit 6"])
        .output()?
        .success()?;
    bed.ok(&["wait", "box"])?;
    let output = bed.output(&["start", "-a", "box"])?;
    expect_eq!(output.code(), 6, "exit status of `start -a`");
    expect_eq!(
        (output.out(), output.err()),
        ("out\n".to_owned(), "err\n".to_owned()),
        "output of `start -a`"
    );
    bed.expect_exited("box", 6, "after `start -a`")?;
    bed.launch(&["--name", "other"], &["true"]).output()?.success()?;
    let output = bed.output(&["start", "-a", "box", "other"])?;
    bed.own_error(&output, 125, "-a", "`start -a` of two")
}

fn once(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.launch(&["-d", "--name", "box"], &["sleep", "1000"]).output()?.success()?;
    for round in 0..3 {
        bed.ok(&["stop", "-t", "0", "box"])?;
        let mut all = (0..8).map(|_| bed.call(&["start", "box"]).start()).collect::<Result<Vec<_>>>()?;
        let mut started = 0;
        for running in &mut all {
            let output = running.wait(Duration::from_secs(20))?;
            match output.code() {
                0 => started += 1,
                _ => bed.own_error(&output, 125, "box", "one of eight `start` at once")?,
            }
        }
        expect!(started > 0, "a `start` that succeeds in round {round}", "none");
        expect_eq!(contained().len(), 1, "processes in the container in round {round}");
        expect_eq!(bed.state("box")?.0, "running", "status in round {round}");
    }
    Ok(())
}

fn restarts(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], POLITE)?;
    expect_eq!(bed.ok(&["restart", "-t", "20", "box"])?, "box\n", "stdout of `restart`");
    bed.until_logged(&up.id, "ready\nasked\nready\n")?;
    let now = Up::of(&up.id)?;
    expect!(now.command != up.command && !up.command.alive(), "a new process", "{:?}", now.command);
    bed.ok(&["stop", "-t", "0", "box"])?;
    bed.ok(&["restart", "box"])?;
    expect_eq!(bed.state("box")?.0, "running", "status after `restart` of what had ended");
    let output = bed.output(&["restart", "-t", "0", "no-such", "box"])?;
    expect_eq!(output.code(), 125, "exit status of `restart` with one that is not there");
    expect_eq!(output.err().lines().count(), 1, "lines on stderr of it: {:?}", output.err());
    expect_eq!(output.out(), "box\n", "stdout of it");
    expect_eq!(bed.state("box")?.0, "running", "status of the other one");
    Ok(())
}
