//! Detached containers as the kernel has them: their processes and their groups.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::bed::SOON;
use crate::running::is_helper;
use crate::{Process, Verdict, expect, kernel, until};

/// A detached container as the kernel has it.
pub(crate) struct Up {
    pub id: String,
    /// Its first process.
    pub command: Process,
    /// The process that looks after it: the parent of that one.
    pub runtime: Process,
}

impl Up {
    /// Finds the first process of a container by its hostname, which is its id.
    pub fn of(id: &str) -> Result<Up> {
        Up::called(id, id)
    }

    /// The same for a container that was given a hostname, which no other has now.
    pub fn called(id: &str, hostname: &str) -> Result<Up> {
        let digits = id.len() == 12 && id.bytes().all(|byte| byte.is_ascii_hexdigit());
        expect!(digits, "12 hexadecimal digits as the id", "{id:?}");
        let command = until(SOON, &format!("a process of container {id}"), || first(hostname))?;
        Ok(Up { id: id.to_owned(), command, runtime: runtime_of(command)? })
    }

    /// The directories of its groups on the host; none where this user may make none.
    pub fn groups(&self) -> Result<BTreeSet<PathBuf>> {
        let own = self.command.cgroups()?.into_iter().filter(|group| group.path.contains(&self.id));
        let dirs = own.filter_map(|group| {
            let controller = group.controllers.split(',').next().filter(|_| group.id != 0);
            Some(kernel::hierarchy(controller)?.join(group.path.trim_start_matches('/')))
        });
        Ok(dirs.collect())
    }

    /// Every process of the container.
    pub fn members(&self) -> Result<Vec<Process>> {
        let namespace = self.command.ns("pid")?;
        Ok(ours().into_iter().filter(|it| it.ns("pid").is_ok_and(|own| own == namespace)).collect())
    }
}

/// Of a container's processes the one with the lowest number inside; with --init that is the init's child.
fn first(hostname: &str) -> Option<Process> {
    let entry = format!("HOSTNAME={hostname}");
    let own = ours().into_iter().filter(|it| it.environ().is_ok_and(|all| all.contains(&entry)));
    own.min_by_key(|it| it.pids().ok().and_then(|pids| pids.last().copied()).unwrap_or(i32::MAX))
}

/// The nearest process above it that is in no container.
fn runtime_of(mut process: Process) -> Result<Process> {
    let here = Process::this().ns("pid")?;
    loop {
        process = parent(process)?;
        if process.ns("pid")? == here {
            return Ok(process);
        }
    }
}

/// All processes that this check has started and that are not waited for, but those that a runtime starts for its own
/// sake, pasta(1) for one, which nobody may look into.
pub(crate) fn ours() -> Vec<Process> {
    everybody().into_iter().filter(|it| !is_helper(*it)).collect()
}

/// The same with these: a supervisor that leaves its caller becomes a child of the guard, the check's parent.
pub(crate) fn everybody() -> Vec<Process> {
    let this = Process::this();
    let all = Process(nix::unistd::getppid().as_raw()).descendants();
    all.into_iter().filter(|it| *it != this && it.alive()).collect()
}

/// The processes of containers: those that are not in this check's PID namespace.
pub(crate) fn contained() -> Vec<Process> {
    let here = Process::this().ns("pid").ok();
    ours().into_iter().filter(|it| it.ns("pid").is_ok_and(|own| Some(own) != here)).collect()
}

pub(crate) fn parent(process: Process) -> Result<Process> {
    let found = kernel::all().into_iter().find(|(it, _)| *it == process);
    Ok(found.with_context(|| format!("process {} has ended", process.0))?.1)
}

/// A number of `/proc/PID/stat`, counted from 1 as proc_pid_stat(5) does; from the third on.
pub(crate) fn stat(process: Process, field: usize) -> Result<i64> {
    let text = process.text("stat")?;
    let rest = text.rsplit_once(") ").map(|(_, rest)| rest.split_whitespace().nth(field - 3));
    let word = rest.flatten().with_context(|| format!("field {field} of {text:?}"))?;
    word.parse().with_context(|| format!("field {field} is {word:?}"))
}

/// Waits until none of them runs.
pub(crate) fn until_all_gone(processes: &[Process], what: &str) -> Verdict {
    let left = || processes.iter().filter(|it| it.alive()).count();
    until(SOON, &format!("the end of all {} processes {what}", processes.len()), || {
        (left() == 0).then_some(())
    })
}

/// Who has a file open, by the file's identity.
pub(crate) fn holds(process: Process, file: &Path) -> Result<bool> {
    let wanted = fs::metadata(file).with_context(|| format!("look at {}", file.display()))?;
    for descriptor in process.descriptors()?.into_keys() {
        let there = fs::metadata(process.path(&format!("fd/{descriptor}")));
        if there.is_ok_and(|there| (there.dev(), there.ino()) == (wanted.dev(), wanted.ino())) {
            return Ok(true);
        }
    }
    Ok(false)
}
