//! What a container sees in its layers, worked out from their directories without a mount: an ordinary user's overlay
//! could be mounted in the container's namespaces only, and vfs has none.

use crate::attributes::{self, Attributes};
use crate::beneath;
use crate::whiteouts::{Form, Mark};
use anyhow::{Context, Result, bail};
use nix::dir::Dir;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, SFlag, fstat, fstatat};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::rc::Rc;

/// The paths that a container sees, in the order of their bytes, each with the layer that has it. Paths are relative
/// to the container's root, which is the empty one. Sockets are left out: an archive cannot hold them.
///
/// The writable layer may change while it is read: a node that is gone when it is its turn is passed over.
#[derive(Clone, Default)]
pub struct Tree(BTreeMap<OsString, Place>);

#[derive(Clone)]
struct Place {
    layer: Rc<File>,
    stat: FileStat,
}

/// A node of a tree, open, as [`beneath::NODE`] is.
pub struct Node {
    pub file: File,
    pub stat: FileStat,
}

impl Tree {
    /// Merges layers' directories, given from the top one down.
    pub fn merge(stack: &[PathBuf], form: Form) -> Result<Tree> {
        let mut tree = Tree::default();
        for layer in stack.iter().rev() {
            tree.cover(layer, form)?;
        }
        Ok(tree)
    }

    /// Puts one more layer on top.
    pub fn cover(&mut self, layer: &Path, form: Form) -> Result<()> {
        let name = || format!("read the layer {}", layer.display());
        let layer = Rc::new(beneath::open_layer(layer).with_context(name)?);
        let mut waiting = vec![PathBuf::new()];
        while let Some(path) = waiting.pop() {
            match beneath::open(&layer, &path, beneath::DIRECTORY) {
                Err(error) if beneath::is_gone(error) => {}
                result => {
                    let directory = result.with_context(|| format!("open {path:?}")).with_context(name)?;
                    waiting.append(
                        &mut self.cover_directory(&layer, &directory, &path, form).with_context(name)?,
                    );
                }
            }
        }
        Ok(())
    }

    /// Takes a directory of a layer in, and returns the directories that it has.
    fn cover_directory(
        &mut self,
        layer: &Rc<File>,
        directory: &File,
        path: &Path,
        form: Form,
    ) -> Result<Vec<PathBuf>> {
        let failed = || format!("look at {path:?}");
        let mut directories = Vec::new();
        self.put(path, layer, fstat(directory).with_context(failed)?);
        if form.is_opaque(directory).with_context(failed)? {
            self.remove_below(path);
        }
        for name in names(directory).with_context(failed)? {
            let stat = match fstatat(directory, name.as_os_str(), AtFlags::AT_SYMLINK_NOFOLLOW) {
                Err(Errno::ENOENT) => continue,
                result => result.with_context(|| format!("look at {:?}", path.join(&name)))?,
            };
            match form.mark(&name, &stat) {
                Some(Mark::Whiteout(hidden)) => self.remove(&path.join(hidden)),
                Some(Mark::Record) => {}
                None if attributes::kind(&stat) == SFlag::S_IFDIR => directories.push(path.join(name)),
                None => {
                    self.remove(&path.join(&name));
                    if attributes::kind(&stat) != SFlag::S_IFSOCK {
                        self.put(&path.join(name), layer, stat);
                    }
                }
            }
        }
        Ok(directories)
    }

    fn put(&mut self, path: &Path, layer: &Rc<File>, stat: FileStat) {
        self.0.insert(path.as_os_str().to_owned(), Place { layer: Rc::clone(layer), stat });
    }

    fn remove(&mut self, path: &Path) {
        if self
            .0
            .remove(path.as_os_str())
            .is_some_and(|place| attributes::kind(&place.stat) == SFlag::S_IFDIR)
        {
            self.remove_below(path);
        }
    }

    fn remove_below(&mut self, path: &Path) {
        // In the order of bytes all that is below a path stands together, after the path and a slash.
        let mut start = path.as_os_str().to_owned();
        if !start.is_empty() {
            start.push("/");
        }
        let below = self
            .0
            .range::<OsStr, _>((std::ops::Bound::Excluded(start.as_os_str()), std::ops::Bound::Unbounded));
        let below =
            below.map(|(path, _)| path).take_while(|path| path.as_bytes().starts_with(start.as_bytes()));
        for path in below.cloned().collect::<Vec<_>>() {
            self.0.remove(&path);
        }
    }

    /// All paths, with what was found there when the tree was read.
    pub fn iter(&self) -> impl Iterator<Item = (&Path, &FileStat)> {
        self.0.iter().map(|(path, place)| (Path::new(path), &place.stat))
    }

    /// What was found at a path when the tree was read.
    pub fn stat(&self, path: &Path) -> Option<&FileStat> {
        self.0.get(path.as_os_str()).map(|place| &place.stat)
    }

    /// Opens what is at a path, whatever it is.
    pub fn node(&self, path: &Path) -> Result<Option<Node>> {
        let Some(place) = self.0.get(path.as_os_str()) else {
            return Ok(None);
        };
        match beneath::open(&place.layer, path, beneath::NODE) {
            Err(error) if beneath::is_gone(error) => Ok(None),
            result => {
                let file = result.with_context(|| format!("open {path:?}"))?;
                let stat = fstat(&file).with_context(|| format!("look at {path:?}"))?;
                Ok(Some(Node { file, stat }))
            }
        }
    }
}

impl Node {
    pub fn kind(&self) -> SFlag {
        attributes::kind(&self.stat)
    }

    pub fn attributes(&self) -> Result<Attributes> {
        Attributes::read(&self.file, &self.stat)
    }

    /// Opens a regular file for reading. What is open stays the same whatever its path leads to by now.
    pub fn read(&self) -> Result<File> {
        if self.kind() != SFlag::S_IFREG {
            bail!("it is not a regular file");
        }
        File::open(beneath::path_of(&self.file)).context("open it for reading")
    }

    /// Where a symlink leads to.
    pub fn target(&self) -> Result<OsString> {
        nix::fcntl::readlinkat(&self.file, "").context("read the symlink")
    }
}

fn names(directory: &File) -> Result<Vec<OsString>> {
    let mut names = Vec::new();
    for entry in Dir::from_fd(directory.try_clone()?.into())?.iter() {
        let entry = entry?;
        let name = OsStr::from_bytes(entry.file_name().to_bytes());
        if name != "." && name != ".." {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}
