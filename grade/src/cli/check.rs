//! `grade check`.

use std::io::{IsTerminal, Write};
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use grade::exercise::Assignment;
use grade::report::{Entry, Format, Report, Status, text};
use grade::submission::{Crate, Source};
use grade::warden::Limits;
use grade::{Check, grading};

use super::outputs::{Asked, Outputs};
use super::{print, watch};

/// Examples: grade check            (the crate in this folder)
///           grade check step03 my  (the crate in the folder my)
///           grade check step01 --bin target/debug/step01
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The step, step01, step02, …, or the exercise; without it, the crate's metadata or name says which
    #[arg(value_name = "STEP")]
    assignment: Option<PathBuf>,
    /// The crate's folder; the current one without it
    dir: Option<PathBuf>,
    /// A binary to check, instead of a crate
    #[arg(long, value_name = "PATH")]
    bin: Option<PathBuf>,
    /// Run only the checks with these ids, separated by commas, and those that have to pass before them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    filter: Vec<String>,
    /// How to report: text, json, junit, tap, gradescope, classroom50, github; may be given several times
    #[arg(long, value_name = "FORMAT", action = clap::ArgAction::Append)]
    format: Vec<Format>,
    /// Where the report of the --format before it goes; `-` is stdout
    #[arg(long, value_name = "FILE", action = clap::ArgAction::Append)]
    output: Vec<PathBuf>,
    /// Check again when the crate or the binary changes, from the first check that failed
    #[arg(long, conflicts_with_all = ["format", "output"])]
    watch: bool,
    /// All checks together must end within this time
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().seconds)]
    time_limit: u64,
    /// All processes of the grading together may use this much memory (as root, where there is a cgroup for it)
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().memory >> 20)]
    memory_limit: u64,
    /// A check may have this much on the disk
    #[arg(long, value_name = "MIB", default_value_t = Limits::default().disk >> 20)]
    disk_limit: u64,
    /// Run so many checks at once
    #[arg(long, value_name = "N", default_value_t = Limits::default().jobs)]
    jobs: usize,
}

/// What is to be graded, and by what.
pub(super) struct Task {
    pub step: u8,
    pub checks: Vec<&'static Check>,
    pub source: Source,
    pub limits: Limits,
}

impl Task {
    fn of(args: &Args) -> Result<Task> {
        let (assignment, dir) = assignment_and_dir(args)?;
        let source = match &args.bin {
            Some(bin) => {
                ensure!(dir.is_none(), "a folder or --bin, not both");
                let found = std::fs::canonicalize(bin);
                Source::Binary(found.with_context(|| format!("find the binary {}", bin.display()))?)
            }
            None => Source::Crate(Crate::in_folder(dir.as_deref().unwrap_or(Path::new(".")))?),
        };
        let Some(assignment) = assignment.or(source.assignment()) else {
            bail!(
                "which step is {} for? Name it (grade check step03 …), or write `step = \"step03\"` \
                 under [package.metadata.grade] in Cargo.toml",
                source.path().display()
            );
        };
        let checks = grading::checks_of(assignment, &args.filter)?;
        ensure!(!checks.is_empty(), "there are no checks for {assignment}");
        let limits = Limits {
            seconds: args.time_limit,
            memory: args.memory_limit << 20,
            disk: args.disk_limit << 20,
            jobs: args.jobs,
            ..Limits::default()
        };
        Ok(Task { step: assignment.step(), checks, source, limits })
    }
}

/// The two words in front: a step or an exercise, a folder, both or none.
fn assignment_and_dir(args: &Args) -> Result<(Option<Assignment>, Option<PathBuf>)> {
    let Some(first) = &args.assignment else { return Ok((None, None)) };
    match (first.to_str().and_then(Assignment::named), &args.dir) {
        (Some(assignment), dir) => Ok((Some(assignment), dir.clone())),
        (None, None) if first.is_dir() => Ok((None, Some(first.clone()))),
        _ => bail!(
            "{} is neither a step, which are step01 to step08, nor an exercise of `grade exercises`, nor a folder",
            first.display()
        ),
    }
}

pub(super) fn run(args: &Args, asked: &Asked) -> Result<ExitCode> {
    let task = Task::of(args)?;
    if args.watch {
        return watch::run(&task);
    }
    let outputs = Outputs::new(asked)?;
    let mut live = outputs.live();
    let report = grade(&task, &task.checks, &mut live, |_| ControlFlow::Continue(()))?;
    if let Some(live) = &live {
        print(&live.summary(&report))?;
    }
    outputs.write(&report)?;
    Ok(match report.status() {
        Status::Failed if outputs.failures_are_results() => ExitCode::SUCCESS,
        _ => ExitCode::from(report.exit_status()),
    })
}

/// Builds what has to be built, and runs the checks until `on` breaks; `live` shows how they end.
pub(super) fn grade(
    task: &Task,
    checks: &[&'static Check],
    live: &mut Option<text::Writer>,
    mut on: impl FnMut(&Entry) -> ControlFlow<()>,
) -> Result<Report> {
    let mut report = Report::new(task.step, task.source.path());
    if let Some(live) = live {
        print(&live.head(&report))?;
    }
    let mut failed_to_print = None;
    let progress = Progress::new(checks.len());
    let mut on_entry = |entry: &Entry| {
        progress.clear();
        if let Some(live) = live
            && let Err(error) = print(&live.entry(entry))
        {
            failed_to_print = Some(error);
            return ControlFlow::Break(());
        }
        progress.next(entry);
        on(entry)
    };
    grading::whole(&mut report, &task.source, checks, task.limits, &mut on_entry)?;
    progress.clear();
    failed_to_print.map_or(Ok(report), Err)
}

/// One line on a terminal's stderr that says how far the checks are.
struct Progress {
    of: Option<usize>,
    done: std::cell::Cell<usize>,
}

impl Progress {
    fn new(of: usize) -> Progress {
        let shown =
            std::io::stderr().is_terminal() && std::env::var_os("TERM").is_none_or(|term| term != "dumb");
        let progress = Progress { of: shown.then_some(of), done: 0.into() };
        progress.draw();
        progress
    }

    fn next(&self, entry: &Entry) {
        if entry.step > 0 {
            self.done.set(self.done.get() + 1);
        }
        self.draw();
    }

    fn draw(&self) {
        if let Some(of) = self.of {
            // A terminal that is gone is no reason to stop.
            let _ = write!(std::io::stderr(), "  {} of {of} checks …", self.done.get());
        }
    }

    fn clear(&self) {
        if self.of.is_some() {
            let _ = write!(std::io::stderr(), "\r\u{1b}[K");
        }
    }
}
