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

use crate::check::{Check, Outcome};
use crate::subject::FIRST_STEP_WITH_IMAGES;
use crate::{fixture, guard};

/// An outcome and how long it took to get, in milliseconds.
pub type Timed = (Outcome, u64);

/// One binary, one temporary folder, any number of checks.
pub struct Harness {
    bin: PathBuf,
    step: u8,
    root: PathBuf,
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
        let bin = fs::canonicalize(bin).with_context(|| format!("find the binary {}", bin.display()))?;
        let root = nix::unistd::mkdtemp(&std::env::temp_dir().join("fork-to-veth-checks-XXXXXX"))?;
        // Commands that run as another user must be able to pass through.
        fs::set_permissions(&root, fs::Permissions::from_mode(0o755))?;
        Ok(Harness { bin, step, root, ready: OnceLock::new(), outcomes: Mutex::default() })
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
        let start = Instant::now();
        let outcome = self.blocked(check).or_else(|| lacking(check)).unwrap_or_else(|| self.run(check));
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Err(error) = self.log(check, &outcome, millis) {
            eprintln!("{}: {error:#}", check.id);
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
        if let Err(message) = self.ready.get_or_init(|| self.prepare().map_err(|error| format!("{error:#}")))
        {
            return Outcome::Fail { message: format!("the checks could not be prepared: {message}") };
        }
        guard::run(check, &self.bin, self.step, &self.root)
    }

    /// Makes the probe's image, and lets the binary build its base image once for all checks.
    fn prepare(&self) -> Result<()> {
        if self.step >= FIRST_STEP_WITH_IMAGES {
            fixture::build(&self.root)?;
            // A binary that cannot build it fails the checks themselves, with a better message.
            let _ = guard::run(&WARM_UP, &self.bin, self.step, &self.root);
        }
        Ok(())
    }

    fn log(&self, check: &Check, outcome: &Outcome, millis: u64) -> Result<()> {
        let Some(file) = std::env::var_os("FORK_TO_VETH_CHECK_LOG") else { return Ok(()) };
        let leg = leg();
        let (step, reason) = (self.step, outcome.reason());
        let line = LogLine { leg: &leg, step, check: check.id, outcome: outcome.word(), reason, millis };
        let mut line = serde_json::to_string(&line)?;
        line.push('\n');
        let file = Path::new(&file);
        // One write: lines of test binaries that run at the same time stay whole.
        let log = File::options().append(true).create(true).open(file);
        log.and_then(|mut log| log.write_all(line.as_bytes()))
            .with_context(|| format!("log to {}", file.display()))
    }

    /// Lets the binary remove what its killed runs left (it does so at its next run), and deletes the folder.
    ///
    /// # Errors
    /// When something in the folder cannot be deleted.
    pub fn finish(&self) -> Result<()> {
        if self.outcomes.lock().unwrap_or_else(PoisonError::into_inner).values().any(|o| o.get().is_some()) {
            let _ = guard::run(&WARM_UP, &self.bin, self.step, &self.root);
        }
        guard::remove_folder(&self.root)
    }
}

/// Not a promise, so not in the registry: one run that has the side effects of a first one.
pub(crate) const WARM_UP: Check = Check {
    id: "warm-up",
    title: "the binary runs once",
    timeout: Duration::from_secs(120),
    run: |subject| {
        // A first run makes the base image, which takes its time on a slow machine.
        let mut running = subject.start(&[], &["true"])?;
        running.close_stdin();
        running.wait(Duration::from_secs(100)).map(drop)
    },
    ..Check::NEW
};

/// The leg of the kernel matrix: `FORK_TO_VETH_LEG`, else `root` or `user`.
#[must_use]
pub fn leg() -> String {
    let user = if nix::unistd::geteuid().is_root() { "root" } else { "user" };
    std::env::var("FORK_TO_VETH_LEG").unwrap_or_else(|_| user.to_string())
}

fn lacking(check: &Check) -> Option<Outcome> {
    let reasons: Vec<String> = check.needs.iter().filter_map(|need| need.missing()).collect();
    if reasons.is_empty() { None } else { Some(Outcome::Skipped { reason: reasons.join("; ") }) }
}
