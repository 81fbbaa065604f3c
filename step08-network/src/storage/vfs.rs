//! vfs: no union at all. Each container gets a copy of its image, which takes its time and space, and works everywhere.

use super::Driver;
use crate::mount::{MOUNT_ATTR_NODEV, Mount};
use crate::tree::Tree;
use crate::whiteouts::Form;
use crate::{copy, root};
use anyhow::{Context, Result};
use std::fs;
use std::path::{Path, PathBuf};

pub struct Vfs;

impl Driver for Vfs {
    /// Both drivers read the same layers.
    fn form(&self) -> Form {
        Form::Overlay
    }

    fn prepare(&self, folder: &Path) -> Result<()> {
        let copy = folder.join("root");
        fs::create_dir(&copy).with_context(|| format!("make {}", copy.display()))?;
        copy::copy(&Tree::merge(&super::layers(folder), self.form())?, &copy).context("copy the image")
    }

    fn mount(&self, folder: &Path, _throwaway: bool) -> Result<Mount> {
        let copy = folder.join("root");
        let mount = Mount::bind(&copy)?;
        mount.attach(&root::open_image(&copy)?, "/")?;
        mount.restrict_alone(MOUNT_ATTR_NODEV)?;
        Ok(mount)
    }

    fn stack(&self, folder: &Path) -> Vec<PathBuf> {
        vec![folder.join("root")]
    }
}
