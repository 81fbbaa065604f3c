//! What stands around a whole grading: a PID namespace, a cgroup, a clock.
//!
//! A command that grades starts its own executable again as a warden. As root, the warden's child is the first process of
//! a PID namespace with its own `/proc`, so that nothing below it can see or signal what is outside, and the kernel ends
//! all of it with that one process; it is in a cgroup that bounds memory and the number of processes; and of the host's files it can
//! change none but in folders of its own. pid_namespaces(7) A program with all of root's powers can undo the last of
//! these if it means to: what nobody has read is better graded on a machine that can be thrown away.
//!
//! An ordinary user may make none of these without becoming somebody else in a user namespace, and the checks are about
//! who one is. There the warden is the reaper of all orphans beneath it, and ends every descendant.

use std::io::{BufRead, BufReader, Read, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::grading::Checks;
use crate::report::Entry;
use crate::submission::{Build, Built};

mod group;
mod life;
mod memory;
mod shelter;

pub(crate) use life::main;

/// The first argument that makes the executable a warden.
pub const WARDEN: &str = "__warden";

/// Bytes that a warden may say; what is more is not its own.
const LONGEST: u64 = 64 << 20;

/// What the work may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub struct Limits {
    /// For all of it together.
    pub seconds: u64,
    /// Bytes of memory at once.
    pub memory: u64,
    /// Processes at once.
    pub processes: u64,
    /// Bytes that one check may have on the disk.
    pub disk: u64,
    /// Checks at once.
    pub jobs: usize,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits { seconds: 600, memory: 2 << 30, processes: 1024, disk: 1 << 30, jobs: at_once() }
    }
}

/// Checks that this machine can run at once. A check waits for twice the time that it computes, so three share a
/// processor; and of the largest machine some more would get into each other's way.
#[must_use]
pub fn at_once() -> usize {
    std::thread::available_parallelism().map_or(3, |count| (3 * count.get()).min(16))
}

/// What a warden guards.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Work {
    /// The checks of one binary.
    Checks(Checks),
    /// One run of the same binary in this folder of a grading that was cut short: a runtime sweeps up after itself.
    Sweep(Checks, PathBuf),
    /// A crate to be built.
    Build(Build),
}

/// What the work says meanwhile, a line each.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Said {
    /// A check has ended.
    Entry(Entry),
    /// Cargo has ended.
    Built(Built),
    /// This machine cannot do the work.
    Lack(String),
}

/// The warden's last word.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct End {
    /// The clock ended the work.
    pub time_is_up: bool,
    /// Bytes of memory at the most: of all processes at once, or, where the kernel counted no group, of the largest one.
    pub peak_memory: Option<u64>,
}

impl End {
    /// In a line of its own, also when the work was ended in the middle of one.
    fn say(&self) -> Result<()> {
        let mut out = std::io::stdout().lock();
        out.write_all(b"\n")?;
        drop(out);
        say(self)
    }
}

/// Does the work under a warden, and hands on what it says; `Break` ends the work.
///
/// # Errors
/// When the warden cannot be started.
pub fn run(work: &Work, limits: Limits, on: &mut dyn FnMut(Said) -> ControlFlow<()>) -> Result<End> {
    let mut warden = start(work, limits)?;
    let stdout = warden.stdout.take().context("the warden has no stdout")?;
    let mut end = End::default();
    for line in BufReader::new(stdout.take(LONGEST)).split(b'\n') {
        let line = line.context("listen to the warden")?;
        if let Ok(word) = serde_json::from_slice(&line) {
            end = word;
        } else if let Ok(said) = serde_json::from_slice(&line)
            && on(said).is_break()
        {
            // The warden takes the end of its stdin as the end of this process, and of the work.
            drop(warden.stdin.take());
        }
    }
    warden.wait()?;
    Ok(end)
}

fn start(work: &Work, limits: Limits) -> Result<Child> {
    Command::new(crate::own_executable()?)
        .arg(WARDEN)
        .args([serde_json::to_string(work)?, serde_json::to_string(&limits)?])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the warden of the grading")
}

/// Says it to whom started the warden.
pub(crate) fn say(said: &impl Serialize) -> Result<()> {
    let mut line = serde_json::to_string(said)?;
    line.push('\n');
    let mut out = std::io::stdout().lock();
    Ok(out.write_all(line.as_bytes()).and_then(|()| out.flush())?)
}
