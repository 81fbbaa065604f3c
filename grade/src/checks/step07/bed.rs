//! What the checks of detached containers share.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use serde_json::Value;

use super::super::common::expect_own_error;
use crate::kernel::Mount;
use crate::{Launch, Output, Process, Subject, Verdict, expect, expect_eq, until};

pub(crate) use super::up::{Up, contained, everybody, holds, ours, parent, stat, until_all_gone};

/// How long the kernel may take for what happens at once.
pub(crate) const SOON: Duration = Duration::from_secs(5);

/// A data folder of one check's own: its containers and their names meet no others.
pub(crate) struct Bed<'a> {
    pub subject: &'a Subject,
    pub data: PathBuf,
}

impl<'a> Bed<'a> {
    pub fn new(subject: &'a Subject) -> Bed<'a> {
        Bed { subject, data: subject.scratch().join("data") }
    }

    /// The binary with exactly these arguments.
    pub fn call<A: AsRef<OsStr>>(&self, args: &[A]) -> Launch {
        self.subject.raw(args).env("FORK_TO_VETH_ROOT", &self.data)
    }

    /// Runs it to its end.
    pub fn output(&self, args: &[&str]) -> Result<Output> {
        self.call(args).output()
    }

    /// Runs it to its end, and wants exit status 0.
    pub fn ok(&self, args: &[&str]) -> Result<String> {
        let output = self.output(args)?.success().with_context(|| format!("`{}`", args.join(" ")))?;
        Ok(output.out())
    }

    /// `run OPTIONS IMAGE ARGV` in the image with the probe.
    pub fn launch(&self, options: &[&str], argv: &[&str]) -> Launch {
        let launch = self.subject.launch_in(self.subject.probe_image(), options, argv);
        launch.env("FORK_TO_VETH_ROOT", &self.data)
    }

    /// `run -d OPTIONS IMAGE ARGV`, and what the kernel has of it.
    pub fn up(&self, options: &[&str], argv: &[&str]) -> Result<Up> {
        let output = self.launch(&[&["-d"], options].concat(), argv).output()?.success()?;
        let id = output.out();
        let asked = options.windows(2).find(|pair| pair[0] == "--hostname");
        Up::called(id.trim_end(), asked.map_or(id.trim_end(), |pair| pair[1]))
    }

    /// The same with a shell script, once that has written the line `ready` to its stdout.
    pub fn script(&self, options: &[&str], script: &str) -> Result<Up> {
        let up = self.up(options, &["sh", "-c", script])?;
        self.until_logged(&up.id, "ready\n")?;
        Ok(up)
    }

    /// A container that does nothing for as long as it may.
    pub fn idle(&self, options: &[&str]) -> Result<Up> {
        self.up(options, &["sleep", "1000"])
    }

    /// The folders of this step's containers: what is there whether or not it is listed.
    pub fn folders(&self) -> Result<Vec<String>> {
        let all = self.all();
        if !all.exists() {
            return Ok(Vec::new());
        }
        let entries = fs::read_dir(&all).with_context(|| format!("list {}", all.display()))?;
        let mut names = entries
            .map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()))
            .collect::<Result<Vec<_>>>()?;
        names.sort();
        Ok(names)
    }

    fn all(&self) -> PathBuf {
        self.data.join(format!("step{:02}/containers", self.subject.step))
    }

    pub fn folder(&self, id: &str) -> PathBuf {
        self.all().join(id)
    }

    /// What a detached container has written, read from the file itself.
    pub fn log(&self, id: &str) -> Result<Vec<u8>> {
        let path = self.folder(id).join("log");
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    pub fn until_logged(&self, id: &str, text: &str) -> Verdict {
        let there = || String::from_utf8_lossy(&self.log(id).ok()?).contains(text).then_some(());
        until(SOON, &format!("{text:?} in the container's log"), there)
    }

    /// The one document of `inspect`.
    pub fn inspect(&self, container: &str) -> Result<Value> {
        let text = self.ok(&["inspect", container])?;
        let mut documents: Vec<Value> =
            serde_json::from_str(&text).with_context(|| format!("read {text:?}"))?;
        expect_eq!(documents.len(), 1, "documents of `inspect {container}`");
        Ok(documents.remove(0))
    }

    /// Its status in a word, and its last exit code.
    pub fn state(&self, container: &str) -> Result<(String, Option<i64>)> {
        let state = &self.inspect(container)?["state"];
        Ok((state["status"].as_str().unwrap_or_default().to_owned(), state["exit_code"].as_i64()))
    }

    /// Ends the check unless the container has ended with this code, as `inspect` says.
    pub fn expect_exited(&self, container: &str, code: i64, when: &str) -> Verdict {
        expect_eq!(self.state(container)?, ("exited".to_owned(), Some(code)), "status and exit code {when}");
        Ok(())
    }

    /// Changes a container's record as somebody else would have written it.
    pub fn edit(&self, id: &str, change: impl FnOnce(&mut Value)) -> Verdict {
        let path = self.folder(id).join("container.json");
        let mut record: Value = serde_json::from_slice(&fs::read(&path)?)?;
        change(&mut record);
        fs::write(&path, serde_json::to_vec(&record)?).with_context(|| format!("write {}", path.display()))
    }

    /// The objects of `ps ARGS --format json`.
    pub fn ps(&self, args: &[&str]) -> Result<Vec<Value>> {
        let text = self.ok(&[&["ps", "--format", "json"], args].concat())?;
        let parse = |line: &str| serde_json::from_str(line).with_context(|| format!("read {line:?}"));
        text.lines().map(parse).collect()
    }

    /// Ends the check unless `args` is one error of the runtime that has `named` in it.
    pub fn refused(&self, args: &[&str], named: &str) -> Verdict {
        self.own_error(&self.output(args)?, 125, named, &format!("`{}`", args.join(" ")))
    }

    pub fn own_error(&self, output: &Output, code: i32, named: &str, what: &str) -> Verdict {
        expect_own_error(self.subject, output, code, what)?;
        expect!(output.err().contains(named), "{named:?} in the message of {what}", "{:?}", output.err());
        Ok(())
    }

    /// Ends the check unless nothing is left of any container: no process, no mount, no group, no file.
    pub fn expect_nothing(&self, groups: &BTreeSet<PathBuf>, when: &str) -> Verdict {
        until(SOON, &format!("no process {when}"), || everybody().is_empty().then_some(()))
            .with_context(|| format!("{:?} are there", everybody()))?;
        expect_eq!(self.folders()?, Vec::<String>::new(), "folders of containers {when}");
        self.expect_no_mounts(when)?;
        let gone = |dir: &&PathBuf| !dir.exists();
        expect_eq!(groups.iter().find(|dir| !gone(dir)), None, "the groups that are left {when}");
        Ok(())
    }

    /// Ends the check unless the groups of killed runtimes are gone, after a command that should have seen to it.
    ///
    /// Another check's or another grading's run may be at it already, and the one that was asked leaves it to that: who
    /// removes a group has it locked. Between two hierarchies it has none, for a moment.
    pub fn expect_swept(left: impl Fn() -> Vec<PathBuf>, when: &str) -> Verdict {
        let mut unheld = 0;
        until(SOON, &format!("the end of the groups that others remove {when}"), || {
            unheld = if left().iter().any(|dir| is_locked(dir)) { 0 } else { unheld + 1 };
            (left().is_empty() || unheld > 2).then_some(())
        })?;
        expect_eq!(left(), Vec::<PathBuf>::new(), "groups that are left {when}");
        Ok(())
    }

    pub fn expect_no_mounts(&self, when: &str) -> Verdict {
        let below = |mount: &Mount| Path::new(&mount.point).starts_with(&self.data);
        let mounts: Vec<_> = Process::this().mounts()?.into_iter().filter(below).collect();
        expect!(mounts.is_empty(), "no mount on the host {when}", "{mounts:?}");
        Ok(())
    }
}

/// Whether somebody has a lock on the folder. flock(2)
fn is_locked(dir: &Path) -> bool {
    let folder = File::open(dir);
    folder.is_ok_and(|folder| Flock::lock(folder, FlockArg::LockSharedNonblock).is_err())
}

/// A folder of the host with files in it, as `-v` takes it.
pub(crate) fn bind(source: &Path, point: &str) -> String {
    format!("{}:{point}", source.display())
}

/// A gate before which started programs wait, so that they set off at the same moment.
pub(crate) struct Gate(PathBuf);

impl Gate {
    pub fn new(subject: &Subject) -> Result<Gate> {
        let fifo = subject.scratch().join("gate");
        nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).context("make a FIFO")?;
        Ok(Gate(fifo))
    }

    /// Opening a FIFO for reading waits until somebody has it open for writing. fifo(7)
    pub fn before(&self, launch: Launch) -> Launch {
        let script = format!(": <'{}'; exec \"$0\" \"$@\"", self.0.display());
        launch.under(&["sh", "-c", &script])
    }

    /// Opens it, for as long as what is returned is kept.
    pub fn open(&self) -> Result<fs::File> {
        Ok(fs::File::options().read(true).write(true).open(&self.0)?)
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        // The scratch folder goes with it at the latest.
        let _ = fs::remove_file(&self.0);
    }
}
