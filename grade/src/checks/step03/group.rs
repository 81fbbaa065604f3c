//! A command's group of one controller, read on the host, whatever version of cgroups has it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::super::common::{plain, start_cat};
use crate::subject::PATIENCE;
use crate::{Output, Process, Running, Subject, kernel};

/// One directory of a hierarchy. cgroups(7).
pub(crate) struct Group {
    pub dir: PathBuf,
    /// Whether it lies in the v2 tree.
    pub v2: bool,
}

impl Group {
    /// The group that limits `command`'s use of `controller`, by its v1 name.
    pub(crate) fn of(command: Process, controller: &str) -> Result<Group> {
        let v2 = !command.cgroups()?.iter().any(|group| group.has(controller));
        Ok(Group { dir: command.cgroup_dir(controller)?, v2 })
    }

    /// The name of the file that holds a thing: it differs between the versions.
    pub(crate) fn file(&self, v1: &'static str, v2: &'static str) -> &'static str {
        if self.v2 { v2 } else { v1 }
    }

    pub(crate) fn has(&self, file: &str) -> bool {
        self.dir.join(file).exists()
    }

    /// The whole file, without the last newline.
    pub(crate) fn text(&self, file: &str) -> Result<String> {
        let path = self.dir.join(file);
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        Ok(text.trim_end().to_string())
    }

    /// The file's only number.
    pub(crate) fn number(&self, file: &str) -> Result<u64> {
        let text = self.text(file)?;
        text.parse().with_context(|| format!("{file} holds {text:?}"))
    }

    /// The number behind `key` in a file of `KEY VALUE` lines.
    pub(crate) fn keyed(&self, file: &str, key: &str) -> Result<u64> {
        let text = self.text(file)?;
        let value = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' '));
        value.with_context(|| format!("{file} has no {key}: {text:?}"))?.parse().context("a number")
    }

    /// The fraction of one CPU that the group may use; `None` without a limit.
    pub(crate) fn cpus(&self) -> Result<Option<f64>> {
        let text = if self.v2 {
            self.text("cpu.max")?
        } else {
            format!("{} {}", self.text("cpu.cfs_quota_us")?, self.text("cpu.cfs_period_us")?)
        };
        let (quota, period) = text.split_once(' ').with_context(|| format!("cpu.max holds {text:?}"))?;
        let quota: Option<f64> = quota.parse().ok().filter(|quota| *quota > 0.0);
        Ok(quota.map(|quota| quota / period.parse::<f64>().unwrap_or(f64::NAN)))
    }
}

/// The controllers by which every container is counted and limited, as v1 calls them.
pub(crate) const USUAL: [&str; 3] = ["cpu", "memory", "pids"];

/// The groups of a command in the hierarchies of [`USUAL`], each directory once.
pub(crate) fn directories(command: Process) -> Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        USUAL.iter().map(|controller| command.cgroup_dir(controller)).collect::<Result<_>>()?;
    all.sort();
    all.dedup();
    Ok(all)
}

/// `cat`, up and waiting, with these options.
pub(crate) fn hold(subject: &Subject, options: &[&str]) -> Result<(Running, Process)> {
    start_cat(plain(subject, options))
}

/// Lets a command that waits for the end of its stdin come to its end.
pub(crate) fn release(running: &mut Running) -> Result<Output> {
    running.close_stdin();
    running.wait(PATIENCE)?.success()
}

/// Whether some mounted hierarchy of this host has the controller, by its v1 name.
pub(crate) fn mounted(controller: &str) -> bool {
    let v2_name = if controller == "blkio" { "io" } else { controller };
    let v2 = kernel::hierarchy(None).and_then(|top| fs::read_to_string(top.join("cgroup.controllers")).ok());
    kernel::hierarchy(Some(controller)).is_some()
        || v2.is_some_and(|all| all.split_whitespace().any(|name| name == v2_name))
}

/// Whether a group is there; one whose hierarchy is not mounted is not.
pub(crate) fn exists(dir: &Path) -> bool {
    fs::symlink_metadata(dir).is_ok()
}
