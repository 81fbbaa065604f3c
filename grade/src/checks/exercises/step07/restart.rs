//! `--restart on-failure:N`.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::super::step07::bed::{Bed, everybody};
use crate::{Subject, Verdict, expect, expect_eq, until};

/// How long an attempt may take to come, its pause included.
const SOON: Duration = Duration::from_secs(10);

/// Says which run it is, and for how long the machine is up.
const COUNT: &str = "number=1; [ ! -e /tmp/number ] || read -r number < /tmp/number
    echo $((number + 1)) > /tmp/number; read -r now rest < /proc/uptime; echo \"run $number $now\"";

/// `run -d --restart on-failure:TIMES` of a script with COUNT in it; its id.
fn start(bed: &Bed, name: &str, times: u32, script: &str) -> Result<String> {
    let policy = format!("on-failure:{times}");
    let script = script.replace("COUNT", COUNT);
    let options = ["-d", "--name", name, "--restart", &policy];
    let output = bed.launch(&options, &["sh", "-c", &script]).output()?.success()?;
    Ok(output.out().trim_end().to_owned())
}

/// When each run began, in seconds, as the container has told it.
fn runs(bed: &Bed, id: &str) -> Result<Vec<f64>> {
    let log = String::from_utf8_lossy(&bed.log(id)?).into_owned();
    let mut times = Vec::new();
    for (index, line) in log.lines().enumerate() {
        let told = line.strip_prefix(&format!("run {} ", index + 1));
        times.push(told.and_then(|time| time.parse().ok()).with_context(|| format!("run {index}: {log:?}"))?);
    }
    Ok(times)
}

fn until_run(bed: &Bed, id: &str, number: usize) -> Verdict {
    let there = || (runs(bed, id).ok()?.len() >= number).then_some(());
    until(SOON, &format!("run {number} of the command"), there)
}

pub(super) fn on_failure(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for (name, times, script, count, code) in [
        ("works-at-last", 5, "COUNT; [ $number -ge 3 ] || exit 9", 3, 0),
        ("never-works", 2, "COUNT; exit 7", 3, 7),
        ("works", 5, "COUNT; exit 0", 1, 0),
        ("not-again", 0, "COUNT; exit 6", 1, 6),
    ] {
        let id = start(&bed, name, times, script)?;
        until_run(&bed, &id, count)?;
        expect_eq!(bed.ok(&["wait", name])?, format!("{code}\n"), "`wait` for {name}");
        expect_eq!(runs(&bed, &id)?.len(), count, "runs of {name}");
        bed.expect_exited(name, code, &format!("of {name}"))?;
    }
    until(SOON, "the end of every supervisor", || everybody().is_empty().then_some(()))?;
    for policy in ["", "3", "on-failure:", "on-failure:-1", "on-failure:x"] {
        let option = format!("--restart={policy}");
        let output = bed.launch(&["-d", &option], &["true"]).output()?;
        bed.own_error(&output, 125, "--restart", &format!("a run with {option}"))?;
    }
    Ok(())
}

pub(super) fn waits_longer(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let id = start(&bed, "box", 4, "COUNT; exit 1")?;
    until_run(&bed, &id, 5)?;
    let times = runs(&bed, &id)?;
    for (pair, pause) in times.windows(2).zip([0.2, 0.4, 0.8, 1.6]) {
        let took = pair[1] - pair[0];
        // The clock of /proc/uptime has hundredths of a second.
        expect!(took > pause - 0.02, "a pause of {pause} s at least", "{took:.2} s between two starts");
        expect!(took < pause + 4.0, "a pause of {pause} s, and not much more", "{took:.2} s");
    }
    Ok(())
}

pub(super) fn held(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "trap 'exit 0' TERM; COUNT; [ $number -ge 5 ] || exit 4; while :; do sleep 0.05; done";
    let id = start(&bed, "box", 5, script)?;
    let mut wait = bed.call(&["wait", "box"]).start()?;
    until_run(&bed, &id, 4)?;
    // Now there is a pause of 1.6 s.
    sleep(Duration::from_millis(200));
    bed.refused(&["rm", "box"], "box")?;
    until_run(&bed, &id, 5)?;
    expect_eq!(wait.stdout_now(), "", "stdout of `wait` before the last end");
    bed.ok(&["stop", "-t", "20", "box"])?;
    expect_eq!(wait.wait(SOON)?.success()?.out(), "0\n", "stdout of `wait`");
    expect_eq!(runs(&bed, &id)?.len(), 5, "runs of the command");
    bed.ok(&["rm", "box"]).map(drop)
}

/// Ends the check unless nobody looks after the container any more, before there were more runs than this.
fn over(bed: &Bed, id: &str, most: usize, when: &str) -> Verdict {
    until(SOON, &format!("the end of the supervisor {when}"), || everybody().is_empty().then_some(()))?;
    if bed.folder(id).exists() {
        let count = runs(bed, id)?.len();
        expect!(count <= most, "{most} runs at most {when}", "{count}");
        expect_eq!(bed.ps(&[])?.len(), 0, "containers that run {when}");
    }
    Ok(())
}

pub(super) fn ended_for_good(subject: &Subject) -> Verdict {
    // Its handler leaves with a status of its own.
    const STAYS: &str = "trap 'exit 3' TERM; COUNT; while :; do sleep 0.05; done";
    let bed = Bed::new(subject);
    let end = |words: &[&str], when: &str| -> Verdict {
        let output = bed.call(words).start()?.wait(SOON).with_context(|| when.to_owned())?;
        output.success().with_context(|| when.to_owned()).map(drop)
    };
    for (words, code) in [(&["stop", "-t", "5"][..], 3), (&["kill"], 137), (&["rm", "-f"], 0)] {
        let line = words.join(" ");
        let id = start(&bed, "runs", 9, STAYS)?;
        until_run(&bed, &id, 1)?;
        end(&[words, &["runs"]].concat(), &format!("`{line}` of what runs"))?;
        over(&bed, &id, 1, &format!("after `{line}` of what ran"))?;
        if words[0] != "rm" {
            bed.expect_exited("runs", code, &format!("after `{line}`"))?;
            bed.ok(&["rm", "runs"])?;
        }
    }
    for words in [&["stop", "-t", "0"][..], &["rm", "-f"]] {
        let line = words.join(" ");
        let id = start(&bed, "waits", 20, "COUNT; exit 4")?;
        // What comes then is a pause of 3.2 s.
        until_run(&bed, &id, 5)?;
        sleep(Duration::from_millis(200));
        end(&[words, &["waits"]].concat(), &format!("`{line}` in a pause"))?;
        over(&bed, &id, 20, &format!("after `{line}` in a pause"))?;
        if words[0] != "rm" {
            bed.expect_exited("waits", 4, "of a command that had failed before `stop`")?;
            let before = runs(&bed, &id)?.len();
            bed.ok(&["start", "waits"])?;
            until_run(&bed, &id, before + 2)?;
            end(&["rm", "-f", "waits"], "`rm -f` of what was started again")?;
        }
    }
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of containers in the end");
    Ok(())
}
