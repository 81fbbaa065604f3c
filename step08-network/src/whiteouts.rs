//! Whiteouts: how a layer says that something of the layers below it is not there any more.
//!
//! The archive of a layer says it as AUFS did: an empty file `.wh.NAME`, and `.wh..wh..opq` in a directory that hides all
//! that is below it (OCI image specification, "Image Layer Filesystem Changeset"). Overlayfs has signs of its own
//! (Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories").

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, fstatat, mknodat};
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use xattr::FileExt;

/// What AUFS's names for whiteouts start with.
pub const PREFIX: &str = ".wh.";

/// AUFS's name for "nothing of the layers below".
pub const OPAQUE: &str = ".wh..wh..opq";

/// Overlayfs's attribute for the same, where it was mounted with `userxattr`. An ordinary user may set this one, and not
/// `trusted.overlay.opaque`; root has the same, so that there is one way.
const OPAQUE_ATTRIBUTE: &str = "user.overlay.opaque";

/// Whose signs a layer on disk has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Form {
    Overlay,
    Aufs,
}

/// What an entry of a layer's directory is, when it is no file of the image.
pub enum Mark<'a> {
    /// Hides this name of the layers below.
    Whiteout(&'a OsStr),
    /// AUFS's own records.
    Record,
}

impl Form {
    /// The name of the store's directory for layers of this form.
    pub fn name(self) -> &'static str {
        match self {
            Form::Overlay => "overlay",
            Form::Aufs => "aufs",
        }
    }

    /// Hides a name that layers below may have in a directory.
    pub fn white_out(self, directory: &File, name: &OsStr) -> Result<()> {
        let (name, kind, mode) = match self {
            // A character device with the number 0:0, the one device that mknod(2) lets everybody make.
            Form::Overlay => (name.to_owned(), SFlag::S_IFCHR, Mode::empty()),
            Form::Aufs => {
                let mut marked = OsString::from(PREFIX);
                marked.push(name);
                (marked, SFlag::S_IFREG, Mode::from_bits_truncate(0o444))
            }
        };
        mknodat(directory, name.as_os_str(), kind, mode, 0)
            .with_context(|| format!("make the whiteout of {name:?}"))
    }

    /// Hides everything that layers below may have in a directory.
    pub fn make_opaque(self, directory: &File) -> Result<()> {
        match self {
            Form::Overlay => directory.set_xattr(OPAQUE_ATTRIBUTE, b"y").with_context(|| {
                format!(
                    "set {OPAQUE_ATTRIBUTE} (the data directory's filesystem has to have user attributes)"
                )
            }),
            Form::Aufs => mknodat(directory, OPAQUE, SFlag::S_IFREG, Mode::from_bits_truncate(0o444), 0)
                .context("make an opaque directory"),
        }
    }

    /// What an entry of a layer's directory stands for, if not for itself.
    pub fn mark<'a>(self, name: &'a OsStr, stat: &FileStat) -> Option<Mark<'a>> {
        match self {
            Form::Overlay => is_whiteout_device(stat).then_some(Mark::Whiteout(name)),
            Form::Aufs => {
                let marked = name.as_bytes().strip_prefix(PREFIX.as_bytes())?;
                let record = marked.starts_with(PREFIX.as_bytes());
                Some(if record { Mark::Record } else { Mark::Whiteout(OsStr::from_bytes(marked)) })
            }
        }
    }

    /// Whether a directory of a layer hides what is below it.
    pub fn is_opaque(self, directory: &File) -> Result<bool> {
        match self {
            Form::Overlay => match directory.get_xattr(OPAQUE_ATTRIBUTE) {
                // Where there are no such attributes, nothing has been marked with one.
                Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => Ok(false),
                result => {
                    Ok(result.with_context(|| format!("read {OPAQUE_ATTRIBUTE}"))?.as_deref() == Some(b"y"))
                }
            },
            Form::Aufs => match fstatat(directory, OPAQUE, AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => Ok(false),
                result => result.map(|_| true).context("look for an opaque directory's mark"),
            },
        }
    }
}

/// Whether this is overlayfs's whiteout, as mknod(2) makes it.
pub fn is_whiteout_device(stat: &FileStat) -> bool {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT == SFlag::S_IFCHR && stat.st_rdev == 0
}
