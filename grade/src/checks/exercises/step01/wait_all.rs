//! A runtime that waits for the command's orphans.

use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::expect_known;
use crate::subject::PATIENCE;
use crate::{Running, Subject, Verdict, expect, expect_eq, until};

/// Exits with 5 and leaves two orphans: one ends soon, the other copies stdin to stdout until stdin ends.
const ORPHANS: &str = "exec 3<&0; (sleep 0.3; exit 9) & (cat <&3 &); exit 5";

/// The same, when all but the last orphan have ended, and somebody has waited for them.
fn last_orphan(subject: &Subject) -> anyhow::Result<Running> {
    expect_known(subject, &["--wait-all"])?;
    let mut running = subject.start(&["--wait-all"], &["sh", "-c", ORPHANS])?;
    running.send(b"up\n")?;
    expect_eq!(running.read_line()?, "up", "what the last orphan copies");
    let alone = || (running.runtime().descendants().len() <= 1).then_some(());
    until(Duration::from_secs(10), "one process alone below the runtime", alone)?;
    std::thread::sleep(Duration::from_millis(300));
    expect!(running.runtime().alive(), "a runtime that waits for the last orphan", "its end");
    Ok(running)
}

pub(super) fn orphans(subject: &Subject) -> Verdict {
    let mut running = last_orphan(subject)?;
    running.close_stdin();
    let output = running.wait(PATIENCE)?;
    expect_eq!(output.code(), 5, "exit status with --wait-all (stderr {:?})", output.err());
    let mut running = subject.start(&[], &["sh", "-c", ORPHANS])?;
    let output = running.wait(PATIENCE)?;
    expect_eq!(output.code(), 5, "exit status without it, while an orphan goes on");
    Ok(())
}

pub(super) fn own_status(subject: &Subject) -> Verdict {
    expect_known(subject, &["--wait-all"])?;
    // It holds none of our pipes, so that this takes no longer than the runtime.
    let start = Instant::now();
    subject.run(&["--wait-all"], &["sh", "-c", "sleep 0.3 >&- 2>&- & exit 0"])?.success()?;
    let took = start.elapsed();
    expect!(took >= Duration::from_millis(290), "a runtime that waits for a `sleep 0.3`", "{:?}", took);
    for (script, code) in [
        ("(sleep 0.2; exit 9) & exit 5", 5),
        ("(sleep 0.2; exit 9) & exit 0", 0),
        ("sh -c 'sleep 0.2; kill -37 $$' & exit 6", 6),
        ("(exit 9) & sleep 0.2; exit 7", 7),
        ("sleep 0.2 & kill -TERM $$", 143),
        ("exit 8", 8),
    ] {
        let output = subject.run(&["--wait-all"], &["sh", "-c", script])?;
        expect_eq!(output.code(), code, "exit status of {script:?} (stderr {:?})", output.err());
    }
    Ok(())
}

pub(super) fn can_be_ended(subject: &Subject) -> Verdict {
    let mut running = last_orphan(subject)?;
    running.signal(Signal::SIGTERM)?;
    let output = running.wait(Duration::from_secs(5))?;
    expect_eq!(output.code(), -libc::SIGTERM, "end of the runtime after SIGTERM, as a signal's");
    Ok(())
}
