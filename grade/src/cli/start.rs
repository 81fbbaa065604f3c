//! `grade start`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};
use grade::exercise::Assignment;

use super::print;
use crate::starter;

/// Examples: grade start step03       (in the new folder step03)
///           grade start step03 my
///           grade start memory-reservation
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The step, step01, step02, …, or an exercise
    #[arg(value_name = "STEP", value_parser = super::assignment)]
    assignment: Assignment,
    /// The folder for the crate: a new one, or one that is empty
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let name = match args.assignment {
        Assignment::Step(step) => format!("step{step:02}"),
        Assignment::Exercise(exercise) => exercise.id.clone(),
    };
    let dir = args.dir.clone().unwrap_or_else(|| name.into());
    let taken = || format!("make {}", dir.display());
    fs::create_dir_all(&dir).with_context(taken)?;
    let empty = fs::read_dir(&dir).with_context(taken)?.next().is_none();
    ensure!(empty, "{} is not empty: nothing was written", dir.display());
    for (path, text) in starter::files(args.assignment)? {
        let path = dir.join(path);
        let folder = path.parent().unwrap_or(&dir);
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let mut text = match args.assignment {
        Assignment::Step(step) => to_be_written(step)?,
        Assignment::Exercise(exercise) => format!(", as step{:02} is. {}\n", exercise.step, exercise.title),
    };
    text.insert_str(0, &format!("{} is a crate that compiles", dir.display()));
    let next = "README.md says more. Now: cd";
    text += &format!("\n{next} {}, and grade check. Red is expected there.\n", dir.display());
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}

fn to_be_written(step: u8) -> Result<String> {
    let mut text = ". To be written:\n\n".to_owned();
    for cut in starter::cuts(step)? {
        text += &format!("  {:28}  {}: {}\n", cut.file, cut.function, cut.todo);
    }
    Ok(text)
}
