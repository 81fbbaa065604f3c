//! Checks of a container runtime, looked at from outside, in the kernel's own records.
//!
//! Each [`Check`] is written once and used three times: as a test of every step that promises it
//! ([`conformance!`]), as the judge of an exercise, and by the kernel matrix. What the pieces do:
//!
//! - [`check`]: what a check is, and its four outcomes;
//! - [`subject`] and [`running`]: the binary under test, started in every way that a check can want;
//! - [`kernel`]: `/proc` and cgroups, read from the host's side;
//! - [`probe`]: programs that run inside the container, for what a shell cannot do;
//! - [`guard`]: a process around each check that ends whatever the check leaves behind;
//! - [`warden`] and [`grading`]: a namespace, limits and a clock around all checks of one submission;
//! - [`exercise`]: what there is to do beyond building the steps;
//! - [`submission`] and [`report`]: what comes in, a crate or a binary, and what goes out, in every format.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

pub mod archive;
pub mod batch;
pub mod check;
mod checks;
mod conformance;
pub mod doctor;
pub mod exercise;
pub mod fixture;
pub mod grading;
pub mod guard;
pub mod harness;
pub mod kernel;
pub mod launch;
pub mod need;
pub mod probe;
pub mod report;
pub mod running;
pub mod subject;
pub mod submission;
pub mod sweep;
pub mod terminal;
pub mod tree;
pub mod warden;

pub use check::{Check, Mismatch, Outcome, Verdict, skip};
pub use conformance::conformance_main;
pub use harness::Harness;
pub use kernel::{Process, until};
pub use launch::Launch;
pub use need::Need;
pub use report::Report;
pub use running::{Output, Running};
pub use subject::Subject;
pub use terminal::Terminal;

/// Every check, ordered so that each stands behind those it builds on.
#[must_use]
pub fn all() -> Vec<&'static Check> {
    checks::ALL.iter().flat_map(|group| group.iter()).collect()
}

/// The checks of the exercises: no step is held to them.
#[must_use]
pub fn of_exercises() -> Vec<&'static Check> {
    checks::OF_EXERCISES.iter().flat_map(|group| group.iter()).collect()
}

/// The check with this id, of a step or of an exercise.
#[must_use]
pub fn find(id: &str) -> Option<&'static Check> {
    all().into_iter().chain(of_exercises()).find(|check| check.id == id)
}

/// The number in `step03`, from 1 to 8.
#[must_use]
pub fn step_number(text: &str) -> Option<u8> {
    let number = text.strip_prefix("step").filter(|number| number.len() <= 2)?.parse().ok()?;
    Some(number).filter(|number| (1..=8).contains(number))
}

/// The executable that runs now, which is also guard and probe.
pub(crate) fn own_executable() -> Result<PathBuf> {
    std::env::current_exe().context("find the checks' own executable")
}

/// Serves a start as guard or probe, before anything else looks at the arguments.
///
/// Every executable that uses this library calls it first in `main`; `None` means: an ordinary start.
#[must_use]
pub fn hidden_modes() -> Option<ExitCode> {
    let arguments: Vec<std::ffi::OsString> = std::env::args_os().skip(1).collect();
    let result = match arguments.first()?.to_str()? {
        guard::GUARD => guard_mode(&arguments[1..]).map(|()| ExitCode::SUCCESS),
        probe::PROBE => probe::main(&arguments[1..]),
        warden::WARDEN => warden::main(&arguments[1..]),
        sweep::SWEEP => sweep::main(&arguments[1..]).map(|()| ExitCode::SUCCESS),
        _ => return None,
    };
    Some(result.unwrap_or_else(|error| {
        eprintln!("{error:#}");
        ExitCode::FAILURE
    }))
}

fn guard_mode(arguments: &[std::ffi::OsString]) -> Result<()> {
    let [id, step, bin, root, alone, disk] = arguments else {
        bail!("{} ID STEP BIN ROOT ALONE DISK", guard::GUARD)
    };
    let terms = guard::Terms { alone: alone == "true", disk: disk.to_string_lossy().parse()? };
    let id = id.to_string_lossy();
    let run = harness::RUNS.iter().find(|run| run.id == id);
    let check = run.or_else(|| find(&id));
    let check = check.with_context(|| format!("there is no check {id}"))?;
    let subject = Subject::new(bin.as_ref(), step.to_string_lossy().parse()?, root.as_ref(), check.id);
    guard::main(check, &subject, terms)
}

#[cfg(test)]
mod lint;
