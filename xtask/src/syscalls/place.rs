//! Where starts are counted: with data and a network of their own, and without neighbours.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use grade::kernel::hierarchy;
use nix::sched::{CloneFlags, unshare};

use super::trace::{self, Counts};
use crate::scratch::Scratch;

/// How long to wait for the end of somebody else's containers.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often a program's name is looked for should not depend on the caller.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

pub struct Place(Scratch);

impl Place {
    /// The network namespace goes with this process.
    pub fn new() -> Result<Place> {
        unshare(CloneFlags::CLONE_NEWNET).context("make a network namespace")?;
        Ok(Place(Scratch::new("syscalls")?))
    }

    /// Starts `bin` with these words, and waits for its end.
    pub fn start(&self, bin: &Path, words: &str) -> Result<()> {
        self.run(&[], bin, words)
    }

    /// The same under strace, at a time when there is no other container.
    pub fn trace(&self, bin: &Path, words: &str) -> Result<Counts> {
        let file = self.0.path().join("trace");
        let name = file.to_str().context("the folder for temporary files is not UTF-8")?;
        let until = Instant::now() + PATIENCE;
        loop {
            let alone = neighbours()?.is_empty();
            self.run(&["strace", "-f", "-qq", "-e", "signal=none", "-o", name], bin, words)?;
            let left = neighbours()?;
            if alone && left.is_empty() {
                let bytes = fs::read(&file).with_context(|| format!("read {name}"))?;
                return Ok(trace::count(&String::from_utf8_lossy(&bytes)));
            }
            ensure!(
                Instant::now() < until,
                "other containers run on this machine, each costs a start some calls, and none may: {}",
                left.join(", ")
            );
            sleep(Duration::from_millis(100));
        }
    }

    fn run(&self, front: &[&str], bin: &Path, words: &str) -> Result<()> {
        let bin = bin.to_str().context("the target folder's path is not UTF-8")?;
        let words: Vec<&str> = front.iter().copied().chain([bin]).chain(words.split_whitespace()).collect();
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).stdin(Stdio::null()).stdout(Stdio::null());
        command.env_clear().env("PATH", PATH).env("FORK_TO_VETH_ROOT", self.0.path().join("data"));
        let status = command.status().with_context(|| format!("start {}", words[0]))?;
        ensure!(status.success(), "{}: {status}", words.join(" "));
        Ok(())
    }
}

/// The groups of all containers that root has now: a start looks whether the owner of each is gone.
fn neighbours() -> Result<Vec<String>> {
    let Some(groups) = hierarchy(Some("pids")).or_else(|| hierarchy(None)) else { return Ok(Vec::new()) };
    let entries = fs::read_dir(&groups).with_context(|| format!("list {}", groups.display()))?;
    let names = entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned());
    Ok(names.filter(|name| name.starts_with("fork-to-veth-")).collect())
}
