//! A limit on the command's time.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::super::super::common::expect_own_error;
use super::expect_known;
use crate::kernel::patient;
use crate::subject::PATIENCE;
use crate::{Output, Subject, Verdict, expect, expect_eq, until};

/// A bit less than half a second and one second: clocks round.
const HALF: Duration = Duration::from_millis(490);
const ONE: Duration = Duration::from_millis(990);

/// Time that a busy machine may take besides.
const LATE: Duration = Duration::from_secs(2);

fn expect_code(output: &Output, code: i32, what: &str) -> Verdict {
    expect_eq!(output.code(), code, "exit status of {what} (stderr {:?})", output.err());
    Ok(())
}

fn expect_time(took: Duration, least: Duration, what: &str) -> Verdict {
    let most = least + patient(LATE);
    expect!(took >= least && took < most, "{what} after {least:?} to {most:?}", "{:?}", took);
    Ok(())
}

pub(super) fn ends(subject: &Subject) -> Verdict {
    expect_known(subject, &["--timeout", "30"])?;
    let start = Instant::now();
    let mut running = subject.probe(&["--timeout", "0.5"], "catch", &["1"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    expect_eq!(running.read_line()?, "15", "signal that the command hears with --timeout 0.5");
    expect_time(start.elapsed(), HALF, "SIGTERM")?;
    expect_code(&running.wait(PATIENCE)?, 124, "a command that handles SIGTERM and ends with 0")?;

    let start = Instant::now();
    let output = subject.run(&["--timeout", "1"], &["sleep", "1000"])?;
    expect_time(start.elapsed(), ONE, "the end with --timeout 1")?;
    expect_code(&output, 124, "a command that SIGTERM ends")
}

pub(super) fn kills(subject: &Subject) -> Verdict {
    expect_known(subject, &["--timeout", "30"])?;
    let start = Instant::now();
    let mut running = subject.probe(&["--timeout", "0.5"], "catch", &["1000"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    let output = running.wait(Duration::from_secs(5))?;
    expect_time(start.elapsed(), HALF + ONE, "the end of a command that SIGTERM does not end")?;
    expect_eq!(output.out(), "ready\n15\n", "what such a command hears before its end");
    expect_code(&output, 124, "a command that SIGKILL ends")
}

pub(super) fn not_restarted(subject: &Subject) -> Verdict {
    // SIGWINCH is ignored by default, so that it harms nobody, wherever it arrives.
    let mut running = subject.start(&["--timeout", "0.5"], &["cat"])?;
    let ended = || {
        let _ = running.signal(Signal::SIGWINCH);
        (!running.runtime().alive()).then_some(())
    };
    until(Duration::from_secs(3), "an end with --timeout 0.5 while signals come in", ended)?;
    expect_code(&running.wait(PATIENCE)?, 124, "a command whose time is over while signals come in")
}

pub(super) fn in_time(subject: &Subject) -> Verdict {
    for (limit, code) in [("30", 0), ("29.5", 7), ("4000000", 9)] {
        let output = subject.run(&["--timeout", limit], &["sh", "-c", &format!("exit {code}")])?;
        expect_code(&output, code, &format!("`sh -c 'exit {code}'` with --timeout {limit}"))?;
    }
    let output = subject.run(&["--timeout", "30"], &["sh", "-c", "kill -TERM $$"])?;
    expect_code(&output, 143, "a command that ends itself with SIGTERM in time")?;
    for limit in ["soon", "-1", ""] {
        let output = subject.run(&["--timeout", limit], &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("--timeout {limit:?}"))?;
    }
    Ok(())
}
