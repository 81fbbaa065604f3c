//! Where in the container something is mounted.
//!
//! The image decides what is at a path, and so does whoever can write to a volume, even now. So a destination is looked up
//! as the container would look it up, once, to a descriptor, and from then on there is only the descriptor: openat2(2)
//! with `RESOLVE_IN_ROOT`, where an absolute symlink starts at the container's root and `..` stops there.

use super::spec;
use crate::beneath;
use crate::explain::explain;
use crate::mount::Mount;
use crate::root::{Kind, Root};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Opens a directory of the image; none where the image has none, or where the kernel's filesystems cover it.
pub fn in_image(root: &Root<Mount>, path: &Path) -> Result<Option<File>> {
    match look_up(root, path, OFlag::O_DIRECTORY, ResolveFlag::RESOLVE_NO_XDEV) {
        Err(Errno::ENOENT | Errno::ENOTDIR | Errno::EXDEV) => Ok(None),
        result => {
            let place = result.context("look for it in the image")?;
            check(root, &place)?;
            Ok(Some(place))
        }
    }
}

/// Opens the place to mount on, and makes what is missing of it: directories, and an empty file to mount a file on.
pub fn open(root: &Root<Mount>, path: &Path, kind: Kind) -> Result<File> {
    let place = open_or_make(root, path, kind)?;
    check(root, &place)?;
    match (kind, place.metadata()?.is_dir()) {
        (Kind::Directory, false) => {
            bail!("it is a file in the container, and a directory cannot be mounted on one")
        }
        (Kind::File, true) => {
            bail!("it is a directory in the container, and a file cannot be mounted on one")
        }
        _ => Ok(place),
    }
}

fn open_or_make(root: &Root<Mount>, path: &Path, kind: Kind) -> Result<File> {
    match look_up(root, path, OFlag::empty(), ResolveFlag::empty()) {
        Err(Errno::ENOENT) => {}
        result => return result.with_context(|| format!("open {} in the container", path.display())),
    }
    let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else { bail!("no place for it") };
    let parent = open_or_make(root, parent, Kind::Directory)?;
    make(&parent, name, kind).with_context(|| format!("make {} in the container", path.display()))
}

/// Makes a mount point, and opens it without following what somebody else may have put there instead.
fn make(parent: &File, name: &OsStr, kind: Kind) -> Result<File> {
    let mode = Mode::from_bits_truncate(0o755);
    let made = match kind {
        Kind::Directory => mkdirat(parent, name, mode),
        Kind::File => mknodat(parent, name, SFlag::S_IFREG, mode, 0),
    };
    match made {
        // Another container with the same volume has made it meanwhile, or it is a symlink.
        Err(Errno::EEXIST) => {}
        result => {
            result?;
            let call = if kind == Kind::Directory { "mkdirat" } else { "mknodat" };
            explain!("{call}({}, {name:?}, 0755) = 0", parent.as_raw_fd());
        }
    }
    match beneath::open(parent, Path::new(name), OFlag::O_PATH) {
        Err(Errno::ELOOP) => bail!("it is a symlink that leads nowhere"),
        result => result.context("open it"),
    }
}

pub fn look_up(root: &Root<Mount>, path: &Path, flags: OFlag, rules: ResolveFlag) -> nix::Result<File> {
    const TRIES: u32 = 1000;
    let flags = flags | OFlag::O_PATH | OFlag::O_CLOEXEC;
    let rules = rules | ResolveFlag::RESOLVE_IN_ROOT | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    for _ in 0..TRIES {
        match openat2(root, path, OpenHow::new().flags(flags).resolve(rules)) {
            // Something was renamed or mounted, anywhere, while a `..` was followed: the kernel could not tell whether
            // that had led out of the root.
            Err(Errno::EAGAIN) => {}
            result => {
                let place = result?;
                let rules: Vec<_> = rules.iter_names().map(|(name, _)| name).collect();
                explain!("openat2({path:?}, O_PATH, {}) = {}", rules.join("|"), place.as_raw_fd());
                return Ok(place.into());
            }
        }
    }
    Err(Errno::EAGAIN)
}

/// Refuses a place that the path has not shown: through a symlink, a volume could cover /proc, and with it what
/// protects the host. The kernel tells where a descriptor has led (proc(5), "/proc/pid/fd/").
fn check(root: &Root<Mount>, place: &File) -> Result<()> {
    let led_to =
        |path: PathBuf| fs::read_link(&path).with_context(|| format!("read the link {}", path.display()));
    let (top, place) = (led_to(beneath::path_of(root))?, led_to(beneath::path_of(place))?);
    match place.strip_prefix(&top) {
        Ok(inside) => spec::check_destination(&Path::new("/").join(inside)),
        Err(_) => bail!("it was moved out of the container"),
    }
}
