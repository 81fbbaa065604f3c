//! One command to run, and how long it takes.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};

/// The words of a command, and what it has in its environment besides ours.
#[derive(Clone, Debug, Default)]
pub struct Line {
    words: Vec<String>,
    variable: Option<(&'static str, PathBuf)>,
}

impl Line {
    /// Takes text apart at its spaces: for words that have none themselves.
    pub fn of(text: &str) -> Line {
        Line { words: text.split_whitespace().map(str::to_owned).collect(), variable: None }
    }

    pub fn with(mut self, text: &str) -> Line {
        self.words.extend(text.split_whitespace().map(str::to_owned));
        self
    }

    /// One word more, as it is.
    pub fn word(mut self, word: impl AsRef<OsStr>) -> Line {
        self.words.push(word.as_ref().to_string_lossy().into_owned());
        self
    }

    pub fn variable(self, name: &'static str, value: &Path) -> Line {
        Line { variable: Some((name, value.to_owned())), ..self }
    }

    pub fn command(&self) -> Command {
        let mut command = Command::new(self.words.first().map_or("", String::as_str));
        command.args(self.words.iter().skip(1)).stdin(Stdio::null());
        command.envs(self.variable.iter().map(|(name, value)| (name, value)));
        command
    }

    /// Runs it and returns what it prints. It must not leave a process that holds its stdout.
    pub fn output(&self) -> Result<String> {
        said(&mut self.command())
    }

    /// Runs it to its end, with nothing to read and nobody who listens: from the call that makes the process to the one
    /// that has waited for it. What stays behind, such as a container, may keep the descriptors.
    ///
    /// # Errors
    /// When it fails, with its last words, which go through the file `words`.
    pub fn timed(&self, words: &Path) -> Result<Duration> {
        let stderr = File::create(words).with_context(|| format!("make {}", words.display()))?;
        let mut command = self.command();
        command.stdout(Stdio::null()).stderr(stderr);
        let begin = Instant::now();
        let status = command.status();
        let time = begin.elapsed();
        let status = status.with_context(|| format!("start {}", named(&command)))?;
        if !status.success() {
            let words = std::fs::read_to_string(words).unwrap_or_default();
            bail!("{}: {status}: {}", named(&command), last_line(&words));
        }
        Ok(time)
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it fails, with the last line of its complaint.
pub fn said(command: &mut Command) -> Result<String> {
    let named = named(command);
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {named}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{named}: {}: {}", output.status, last_line(&complaint));
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The program's name without its folder.
fn named(command: &Command) -> String {
    let program = Path::new(command.get_program());
    program.file_name().unwrap_or(program.as_os_str()).to_string_lossy().into_owned()
}

fn last_line(words: &str) -> &str {
    words.lines().rfind(|line| !line.trim().is_empty()).unwrap_or("it said nothing")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn words_are_taken_apart_at_spaces_and_kept_when_given_one_by_one() {
        let line = Line::of("echo  a").with("b").word("c d").variable("X", Path::new("/x"));
        assert_eq!(line.output().unwrap(), "a b c d\n");
        assert_eq!(Line::of("printenv X").variable("X", Path::new("/x")).output().unwrap(), "/x\n");
    }

    #[test]
    fn a_failure_is_told_with_its_last_line() {
        let line = Line::of("sh -c").word("echo one >&2; echo two >&2; exit 3");
        let scratch = Scratch::new("line").unwrap();
        let words = scratch.path().join("words");
        for error in [line.output().unwrap_err(), line.timed(&words).unwrap_err()] {
            let text = error.to_string();
            assert!(text.starts_with("sh: ") && text.ends_with(" 3: two"), "{text}");
        }
        assert!(Line::of("true").timed(&words).unwrap() > Duration::ZERO);
        assert!(Line::of("no-such-program").timed(&words).is_err());
    }
}
