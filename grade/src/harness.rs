//! Runs checks against one binary and remembers how each ended.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::Serialize;

use crate::check::{Check, Outcome, Verdict};
use crate::guard::Terms;
use crate::subject::{FIRST_STEP_WITH_IMAGES, Subject};
use crate::{fixture, guard};

/// An outcome and how long it took to get, in milliseconds.
pub type Timed = (Outcome, u64);

/// One binary, one temporary folder, any number of checks.
pub struct Harness {
    bin: PathBuf,
    step: u8,
    root: PathBuf,
    terms: Terms,
    logs: bool,
    ready: OnceLock<Result<(), String>>,
    outcomes: Mutex<HashMap<&'static str, Arc<OnceLock<Timed>>>>,
}

/// A line of the file that `FORK_TO_VETH_CHECK_LOG` names.
#[derive(Serialize)]
struct LogLine<'a> {
    leg: &'a str,
    step: u8,
    check: &'a str,
    outcome: &'a str,
    reason: Option<&'a str>,
    millis: u64,
}

impl Harness {
    /// Makes the temporary folder for checks of `bin`, the binary of `step`.
    ///
    /// # Errors
    /// When there is no such binary or no folder can be made.
    pub fn new(bin: &Path, step: u8) -> Result<Harness> {
        Ok(Harness { logs: true, ..Harness::within(make_folder()?, bin, step, Terms::default())? })
    }

    /// For checks in a folder that is there already, on these terms; who asks for the outcomes writes the log.
    pub(crate) fn within(root: PathBuf, bin: &Path, step: u8, terms: Terms) -> Result<Harness> {
        let bin = fs::canonicalize(bin).with_context(|| format!("find the binary {}", bin.display()))?;
        let (ready, outcomes) = (OnceLock::new(), Mutex::default());
        Ok(Harness { bin, step, root, terms, logs: false, ready, outcomes })
    }

    /// Makes what the checks need beside the binary, once; [`Harness::outcome`] does it, too.
    ///
    /// # Errors
    /// When it cannot be made, which says nothing about the binary.
    pub fn ready(&self) -> Result<(), String> {
        self.ready.get_or_init(|| self.prepare().map_err(|error| format!("{error:#}"))).clone()
    }

    /// How `check` ends; the second time it is asked, the same answer without a second run.
    ///
    /// What it builds on is looked at first, so that under a filter, too, a check is blocked rather than failed.
    pub fn outcome(&self, check: &'static Check) -> Timed {
        let cell = {
            let mut outcomes = self.outcomes.lock().unwrap_or_else(PoisonError::into_inner);
            Arc::clone(outcomes.entry(check.id).or_default())
        };
        cell.get_or_init(|| self.judge(check)).clone()
    }

    fn judge(&self, check: &'static Check) -> Timed {
        let blocked = self.blocked(check);
        let start = Instant::now();
        let outcome = blocked.or_else(|| lacking(check)).unwrap_or_else(|| self.run(check));
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if self.logs {
            log(self.step, check.id, &outcome, millis);
        }
        (outcome, millis)
    }

    fn blocked(&self, check: &Check) -> Option<Outcome> {
        let before = check.after.iter().filter_map(|id| crate::find(id)).filter(|c| c.applies_to(self.step));
        before.into_iter().find_map(|before| match self.outcome(before).0 {
            Outcome::Fail { .. } => Some(Outcome::Blocked { by: before.id.to_string() }),
            blocked @ Outcome::Blocked { .. } => Some(blocked),
            Outcome::Pass | Outcome::Skipped { .. } => None,
        })
    }

    fn run(&self, check: &Check) -> Outcome {
        if let Err(message) = self.ready() {
            return Outcome::fail(format!("the checks could not be prepared: {message}"));
        }
        guard::run(check, &self.bin, self.step, &self.root, self.terms)
    }

    /// Makes the probe's image, and lets the binary build its base image once for all checks.
    fn prepare(&self) -> Result<()> {
        if self.step >= FIRST_STEP_WITH_IMAGES {
            fixture::build(&self.root)?;
            // A binary that cannot build it fails the checks themselves, with a better message.
            let _ = guard::run(&WARM_UP, &self.bin, self.step, &self.root, self.terms);
        }
        Ok(())
    }

    /// One run, at which a runtime sweeps up what its killed runs left.
    pub(crate) fn sweep(&self) {
        let _ = guard::run(&SWEEP, &self.bin, self.step, &self.root, self.terms);
    }

    /// Lets the binary remove what its killed runs left (it does so at its next run), and deletes the folder.
    ///
    /// # Errors
    /// When something in the folder cannot be deleted.
    pub fn finish(&self) -> Result<()> {
        if self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).values().any(|o| o.get().is_some()) {
            self.sweep();
        }
        guard::remove_folder(&self.root)
    }
}

/// A new folder for checks.
pub(crate) fn make_folder() -> Result<PathBuf> {
    let temporary = std::env::temp_dir();
    let root = nix::unistd::mkdtemp(&temporary.join("fork-to-veth-checks-XXXXXX"));
    let root = root.with_context(|| format!("make a folder in {}", temporary.display()))?;
    // Commands that run as another user must be able to pass through.
    fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
    Ok(root)
}

/// Adds a line to the file that `FORK_TO_VETH_CHECK_LOG` names, if it names one.
pub(crate) fn log(step: u8, check: &str, outcome: &Outcome, millis: u64) {
    let Some(file) = std::env::var_os("FORK_TO_VETH_CHECK_LOG") else { return };
    if let Err(error) = write_line(Path::new(&file), step, check, outcome, millis) {
        eprintln!("{check}: {error:#}");
    }
}

fn write_line(file: &Path, step: u8, check: &str, outcome: &Outcome, millis: u64) -> Result<()> {
    let leg = leg();
    let (reason, outcome) = (outcome.reason(), outcome.word());
    let mut line = serde_json::to_string(&LogLine { leg: &leg, step, check, outcome, reason, millis })?;
    line.push('\n');
    // One write: lines of test binaries that run at the same time stay whole.
    let log = File::options().append(true).create(true).open(file);
    log.and_then(|mut log| log.write_all(line.as_bytes()))
        .with_context(|| format!("log to {}", file.display()))
}

/// Not promises, so not in the registry: one run that has the side effects of a first one, and one of a last one.
pub(crate) const RUNS: [Check; 2] = [WARM_UP, SWEEP];

const WARM_UP: Check = Check {
    id: "warm-up",
    title: "the binary runs once",
    timeout: Duration::from_secs(120),
    // A first run makes the base image, which takes its time on a slow machine.
    run: |subject| one_run(subject, Duration::from_secs(100)),
    ..Check::NEW
};

const SWEEP: Check = Check {
    id: "sweep",
    title: "the binary runs once more",
    timeout: Duration::from_secs(20),
    run: |subject| one_run(subject, Duration::from_secs(10)),
    ..Check::NEW
};

fn one_run(subject: &Subject, limit: Duration) -> Verdict {
    let mut running = subject.start(&[], &["true"])?;
    running.close_stdin();
    running.wait(limit).map(drop)
}

/// The leg of the kernel matrix: `FORK_TO_VETH_LEG`, else `root` or `user`.
#[must_use]
pub fn leg() -> String {
    let user = if nix::unistd::geteuid().is_root() { "root" } else { "user" };
    std::env::var("FORK_TO_VETH_LEG").unwrap_or_else(|_| user.to_string())
}

pub(crate) fn lacking(check: &Check) -> Option<Outcome> {
    let reasons: Vec<String> = check.needs.iter().filter_map(|need| need.missing()).collect();
    if reasons.is_empty() { None } else { Some(Outcome::Skipped { reason: reasons.join("; ") }) }
}
