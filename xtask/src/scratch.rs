//! Directories that last as long as the value that made them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use anyhow::Context;

static COUNT: AtomicU32 = AtomicU32::new(0);

/// A new directory beneath the system's own for temporary files.
#[derive(Debug)]
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new(purpose: &str) -> anyhow::Result<Scratch> {
        Scratch::beneath(&std::env::temp_dir(), purpose)
    }

    /// The same in another folder, which must exist.
    pub fn beneath(folder: &Path, purpose: &str) -> anyhow::Result<Scratch> {
        let number = COUNT.fetch_add(1, Ordering::Relaxed);
        let path = folder.join(format!("xtask-{purpose}-{}-{number}", std::process::id()));
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        Ok(Scratch(path))
    }

    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Writes a file, with the folders that it needs.
    #[cfg(test)]
    pub fn write(&self, file: &str, text: &str) -> PathBuf {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, text).unwrap();
        path
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            eprintln!("xtask: cannot remove {}: {error}", self.0.display());
        }
    }
}
