//! Behaviour 44: what is said of a container is true, whatever has happened to those who wrote it down.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::common::send;
use super::bed::{Bed, stat, until_all_gone};
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

const STATE: Check = Check {
    step: 7,
    behaviours: &[44],
    points: 2,
    section: "07-detach.html#state",
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "state-is-the-kernels",
        title: "`inspect` names the process, its start time and its parent as the kernel has them, and then its end",
        hints: &["Field 22 of /proc/PID/stat; a number alone may be another process's tomorrow."],
        section: "07-detach.html#process",
        run: as_the_kernel,
        ..STATE
    },
    Check {
        id: "state-exit-codes",
        title: "a container's exit code is kept: its own, or 128 and the signal that ended it",
        hints: &["Who waits for the process writes it down."],
        run: exit_codes,
        ..STATE
    },
    Check {
        id: "state-always-whole",
        title: "whoever reads a record or runs `ps` while containers start and end finds whole documents",
        points: 3,
        hints: &["Write another file, fsync(2) it, rename(2) it over the old one."],
        slow: true,
        run: always_whole,
        ..STATE
    },
    Check {
        id: "state-written-safely",
        title: "a record is on the disk before it takes the old one's place",
        points: 1,
        hints: &["rename(2) may reach the disk before the file's content: fsync(2) first."],
        needs: &[Need::Strace],
        run: synced,
        ..STATE
    },
    Check {
        id: "state-no-false-end",
        title: "nobody is told of an end with a wrong exit code, in the moment after it either",
        hints: &["Between the process's end and the record of it the supervisor is at work: its lock tells."],
        after: &["state-exit-codes"],
        run: no_false_end,
        ..STATE
    },
    Check {
        id: "state-oom-killed",
        title: "a container that the OOM killer has ended is marked so, and one that it has not is not",
        hints: &["memory.events on v2, memory.oom_control on v1: read before the group goes."],
        needs: &[Need::CgroupController("memory")],
        after: &["memory-oom-137", "state-exit-codes"],
        run: oom_killed,
        ..STATE
    },
];

fn as_the_kernel(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--name", "box"])?;
    let expect_process = |state: &Value, key: &str, process: Process| -> Verdict {
        expect_eq!(state[key]["pid"].as_i64(), Some(i64::from(process.0)), "pid of the {key} in `inspect`");
        let start = stat(process, 22)?;
        expect_eq!(state[key]["start_time"].as_i64(), Some(start), "start time of the {key} in `inspect`");
        Ok(())
    };
    let document = bed.inspect("box")?;
    expect_process(&document["state"], "process", up.command)?;
    expect_process(&document["state"], "supervisor", up.runtime)?;
    expect_eq!(document["id"], json!(up.id), "id in `inspect`");
    expect_eq!(document["name"], json!("box"), "name in `inspect`");
    expect_eq!(document["settings"]["Cmd"], json!(["sleep", "1000"]), "arguments in `inspect`");
    let state = &document["state"];
    expect_eq!(state["status"], json!("running"), "status in `inspect`");
    for key in ["created", "started"] {
        expect!(state[key].is_string(), "a time `{key}` in `inspect`", "{}", state[key]);
    }
    for key in ["finished", "exit_code"] {
        expect!(state[key].is_null(), "no `{key}` of a running container", "{}", state[key]);
    }
    send(up.command, Signal::SIGKILL)?;
    bed.ok(&["wait", "box"])?;
    let state = &bed.inspect("box")?["state"];
    expect_eq!(state["status"], json!("exited"), "status after the end");
    expect!(state["finished"].is_string(), "a time `finished` after the end", "{}", state["finished"]);
    let several = bed.ok(&["inspect", "box", &up.id])?;
    let several: Vec<Value> = serde_json::from_str(&several)?;
    expect_eq!(several.len(), 2, "documents of `inspect` with two arguments");
    Ok(())
}

fn exit_codes(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for (name, script, code) in [("zero", "exit 0", 0), ("seven", "exit 7", 7), ("last", "exit 255", 255)] {
        let up = bed.launch(&["-d", "--name", name], &["sh", "-c", script]).output()?.success()?;
        expect_eq!(bed.ok(&["wait", name])?, format!("{code}\n"), "stdout of `wait` for `{script}`");
        bed.expect_exited(up.out().trim_end(), code, &format!("of `{script}`"))?;
        let shown = bed.ps(&["-a", "--filter", &format!("name={name}")])?;
        let status = shown.first().map(|row| row["Status"].as_str().unwrap_or_default().to_owned());
        let begins = status.as_deref().is_some_and(|it| it.starts_with(&format!("Exited ({code})")));
        expect!(begins, "a status `Exited ({code})`", "{status:?}");
    }
    let up = bed.idle(&[])?;
    send(up.command, Signal::SIGKILL)?;
    expect_eq!(bed.ok(&["wait", &up.id])?, "137\n", "stdout of `wait` for a killed one");
    bed.expect_exited(&up.id, 137, "of a killed one")?;
    // In the foreground, too.
    bed.launch(&["--name", "fore"], &["sh", "-c", "exit 9"]).output()?;
    bed.expect_exited("fore", 9, "of one in the foreground")
}

fn always_whole(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let started = bed.idle(&["--name", "box"])?;
    let record = bed.folder(&started.id).join("container.json");
    let end = AtomicBool::new(false);
    let read_on = || -> Result<u64> {
        let mut count = 0;
        while !end.load(Ordering::Relaxed) {
            let text = fs::read(&record).context("read the record")?;
            serde_json::from_slice::<Value>(&text)
                .with_context(|| format!("read a record of {} bytes", text.len()))?;
            count += 1;
        }
        Ok(count)
    };
    let list_on = || -> Result<u64> {
        let mut count = 0;
        while !end.load(Ordering::Relaxed) || count < 200 {
            let rows = bed.ps(&["-a"]).context("`ps -a` beside starts and ends")?;
            expect!(rows.iter().any(|row| row["Names"] == "box"), "the container in `ps -a`", "{rows:?}");
            count += 1;
        }
        Ok(count)
    };
    std::thread::scope(|scope| {
        let readers = [scope.spawn(read_on), scope.spawn(list_on)];
        let until = Instant::now() + Duration::from_secs(2);
        let work = || -> Verdict {
            while Instant::now() < until {
                bed.ok(&["stop", "-t", "0", "box"])?;
                bed.ok(&["start", "box"])?;
                bed.launch(&["-d", "--rm"], &["true"]).output()?.success()?;
            }
            Ok(())
        };
        let worked = work();
        end.store(true, Ordering::Relaxed);
        for reader in readers {
            let count = reader.join().map_err(|_| anyhow::anyhow!("a reader panicked"))??;
            expect!(count > 20, "more than 20 looks", "{count}");
        }
        worked
    })
}

fn synced(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let trace = subject.scratch().join("trace");
    let file = trace.to_str().context("the scratch folder has an odd name")?;
    let calls = "trace=write,fsync,fdatasync,rename,renameat,renameat2";
    let front = ["strace", "-y", "-o", file, "-e", calls];
    bed.launch(&["--name", "box"], &["true"]).under(&front).output()?.success()?;
    let text = fs::read_to_string(&trace)?;
    let lines: Vec<&str> = text.lines().collect();
    let renames = lines
        .iter()
        .enumerate()
        .filter(|(_, line)| line.contains("rename") && line.contains("container.json"));
    let mut count = 0;
    // The first one takes nobody's place, and of what has not run yet nothing is lost.
    for (at, line) in renames.skip(1) {
        let draft = line.split('"').nth(1).with_context(|| format!("no name in {line:?}"))?;
        let about = |line: &&&str| line.contains(&format!("<{draft}>"));
        let last = lines[..at].iter().rfind(about).copied().unwrap_or_default();
        expect!(last.contains("sync("), "fsync(2) of {draft} as the last before its rename(2)", "{last:?}");
        count += 1;
    }
    expect!(count >= 2, "at least two records: of the start and of the end", "{count}");
    Ok(())
}

fn no_false_end(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "trap 'exit 7' TERM; echo ready; while :; do sleep 0.01; done";
    for (name, signal, code) in [("killed", Signal::SIGKILL, 137), ("asked", Signal::SIGTERM, 7)] {
        let up = bed.script(&["--name", name], script)?;
        // The supervisor takes its time to notice.
        send(up.runtime, Signal::SIGSTOP)?;
        send(up.command, signal)?;
        until_all_gone(&[up.command], "of the container")?;
        let mut asked = bed.call(&["inspect", name]).start()?;
        let mut listed =
            bed.call(&["ps", "-a", "--format", "json", "--filter", &format!("name={name}")]).start()?;
        std::thread::sleep(Duration::from_millis(300));
        send(up.runtime, Signal::SIGCONT)?;
        let output = asked.wait(PATIENCE)?.success()?;
        let documents: Vec<Value> = serde_json::from_str(&output.out())?;
        let state = &documents[0]["state"];
        if state["status"] == json!("exited") {
            expect_eq!(state["exit_code"], json!(code), "exit code of what is said to have ended");
            expect!(state["finished"].is_string(), "the time of its end", "{}", state["finished"]);
        }
        let line: Value = serde_json::from_str(&listed.wait(PATIENCE)?.success()?.out())?;
        let status = line["Status"].as_str().unwrap_or_default();
        let true_end = status.starts_with(&format!("Exited ({code})"));
        expect!(true_end || status.starts_with("Up"), "up, or exited with {code}, in `ps -a`", "{status:?}");
        expect_eq!(bed.ok(&["wait", name])?, format!("{code}\n"), "stdout of `wait`");
        bed.expect_exited(name, code, "when its supervisor has noticed")?;
    }
    Ok(())
}

fn oom_killed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let hog = ["/probe", "__probe", "hog", "64"];
    bed.launch(&["-d", "--name", "hog", "--memory", "16m", "--memory-swap", "16m"], &hog)
        .output()?
        .success()?;
    bed.ok(&["wait", "hog"])?;
    bed.expect_exited("hog", 137, "of a container that wanted too much memory")?;
    expect_eq!(bed.inspect("hog")?["state"]["oom_killed"], json!(true), "oom_killed of it");
    bed.launch(&["-d", "--name", "killed", "--memory", "16m"], &["sleep", "1000"]).output()?.success()?;
    bed.ok(&["kill", "killed"])?;
    bed.ok(&["wait", "killed"])?;
    expect_eq!(bed.inspect("killed")?["state"]["oom_killed"], json!(false), "oom_killed of a killed one");
    // What was true of the last run is not of the next.
    bed.ok(&["start", "hog"])?;
    bed.ok(&["wait", "hog"])?;
    expect_eq!(
        bed.inspect("hog")?["state"]["oom_killed"],
        json!(true),
        "oom_killed of the same, started again"
    );
    Ok(())
}
