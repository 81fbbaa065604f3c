//! Storage drivers: three ways to put a writable layer on top of an image's.

mod aufs;
mod overlay;
mod vfs;

use crate::explain::{self, explain};
use crate::mount::Mount;
use crate::whiteouts::Form;
use anyhow::{Context, Result};
use clap::ValueEnum;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sys::statfs::{OVERLAYFS_SUPER_MAGIC, statfs};
use nix::unistd::chdir;
use serde::{Deserialize, Serialize};
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};
use std::path::{Path, PathBuf};

/// The drivers by the names that Docker gave them.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    Overlay,
    Aufs,
    Vfs,
}

/// What one driver keeps in a container's folder, where `0`, `1`, … lead to the image's layers, the top one
/// first.
pub trait Driver {
    /// How the layers that this driver reads mark what they delete.
    fn form(&self) -> Form;

    /// Makes what the mount will need. Runs on the host, before the clone.
    fn prepare(&self, folder: &Path) -> Result<()>;

    /// Mounts the layers as one tree, in the container's mount namespace. When the container is
    /// thrown away, nobody will want the writable layer after a crash.
    fn mount(&self, folder: &Path, throwaway: bool) -> Result<Mount>;

    /// The directories that make up the tree, from the top one down, for a reader who does not mount it.
    fn stack(&self, folder: &Path) -> Vec<PathBuf>;
}

impl Kind {
    /// The driver asked for, or the one that the data directory's filesystem allows: overlayfs cannot have its writable
    /// layer on another overlayfs, which is where a container's own /var/lib is.
    pub fn choose(asked: Option<Kind>, data: &Path) -> Result<Kind> {
        let kind = match asked {
            Some(kind) => kind,
            None if is_overlay(data)? => {
                explain::tell(format_args!(
                    "{} is on an overlayfs, so --storage-driver vfs is used",
                    data.display()
                ));
                Kind::Vfs
            }
            None => Kind::Overlay,
        };
        if kind == Kind::Aufs {
            aufs::check()?;
        }
        Ok(kind)
    }

    pub fn driver(self) -> &'static dyn Driver {
        match self {
            Kind::Overlay => &overlay::Overlay,
            Kind::Aufs => &aufs::Aufs,
            Kind::Vfs => &vfs::Vfs,
        }
    }
}

fn is_overlay(directory: &Path) -> Result<bool> {
    let filesystem = statfs(directory).with_context(|| format!("look at {}", directory.display()))?;
    Ok(filesystem.filesystem_type() == OVERLAYFS_SUPER_MAGIC)
}

/// Links the layers into a container's folder by number. A mount option is at most a page long, and `0:1:2` has room for
/// hundreds of layers whose own names would fill it; and none of these names needs a `:` or `,` escaped.
pub fn link_layers(folder: &Path, layers: &[PathBuf]) -> Result<()> {
    for (number, layer) in layers.iter().enumerate() {
        let link = folder.join(number.to_string());
        symlink(layer, &link).with_context(|| format!("link {} to {}", link.display(), layer.display()))?;
    }
    Ok(())
}

/// The layers of a container's folder, from the top one down.
pub fn layers(folder: &Path) -> Vec<PathBuf> {
    let links = (0..).map(|number: u32| folder.join(number.to_string()));
    links.take_while(|link| link.is_symlink()).collect()
}

/// Makes the empty directory that the container writes to. A union's `/` has its owner and mode.
fn make_writable_layer(folder: &Path) -> Result<()> {
    let upper = folder.join("upper");
    fs::create_dir(&upper).with_context(|| format!("make {}", upper.display()))?;
    let top = fs::metadata(folder.join("0")).context("look at the image's top layer")?;
    match chown(&upper, Some(top.uid()), Some(top.gid())) {
        // An owner that has no id in this user namespace: the directory stays root's.
        Err(error) if error.raw_os_error() == Some(Errno::EINVAL as i32) => {}
        result => result.with_context(|| format!("change the owner of {}", upper.display()))?,
    }
    fs::set_permissions(&upper, Permissions::from_mode(top.mode() & 0o7777))
        .with_context(|| format!("change the mode of {}", upper.display()))
}

/// The numbers of the layers as union filesystems' options list them.
fn numbers(folder: &Path) -> Vec<String> {
    (0..layers(folder).len()).map(|number| number.to_string()).collect()
}

/// Mounts a union filesystem from within the folder, where the layers have short names, and on the folder: what it covers
/// in this mount namespace, nobody in it needs.
fn mount_union(kind: &str, folder: &Path, options: &str) -> Result<Mount> {
    chdir(folder).with_context(|| format!("enter {}", folder.display()))?;
    explain!("chdir({folder:?}) = 0");
    // The mount API by descriptors takes strings of 256 bytes at most: mount(2) has a page for all.
    mount(Some(kind), ".", Some(kind), MsFlags::MS_NODEV, Some(options))
        .with_context(|| format!("mount {kind} with {options}"))?;
    explain!("mount({kind:?}, \".\", {kind:?}, MS_NODEV, {options:?}) = 0");
    Mount::at(folder)
}
