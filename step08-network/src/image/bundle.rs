//! What `docker save` and OCI tools write: images in a tar archive or a folder, read by the names of its entries.
//!
//! Nothing of it is unpacked. An archive is gone through once for the places of its entries; what comes as a stream is
//! written down on the way, for it cannot be read at two places.

use super::compression;
use super::copying::Copying;
use super::digest::Digest;
use super::progress::{self, Progress, STDIN};
use super::section::Section;
use crate::archive::Archive;
use crate::beneath;
use crate::header::{Kind, Piece};
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Component, Path, PathBuf};

/// How many links one name may lead through.
const MOST_LINKS: usize = 8;

/// Where a blob is by the OCI image layout, and by `docker save` since it writes one.
pub const BLOBS: &str = "blobs/sha256/";

pub enum Bundle {
    Folder(File),
    Archive { file: File, entries: BTreeMap<PathBuf, Place> },
}

/// Where an archive has an entry's content, or the name that a link leads to.
pub enum Place {
    Content { offset: u64, size: u64 },
    Link(PathBuf),
}

impl Bundle {
    /// Opens an archive, plain or compressed, or a folder; `-` is standard input. The draft is a directory for what has to
    /// be written down.
    pub fn open(source: &Path, draft: &Path) -> Result<Bundle> {
        let (input, size) = progress::open(source)?;
        if input.metadata().context("look at it")?.is_dir() {
            return Ok(Bundle::Folder(input));
        }
        let progress = Progress::new(size)?;
        let mut content = compression::decompress(progress.of(&input))?;
        if source != Path::new(STDIN) && size.is_some() && !compression::is_gzip(&input)? {
            let entries = index(content)?;
            return Ok(Bundle::Archive { file: input, entries });
        }
        let mut copying = Copying::new(&mut content, &draft.join("archive"))?;
        let entries = index(&mut copying)?;
        Ok(Bundle::Archive { file: copying.finish()?, entries })
    }

    /// Opens an entry, if there is one of this name, to read so many bytes.
    pub fn find(&self, name: &str) -> Result<Option<Section>> {
        let path = normal(Path::new(name)).with_context(|| format!("{name:?} leads out of it"))?;
        match self {
            Bundle::Folder(folder) => {
                // A FIFO would make open(2) wait for a writer.
                let file = match beneath::open(folder, &path, OFlag::O_RDONLY | OFlag::O_NONBLOCK) {
                    Err(Errno::ENOENT | Errno::ENOTDIR) => return Ok(None),
                    Err(Errno::ELOOP) => bail!("{name:?}: a symlink, which is not followed in a folder"),
                    result => result.with_context(|| format!("open {name:?}"))?,
                };
                let about = file.metadata().with_context(|| format!("look at {name:?}"))?;
                ensure!(about.is_file(), "{name:?}: not a file");
                Ok(Some(Section::new(file, 0, about.len())))
            }
            Bundle::Archive { file, entries } => {
                let Some((offset, size)) = look_up(entries, &path)? else { return Ok(None) };
                let file = file.try_clone().context("duplicate the archive's descriptor")?;
                Ok(Some(Section::new(file, offset, size)))
            }
        }
    }

    /// Opens an entry that has to be there.
    pub fn need(&self, name: &str) -> Result<Section> {
        self.find(name)?.with_context(|| format!("{name:?} is missing in it"))
    }

    /// Reads a document that has to be there, of a digest and, where it is known, of a size.
    pub fn document(&self, name: &str, digest: Option<&Digest>, size: Option<u64>) -> Result<Vec<u8>> {
        let section = self.need(name)?;
        section
            .check_size(size)
            .and_then(|()| section.document())
            .and_then(|document| {
                let found = Digest::of(&document);
                match digest {
                    Some(wanted) if found != *wanted => {
                        bail!("its digest is {found}, and should be {wanted}")
                    }
                    _ => Ok(document),
                }
            })
            .with_context(|| format!("{name:?}"))
    }
}

/// The places of an archive's entries.
fn index(content: impl Read) -> Result<BTreeMap<PathBuf, Place>> {
    let position = Cell::new(0);
    let mut archive = Archive::new(Counting { inner: content, position: &position });
    let mut entries = BTreeMap::new();
    while let Some(entry) = archive.next()? {
        let named = || format!("entry {:?} leads out of it", entry.path);
        let path = normal(Path::new(&entry.path)).with_context(named)?;
        let place = match &entry.kind {
            Kind::File => match &entry.pieces[..] {
                [Piece { offset: 0, length }] if *length == entry.length => {
                    Place::Content { offset: position.get(), size: *length }
                }
                _ => bail!("entry {:?}: a file with holes cannot be read here", entry.path),
            },
            Kind::Symlink(target) => {
                let target = path.parent().unwrap_or(Path::new("")).join(target);
                Place::Link(normal(&target).with_context(named)?)
            }
            Kind::HardLink(target) => Place::Link(normal(Path::new(target)).with_context(named)?),
            Kind::Directory | Kind::Special(..) => continue,
        };
        entries.insert(path, place);
    }
    Ok(entries)
}

/// The entry that a name leads to; `docker save` once wrote a layer that two images share once, and a symlink to it.
fn look_up(entries: &BTreeMap<PathBuf, Place>, name: &Path) -> Result<Option<(u64, u64)>> {
    let mut path = name;
    for _ in 0..MOST_LINKS {
        match entries.get(path) {
            None => return Ok(None),
            Some(Place::Content { offset, size }) => return Ok(Some((*offset, *size))),
            Some(Place::Link(target)) => path = target,
        }
    }
    bail!("{name:?}: a link that leads through too many others");
}

/// A path without `.` and `..`, worked out by its text alone; none when it leads out of where it starts.
fn normal(path: &Path) -> Option<PathBuf> {
    let mut normal = PathBuf::new();
    for component in path.components() {
        match component {
            Component::Normal(name) => normal.push(name),
            Component::CurDir => {}
            Component::ParentDir if normal.pop() => {}
            Component::ParentDir | Component::RootDir | Component::Prefix(_) => return None,
        }
    }
    Some(normal)
}

/// A reader that tells how far it has come.
struct Counting<'a, R> {
    inner: R,
    position: &'a Cell<u64>,
}

impl<R: Read> Read for Counting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.inner.read(buffer)?;
        self.position.set(self.position.get() + count as u64);
        Ok(count)
    }
}
