//! A step under measurement: its release build, with a data folder of its own.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::FIRST;
use super::place::Place;

pub struct Ours {
    pub step: String,
    /// What every `run` gets besides, as words with spaces between.
    pub options: String,
    bin: PathBuf,
    data: PathBuf,
}

impl Ours {
    pub fn new(step: String, bin: PathBuf, place: &Place, options: &str) -> Result<Ours> {
        let data = place.path().join(&step);
        fs::create_dir(&data).with_context(|| format!("make {}", data.display()))?;
        Ok(Ours { step, options: options.to_owned(), bin, data })
    }

    /// A command line that a shell, or hyperfine, takes apart again.
    pub fn line(&self, words: &str) -> String {
        format!("env FORK_TO_VETH_ROOT={} {} {words}", quoted(&self.data), quoted(&self.bin))
    }

    /// The words that start a container of `base` and throw it away at its end.
    pub fn run(&self, more: &str, command: &str) -> String {
        // Step 04 keeps nothing that could be thrown away.
        let rm = if self.step == FIRST { "" } else { "--rm" };
        let words = ["run", rm, &self.options, more, "base", command];
        words.iter().filter(|word| !word.is_empty()).copied().collect::<Vec<_>>().join(" ")
    }

    /// Makes the image, which the first run does.
    pub fn prepare(&self) -> Result<()> {
        self.output(self.run("", "true").split_whitespace()).map(drop)
    }

    /// The plain folder that step 04 makes of the image.
    pub fn root(&self) -> PathBuf {
        self.data.join("base")
    }

    /// Runs it and returns what it prints. A Ctrl-C in the terminal is not for it: what is half done could not be undone.
    pub fn output<W: AsRef<OsStr>>(&self, words: impl IntoIterator<Item = W>) -> Result<String> {
        let mut command = Command::new(&self.bin);
        command.args(words).env("FORK_TO_VETH_ROOT", &self.data).process_group(0);
        said(&mut command)
    }

    /// The ids of all its containers.
    pub fn containers(&self) -> Result<Vec<String>> {
        Ok(self.output(["ps", "-a", "-q"])?.lines().map(str::to_owned).collect())
    }
}

/// Removes whatever containers a step has in its data folder, when it is dropped.
pub struct Sweep<'a>(pub &'a Ours);

impl Drop for Sweep<'_> {
    fn drop(&mut self) {
        let removed = self.0.containers().and_then(|ids| match &ids[..] {
            [] => Ok(String::new()),
            ids => self.0.output(["rm", "-f"].into_iter().chain(ids.iter().map(String::as_str))),
        });
        if let Err(error) = removed {
            eprintln!("xtask: {error:#}");
        }
    }
}

/// Runs a command to its end and returns what it printed.
///
/// # Errors
/// When it fails, with the last line of its complaint.
pub fn said(command: &mut Command) -> Result<String> {
    let program = command.get_program().to_owned();
    let program = Path::new(&program).file_name().unwrap_or(&program).to_string_lossy().into_owned();
    let verb = command.get_args().find(|word| !word.as_encoded_bytes().starts_with(b"-"));
    let named = format!("{program} {}", verb.unwrap_or_default().to_string_lossy());
    let output = command.stdin(Stdio::null()).output().with_context(|| format!("start {program}"))?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    let complaint = complaint.lines().last().unwrap_or("it said nothing");
    ensure!(output.status.success(), "{named}: {}: {complaint}", output.status);
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A path as one word of a command line.
pub fn quoted(path: &Path) -> String {
    format!("'{}'", path.display().to_string().replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(step: &str, options: &str) -> Ours {
        let options = options.to_owned();
        Ours { step: step.to_owned(), options, bin: PathBuf::from("/b"), data: PathBuf::from("/d d") }
    }

    #[test]
    fn a_line_is_one_that_a_shell_takes_apart() {
        assert_eq!(ours("step05", "").line("ps"), "env FORK_TO_VETH_ROOT='/d d' '/b' ps");
        let words = Command::new("sh").arg("-c").arg(format!("echo {}", quoted(Path::new("/it's")))).output();
        assert_eq!(words.unwrap().stdout, b"/it's\n");
    }

    #[test]
    fn only_what_keeps_containers_is_told_to_throw_them_away() {
        assert_eq!(ours("step04", "").run("", "true"), "run base true");
        assert_eq!(ours("step08", "--network none").run("-d", "sh"), "run --rm --network none -d base sh");
    }

    #[test]
    fn a_failure_is_told_with_its_last_line() {
        let error = said(Command::new("sh").args(["-c", "echo one >&2; echo two >&2; exit 3"])).unwrap_err();
        assert!(error.to_string().ends_with("two"), "{error}");
        assert_eq!(said(Command::new("echo").arg("hello")).unwrap(), "hello\n");
    }
}
