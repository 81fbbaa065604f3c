//! overlay: the kernel's union filesystem, Documentation/filesystems/overlayfs.rst.
//!
//! The image's layers are its `lowerdir`, from the top one down. What the container changes is copied up into `upperdir`
//! first; what it deletes gets a whiteout there. In `workdir` overlayfs prepares each change before it shows it.

use super::Driver;
use crate::mount::Mount;
use crate::whiteouts::Form;
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Overlay;

impl Driver for Overlay {
    fn form(&self) -> Form {
        Form::Overlay
    }

    fn prepare(&self, folder: &Path) -> Result<()> {
        super::make_writable_layer(folder)?;
        let work = folder.join("work");
        fs::create_dir(&work).with_context(|| format!("make {}", work.display()))
    }

    fn mount(&self, folder: &Path, throwaway: bool) -> Result<Mount> {
        let layers = super::numbers(folder).join(":");
        let mut options = format!("lowerdir={layers},upperdir=upper,workdir=work,userxattr");
        if throwaway {
            // Nothing is written back to the disk for a layer that will be gone.
            options += ",volatile";
        }
        super::mount_union("overlay", folder, &options)
    }

    fn stack(&self, folder: &Path) -> Vec<PathBuf> {
        let upper = folder.join("upper");
        [upper].into_iter().chain(super::layers(folder)).collect()
    }
}
