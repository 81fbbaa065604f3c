//! Unpacking a layer: from an archive into a directory, in the form that the storage driver reads.
//!
//! An archive is anybody's. Whatever a name in it says, it is looked up below the layer's directory without following
//! any symlink, and the work is done by the descriptor of the directory that holds it.

mod names;
mod node;
mod room;

use crate::archive::Archive;
use crate::attributes::{self, Lost};
use crate::beneath;
use crate::header::{Entry, Kind};
use crate::whiteouts::Form;
use anyhow::{Context, Result, bail};
use names::Name;
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FileStat, Mode, SFlag, fchmod, fstatat, mkdirat};
use nix::sys::time::TimeSpec;
use nix::unistd::{LinkatFlags, UnlinkatFlags, linkat, unlinkat};
use room::Room;
use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

/// Unpacks the (uncompressed) archive of a layer into an empty directory. The archive is read to its end, so that a
/// digest that the reader makes on the way is one of all of it. What could not be kept of the files is the caller's
/// to tell.
pub fn unpack(archive: impl Read, into: &Path, form: Form) -> Result<Lost> {
    let root = beneath::open_layer(into).with_context(|| format!("open {}", into.display()))?;
    let mut layer = Layer {
        room: Room::of(&root)?,
        root,
        form,
        whiteouts: BTreeSet::new(),
        opaque: BTreeSet::new(),
        times: BTreeMap::new(),
        lost: Lost::default(),
    };
    let mut archive = Archive::new(archive);
    while let Some(entry) = archive.next()? {
        layer.add(&entry, &mut archive).with_context(|| format!("entry {:?}", entry.path))?;
    }
    layer.finish()?;
    Ok(layer.lost)
}

struct Layer {
    root: File,
    room: Room,
    form: Form,
    /// What the archive says of the layers below. It is put down at the end: a name may be whited out and be there
    /// again, in either order.
    whiteouts: BTreeSet<PathBuf>,
    opaque: BTreeSet<PathBuf>,
    /// Directories' times, which change while they are being filled.
    times: BTreeMap<PathBuf, TimeSpec>,
    lost: Lost,
}

impl Layer {
    fn add(&mut self, entry: &Entry, data: &mut impl Read) -> Result<()> {
        self.room.take(entry.pieces.iter().map(|piece| piece.length).sum())?;
        match names::read(&entry.path)? {
            Name::Record => {}
            Name::Whiteout(path) => _ = self.whiteouts.insert(path),
            Name::Opaque(path) => _ = self.opaque.insert(path),
            Name::File(path) => self.make(path, entry, data)?,
        }
        Ok(())
    }

    /// Makes what an entry describes; a later one takes the place of an earlier one.
    fn make(&mut self, path: PathBuf, entry: &Entry, data: &mut impl Read) -> Result<()> {
        let (Some(parent), Some(name)) = (path.parent(), path.file_name()) else {
            return self.dress_root(entry);
        };
        let parent = self.directory(parent)?;
        let (node, kind) = match &entry.kind {
            Kind::HardLink(target) => return self.link(&parent, &path, target),
            Kind::Directory => {
                self.make_directory(&parent, name)?;
                (beneath::open(&parent, Path::new(name), beneath::DIRECTORY)?, SFlag::S_IFDIR)
            }
            kind => {
                node::check(&path, kind)?;
                self.clear(&parent, &path)?;
                node::make(&parent, name, entry, data)?
            }
        };
        self.lost += entry.attributes.put_on(&node, kind)?;
        if kind == SFlag::S_IFDIR {
            self.times.insert(path, entry.attributes.modified);
        }
        Ok(())
    }

    /// The entry `./` is the layer's own directory, which is the container's `/`.
    fn dress_root(&mut self, entry: &Entry) -> Result<()> {
        if !matches!(entry.kind, Kind::Directory) {
            bail!("the root can be nothing but a directory");
        }
        self.lost += entry.attributes.put_on(&self.root, SFlag::S_IFDIR)?;
        self.times.insert(PathBuf::new(), entry.attributes.modified);
        Ok(())
    }

    /// Opens a directory of the layer. Those that the archive has not named (yet) are made.
    fn directory(&self, path: &Path) -> Result<File> {
        match (beneath::open(&self.root, path, beneath::DIRECTORY), path.parent(), path.file_name()) {
            (Err(Errno::ENOENT), Some(above), Some(name)) => {
                let above = self.directory(above)?;
                // The caller's umask has no say in it.
                mkdirat(&above, name, Mode::from_bits_truncate(0o700))
                    .and_then(|()| beneath::open(&above, Path::new(name), beneath::DIRECTORY))
                    .and_then(|made| fchmod(&made, Mode::from_bits_truncate(0o755)).map(|()| made))
                    .with_context(|| format!("make the directory {path:?} above it"))
            }
            (Err(Errno::ELOOP), ..) => bail!("{path:?} above it is a symlink, or leads through one"),
            (Err(Errno::ENOTDIR), ..) => bail!("{path:?} above it is not a directory"),
            (result, ..) => result.with_context(|| format!("open the directory {path:?} above it")),
        }
    }

    /// Makes a directory where none is: one that is there stays, with what is in it.
    fn make_directory(&mut self, parent: &File, name: &OsStr) -> Result<()> {
        let mode = Mode::from_bits_truncate(0o700);
        match mkdirat(parent, name, mode) {
            Err(Errno::EEXIST) => match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
                Err(Errno::EISDIR) => Ok(()),
                result => result.and_then(|()| mkdirat(parent, name, mode)).context("make the directory"),
            },
            result => result.context("make the directory"),
        }
    }

    /// Removes what an earlier entry has made at a path.
    fn clear(&mut self, parent: &File, path: &Path) -> Result<()> {
        let name = path.file_name().unwrap_or_default();
        match unlinkat(parent, name, UnlinkatFlags::NoRemoveDir) {
            Ok(()) | Err(Errno::ENOENT) => Ok(()),
            Err(Errno::EISDIR) => match unlinkat(parent, name, UnlinkatFlags::RemoveDir) {
                Err(Errno::ENOTEMPTY) => bail!("an earlier entry made it a directory with something in it"),
                result => {
                    self.times.remove(path);
                    result.context("remove the directory that an earlier entry made")
                }
            },
            result => result.context("remove what an earlier entry made"),
        }
    }

    /// Makes a hard link to what an earlier entry has made.
    fn link(&mut self, parent: &File, path: &Path, target: &OsStr) -> Result<()> {
        let from = names::normal(target).with_context(|| format!("its hard link's target {target:?}"))?;
        let (Some(directory), Some(name)) = (from.parent(), from.file_name()) else {
            bail!("it is a hard link to the root directory");
        };
        let found = beneath::open(&self.root, directory, beneath::DIRECTORY)
            .and_then(|directory| Ok((fstatat(&directory, name, AtFlags::AT_SYMLINK_NOFOLLOW)?, directory)));
        let (stat, directory) = match found {
            Err(Errno::ENOENT | Errno::ENOTDIR) => {
                bail!("it is a hard link to {target:?}, which is not there")
            }
            Err(Errno::ELOOP) => bail!("it is a hard link to {target:?}, which leads through a symlink"),
            result => result.with_context(|| format!("look at its hard link's target {target:?}"))?,
        };
        if is_directory(&stat) {
            bail!("it is a hard link to {target:?}, which is a directory");
        }
        if from == path {
            return Ok(());
        }
        self.clear(parent, path)?;
        let name = (name, path.file_name().unwrap_or_default());
        linkat(&directory, name.0, parent, name.1, LinkatFlags::empty())
            .with_context(|| format!("link it to {target:?}"))
    }

    fn finish(&mut self) -> Result<()> {
        for path in &self.opaque {
            self.directory(path).with_context(|| format!("the whiteout of all that is in {path:?}"))?;
        }
        // What is in a directory comes before the directory: with a whiteout in it, it is there.
        for path in std::mem::take(&mut self.whiteouts).into_iter().rev() {
            self.white_out(path.clone()).with_context(|| format!("the whiteout of {path:?}"))?;
        }
        for path in &self.opaque {
            let whole = || format!("the whiteout of all that is in {path:?}");
            self.directory(path).and_then(|it| self.form.make_opaque(&it)).with_context(whole)?;
        }
        for (path, time) in &self.times {
            let directory = beneath::open(&self.root, path, beneath::DIRECTORY);
            let directory = directory.with_context(|| format!("open the directory {path:?} again"))?;
            attributes::set_time(&directory, *time).with_context(|| format!("entry {path:?}"))?;
        }
        Ok(())
    }

    /// What this layer has itself is not hidden by its whiteout, but what layers below have in a directory of that
    /// name is.
    fn white_out(&mut self, path: PathBuf) -> Result<()> {
        let parent = self.directory(path.parent().unwrap_or(Path::new("")))?;
        let name = path.file_name().unwrap_or_default();
        match fstatat(&parent, name, AtFlags::AT_SYMLINK_NOFOLLOW) {
            Err(Errno::ENOENT) => self.form.white_out(&parent, name),
            Err(error) => Err(error).context("look for what has its name"),
            Ok(stat) => {
                if is_directory(&stat) {
                    self.opaque.insert(path);
                }
                Ok(())
            }
        }
    }
}

fn is_directory(stat: &FileStat) -> bool {
    attributes::kind(stat) == SFlag::S_IFDIR
}

#[cfg(test)]
mod refusals;
#[cfg(test)]
mod tests;
