//! `logs --since`.

use std::fs::File;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::fcntl::{Flock, FlockArg};

use super::super::super::step07::bed::Bed;
use crate::subject::PATIENCE;
use crate::{Subject, Verdict, expect_eq, until};

/// Longer than it takes a command to look at the clock, and at a clock that has whole seconds.
const GAP: Duration = Duration::from_secs(6);

/// The words for an age that reaches back to before `moment`, by two seconds, and not by [`GAP`].
fn since(moment: Instant) -> String {
    format!("--since={}s", moment.elapsed().as_secs() + 3)
}

/// A command that takes its time before it writes anything.
const SLOW: &str = "sleep 1;";

/// A container that writes two lines in each run, after this; its third one goes on.
fn run_once(bed: &Bed, before: &str) -> Result<String> {
    let script = "echo first; number=1; [ ! -e /tmp/number ] || read -r number < /tmp/number
        echo \"run $number\"; echo $((number + 1)) > /tmp/number; [ $number -lt 3 ] || exec sleep 1000";
    let output = bed
        .launch(&["-d", "--name", "box"], &["sh", "-c", &format!("{before} {script}")])
        .output()?
        .success()?;
    bed.ok(&["wait", "box"])?;
    Ok(output.out().trim_end().to_owned())
}

pub(super) fn whole_runs(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let id = run_once(&bed, SLOW)?;
    let logs = |words: &[&str]| bed.ok(&[&["logs"], words, &["box"]].concat());
    let run = |number: u32| format!("first\nrun {number}\n");
    expect_eq!(logs(&["--since", "1h"])?, run(1), "`logs --since 1h` after one run");
    sleep(GAP);
    let second = Instant::now();
    bed.ok(&["start", "box"])?;
    bed.ok(&["wait", "box"])?;
    expect_eq!(logs(&[&since(second)])?, run(2), "`logs` since the start of the second run");
    bed.ok(&["start", "box"])?;
    bed.until_logged(&id, "run 3\n")?;
    sleep(GAP);
    expect_eq!(logs(&["--since", "1s"])?, run(3), "`logs --since 1s` of a run that goes on");
    expect_eq!(logs(&[&since(second)])?, run(2) + &run(3), "`logs` since the start of the second of three");
    for words in [&["--since", "10m"][..], &["--since", "2h"], &[]] {
        expect_eq!(logs(words)?, run(1) + &run(2) + &run(3), "`logs {}`", words.join(" "));
    }
    bed.ok(&["stop", "-t", "0", "box"])?;
    sleep(GAP);
    expect_eq!(logs(&["--since", "2s"])?, "", "`logs --since 2s` when all runs have ended");
    expect_eq!(logs(&["--since", "2h"])?, run(1) + &run(2) + &run(3), "`logs --since 2h` after that");
    Ok(())
}

pub(super) fn first_line(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let id = run_once(&bed, "")?;
    let before = bed.log(&id)?.len();
    sleep(GAP);
    // Whoever writes to the record waits for this lock: the command is faster.
    let lock = File::open(bed.folder(&id).join("exit-code"))?;
    let lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    let second = Instant::now();
    let mut start = bed.call(&["start", "box"]).start()?;
    let written = || (bed.log(&id).ok()?.len() > before).then_some(());
    until(Duration::from_secs(2), "the first line", written).ok();
    drop(lock);
    start.wait(PATIENCE)?.success()?;
    bed.ok(&["wait", "box"])?;
    expect_eq!(bed.ok(&["logs", &since(second), "box"])?, "first\nrun 2\n", "the second run in the log");
    Ok(())
}

pub(super) fn with_tail(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    run_once(&bed, SLOW)?;
    sleep(GAP);
    let second = Instant::now();
    bed.ok(&["start", "box"])?;
    bed.ok(&["wait", "box"])?;
    for (lines, wanted) in [("1", "run 2\n"), ("2", "first\nrun 2\n"), ("3", "first\nrun 2\n"), ("0", "")] {
        let output = bed.ok(&["logs", "--tail", lines, &since(second), "box"])?;
        expect_eq!(output, wanted, "`logs --tail {lines}` of the second run");
    }
    expect_eq!(
        bed.ok(&["logs", "-n", "3", "--since", "1h", "box"])?.lines().count(),
        3,
        "lines of both runs"
    );
    for age in ["", "10", "m", "1x", "-1m", "soon", "99999999999999999999h"] {
        bed.refused(&["logs", &format!("--since={age}"), "box"], "--since")?;
    }
    Ok(())
}
