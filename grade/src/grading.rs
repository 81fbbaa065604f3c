//! The checks of one submission, under a [`crate::warden`].

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::check::{Check, Outcome};
use crate::exercise::Assignment;
use crate::guard::Terms;
use crate::guard::end::end_descendants;
use crate::harness::{Harness, lacking, log};
use crate::report::{BUILD, Entry, Report};
use crate::submission::Source;
use crate::warden::{self, Limits, Said, Work};

mod queue;
mod session;

use queue::Queue;
use session::Session;

/// What a warden's child is to check.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Checks {
    pub bin: PathBuf,
    pub step: u8,
    /// The ids of the checks, in their order.
    pub ids: Vec<String>,
}

/// What each ended check tells, as it ends; `Break` ends the grading.
pub type OnEntry<'a> = &'a mut dyn FnMut(&Entry) -> ControlFlow<()>;

/// The checks that hold for a step or an exercise; with `only`, those with these ids and those that have to pass before
/// them.
///
/// # Errors
/// When it has no check of such an id.
pub fn checks_of(assignment: Assignment, only: &[String]) -> Result<Vec<&'static Check>> {
    let holding = match assignment {
        Assignment::Step(step) => {
            crate::all().into_iter().filter(|check| check.applies_to(step)).collect::<Vec<_>>()
        }
        Assignment::Exercise(exercise) => exercise.all_checks()?,
    };
    if let Some(unknown) = only.iter().find(|id| !holding.iter().any(|check| check.id == **id)) {
        anyhow::bail!("{assignment} has no check {unknown}: see `grade list`");
    }
    if only.is_empty() {
        return Ok(holding);
    }
    let mut wanted: Vec<&str> = only.iter().map(String::as_str).collect();
    let mut next = 0;
    while let Some(id) = wanted.get(next).copied() {
        wanted.extend(holding.iter().filter(|check| check.id == id).flat_map(|check| check.after));
        next += 1;
    }
    Ok(holding.into_iter().filter(|check| wanted.contains(&check.id)).collect())
}

/// Holds `bin` to the checks and adds what comes out to the report.
fn run(
    report: &mut Report,
    bin: &Path,
    checks: &[&'static Check],
    limits: Limits,
    on_entry: OnEntry,
) -> Result<()> {
    let ids = checks.iter().map(|check| check.id.to_string()).collect();
    let work = Work::Checks(Checks { bin: bin.to_path_buf(), step: report.step, ids });
    let start = Instant::now();
    let step = report.step;
    let mut on_entry = |entry: &Entry| {
        log(step, &entry.id, &entry.outcome, entry.millis);
        on_entry(entry)
    };
    let mut session = Session::new(report, checks, &mut on_entry);
    let end = warden::run(&work, limits, &mut |said| session.hear(said))?;
    session.report.millis += u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
    session.report.peak_memory = session.report.peak_memory.max(end.peak_memory);
    let missing = match &session.lack {
        Some(reason) => Outcome::Skipped { reason: reason.clone() },
        None if session.forged => Outcome::fail("something other than the grader wrote into its results"),
        None if end.time_is_up => {
            let limit = Duration::from_secs(limits.seconds);
            Outcome::fail(format!("not tried: the time for all checks together, {limit:?}, was up"))
        }
        None => Outcome::fail("not tried: the grader was killed before it came to this check"),
    };
    session.close(&missing);
    Ok(())
}

/// Builds what has to be built, and holds it to the checks.
///
/// # Errors
/// When the warden cannot be started.
pub fn whole(
    report: &mut Report,
    source: &Source,
    checks: &[&'static Check],
    limits: Limits,
    on_entry: OnEntry,
) -> Result<()> {
    let binary = match source {
        Source::Binary(binary) => Some(binary.clone()),
        Source::Crate(one) => {
            // A compiler needs more than what it compiles.
            let (memory, processes) = (2 * limits.memory, 4 * limits.processes);
            match one.build(Limits { memory, processes, ..limits }) {
                Ok(attempt) => {
                    report.millis += attempt.entry.millis;
                    report.peak_memory = attempt.peak_memory;
                    let _ = on_entry(&attempt.entry);
                    report.entries.push(attempt.entry);
                    attempt.binary
                }
                Err(error) => {
                    report.machine.lack = Some(format!("{error:#}"));
                    None
                }
            }
        }
    };
    match binary {
        Some(binary) => {
            report.binary = Some(binary.display().to_string());
            run(report, &binary, checks, limits, on_entry)?;
        }
        None => untried(report, checks, on_entry),
    }
    Ok(())
}

/// There is no binary: because of the crate, or because of this machine.
fn untried(report: &mut Report, checks: &[&'static Check], on_entry: OnEntry) {
    let outcome = match &report.machine.lack {
        Some(reason) => Outcome::Skipped { reason: reason.clone() },
        None => Outcome::Blocked { by: BUILD.into() },
    };
    for check in checks {
        let entry = Entry::of(check, lacking(check).unwrap_or_else(|| outcome.clone()), 0);
        let _ = on_entry(&entry);
        report.entries.push(entry);
    }
}

/// The warden's child: runs the checks, several at once, and says how each ended.
pub(crate) fn inside(work: &Checks, folder: &Path, limits: &Limits, alone: bool) -> Result<()> {
    let terms = Terms { alone, disk: limits.disk };
    let harness = Harness::within(folder.to_path_buf(), &work.bin, work.step, terms)?;
    harness.ready().map_err(|reason| anyhow::anyhow!("the checks could not be prepared: {reason}"))?;
    let find = |id: &String| crate::find(id).with_context(|| format!("there is no check {id}"));
    let checks: Vec<_> = work.ids.iter().map(find).collect::<Result<_>>()?;
    let queue = Queue::new(&checks);
    let work = |slow: bool| -> Result<()> {
        while let Some(check) = queue.next(slow) {
            let (outcome, millis) = harness.outcome(check);
            queue.ended(check);
            warden::say(&Said::Entry(Entry::of(check, outcome, millis)))?;
        }
        Ok(())
    };
    let jobs = limits.jobs.clamp(1, checks.len().max(1));
    std::thread::scope(|scope| {
        // Every second one looks for what takes long; the others have something to tell soon, in the order of the checks.
        let workers: Vec<_> = (0..jobs).map(|job| scope.spawn(move || work(job % 2 == 1))).collect();
        let ended =
            workers.into_iter().map(|worker| worker.join().expect("a check ran in a process of its own"));
        ended.collect::<Result<()>>()
    })?;
    harness.sweep();
    end_descendants(alone)
}

/// The warden's child after a grading that was cut short.
pub(crate) fn sweep(work: &Checks, folder: &Path, alone: bool) -> Result<()> {
    Harness::within(folder.to_path_buf(), &work.bin, work.step, Terms { alone, disk: 0 })?.sweep();
    end_descendants(alone)
}
