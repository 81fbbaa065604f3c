//! `grade batch`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use grade::batch::{self, Terms};
use grade::exercise::Assignment;
use grade::report::Status;
use grade::warden::{Limits, at_once};
use indicatif::{ProgressBar, ProgressStyle};

use super::print;

/// Example: grade batch submissions --jobs 2 --format html --output report.html
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The folder; each file or folder in it is a submission
    dir: PathBuf,
    /// The step or the exercise of all of them; without it, each one's metadata or name says which
    #[arg(long, value_parser = super::assignment)]
    step: Option<Assignment>,
    /// Grade so many at once
    #[arg(long, value_name = "N", default_value_t = a_fourth())]
    jobs: usize,
    /// How to report; may be given several times
    #[arg(long, value_name = "FORMAT", default_value = "csv", value_parser = ["csv", "json", "html"])]
    format: Vec<String>,
    /// Where the report goes instead of stdout: the first --output is for the first --format, and so on
    #[arg(long, value_name = "FILE")]
    output: Vec<PathBuf>,
    /// Run only the checks with these ids, separated by commas, and those that have to pass before them
    #[arg(long, value_name = "ID", value_delimiter = ',')]
    filter: Vec<String>,
    /// All checks of a submission together must end within this time
    #[arg(long, value_name = "SECONDS", default_value_t = Limits::default().seconds)]
    time_limit: u64,
}

/// Each submission then has four checks at once.
fn a_fourth() -> usize {
    at_once().div_ceil(4)
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let (formats, files) = (args.format.len(), args.output.len());
    ensure!(files <= formats, "there are {files} --output for {formats} reports");
    ensure!(formats - files < 2, "two reports on stdout would get mixed: give all but one an --output FILE");
    let paths = batch::submissions(&args.dir)?;
    let jobs = (at_once() / args.jobs.max(1)).max(1);
    let limits = Limits { seconds: args.time_limit, jobs, ..Limits::default() };
    let terms = Terms { assignment: args.step, only: args.filter.clone(), limits, jobs: args.jobs };
    if let Some(assignment) = terms.assignment {
        grade::grading::checks_of(assignment, &terms.only)?;
    }
    // It draws nothing where stderr is no terminal.
    let bar = ProgressBar::new(paths.len() as u64);
    let style = ProgressStyle::with_template("{bar:30} {pos}/{len} submissions, {elapsed} so far, {msg}")?;
    bar.set_style(style);
    let graded = batch::run(&paths, &terms, &|one| {
        bar.set_message(format!("last: {} {}", one.name, one.word()));
        bar.inc(1);
    });
    bar.finish_and_clear();
    for (number, format) in args.format.iter().enumerate() {
        let rendered = match format.as_str() {
            "csv" => batch::csv::render(&graded),
            "json" => batch::json::render(&graded)?,
            _ => batch::html::render(&graded, &format!("Grading of {}", args.dir.display())),
        };
        match args.output.get(number) {
            Some(file) => fs::write(file, rendered).with_context(|| format!("write {}", file.display()))?,
            None => print(&rendered)?,
        }
    }
    let judged =
        graded.iter().any(|one| one.result.as_ref().is_ok_and(|report| report.status() != Status::CannotRun));
    Ok(if judged { ExitCode::SUCCESS } else { ExitCode::from(3) })
}
