//! `grade start`.

use std::fs;
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, ensure};

use super::print;
use crate::starter;

/// Examples: grade start step03       (in the new folder step03)
///           grade start step03 my
#[derive(clap::Args)]
#[command(verbatim_doc_comment)]
pub(super) struct Args {
    /// The step: step01, step02, …
    #[arg(value_parser = super::step)]
    step: u8,
    /// The folder for the crate: a new one, or one that is empty
    dir: Option<PathBuf>,
}

pub(super) fn run(args: &Args) -> Result<ExitCode> {
    let step = args.step;
    let dir = args.dir.clone().unwrap_or_else(|| format!("step{step:02}").into());
    let taken = || format!("make {}", dir.display());
    fs::create_dir_all(&dir).with_context(taken)?;
    let empty = fs::read_dir(&dir).with_context(taken)?.next().is_none();
    ensure!(empty, "{} is not empty: nothing was written", dir.display());
    for (path, text) in starter::files(step)? {
        let path = dir.join(path);
        let folder = path.parent().unwrap_or(&dir);
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
        fs::write(&path, text).with_context(|| format!("write {}", path.display()))?;
    }
    let mut text = format!("{} is a crate that compiles. To be written:\n\n", dir.display());
    for cut in starter::cuts(step)? {
        text += &format!("  {:28}  {}: {}\n", cut.file, cut.function, cut.todo);
    }
    text += &format!(
        "\nREADME.md says more. Now: cd {}, and grade check. Red is expected there.\n",
        dir.display()
    );
    print(&text)?;
    Ok(ExitCode::SUCCESS)
}
