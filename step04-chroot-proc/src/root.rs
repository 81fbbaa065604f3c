//! A directory that is, or will be, a container's `/`. Every path in it is looked up as the container would, with
//! openat2(2): a symlink of the image cannot lead out of it.

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, open, openat2};
use nix::sys::stat::{Mode, SFlag, fstat, mkdirat};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

pub struct Root<D: AsFd>(pub D);

/// Opens an image to look things up in.
pub fn open_image(image: &Path) -> Result<Root<OwnedFd>> {
    let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
    let root =
        open(image, flags, Mode::empty()).with_context(|| format!("open the image {}", image.display()))?;
    Ok(Root(root))
}

/// What a mount point has to be.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    Directory,
    File,
}

impl<D: AsFd> Root<D> {
    /// Opens a place to mount on, without following any symlink: an image whose /proc is one would otherwise have its
    /// way with where /proc is mounted. A directory that is missing in `/` is made.
    pub fn mount_point(&self, path: &str) -> Result<OwnedFd> {
        match self.look_up(path) {
            Err(Errno::ENOENT) => {
                let made = mkdirat(self.0.as_fd(), path, Mode::from_bits_truncate(0o755));
                made.with_context(|| format!("make /{path} in the image"))?;
            }
            Err(Errno::ELOOP) => bail!("/{path} of the image is a symlink, and must be a directory"),
            Err(error) => return Err(error).with_context(|| format!("open /{path} in the image")),
            Ok((place, Kind::Directory)) => return Ok(place),
            Ok((_, Kind::File)) => bail!("/{path} of the image is a file, and must be a directory"),
        }
        let (place, _) = self.look_up(path).with_context(|| format!("open /{path} in the image"))?;
        Ok(place)
    }

    /// Opens what is at a path, whatever it is, and tells what it is.
    pub fn look_up(&self, path: &str) -> nix::Result<(OwnedFd, Kind)> {
        let place = self.open(path, OFlag::O_PATH, ResolveFlag::RESOLVE_NO_SYMLINKS)?;
        let kind = SFlag::from_bits_truncate(fstat(&place)?.st_mode) & SFlag::S_IFMT;
        Ok((place, if kind == SFlag::S_IFDIR { Kind::Directory } else { Kind::File }))
    }

    /// Reads a text file of the image; nothing where it has none. What is not a regular file counts as none: opening a
    /// FIFO or a device would be a trap.
    pub fn read(&self, path: &str) -> Result<String> {
        const MOST: u64 = 1 << 20;
        let file =
            match self.open(path, OFlag::O_RDONLY | OFlag::O_NONBLOCK, ResolveFlag::RESOLVE_NO_MAGICLINKS) {
                Err(Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP) => return Ok(String::new()),
                result => File::from(result.with_context(|| format!("open /{path} in the image"))?),
            };
        let mut text = Vec::new();
        if file.metadata()?.is_file() {
            file.take(MOST).read_to_end(&mut text).with_context(|| format!("read /{path} in the image"))?;
        }
        Ok(String::from_utf8_lossy(&text).into_owned())
    }

    /// Opens a path below it.
    pub fn open(&self, path: &str, flags: OFlag, resolve: ResolveFlag) -> nix::Result<OwnedFd> {
        let how =
            OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(resolve | ResolveFlag::RESOLVE_IN_ROOT);
        // Something was renamed or mounted, anywhere on the machine, while a `..` was followed: the kernel could not tell
        // whether that had led out of the root, and asks for another attempt.
        const TRIES: u32 = 1000;
        for _ in 0..TRIES {
            match openat2(self.0.as_fd(), path, how) {
                Err(Errno::EAGAIN) => {}
                result => return result,
            }
        }
        Err(Errno::EAGAIN)
    }
}

impl<D: AsFd> AsFd for Root<D> {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
