//! Files with one JSON document in each, replaced whole.

use anyhow::{Context, Result};
use serde::Serialize;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::Path;

/// Reads a file; none when there is none.
pub fn read(path: &Path) -> Result<Option<Vec<u8>>> {
    match fs::read(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
        result => result.map(Some).with_context(|| format!("read {}", path.display())),
    }
}

pub fn remove(path: &Path) -> Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.with_context(|| format!("remove {}", path.display())),
    }
}

/// Replaces a document: who reads it finds the old one or the new one.
pub fn write<T: Serialize>(path: &Path, document: &T, to_disk: bool) -> Result<()> {
    let context = || format!("write {}", path.display());
    let name = path.file_name().with_context(context)?.to_string_lossy();
    let draft = path.with_file_name(format!(".{name}"));
    let written = File::create(&draft).and_then(|mut file| {
        file.write_all(&serde_json::to_vec_pretty(document)?)?;
        if to_disk { file.sync_all() } else { Ok(()) }
    });
    written.and_then(|()| fs::rename(&draft, path)).with_context(context)
}
