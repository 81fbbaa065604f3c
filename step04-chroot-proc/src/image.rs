//! Images: the directory that a name stands for, and the mount that makes it a container's root.

use crate::base_image;
use crate::mount::Mount;
use crate::root::{self, Root};
use anyhow::{Context, Result, bail};
use std::ffi::OsStr;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// `base`, or any directory whose name has a slash in it: the root directory that the container will have.
pub fn find(name: &OsStr) -> Result<PathBuf> {
    if name == "base" {
        return base_image::ensure();
    }
    if !name.as_bytes().contains(&b'/') {
        bail!(
            "no image {name:?}: there is 'base', and any directory, written with a slash, such as ./rootfs"
        );
    }
    let context = || format!("image {}", Path::new(name).display());
    let directory = fs::canonicalize(name).with_context(context)?;
    if fs::read_dir(&directory).with_context(context)?.next().is_none() {
        bail!("{}: an empty directory, with nothing in it to run", context());
    }
    Ok(directory)
}

/// Mounts the image on itself, where only this mount namespace sees it: pivot_root(2) wants its new root to be a mount.
pub fn mount(image: &Path) -> Result<Root<Mount>> {
    let mount = Mount::bind(image)?;
    mount.attach(&root::open_image(image)?, "/")?;
    Ok(Root(mount))
}
