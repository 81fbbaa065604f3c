//! What several checks share.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use nix::sys::signal::Signal;

use crate::kernel::{Process, until};
use crate::subject::write_file;
use crate::{Launch, Output, Running, Subject, expect, expect_eq};

/// The runtime's own error: this exit status, nothing on stdout, one line on stderr that starts with its name.
pub(crate) fn expect_own_error(
    subject: &Subject,
    output: &Output,
    code: i32,
    what: &str,
) -> anyhow::Result<()> {
    expect_eq!(output.code(), code, "exit status of {what} (stderr {:?})", output.err());
    expect_eq!(output.out(), "", "stdout of {what}");
    let (text, prefix) = (output.err(), format!("step{:02}: ", subject.step));
    let lines: Vec<&str> = text.lines().collect();
    let one = lines.len() == 1 && lines[0].starts_with(&prefix) && lines[0].len() > prefix.len();
    expect!(one, "{what} to say one line on stderr that starts with {prefix:?}", "{:?}", text);
    Ok(())
}

/// A file made for the command, and the image to run it in (steps without images ignore that).
pub(crate) struct Placed {
    pub image: PathBuf,
    /// The file's path as the command sees it.
    pub path: OsString,
}

/// Puts a file where the command can reach it: the scratch folder, or an image made for this check.
pub(crate) fn place(subject: &Subject, name: &str, content: &str, mode: u32) -> anyhow::Result<Placed> {
    if subject.has_images() {
        let image = subject.own_image(&format!("image-{name}"))?;
        write_file(&image.join(name), content, mode)?;
        return Ok(Placed { image, path: format!("/{name}").into() });
    }
    let path = subject.scratch().join(name);
    write_file(&path, content, mode)?;
    Ok(Placed { image: PathBuf::new(), path: path.into() })
}

/// A command that is up and waits for the end of its stdin: `cat`, which has no signal handlers.
pub(crate) fn start_cat(launch: impl FnOnce(&[&str]) -> Launch) -> anyhow::Result<(Running, Process)> {
    let mut running = launch(&["cat"]).start()?;
    running.send(b"up\n")?;
    running.read_line()?;
    let command = running.command()?;
    Ok((running, command))
}

/// Waits until the process is stopped, or until it is not.
pub(crate) fn until_stopped(process: Process, stopped: bool, what: &str) -> anyhow::Result<()> {
    let now = || process.state().is_some_and(|state| (state == 'T') == stopped).then_some(());
    until(Duration::from_secs(3), what, now)
}

/// Waits until the process no longer runs.
pub(crate) fn until_gone(process: Process, limit: Duration, what: &str) -> anyhow::Result<()> {
    until(limit, what, || (!process.alive()).then_some(()))
}

/// Sends a signal to any process, not through the runtime.
pub(crate) fn send(process: Process, signal: Signal) -> anyhow::Result<()> {
    Ok(nix::sys::signal::kill(nix::unistd::Pid::from_raw(process.0), signal)?)
}

/// The ordinary start of `words` as [`start_cat`] wants it.
pub(crate) fn plain<'a>(subject: &'a Subject, options: &'a [&'a str]) -> impl FnOnce(&[&str]) -> Launch + 'a {
    move |words| subject.launch(options, words)
}
