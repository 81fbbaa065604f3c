//! What outlives the namespaces: cgroups, and folders. Each run has one name for both, with its process's number in it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

const PREFIX: &str = "xtask-bench-";
const HIERARCHIES: &str = "/sys/fs/cgroup";

/// How long the last processes of a group may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// The name of the group above those of all peers' containers.
pub fn group() -> String {
    format!("{PREFIX}{}", std::process::id())
}

/// Removes what earlier runs have left that were killed.
pub fn sweep(folder: &Path) -> Result<()> {
    let dead = |name: &str| owner(name).is_some_and(|pid| !Path::new(&format!("/proc/{pid}")).exists());
    for path in listed(folder)?.into_iter().filter(|path| dead(&name(path))) {
        fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    remove_groups(dead)
}

/// Removes the groups of one run.
pub fn remove_groups_named(group: &str) -> Result<()> {
    remove_groups(|name| name == group)
}

/// Removes all groups whose names are wanted, on each hierarchy.
fn remove_groups(wanted: impl Fn(&str) -> bool) -> Result<()> {
    let top = PathBuf::from(HIERARCHIES);
    for hierarchy in listed(&top)?.into_iter().chain([top]) {
        for path in listed(&hierarchy)?.into_iter().filter(|path| wanted(&name(path))) {
            remove_tree(&path)?;
        }
    }
    Ok(())
}

/// A group goes when those beneath it are gone.
fn remove_tree(path: &Path) -> Result<()> {
    for beneath in listed(path)? {
        remove_tree(&beneath)?;
    }
    let start = Instant::now();
    loop {
        match fs::remove_dir(path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if error.kind() == ErrorKind::ResourceBusy && start.elapsed() < PATIENCE => {
                sleep(Duration::from_millis(20));
            }
            result => return result.with_context(|| format!("remove {}", path.display())),
        }
    }
}

/// The folders in a folder; none where there is none.
fn listed(folder: &Path) -> Result<Vec<PathBuf>> {
    let entries = match fs::read_dir(folder) {
        Err(error) if [ErrorKind::NotFound, ErrorKind::NotADirectory].contains(&error.kind()) => {
            return Ok(Vec::new());
        }
        entries => entries.with_context(|| format!("list {}", folder.display()))?,
    };
    let mut found = Vec::new();
    for entry in entries {
        let entry = entry.with_context(|| format!("list {}", folder.display()))?;
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// The number in a name such as `xtask-bench-12` or, of a folder, `xtask-bench-12-0`.
fn owner(name: &str) -> Option<u32> {
    name.strip_prefix(PREFIX)?.split('-').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_name_tells_whose_it_is() {
        assert_eq!(owner("xtask-bench-12"), Some(12));
        assert_eq!(owner("xtask-bench-12-0"), Some(12));
        assert_eq!(owner("xtask-bench-x"), None);
        assert_eq!(owner("xtask-drift-12-0"), None);
        assert_eq!(owner(&group()), Some(std::process::id()));
    }

    #[test]
    fn only_what_the_dead_have_left_is_removed() {
        let scratch = Scratch::new("leftovers").unwrap();
        // The largest number that a process can have, less one: nobody's, in all likelihood.
        let (dead, alive) = ("xtask-bench-4194303-0", format!("xtask-bench-{}-0", std::process::id()));
        for name in [dead, &alive, "other"] {
            fs::create_dir_all(scratch.path().join(name).join("in")).unwrap();
        }
        sweep(scratch.path()).unwrap();
        let left = |name: &str| scratch.path().join(name).exists();
        assert_eq!((left(dead), left(&alive), left("other")), (false, true, true));
    }
}
