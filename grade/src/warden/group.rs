//! A cgroup for one grading, on v1 and on v2, with as many limits as the machine has controllers to hand out.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::Limits;
use crate::kernel::{self, Process};

/// The group's folders, one in each hierarchy that is of use.
#[derive(Debug, Default)]
pub(super) struct Group {
    folders: Vec<PathBuf>,
}

impl Group {
    /// Makes it. A controller that is missing, or refuses, is done without: the clock and the disk are watched anyway.
    pub(super) fn make(limits: &Limits) -> Group {
        let name = format!("grade-{}", std::process::id());
        let mut group = Group::default();
        for (controller, file, limit) in
            [("memory", "memory.limit_in_bytes", limits.memory), ("pids", "pids.max", limits.processes)]
        {
            // Below the own group, whose limits then hold as well.
            if let Some(own) = v1_own(controller) {
                group.add(&own.join(&name), &[(file, limit)]);
            }
        }
        // On v2 a group with processes in it hands out no controllers: there it stands at the top.
        if let Some(top) = kernel::hierarchy(None) {
            let handed_out = fs::read_to_string(top.join("cgroup.subtree_control")).unwrap_or_default();
            let limits = [("memory", "memory.max", limits.memory), ("pids", "pids.max", limits.processes)];
            let there = |(controller, ..): &&(&str, &str, u64)| {
                handed_out.split_whitespace().any(|word| word == *controller)
            };
            let files: Vec<_> = limits.iter().filter(there).map(|(_, file, limit)| (*file, *limit)).collect();
            if !files.is_empty() {
                group.add(&top.join(&name), &files);
            }
        }
        group
    }

    fn add(&mut self, folder: &Path, files: &[(&str, u64)]) {
        if fs::create_dir(folder).is_err() {
            return;
        }
        let set = |(file, limit): &(&str, u64)| fs::write(folder.join(file), limit.to_string()).is_ok();
        if files.iter().all(set) {
            self.folders.push(folder.to_path_buf());
        } else {
            // Nobody is in it.
            let _ = fs::remove_dir(folder);
        }
    }

    /// Puts this process into it.
    pub(super) fn join(&self) -> Result<()> {
        for folder in &self.folders {
            fs::write(folder.join("cgroup.procs"), "0")
                .with_context(|| format!("join {}", folder.display()))?;
        }
        Ok(())
    }

    /// Bytes of memory that its processes used at the most at once.
    pub(super) fn peak(&self) -> Option<u64> {
        let files = ["memory.peak", "memory.max_usage_in_bytes"];
        let mut texts = self.folders.iter().flat_map(|folder| files.map(|file| folder.join(file)));
        texts.find_map(|file| fs::read_to_string(file).ok()?.trim().parse().ok())
    }

    /// Removes it, and what groups the submission has left in it, when nobody is in it any more.
    pub(super) fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + Duration::from_secs(5);
        for folder in &self.folders {
            // The kernel lets go of the last process a moment after its end.
            while let Err(error) = remove_tree(folder) {
                if error.kind() == std::io::ErrorKind::NotFound {
                    break;
                }
                if Instant::now() >= deadline {
                    return Err(error).with_context(|| format!("remove the cgroup {}", folder.display()));
                }
                std::thread::sleep(Duration::from_millis(5));
            }
        }
        Ok(())
    }
}

/// Removes a group and those in it, innermost first. Only folders can be removed there.
fn remove_tree(folder: &Path) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)?.flatten() {
        if entry.file_type()?.is_dir() {
            remove_tree(&entry.path())?;
        }
    }
    fs::remove_dir(folder)
}

fn v1_own(controller: &str) -> Option<PathBuf> {
    kernel::hierarchy(Some(controller))?;
    Process::this().cgroup_dir(controller).ok()
}
