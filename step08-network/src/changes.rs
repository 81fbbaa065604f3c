//! What a container has made of its image: `docker diff`, and what `commit` puts into a new layer.

use crate::attributes;
use crate::sparse;
use crate::tree::{Node, Tree};
use anyhow::{Context, Result};
use nix::sys::stat::{FileStat, SFlag};
use std::collections::{BTreeMap, HashSet};
use std::fs::File;
use std::path::{Path, PathBuf};

/// What became of a path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum What {
    Added,
    Changed,
    Deleted,
}

/// A difference between two trees; the path is relative to the container's root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    pub what: What,
    pub path: PathBuf,
}

impl Tree {
    /// What is different from the tree `below`, sorted by the bytes of the path. Every directory above a difference
    /// counts as changed, the root excepted; of a deleted directory only the topmost path is there.
    pub fn changes_since(&self, below: &Tree) -> Result<Vec<Change>> {
        let mut found = BTreeMap::new();
        for (path, _) in self.iter().filter(|(path, _)| !path.as_os_str().is_empty()) {
            if below.stat(path).is_none() {
                found.insert(path.as_os_str(), What::Added);
            } else if self.differs(below, path).with_context(|| format!("compare {path:?}"))? {
                found.insert(path.as_os_str(), What::Changed);
            }
        }
        for (path, _) in below.iter().filter(|(path, _)| self.stat(path).is_none()) {
            // Where the directory has become something else, what was in it went with it.
            let above = path.parent().and_then(|above| self.stat(above));
            if above.is_some_and(|above| attributes::kind(above) == SFlag::S_IFDIR) {
                found.insert(path.as_os_str(), What::Deleted);
            }
        }
        // Where a file has got a new name, the layer has to have the old one with it: they would become two files.
        let linked = |path: &Path| self.stat(path).filter(|stat| stat.st_nlink > 1).map(inode);
        let inodes: HashSet<_> = found.keys().filter_map(|path| linked(Path::new(path))).collect();
        for (path, _) in self.iter().filter(|(path, _)| linked(path).is_some_and(|it| inodes.contains(&it))) {
            found.entry(path.as_os_str()).or_insert(What::Changed);
        }
        for path in found.keys().copied().collect::<Vec<_>>() {
            for above in Path::new(path).ancestors().skip(1).filter(|above| !above.as_os_str().is_empty()) {
                found.entry(above.as_os_str()).or_insert(What::Changed);
            }
        }
        Ok(found.into_iter().map(|(path, what)| Change { what, path: path.into() }).collect())
    }

    /// Whether what is at a path in both trees is not the same in both.
    fn differs(&self, below: &Tree, path: &Path) -> Result<bool> {
        let (Some(new), Some(old)) = (self.stat(path), below.stat(path)) else {
            return Ok(true);
        };
        if inode(new) == inode(old) {
            return Ok(false);
        }
        if summary(new) != summary(old) {
            return Ok(true);
        }
        match (self.node(path)?, below.node(path)?) {
            (Some(new), Some(old)) => {
                Ok(new.attributes()? != old.attributes()? || contents_differ(&new, &old)?)
            }
            _ => Ok(false),
        }
    }
}

/// What stat(2) tells that has to be the same. The sizes of directories are the filesystem's business.
fn summary(stat: &FileStat) -> impl PartialEq + use<> {
    let size = if attributes::kind(stat) == SFlag::S_IFDIR { 0 } else { stat.st_size };
    (stat.st_mode, stat.st_uid, stat.st_gid, stat.st_rdev, size, stat.st_mtime, stat.st_mtime_nsec)
}

fn inode(stat: &FileStat) -> (u64, u64) {
    (stat.st_dev, stat.st_ino)
}

fn contents_differ(new: &Node, old: &Node) -> Result<bool> {
    match new.kind() {
        SFlag::S_IFREG => bytes_differ(&mut new.read()?, &mut old.read()?),
        SFlag::S_IFLNK => Ok(new.target()? != old.target()?),
        _ => Ok(false),
    }
}

fn bytes_differ(new: &mut File, old: &mut File) -> Result<bool> {
    let (mut one, mut other) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let length = sparse::fill(new, &mut one).context("read it")?;
        let other_length = sparse::fill(old, &mut other).context("read it")?;
        if one[..length] != other[..other_length] {
            return Ok(true);
        }
        if length < one.len() {
            return Ok(false);
        }
    }
}

#[cfg(test)]
mod tests;
