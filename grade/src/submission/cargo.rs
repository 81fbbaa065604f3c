//! The build itself, as the warden's child does it.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};

use crate::kernel::{Ending, Process};
use crate::warden::{self, Said};

/// Of what cargo says to people, this much is kept: an error stands at the beginning.
const WORDS: u64 = 64 * 1024;

/// Of what it says to programs, this much.
const MESSAGES: u64 = 16 * 1024 * 1024;

/// What a warden's child is to build.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Build {
    /// The crate's folder.
    pub(super) dir: PathBuf,
    /// To cargo, behind `build`.
    pub(super) arguments: Vec<String>,
    /// Folders that cargo, the compiler and what they run may write.
    pub(crate) writable: Vec<PathBuf>,
}

/// How a build went.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Built {
    /// The executables, by the name of their target.
    pub(super) executables: Vec<(String, PathBuf)>,
    /// What cargo and the compiler said, when it did not end well.
    pub(super) failure: Option<String>,
}

/// Words of cargo and the compiler about what the machine lacks, whatever the crate is like.
const LACKS: [&str; 6] = [
    "Unable to update registry",
    "failed to download",
    "Could not resolve host",
    "network failure",
    "linker `cc` not found",
    "No space left on device",
];

impl Built {
    /// Why this machine could not build it, for a failure that is not the crate's.
    pub(super) fn lack(&self) -> Option<&str> {
        let words = self.failure.as_deref()?;
        words.lines().find(|line| LACKS.iter().any(|lack| line.contains(lack)))
    }
}

/// Cargo may think this long about a manifest: one can name the whole machine as its workspace.
const THINKING: Duration = Duration::from_secs(20);

/// The cargo that runs this, else the one in PATH.
fn cargo() -> OsString {
    std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into())
}

/// What cargo knows of a manifest; nothing when it is broken. It looks for settings, and rustup for a toolchain, from the
/// folder that they are started in: a submission's must not say what runs here, outside of all limits.
pub(super) fn metadata(manifest: &Path) -> Result<Vec<u8>> {
    let mut command = Command::new(cargo());
    command.args(["metadata", "--no-deps", "--format-version", "1", "--manifest-path"]).arg(manifest);
    command.current_dir("/").stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::null());
    if let Some(folder) = std::env::var_os("CARGO_TARGET_DIR") {
        command.env("CARGO_TARGET_DIR", std::path::absolute(folder)?);
    }
    let mut child = command.spawn().context("start cargo metadata")?;
    let stdout = child.stdout.take().context("cargo has no stdout")?;
    let words = std::thread::spawn(move || first(stdout, MESSAGES));
    Ending::of(Process(child.id().cast_signed()))?.wait(None, THINKING);
    // It has ended already, as a rule.
    let _ = child.kill();
    child.wait()?;
    Ok(words.join().unwrap_or_default().into_bytes())
}

/// What cargo has to write of what it keeps for everybody: what it has downloaded, and its locks. Its settings and
/// programs are not among it: they are run by others.
pub(super) fn caches() -> Vec<PathBuf> {
    let Some(home) = home().filter(|home| home.is_dir()) else { return Vec::new() };
    let folders = ["registry", "git"].map(|name| home.join(name));
    let locks = [".package-cache", ".package-cache-mutate"].map(|name| home.join(name));
    // Whoever may not make them may not write them either.
    folders.iter().for_each(|folder| drop(fs::create_dir_all(folder)));
    locks.iter().for_each(|lock| drop(File::options().append(true).create(true).open(lock)));
    folders.into_iter().chain(locks).filter(|path| path.exists()).collect()
}

/// Where cargo keeps what it has downloaded.
fn home() -> Option<PathBuf> {
    let default = || Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo"));
    std::env::var_os("CARGO_HOME").map(PathBuf::from).or_else(default)
}

/// The warden's child: runs cargo and says what it built.
pub(crate) fn build_inside(build: &Build) -> Result<()> {
    let mut command = Command::new(cargo());
    command.arg("build").args(&build.arguments).arg("--message-format=json-render-diagnostics");
    command.current_dir(&build.dir);
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().context("start cargo build")?;
    let stderr = child.stderr.take().context("cargo has no stderr")?;
    let words = std::thread::spawn(move || first(stderr, WORDS));
    let messages = first(child.stdout.take().context("cargo has no stdout")?, MESSAGES);
    let words = words.join().unwrap_or_default();
    let status = child.wait()?;
    let failure = (!status.success()).then(|| format!("cargo build ended with {status}\n{}", errors(&words)));
    warden::say(&Said::Built(Built { executables: executables(&messages), failure }))
}

/// The beginning of what comes, all of which is read.
fn first(mut pipe: impl Read, limit: u64) -> String {
    let mut bytes = Vec::new();
    let _ = pipe.by_ref().take(limit).read_to_end(&mut bytes);
    let _ = std::io::copy(&mut pipe, &mut std::io::sink());
    String::from_utf8_lossy(&bytes).into_owned()
}

/// What cargo says from the first error on: what it downloaded and compiled before is of no use here.
fn errors(words: &str) -> &str {
    let at = words.find("\nerror").map_or(0, |at| at + 1);
    if words.starts_with("error") { words } else { &words[at..] }.trim_end()
}

fn executables(messages: &str) -> Vec<(String, PathBuf)> {
    let artifacts = messages.lines().filter_map(|line| serde_json::from_str::<serde_json::Value>(line).ok());
    let artifacts = artifacts.filter(|message| message["reason"] == "compiler-artifact");
    let executable = |message: serde_json::Value| {
        Some((message["target"]["name"].as_str()?.to_string(), message["executable"].as_str()?.into()))
    };
    artifacts.filter_map(executable).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_cargos_words_the_errors_remain() {
        assert_eq!(
            errors("   Compiling a v1\nwarning: w\nerror[E1]: e\n\nerror: b\n"),
            "error[E1]: e\n\nerror: b"
        );
        assert_eq!(errors("error: at once"), "error: at once");
        assert_eq!(errors("no such word\n"), "no such word");
    }

    #[test]
    fn only_programs_are_executables() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"lib"},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"build-finished","success":true}"#,
            "\n",
            r#"{"reason":"compiler-artifact","target":{"name":"step03"},"executable":"/t/step03"}"#,
        );
        assert_eq!(executables(messages), [("step03".to_string(), PathBuf::from("/t/step03"))]);
    }
}
