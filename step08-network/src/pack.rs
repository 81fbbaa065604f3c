//! Packing: a tree, or what has changed in it, as a tar archive. The same files always make the same bytes, so that a
//! layer made twice has one digest.

use crate::attributes::Attributes;
use crate::changes::{Change, What};
use crate::pax::{self, Records};
use crate::tree::{Node, Tree};
use crate::whiteouts::PREFIX;
use anyhow::{Context, Result, bail};
use nix::libc::dev_t;
use nix::sys::stat::{SFlag, major, minor};
use std::collections::{BTreeMap, HashMap};
use std::ffi::OsStr;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use tar::{EntryType, Header};

const BLOCK: usize = 512;

/// Writes an archive of all of a tree: `docker export`.
pub fn everything(tree: &Tree, to: impl Write) -> Result<()> {
    let mut archive = Packer::new(to);
    for (path, _) in tree.iter() {
        archive.add(tree, path).with_context(|| format!("pack {path:?}"))?;
    }
    archive.finish()
}

/// Writes the archive of a layer: what was added and changed as it is, what was deleted as whiteouts. The root
/// directory is always in it: a union has the owner and mode of its top layer's.
pub fn changes(tree: &Tree, changes: &[Change], to: impl Write) -> Result<()> {
    let mut archive = Packer::new(to);
    archive.add(tree, Path::new("")).context("pack the root directory")?;
    for Change { what, path } in changes {
        match what {
            What::Added | What::Changed if is_whiteout(path) => {
                bail!("pack {path:?}: in a layer's archive a name with {PREFIX:?} before it stands for a deleted file")
            }
            What::Added | What::Changed => archive.add(tree, path),
            What::Deleted => archive.white_out(path),
        }
        .with_context(|| format!("pack {path:?}"))?;
    }
    archive.finish()
}

fn is_whiteout(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.as_bytes().starts_with(PREFIX.as_bytes()))
}

struct Packer<W> {
    to: W,
    /// Files with several names, by device and inode, and the name that was packed first.
    links: HashMap<(u64, u64), PathBuf>,
}

/// What a header holds beside a name and attributes.
struct Body<'a> {
    kind: EntryType,
    length: u64,
    link: &'a OsStr,
    device: dev_t,
}

impl<W: Write> Packer<W> {
    fn new(to: W) -> Packer<W> {
        Packer { to, links: HashMap::new() }
    }

    fn add(&mut self, tree: &Tree, path: &Path) -> Result<()> {
        let Some(node) = tree.node(path)? else {
            return Ok(());
        };
        let attributes = node.attributes()?;
        let inode = (node.stat.st_dev, node.stat.st_ino);
        let mut body = Body { kind: EntryType::Regular, length: 0, link: OsStr::new(""), device: 0 };
        if let Some(first) = self.links.get(&inode) {
            let first = first.clone();
            body = Body { kind: EntryType::Link, link: first.as_os_str(), ..body };
            return self.header(path.as_os_str(), &attributes, &body);
        }
        match node.kind() {
            SFlag::S_IFREG => self.file(path, &attributes, &node)?,
            SFlag::S_IFDIR => {
                let name = if path.as_os_str().is_empty() { Path::new(".") } else { path };
                let mut name = name.as_os_str().to_owned();
                name.push("/");
                self.header(&name, &attributes, &Body { kind: EntryType::Directory, ..body })?;
            }
            SFlag::S_IFLNK => {
                let link = node.target()?;
                let body = Body { kind: EntryType::Symlink, link: &link, ..body };
                self.header(path.as_os_str(), &attributes, &body)?;
            }
            kind => {
                let kind = match kind {
                    SFlag::S_IFCHR => EntryType::Char,
                    SFlag::S_IFBLK => EntryType::Block,
                    SFlag::S_IFIFO => EntryType::Fifo,
                    // A socket has come to be here since the tree was read.
                    _ => return Ok(()),
                };
                let body = Body { kind, device: node.stat.st_rdev, ..body };
                self.header(path.as_os_str(), &attributes, &body)?;
            }
        }
        if node.stat.st_nlink > 1 && node.kind() != SFlag::S_IFDIR {
            self.links.insert(inode, path.to_owned());
        }
        Ok(())
    }

    /// Packs a regular file as long as it was when it was opened. What is written to it meanwhile is not waited for;
    /// one that becomes shorter is an error, since zeros in its place would be taken for its content.
    fn file(&mut self, path: &Path, attributes: &Attributes, node: &Node) -> Result<()> {
        let file = node.read()?;
        let length = file.metadata().context("look at it")?.len();
        let body = Body { kind: EntryType::Regular, length, link: OsStr::new(""), device: 0 };
        self.header(path.as_os_str(), attributes, &body)?;
        let copied = io::copy(&mut file.take(length), &mut self.to).context("copy it")?;
        if copied < length {
            bail!("it became shorter while it was read");
        }
        self.pad(length)
    }

    fn white_out(&mut self, path: &Path) -> Result<()> {
        let mut name = OsStr::new(PREFIX).to_owned();
        name.push(path.file_name().unwrap_or_default());
        let attributes = Attributes {
            user: 0,
            group: 0,
            mode: 0,
            modified: nix::sys::time::TimeSpec::new(0, 0),
            extended: BTreeMap::new(),
        };
        let body = Body { kind: EntryType::Regular, length: 0, link: OsStr::new(""), device: 0 };
        self.header(path.with_file_name(name).as_os_str(), &attributes, &body)
    }

    /// Writes a header, and before it an extended one for what does not fit.
    fn header(&mut self, name: &OsStr, attributes: &Attributes, body: &Body) -> Result<()> {
        let mut header = Header::new_ustar();
        let mut records = Records::new();
        let old = header.as_old_mut();
        put_text(&mut old.name, name, "path", &mut records);
        put_text(&mut old.linkname, body.link, "linkpath", &mut records);
        match u64::try_from(attributes.modified.tv_sec()) {
            Ok(seconds) if attributes.modified.tv_nsec() == 0 => header.set_mtime(seconds),
            seconds => {
                header.set_mtime(seconds.unwrap_or(0));
                records.insert(b"mtime".to_vec(), pax::format_time(attributes.modified).into_bytes());
            }
        }
        for (name, value) in &attributes.extended {
            records.insert([pax::ATTRIBUTE, name.as_bytes()].concat(), value.clone());
        }
        header.set_mode(attributes.mode);
        // Numbers too large for octal digits are written in binary, as GNU tar does and all readers understand.
        header.set_uid(attributes.user.into());
        header.set_gid(attributes.group.into());
        header.set_size(body.length);
        header.set_entry_type(body.kind);
        header.set_device_major(u32::try_from(major(body.device))?)?;
        header.set_device_minor(u32::try_from(minor(body.device))?)?;
        if !records.is_empty() {
            self.extension(&pax::format(&records))?;
        }
        header.set_cksum();
        self.to.write_all(header.as_bytes()).context("write the archive")
    }

    fn extension(&mut self, records: &[u8]) -> Result<()> {
        let mut header = Header::new_ustar();
        put_text(&mut header.as_old_mut().name, OsStr::new("PaxHeaders"), "path", &mut Records::new());
        header.set_mode(0o644);
        header.set_uid(0);
        header.set_gid(0);
        header.set_mtime(0);
        header.set_size(records.len() as u64);
        header.set_entry_type(EntryType::XHeader);
        header.set_cksum();
        self.to.write_all(header.as_bytes()).context("write the archive")?;
        self.to.write_all(records).context("write the archive")?;
        self.pad(records.len() as u64)
    }

    /// Fills the last block.
    fn pad(&mut self, length: u64) -> Result<()> {
        let rest = length.wrapping_neg() % BLOCK as u64;
        self.to.write_all(&[0; BLOCK][..rest as usize]).context("write the archive")
    }

    /// Two blocks of zeros are the end.
    fn finish(mut self) -> Result<()> {
        self.to.write_all(&[0; 2 * BLOCK]).and_then(|()| self.to.flush()).context("write the archive")
    }
}

/// Puts a text into its field, and if it is too long for it into a record.
fn put_text(field: &mut [u8; 100], text: &OsStr, key: &str, records: &mut Records) {
    let text = text.as_bytes();
    let fitting = text.len().min(field.len());
    field[..fitting].copy_from_slice(&text[..fitting]);
    if fitting < text.len() {
        records.insert(key.as_bytes().to_vec(), text.to_vec());
    }
}

#[cfg(test)]
mod tests;
