//! Many submissions, one report.

use std::collections::BTreeMap;
use std::fs;
use std::ops::ControlFlow;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use anyhow::{Context, Result, bail, ensure};

use crate::check::Check;
use crate::exercise::Assignment;
use crate::grading;
use crate::report::{BUILD, Report, Status};
use crate::submission::{Crate, Source};
use crate::warden::Limits;

pub mod csv;
pub mod html;
pub mod json;

/// One submission and what came of it.
#[derive(Clone, Debug)]
pub struct Graded {
    /// The name of its file or folder.
    pub name: String,
    /// The report, or why there is none: nothing in it could be graded.
    pub result: Result<Report, String>,
}

/// How to grade.
#[derive(Clone, Debug, Default)]
pub struct Terms {
    /// What all of them are for; else each says it.
    pub assignment: Option<Assignment>,
    /// Only checks with these ids.
    pub only: Vec<String>,
    pub limits: Limits,
    /// So many at once.
    pub jobs: usize,
}

/// Every submission in the folder, by name: what begins with a dot is none.
///
/// # Errors
/// When the folder cannot be listed or has none.
pub fn submissions(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let mut found: Vec<PathBuf> = entries.map(|entry| Ok(entry?.path())).collect::<Result<_>>()?;
    found.retain(|path| path.file_name().is_some_and(|name| !name.to_string_lossy().starts_with('.')));
    ensure!(!found.is_empty(), "there are no submissions in {}", folder.display());
    found.sort();
    Ok(found)
}

/// A crate, a program, or a folder with just one of these in it.
fn source(path: &Path) -> Result<Source> {
    let metadata = fs::metadata(path)?;
    if metadata.is_file() {
        ensure!(metadata.permissions().mode() & 0o111 != 0, "it is a file that cannot be executed");
        return Ok(Source::Binary(fs::canonicalize(path)?));
    }
    if path.join("Cargo.toml").is_file() {
        return Ok(Source::Crate(Crate::in_folder(path)?.built_apart()));
    }
    let inside: Vec<PathBuf> = fs::read_dir(path)?.flatten().map(|entry| entry.path()).collect();
    let crates: Vec<_> = inside.iter().filter(|path| path.join("Cargo.toml").is_file()).collect();
    let program = |path: &&PathBuf| {
        fs::metadata(path).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
    };
    let programs: Vec<_> = inside.iter().filter(program).collect();
    match (&crates[..], &programs[..]) {
        ([only], _) => Ok(Source::Crate(Crate::in_folder(only)?.built_apart())),
        ([], [only]) => Ok(Source::Binary(fs::canonicalize(only)?)),
        _ => bail!("it holds {} crates and {} programs", crates.len(), programs.len()),
    }
}

/// Grades one. That nothing in it can be graded is a result like any other.
fn grade(path: &Path, terms: &Terms) -> Graded {
    let name = path.file_name().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    let result = report(path, terms).map_err(|error| format!("{error:#}"));
    Graded { name, result }
}

fn report(path: &Path, terms: &Terms) -> Result<Report> {
    let source = source(path)?;
    let assignment = terms.assignment.or(source.assignment());
    let assignment = assignment.context("neither it nor the command line says which step it is for")?;
    let checks = grading::checks_of(assignment, &terms.only)?;
    let mut report = Report::new(assignment.step(), path);
    grading::whole(&mut report, &source, &checks, terms.limits, &mut |_| ControlFlow::Continue(()))?;
    Ok(report)
}

/// Grades all of them, some at once, and tells of each when it is done. They come back in their order.
pub fn run(paths: &[PathBuf], terms: &Terms, done: &(dyn Fn(&Graded) + Sync)) -> Vec<Graded> {
    let next = AtomicUsize::new(0);
    let graded = Mutex::new(BTreeMap::new());
    std::thread::scope(|scope| {
        for _ in 0..terms.jobs.clamp(1, paths.len().max(1)) {
            scope.spawn(|| {
                while let Some((number, path)) = Some(next.fetch_add(1, Ordering::Relaxed))
                    .and_then(|number| Some((number, paths.get(number)?)))
                {
                    let one = grade(path, terms);
                    done(&one);
                    graded.lock().unwrap_or_else(PoisonError::into_inner).insert(number, one);
                }
            });
        }
    });
    graded.into_inner().unwrap_or_else(PoisonError::into_inner).into_values().collect()
}

impl Graded {
    /// One word for how it ended.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match &self.result {
            Err(_) => "not graded",
            Ok(report) if report.entries.iter().any(|entry| entry.id == BUILD && entry.failed()) => {
                "does not build"
            }
            Ok(report) => match report.status() {
                Status::Passed => "passed",
                Status::Failed => "failed",
                Status::CannotRun => "machine cannot run it",
            },
        }
    }

    /// How the check ended, `None` when it is none of this submission's.
    #[must_use]
    pub fn outcome(&self, check: &str) -> Option<&'static str> {
        let entries = &self.result.as_ref().ok()?.entries;
        entries.iter().find(|entry| entry.id == check).map(|entry| entry.outcome.word())
    }
}

/// The checks that any of them was held to, in the order of the steps.
#[must_use]
pub fn columns(graded: &[Graded]) -> Vec<&'static Check> {
    let held = |check: &&'static Check| graded.iter().any(|one| one.outcome(check.id).is_some());
    crate::all().into_iter().filter(held).collect()
}

/// Checks with the number of submissions that miss them, of how many that were judged; those that most miss first.
#[must_use]
pub fn most_missed(graded: &[Graded]) -> Vec<(&'static Check, usize, usize)> {
    let mut missed: Vec<_> = columns(graded)
        .into_iter()
        .map(|check| {
            let outcomes: Vec<_> = graded.iter().filter_map(|one| one.outcome(check.id)).collect();
            let count = |wanted: &[&str]| outcomes.iter().filter(|outcome| wanted.contains(outcome)).count();
            (check, count(&["fail"]), count(&["pass", "fail", "blocked"]))
        })
        .filter(|(_, missed, _)| *missed > 0)
        .collect();
    missed.sort_by_key(|(_, missed, _)| std::cmp::Reverse(*missed));
    missed
}

#[cfg(test)]
mod tests;
