//! The three files with names, in a container's root.
//!
//! They are mounted on files, which the image may not have. Made in the container's writable layer, these would be changes
//! of the container's, for `diff` and `commit` to find. So there is one more layer, shared by all containers, with three
//! empty files in it. Docker's lies on top of the image and has to have its `/etc` just as it is there; this one lies below,
//! and is seen only where the image has nothing.

use super::names::FILES;
use crate::image::store::Store;
use crate::mount::Mount;
use crate::root::{Kind, Root};
use crate::volumes::{Volumes, destination};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, ResolveFlag, readlinkat};
use std::ffi::OsString;
use std::fs::{self, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

/// The layer with the mount points, made if it is not there.
pub fn mount_points(store: &Store) -> Result<PathBuf> {
    let layer = store.data.join(env!("CARGO_PKG_NAME")).join("mount-points");
    if layer.exists() {
        return Ok(layer);
    }
    let draft = store.draft()?;
    make(&draft.path, "etc", Permissions::from_mode(0o755), |folder| fs::create_dir(folder))?;
    for (_, path) in FILES {
        let name = path.trim_start_matches('/');
        make(&draft.path, name, Permissions::from_mode(0o644), |file| File::create(file).map(drop))?;
    }
    match fs::rename(&draft.path, &layer) {
        // Another command has been faster.
        // Each filesystem has its own word for it.
        Err(error) if matches!(error.kind(), ErrorKind::DirectoryNotEmpty | ErrorKind::AlreadyExists) => {
            Ok(layer)
        }
        result => result.map(|()| layer).context("keep the layer with mount points"),
    }
}

/// Makes something that everybody in a container can see, whatever the caller's umask is.
fn make(
    layer: &Path,
    name: &str,
    mode: Permissions,
    create: impl Fn(&Path) -> std::io::Result<()>,
) -> Result<()> {
    let path = layer.join(name);
    let made = create(&path).and_then(|()| fs::set_permissions(&path, mode));
    made.with_context(|| format!("make {}", path.display()))
}

/// A container's own files, opened: what is mounted on its folder next covers them there.
pub struct Names(Vec<(Mount, &'static str)>);

impl Names {
    /// Leaves out those on whose paths the caller mounts something else.
    pub fn open(folder: &Path, volumes: &Volumes) -> Result<Names> {
        let files = FILES.iter().filter(|(_, path)| !volumes.covers(path));
        files
            .map(|(name, path)| Ok((Mount::bind(&folder.join(name))?, *path)))
            .collect::<Result<_>>()
            .map(Names)
    }

    /// Mounts them below the container's root.
    pub fn mount(&self, root: &Root<Mount>) -> Result<()> {
        self.0.iter().try_for_each(|(file, path)| {
            let place = where_it_leads(root, Path::new(path));
            let place = place.and_then(|place| destination::open(root, &place, Kind::File));
            file.attach(&place.with_context(|| path.to_string())?, path)
        })
    }
}

/// A path without the image's symlinks that lead to nothing: what they lead to is made. The root of an installed system often
/// has /etc/resolv.conf lead to /run, where a program of that system would put it.
fn where_it_leads(root: &Root<Mount>, path: &Path) -> Result<PathBuf> {
    // As many as the kernel follows, path_resolution(7).
    const LINKS: u32 = 40;
    let mut path = path.to_owned();
    for _ in 0..LINKS {
        let Some((link, target)) = dangling(root, &path)? else { return Ok(path) };
        let rest = path.strip_prefix(&link)?;
        let target = link.parent().unwrap_or(&link).join(target);
        path = if rest.as_os_str().is_empty() { target } else { target.join(rest) };
    }
    bail!("too many symlinks")
}

/// The first symlink on a path that leads to nothing, and its text.
fn dangling(root: &Root<Mount>, path: &Path) -> Result<Option<(PathBuf, OsString)>> {
    let mut parts: Vec<&Path> = path.ancestors().collect();
    while let Some(part) = parts.pop() {
        let look_up = |flags| destination::look_up(root, part, flags, ResolveFlag::empty());
        let node = match look_up(OFlag::O_NOFOLLOW) {
            Err(Errno::ENOENT) => return Ok(None),
            result => result.with_context(|| format!("look for {} in the container", part.display()))?,
        };
        if node.metadata()?.is_symlink() && look_up(OFlag::empty()).err() == Some(Errno::ENOENT) {
            let target = readlinkat(&node, "").context("read the symlink")?;
            return Ok(Some((part.to_owned(), target)));
        }
    }
    Ok(None)
}
