//! `grade`: lists the checks, and holds a binary to them.

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::{Parser, Subcommand};
use grade::{Check, Harness, Outcome};

/// Checks container runtimes built along "From fork to veth".
#[derive(Parser)]
#[command(version)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

#[derive(Subcommand)]
enum Action {
    /// List every check: step, points, id, title
    List,
    /// Run the checks of a step, and of those before it, against a binary
    ///
    /// Example: grade check step01 --bin target/debug/step01
    Check {
        /// The step: step01, step02, …
        #[arg(value_parser = step_number)]
        step: u8,
        /// The binary to check
        #[arg(long)]
        bin: PathBuf,
        /// Run only the checks with these ids, separated by commas
        #[arg(long, value_name = "ID", value_delimiter = ',')]
        filter: Vec<String>,
    },
}

fn step_number(text: &str) -> Result<u8, String> {
    let number = text.strip_prefix("step").and_then(|number| number.parse().ok());
    number.filter(|number| (1..=8).contains(number)).ok_or_else(|| "a step is step01 to step08".to_string())
}

/// Exit status when nothing could be judged: every check was skipped.
const NOTHING_RAN: u8 = 3;

fn main() -> ExitCode {
    if let Some(code) = grade::hidden_modes() {
        return code;
    }
    let result = match Cli::parse().command {
        Action::List => list().map(|()| ExitCode::SUCCESS),
        Action::Check { step, bin, filter } => check(step, &bin, &filter),
    };
    result.unwrap_or_else(|error| {
        eprintln!("grade: {error:#}");
        ExitCode::FAILURE
    })
}

fn list() -> Result<()> {
    let checks = grade::all();
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    let mut out = std::io::stdout().lock();
    for check in checks {
        writeln!(out, "step{:02}  {}  {:width$}  {}", check.step, check.points, check.id, check.title)?;
    }
    Ok(())
}

fn check(step: u8, bin: &Path, filter: &[String]) -> Result<ExitCode> {
    let holding: Vec<_> = grade::all().into_iter().filter(|check| check.applies_to(step)).collect();
    if let Some(unknown) = filter.iter().find(|id| !holding.iter().any(|check| check.id == **id)) {
        bail!("step{step:02} has no check {unknown}: see `grade list`");
    }
    let wanted = |check: &&Check| filter.is_empty() || filter.iter().any(|id| id == check.id);
    let checks: Vec<_> = holding.into_iter().filter(wanted).collect();
    let harness = Harness::new(bin, step)?;
    let judged = judge(&harness, &checks);
    harness.finish()?;
    judged
}

/// Prints how each check ended, and the points; the exit code says which kinds of end there were.
fn judge(harness: &Harness, checks: &[&'static Check]) -> Result<ExitCode> {
    let (mut got, mut possible, mut ran, mut failed) = (0, 0, 0, 0);
    for check in checks {
        let (outcome, millis) = harness.outcome(check);
        let points = u32::from(check.points);
        let mut out = std::io::stdout();
        writeln!(out, "{:8} {:>2}  {:6} ms  {}: {}", outcome.word(), points, millis, check.id, check.title)?;
        if let Some(reason) = outcome.reason() {
            writeln!(out, "         {}", reason.replace('\n', "\n         "))?;
        }
        match outcome {
            Outcome::Skipped { .. } => continue,
            Outcome::Pass => got += points,
            Outcome::Fail { .. } | Outcome::Blocked { .. } => failed += 1,
        }
        ran += 1;
        possible += points;
    }
    writeln!(std::io::stdout(), "{got} of {possible} points")?;
    Ok(match (ran, failed) {
        (0, _) => ExitCode::from(NOTHING_RAN),
        (_, 0) => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    })
}
