//! The process that a check runs in.

use std::fs;
use std::io::Write;
use std::os::fd::OwnedFd;
use std::panic::{AssertUnwindSafe, catch_unwind};

use anyhow::{Result, bail};
use nix::errno::Errno;
use nix::unistd::{dup2_stdin, dup2_stdout, setsid};

use crate::check::{Check, Outcome};
use crate::running::panic_told;
use crate::subject::Subject;

/// A text longer than this is cut, so that the outcome always fits into a pipe that nobody reads yet.
const LONGEST_TEXT: usize = 8 * 1024;

/// The check's own process. It never returns into the guard's code.
pub(super) fn run(check: &Check, subject: &Subject, guard: u32, writer: OwnedFd) -> ! {
    let outcome = prepare(guard).map(|()| catch_unwind(AssertUnwindSafe(|| (check.run)(subject))));
    let mut outcome = match outcome {
        Ok(Ok(verdict)) => Outcome::from(verdict),
        Ok(Err(panic)) => Outcome::fail(format!("the check panicked: {}", panic_text(&*panic))),
        Err(error) => Outcome::fail(format!("{error:#}")),
    };
    if let Outcome::Fail { message, mismatch } = &mut outcome {
        if let Some(panic) = panic_told() {
            // First, since what is too long loses its end.
            *message = format!("{panic}\n{message}");
            mismatch.iter_mut().for_each(|found| found.shown = format!("{panic}\n{}", found.shown));
        }
        cut(message);
        if let Some(found) = mismatch {
            found.what.iter_mut().chain([&mut found.expected, &mut found.shown]).for_each(cut);
        }
    }
    let written = serde_json::to_vec(&outcome).map(|json| fs::File::from(writer).write_all(&json));
    let code = i32::from(!matches!(written, Ok(Ok(()))));
    // SAFETY: _exit ends this process at once; the guard's buffers are not flushed a second time.
    unsafe { libc::_exit(code) }
}

fn cut(text: &mut String) {
    if text.len() > LONGEST_TEXT {
        let cut = (0..=LONGEST_TEXT).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0);
        text.truncate(cut);
        text.push('…');
    }
}

fn prepare(guard: u32) -> Result<()> {
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    if nix::unistd::getppid().as_raw() != guard.cast_signed() {
        bail!("the guard is gone");
    }
    setsid()?;
    // The guard holds the result and must be the last to go when memory is short.
    let _ = fs::write("/proc/self/oom_score_adj", "0");
    let null = fs::File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}
