//! What an image says of its command, and what the caller says instead.

use crate::cli::Run;
use crate::environment::Environment;
use crate::image::config::Settings;
use anyhow::{Result, bail};
use std::ffi::OsString;
use std::path::PathBuf;

/// The command line: the entrypoint and its arguments. Docker's rules: a command on our command line stands for the image's
/// `Cmd`, and an entrypoint on it for both the image's `Entrypoint` and `Cmd`.
pub fn command(run: &Run, image: &Settings) -> Result<Vec<OsString>> {
    let words = |words: &Option<Vec<String>>| words.iter().flatten().map(OsString::from).collect::<Vec<_>>();
    let (mut command, default) = match &run.entrypoint {
        Some(entrypoint) if entrypoint.is_empty() => (vec![], vec![]),
        Some(entrypoint) => (vec![entrypoint.clone()], vec![]),
        None => (words(&image.entrypoint), words(&image.cmd)),
    };
    command.extend(if run.command().is_empty() { default } else { run.command().to_vec() });
    if command.is_empty() {
        bail!("image {}: it names no command to run; write one behind its name", run.image().display());
    }
    Ok(command)
}

/// What the container is started with, in the words of an image's document: a commit of it keeps this.
pub fn settings(run: &Run, image: &Settings, environment: &Environment) -> Settings {
    let text = |word: &OsString| word.to_string_lossy().into_owned();
    let asked = |words: &[OsString]| Some(words.iter().map(text).collect());
    let mut settings = image.clone();
    if let Some(entrypoint) = &run.entrypoint {
        settings.entrypoint = (!entrypoint.is_empty()).then(|| vec![text(entrypoint)]);
        settings.cmd = None;
    }
    if !run.command().is_empty() {
        settings.cmd = asked(run.command());
    }
    if let Some(workdir) = &run.workdir {
        settings.working_dir = Some(text(&workdir.into()));
    }
    settings.env = Some(environment.lines());
    settings.user = run.user.clone().or(settings.user.filter(|user| !user.is_empty()));
    settings
}

/// Where the command starts.
pub fn workdir(run: &Run, image: &Settings) -> PathBuf {
    let of_image = image.working_dir.as_deref().filter(|directory| !directory.is_empty()).map(PathBuf::from);
    run.workdir.clone().or(of_image).unwrap_or_else(|| PathBuf::from("/"))
}
