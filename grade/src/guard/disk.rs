//! How much a check writes to the disk.

use std::collections::HashSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::sys::statvfs::statvfs;

use crate::kernel::Process;

/// A look at the disk costs little, but not nothing.
const PAUSE: Duration = Duration::from_millis(50);

/// Watches what is written below a folder, and to files without a name that descendants hold open.
pub(super) struct Watch {
    folder: PathBuf,
    allowed: u64,
    free: u64,
    next: Instant,
}

impl Watch {
    /// `allowed` is in bytes.
    pub(super) fn new(folder: &Path, allowed: u64) -> Watch {
        Watch { folder: folder.to_path_buf(), allowed, free: free(folder), next: Instant::now() }
    }

    /// The bytes that are there, when they are more than allowed. They are counted only when the disk has lost as much:
    /// what else happens on the machine is not held against the check.
    pub(super) fn too_much(&mut self) -> Option<u64> {
        if Instant::now() < self.next {
            return None;
        }
        self.next = Instant::now() + PAUSE;
        if self.free.saturating_sub(free(&self.folder)) < self.allowed {
            return None;
        }
        let mut seen = HashSet::new();
        let used = below(&self.folder, &mut seen) + held_open(&mut seen);
        // Somebody else has filled it: begin anew from here, so as not to count at every look.
        self.free = free(&self.folder);
        (used > self.allowed).then_some(used)
    }
}

fn free(folder: &Path) -> u64 {
    statvfs(folder).map_or(0, |at| at.blocks_free() * at.fragment_size())
}

type Seen = HashSet<(u64, u64)>;

fn count(metadata: &fs::Metadata, seen: &mut Seen) -> u64 {
    if seen.insert((metadata.dev(), metadata.ino())) { metadata.blocks() * 512 } else { 0 }
}

fn below(folder: &Path, seen: &mut Seen) -> u64 {
    let mut used = 0;
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        // What goes away, or may not be looked at, is not counted.
        for entry in fs::read_dir(&folder).into_iter().flatten().flatten() {
            let Ok(metadata) = entry.metadata() else { continue };
            used += count(&metadata, seen);
            if metadata.is_dir() {
                open.push(entry.path());
            }
        }
    }
    used
}

fn held_open(seen: &mut Seen) -> u64 {
    let descriptors = |process: Process| fs::read_dir(process.path("fd")).into_iter().flatten().flatten();
    let all = Process::this().descendants().into_iter().flat_map(descriptors);
    let nameless = |metadata: &fs::Metadata| metadata.is_file() && metadata.nlink() == 0;
    let files = all.filter_map(|entry| fs::metadata(entry.path()).ok()).filter(nameless);
    files.map(|metadata| count(&metadata, seen)).sum()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_with_two_names_counts_once() {
        let folder = std::env::temp_dir().join(format!("grade-disk-{}", std::process::id()));
        fs::create_dir_all(folder.join("deep")).unwrap();
        fs::write(folder.join("deep/one"), vec![1; 1 << 20]).unwrap();
        fs::hard_link(folder.join("deep/one"), folder.join("two")).unwrap();
        let used = below(&folder, &mut Seen::new());
        assert!((1 << 20..3 << 19).contains(&used), "{used}");
        let mut watch = Watch::new(&folder, 1 << 19);
        assert_eq!(watch.too_much(), None, "nothing was written since");
        watch.free = u64::MAX;
        watch.next = Instant::now();
        assert_eq!(watch.too_much(), Some(used));
        fs::remove_dir_all(&folder).unwrap();
    }
}
