//! aufs: what Docker began with. It was never taken into mainline Linux, and few kernels have it any more.
//!
//! Its `branches` are one list, the writable one first: aufs(5). `ro+wh` says that a read-only branch may hold
//! whiteouts, which is so for an image's layers.

use super::Driver;
use crate::mount::Mount;
use crate::whiteouts::Form;
use anyhow::{Context, Result, bail};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Aufs;

/// Whether the running kernel has it.
pub fn check() -> Result<()> {
    let known = fs::read_to_string("/proc/filesystems").context("read /proc/filesystems")?;
    if !known.split_whitespace().any(|word| word == "aufs") {
        bail!(
            "--storage-driver aufs: /proc/filesystems of this kernel has no aufs, which mainline Linux never had; \
             use overlay or vfs"
        );
    }
    Ok(())
}

impl Driver for Aufs {
    fn form(&self) -> Form {
        Form::Aufs
    }

    fn prepare(&self, folder: &Path) -> Result<()> {
        super::make_writable_layer(folder)
    }

    fn mount(&self, folder: &Path, _throwaway: bool) -> Result<Mount> {
        super::mount_union("aufs", folder, &branches(&super::numbers(folder)))
    }

    fn stack(&self, folder: &Path) -> Vec<PathBuf> {
        let upper = folder.join("upper");
        [upper].into_iter().chain(super::layers(folder)).collect()
    }
}

fn branches(layers: &[String]) -> String {
    let layers: String = layers.iter().map(|layer| format!(":{layer}=ro+wh")).collect();
    format!("br=upper=rw{layers}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_writable_branch_is_first_and_layers_may_hold_whiteouts() {
        let layers = ["0", "1"].map(str::to_owned);
        assert_eq!(super::branches(&layers), "br=upper=rw:0=ro+wh:1=ro+wh");
    }
}
