//! Where images and containers are kept while they are measured.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use grade::kernel::Mount;

use super::leftovers;
use crate::scratch::Scratch;

/// A folder of our own in the one that was asked for, and the name of a cgroup.
pub struct Place {
    scratch: Scratch,
    pub group: String,
}

impl Place {
    pub fn new(folder: Option<&Path>) -> Result<Place> {
        let folder = folder.map_or_else(std::env::temp_dir, Path::to_owned);
        let folder = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
        leftovers::sweep(&folder)?;
        Ok(Place { scratch: Scratch::beneath(&folder, "bench")?, group: leftovers::group() })
    }

    pub fn path(&self) -> &Path {
        self.scratch.path()
    }

    /// A file for the last words of whatever is run.
    pub fn words(&self) -> PathBuf {
        self.path().join("words")
    }

    pub fn folder(&self, name: &str) -> Result<PathBuf> {
        let folder = self.path().join(name);
        fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(folder)
    }

    /// The kind of filesystem that it is on.
    pub fn filesystem(&self) -> Result<String> {
        let mounts = grade::Process::this().mounts()?;
        let on = holding(&mounts, self.path());
        Ok(on.with_context(|| format!("{} is on no mount", self.path().display()))?.fstype.clone())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Err(error) = leftovers::remove_groups_named(&self.group) {
            eprintln!("xtask: {error:#}");
        }
    }
}

/// The mount that a path is on: the deepest, and of those at one place the last, which hides the others.
fn holding<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, fstype: &str) -> Mount {
        Mount {
            id: 0,
            parent: 0,
            root: "/".into(),
            point: point.into(),
            options: Vec::new(),
            propagation: Vec::new(),
            fstype: fstype.into(),
            source: String::new(),
            super_options: Vec::new(),
        }
    }

    #[test]
    fn the_deepest_and_last_mount_holds_a_path() {
        let mounts =
            [mount("/", "ext4"), mount("/tmp", "xfs"), mount("/tmp", "tmpfs"), mount("/tmp/ab", "proc")];
        let on = |path: &str| holding(&mounts, Path::new(path)).unwrap().fstype.as_str();
        assert_eq!(on("/tmp/abc"), "tmpfs");
        assert_eq!(on("/var"), "ext4");
    }
}
