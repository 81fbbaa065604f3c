//! Making what an entry of an archive describes, directories and hard links excepted.

use super::names;
use crate::header::{Entry, Kind};
use crate::{beneath, sparse};
use anyhow::{Context, Result, bail};
use nix::fcntl::{OFlag, openat};
use nix::libc::dev_t;
use nix::sys::stat::{Mode, SFlag, mknodat};
use nix::unistd::{geteuid, symlinkat};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Read;
use std::path::Path;

/// Refuses what must not be in a layer.
pub fn check(path: &Path, kind: &Kind) -> Result<()> {
    match kind {
        Kind::Symlink(target) => names::check_symlink(path, target),
        Kind::Special(SFlag::S_IFIFO, _) => Ok(()),
        Kind::Special(kind, device) => check_device(*kind, *device),
        Kind::File | Kind::Directory | Kind::HardLink(_) => Ok(()),
    }
}

/// Makes it under a name that is free, and opens it.
pub fn make(parent: &File, name: &OsStr, entry: &Entry, data: &mut impl Read) -> Result<(File, SFlag)> {
    let kind = match &entry.kind {
        Kind::Symlink(target) => {
            symlinkat(target.as_os_str(), parent, name).context("make the symlink")?;
            SFlag::S_IFLNK
        }
        Kind::Special(kind, device) => {
            mknodat(parent, name, *kind, Mode::empty(), *device).context("make the node")?;
            *kind
        }
        _ => return Ok((write(parent, name, entry, data)?, SFlag::S_IFREG)),
    };
    let node = beneath::open(parent, Path::new(name), beneath::NODE).context("open what was made")?;
    Ok((node, kind))
}

/// Writes a file's data where it belongs.
fn write(parent: &File, name: &OsStr, entry: &Entry, data: &mut impl Read) -> Result<File> {
    let flags = OFlag::O_WRONLY | OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
    let mode = Mode::from_bits_truncate(0o600);
    let file = File::from(openat(parent, name, flags, mode).context("make the file")?);
    for piece in &entry.pieces {
        let written =
            sparse::write(data.take(piece.length), &file, piece.offset).context("write the file")?;
        if written < piece.length {
            bail!("the archive has {written} bytes of {}", piece.length);
        }
    }
    file.set_len(entry.length).with_context(|| format!("give it its length of {} bytes", entry.length))?;
    Ok(file)
}

/// A device of an image would be one of this machine's. The container does not open it (its mounts are `nodev`); root
/// may unpack it all the same, and nobody else could.
fn check_device(kind: SFlag, device: dev_t) -> Result<()> {
    if kind == SFlag::S_IFIFO {
        return Ok(());
    }
    if kind == SFlag::S_IFCHR && device == 0 {
        bail!("it is the device 0:0, which overlayfs takes for a whiteout");
    }
    let map = fs::read_to_string("/proc/self/uid_map").context("read /proc/self/uid_map")?;
    if !geteuid().is_root() || map.split_whitespace().ne(["0", "0", "4294967295"]) {
        bail!("it is a device, which only the host's root can make");
    }
    Ok(())
}
