//! Directories that belong to a running process: a lock on one tells the living from the dead.
//!
//! The kernel lets go of a flock(2) when the last descriptor for it is closed, however its process ends. So a directory
//! that can be locked has no owner any more.

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Locks a directory; `None` when somebody else has it locked, or removed it. Another one may be in its place by then.
pub fn take(path: &Path) -> Result<Option<Flock<File>>> {
    let directory = match File::open(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.with_context(|| format!("open {}", path.display()))?,
    };
    match Flock::lock(directory, FlockArg::LockExclusiveNonblock) {
        Ok(lock) => Ok(is_at(path, &lock).then_some(lock)),
        Err((_, Errno::EWOULDBLOCK)) => Ok(None),
        Err((_, error)) => Err(error).with_context(|| format!("lock {}", path.display())),
    }
}

/// Whether it is this directory that the path leads to.
fn is_at(path: &Path, directory: &File) -> bool {
    let (there, here) = (fs::metadata(path), directory.metadata());
    there.is_ok_and(|there| here.is_ok_and(|here| (there.dev(), there.ino()) == (here.dev(), here.ino())))
}

/// The directories in `base` whose names start with `prefix` and whose owners are gone, locked for whoever removes them.
/// The names of the others are added to `alive`, and who is in it already is not asked again.
pub fn abandoned(
    base: &Path,
    prefix: &str,
    alive: &mut HashSet<OsString>,
) -> Result<Vec<(PathBuf, Flock<File>)>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(base).with_context(|| format!("list {}", base.display()))? {
        let entry = entry?;
        let name = entry.file_name();
        if !name.as_encoded_bytes().starts_with(prefix.as_bytes()) || alive.contains(&name) {
            continue;
        }
        match take(&entry.path())? {
            Some(lock) => found.push((entry.path(), lock)),
            None => drop(alive.insert(name)),
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_in_the_place_of_another_is_not_that_one() {
        let path = std::env::temp_dir().join(format!("fork-to-veth-lock-{}", std::process::id()));
        fs::create_dir(&path).unwrap();
        let first = File::open(&path).unwrap();
        assert!(is_at(&path, &first));
        fs::remove_dir(&path).unwrap();
        assert!(!is_at(&path, &first));
        fs::create_dir(&path).unwrap();
        assert!(!is_at(&path, &first));
        fs::remove_dir(&path).unwrap();
    }
}
