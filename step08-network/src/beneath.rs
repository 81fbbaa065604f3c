//! Opening what is in a layer, by descriptor. A layer's files are anybody's: a symlink among them must not lead out
//! of it.

use nix::errno::Errno;
use nix::fcntl::{OFlag, OpenHow, ResolveFlag, openat2};
use std::fs::File;
use std::os::fd::{AsFd, AsRawFd};
use std::path::{Path, PathBuf};

/// A directory, to list it and to make things in it.
pub const DIRECTORY: OFlag = OFlag::O_RDONLY.union(OFlag::O_DIRECTORY);

/// Whatever it is, a symlink too: the descriptor stands for it, and nothing of it can be read.
pub const NODE: OFlag = OFlag::O_PATH.union(OFlag::O_NOFOLLOW);

/// Opens a path below a directory. No symlink is followed on the way: it fails with ELOOP (openat2(2)).
pub fn open(directory: &File, path: &Path, flags: OFlag) -> nix::Result<File> {
    let path = if path.as_os_str().is_empty() { Path::new(".") } else { path };
    let rules =
        ResolveFlag::RESOLVE_BENEATH | ResolveFlag::RESOLVE_NO_SYMLINKS | ResolveFlag::RESOLVE_NO_MAGICLINKS;
    let how = OpenHow::new().flags(flags | OFlag::O_CLOEXEC).resolve(rules);
    openat2(directory, path, how).map(File::from)
}

/// Opens a layer itself, for paths to be opened below it. How to get there is the store's business: links are
/// followed.
pub fn open_layer(layer: &Path) -> nix::Result<File> {
    nix::fcntl::open(layer, DIRECTORY | OFlag::O_CLOEXEC, nix::sys::stat::Mode::empty()).map(File::from)
}

/// A path that leads to what is open already, for the calls that take no descriptor of a symlink, a FIFO or a device
/// (proc(5), "/proc/pid/fd/").
pub fn path_of(node: &impl AsFd) -> PathBuf {
    PathBuf::from(format!("/proc/self/fd/{}", node.as_fd().as_raw_fd()))
}

/// Whether an error says that the path leads to nothing (any more), as in a container that runs on while it is read.
pub fn is_gone(error: Errno) -> bool {
    matches!(error, Errno::ENOENT | Errno::ENOTDIR | Errno::ELOOP)
}
