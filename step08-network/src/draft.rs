//! What is being made, in a directory of its own beside the place where it will be: whoever looks there finds all of it
//! or nothing.

use crate::{id, lock};
use anyhow::{Context, Result};
use nix::fcntl::Flock;
use std::collections::HashSet;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

/// What the names of drafts start with.
const PREFIX: &str = "draft-";

/// A directory that is being filled, locked as long as its maker lives. Dropped, it is removed.
pub struct Draft {
    pub path: PathBuf,
    _lock: Flock<File>,
}

impl Draft {
    /// An empty directory in `place`.
    pub fn new(place: &Path) -> Result<Draft> {
        let path = place.join(format!("{PREFIX}{}", id::new()?));
        loop {
            match fs::create_dir(&path) {
                Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
                result => result.with_context(|| format!("make {}", path.display()))?,
            }
            // Another command may take it for an abandoned one in the moment before it is locked.
            if let Some(lock) = lock::take(&path)? {
                return Ok(Draft { path, _lock: lock });
            }
        }
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // Nothing is there any more when all of it has been moved to its place; what else could go wrong, the next
        // command's cleaning meets and reports.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Removes what runtimes that were killed have left half made in `place`.
pub fn remove_abandoned(place: &Path) -> Result<()> {
    for (path, _lock) in lock::abandoned(place, PREFIX, &mut HashSet::new())? {
        fs::remove_dir_all(&path).with_context(|| format!("remove {}", path.display()))?;
    }
    Ok(())
}
