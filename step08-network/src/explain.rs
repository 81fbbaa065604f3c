//! `--explain`: what this program asks of the kernel, told by the side that asks.

use anyhow::{Context, Result};
use clap::ValueEnum;
use std::cell::{Cell, RefCell};
use std::fmt::Arguments;
use std::fs::File;
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::time::Instant;

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Detail {
    /// The calls alone
    Calls,
    /// With microseconds: since the start, and since the same side's line before
    Timing,
}

impl Detail {
    /// The option that asks for it.
    pub fn flag(self) -> &'static str {
        match self {
            Detail::Calls => "--explain",
            Detail::Timing => "--explain=timing",
        }
    }
}

thread_local! {
    static ENABLED: Cell<bool> = const { Cell::new(false) };
    static SIDE: Cell<&str> = const { Cell::new("host") };
    static CLOCK: Cell<Option<(Instant, u128)>> = const { Cell::new(None) };
    static STDERR: RefCell<Option<File>> = const { RefCell::new(None) };
}

/// Turns the narration on or off.
pub fn enable(on: bool) {
    ENABLED.set(on);
}

/// Gives each line its time from here on, or none. A child goes on from its parent's last line.
///
/// The clock is `CLOCK_MONOTONIC`: of the two that a time namespace can shift, ours shift the other, time_namespaces(7).
pub fn time(on: bool) {
    CLOCK.set(on.then(|| (Instant::now(), 0)));
}

/// Names the side that this process is on from here: a child starts with its parent's.
pub fn speak_as(side: &'static str) {
    SIDE.set(side);
}

/// Goes on writing where stderr leads now, when it will have become the command's.
pub fn keep_stderr() -> Result<()> {
    let kept = io::stderr().as_fd().try_clone_to_owned().context("keep stderr")?;
    STDERR.set(Some(kept.into()));
    Ok(())
}

/// Narrates a system call that has just returned (`execve` alone is told before: it never does).
///
/// The text starts with the call's name as strace(1) shows it.
macro_rules! explain {
    ($($text:tt)*) => { $crate::explain::narrate(format_args!($($text)*)) };
}
pub(crate) use explain;

pub fn narrate(call: Arguments) {
    if ENABLED.get() {
        write_line(&format!("[{}] {call}\n", speaker()));
    }
}

/// The side and, where they were asked for, the microseconds since the start and since its line before.
fn speaker() -> String {
    let side = SIDE.get();
    let Some((start, before)) = CLOCK.get() else { return side.to_owned() };
    let now = start.elapsed().as_micros();
    CLOCK.set(Some((start, now)));
    format!("{side:9} {now:>7} {:>+7} µs", now - before)
}

/// The runtime's own words: one line on stderr, with the program's name before it.
pub fn tell(words: Arguments) {
    write_line(&format!("{}: {words}\n", env!("CARGO_PKG_NAME")));
}

/// One write(2) a line, so that two sides cannot cut into each other's lines.
fn write_line(line: &str) {
    // A stderr that is closed or full leaves nobody to tell, and must not change the exit status.
    let _ = STDERR.with_borrow_mut(|kept| match kept {
        Some(kept) => kept.write_all(line.as_bytes()),
        None => io::stderr().write_all(line.as_bytes()),
    });
}
