//! Copying a tree, for the storage driver that has no union: a real file for each, sharing its blocks with the
//! original where the filesystem can do that.

use crate::attributes::{self, Lost};
use crate::tree::{Node, Tree};
use crate::{beneath, sparse};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::sys::stat::{Mode, SFlag, mkdirat, mknodat};
use nix::unistd::{LinkatFlags, linkat, symlinkat};
use std::collections::HashMap;
use std::fs::File;
use std::os::fd::AsRawFd;
use std::path::{Path, PathBuf};

/// Copies all of a tree into an empty directory.
pub fn copy(tree: &Tree, into: &Path) -> Result<()> {
    let root = beneath::open_layer(into).with_context(|| format!("open {}", into.display()))?;
    let mut copy = Copy { root, links: HashMap::new(), lost: Lost::default() };
    for (path, _) in tree.iter() {
        if let Some(node) = tree.node(path)? {
            copy.add(path, &node).with_context(|| format!("copy {path:?}"))?;
        }
    }
    // What was made in a directory has changed its time.
    for (path, stat) in tree.iter().filter(|(_, stat)| attributes::kind(stat) == SFlag::S_IFDIR) {
        let directory = beneath::open(&copy.root, path, beneath::DIRECTORY);
        let directory = directory.with_context(|| format!("open the copy of {path:?}"))?;
        attributes::set_time(&directory, attributes::time(stat)).with_context(|| format!("copy {path:?}"))?;
    }
    copy.lost.tell();
    Ok(())
}

struct Copy {
    root: File,
    /// Files with several names, by device and inode, and the name that was copied first.
    links: HashMap<(u64, u64), PathBuf>,
    lost: Lost,
}

impl Copy {
    fn add(&mut self, path: &Path, node: &Node) -> Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            self.lost += node.attributes()?.put_on(&self.root, SFlag::S_IFDIR)?;
            return Ok(());
        };
        let parent =
            beneath::open(&self.root, parent, beneath::DIRECTORY).context("open its directory's copy")?;
        let inode = (node.stat.st_dev, node.stat.st_ino);
        if let Some(first) = self.links.get(&inode) {
            return linkat(&self.root, first, &parent, name, LinkatFlags::empty()).context("link it");
        }
        match node.kind() {
            SFlag::S_IFDIR => mkdirat(&parent, name, Mode::from_bits_truncate(0o700)),
            SFlag::S_IFLNK => symlinkat(node.target()?.as_os_str(), &parent, name),
            SFlag::S_IFREG => mknodat(&parent, name, SFlag::S_IFREG, Mode::from_bits_truncate(0o600), 0),
            kind => mknodat(&parent, name, kind, Mode::empty(), node.stat.st_rdev),
        }
        .context("make it")?;
        if node.kind() == SFlag::S_IFREG {
            let flags = OFlag::O_WRONLY | OFlag::O_NOFOLLOW | OFlag::O_CLOEXEC;
            let file = openat(&parent, name, flags, Mode::empty()).context("open the copy")?;
            copy_data(&node.read()?, &file.into())?;
        }
        let made = beneath::open(&parent, Path::new(name), beneath::NODE).context("open the copy")?;
        self.lost += node.attributes()?.put_on(&made, node.kind())?;
        if node.stat.st_nlink > 1 && node.kind() != SFlag::S_IFDIR {
            self.links.insert(inode, path.to_owned());
        }
        Ok(())
    }
}

/// Shares a file's blocks until one side is written to (ioctl_ficlone(2): btrfs, xfs, bcachefs), or else copies them.
fn copy_data(from: &File, to: &File) -> Result<()> {
    // SAFETY: the call takes two descriptors, which are both open.
    let shared = Errno::result(unsafe { libc::ioctl(to.as_raw_fd(), libc::FICLONE, from.as_raw_fd()) });
    if shared.is_ok() {
        return Ok(());
    }
    let length = sparse::write(from, to, 0).context("copy its data")?;
    to.set_len(length).context("give the copy its length")
}
