//! The book: its preprocessor, its build, and the checks of its pages before and after.

pub mod check;
pub mod diff;
mod directive;
mod exercises;
mod expand;
mod html;
pub mod items;
mod lex;
mod listing;
pub mod markdown;
mod measured;
mod mistakes;
mod plan;
mod preprocess;
mod select;
mod verbatim;

use std::io::ErrorKind;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, bail};

use crate::steps;

use expand::{Expanded, Workshop, step_of};

#[derive(clap::Args)]
pub struct Args {
    /// Only check the sources; mdbook is not needed
    #[arg(long)]
    no_build: bool,
}

#[derive(clap::Args)]
pub struct PreprocessArgs {
    /// Nothing, or `supports RENDERER`
    words: Vec<String>,
}

pub fn preprocess(args: &PreprocessArgs) -> anyhow::Result<()> {
    preprocess::run(args)
}

/// Checks the book's sources, builds it, and checks what was built.
pub fn run(args: &Args) -> anyhow::Result<()> {
    let book = steps::root().join("book");
    let workshop = Workshop::open(&book, steps::all())?;
    let report = check::sources(&book, &workshop)?;
    for warning in &report.warnings {
        eprintln!("warning: {warning}");
    }
    for problem in &report.problems {
        eprintln!("error: {problem}");
    }
    eprintln!("{}: {}", report.summary, outcome(report.problems.len(), report.warnings.len()));
    if args.no_build {
        eprintln!("not run: the build, and the checks of the generated pages");
    } else {
        build(&book)?;
        let problems = html::check(&book.join("book"))?;
        for problem in &problems {
            eprintln!("error: {problem}");
        }
        eprintln!("generated pages: {}", outcome(problems.len(), 0));
        anyhow::ensure!(problems.is_empty(), "the generated pages have errors");
    }
    anyhow::ensure!(report.problems.is_empty(), "the book's sources have errors");
    Ok(())
}

fn outcome(problems: usize, warnings: usize) -> String {
    format!("{problems} errors, {warnings} warnings")
}

/// Runs the `mdbook` on PATH.
fn build(book: &Path) -> anyhow::Result<()> {
    let status = match Command::new("mdbook").arg("build").arg(book).status() {
        Ok(status) => status,
        Err(error) if error.kind() == ErrorKind::NotFound => bail!(
            "there is no mdbook on PATH: the build and the checks of the generated pages did not run.\n\
             Install it with `cargo install mdbook --version ^0.5`, or check the sources alone with --no-build"
        ),
        Err(error) => return Err(error).context("run mdbook"),
    };
    anyhow::ensure!(status.success(), "mdbook build: {status}; the generated pages were not checked");
    Ok(())
}

/// What the chapter of a step has left out; nothing for other pages.
fn uncovered(workshop: &Workshop, page: &str, expanded: &Expanded) -> anyhow::Result<Vec<String>> {
    match step_of(page) {
        Some(step) => {
            let missing = workshop.uncovered(&step, &expanded.shown).with_context(|| page.to_owned())?;
            Ok(missing.into_iter().map(|lines| format!("{page}: {lines}")).collect())
        }
        None => Ok(Vec::new()),
    }
}
