//! What the header of a tar archive's entry says, with the extended headers before it: tar(5), pax(1).

use crate::attributes::{self, Attributes};
use crate::pax::{self, Records};
use anyhow::{Context, Result, bail};
use nix::libc::dev_t;
use nix::sys::stat::{SFlag, makedev};
use nix::sys::time::TimeSpec;
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::str;
use tar::Header;

pub struct Entry {
    /// As it is in the archive.
    pub path: OsString,
    pub kind: Kind,
    pub attributes: Attributes,
    /// A file's length; its data is [`Archive`]'s to read, and goes into these pieces.
    pub length: u64,
    pub pieces: Vec<Piece>,
}

pub enum Kind {
    File,
    Directory,
    Symlink(OsString),
    HardLink(OsString),
    /// A FIFO or a device.
    Special(SFlag, dev_t),
}

/// A range of a file that the archive has data for.
pub struct Piece {
    pub offset: u64,
    pub length: u64,
}

/// What stands before an entry and is about it.
#[derive(Default, PartialEq)]
pub struct Extensions {
    pub path: Option<Vec<u8>>,
    pub link: Option<Vec<u8>>,
    pub records: Records,
}

impl Extensions {
    pub fn path(&self, header: &Header) -> OsString {
        let path = self.path.clone().or_else(|| self.text("path"));
        OsString::from_vec(path.unwrap_or_else(|| header.path_bytes().into_owned()))
    }

    fn link(&self, header: &Header) -> OsString {
        let link = self.link.clone().or_else(|| self.text("linkpath"));
        OsString::from_vec(link.unwrap_or_else(|| until_zero(&header.as_old().linkname).to_vec()))
    }

    pub fn kind(&self, header: &Header, path: &OsStr) -> Result<Kind> {
        let link = || self.link(header);
        Ok(match header.as_old().linkflag[0] {
            // Before there was a type for directories, a slash told them.
            0 if path.as_bytes().ends_with(b"/") => Kind::Directory,
            0 | b'0' | b'7' | b'S' => Kind::File,
            b'1' => Kind::HardLink(link()),
            b'2' => Kind::Symlink(link()),
            b'3' => Kind::Special(SFlag::S_IFCHR, device(header)?),
            b'4' => Kind::Special(SFlag::S_IFBLK, device(header)?),
            b'5' => Kind::Directory,
            b'6' => Kind::Special(SFlag::S_IFIFO, 0),
            other => bail!("its type {:?} is unknown", char::from(other)),
        })
    }

    /// A record; an empty one stands for none.
    fn text(&self, key: &str) -> Option<Vec<u8>> {
        self.records.get(key.as_bytes()).filter(|value| !value.is_empty()).cloned()
    }

    /// A number, which a record may have if its field is too small for it.
    pub fn number(&self, key: &str, field: &[u8]) -> Result<u64> {
        let Some(text) = self.text(key) else {
            return number(field).with_context(|| format!("its {key} is no number"));
        };
        let number = str::from_utf8(&text).ok().and_then(|text| text.parse().ok());
        number.with_context(|| format!("its {key} is no number"))
    }

    pub fn attributes(&self, header: &Header) -> Result<Attributes> {
        let old = header.as_old();
        let id = |key, field: &[u8]| match u32::try_from(self.number(key, field)?) {
            // For chown(2) the last number is no id: it leaves the owner as it is.
            Ok(u32::MAX) | Err(_) => bail!("its {key} is too large"),
            Ok(id) => Ok(id),
        };
        let modified = match self.text("mtime") {
            Some(text) => pax::parse_time(&text).context("its mtime is no time")?,
            None => TimeSpec::new(number(&old.mtime).context("its mtime is no number")?.cast_signed(), 0),
        };
        let mut extended = BTreeMap::new();
        for (key, value) in &self.records {
            let Some(name) = key.strip_prefix(pax::ATTRIBUTE) else {
                continue;
            };
            let name = OsStr::from_bytes(name);
            if attributes::is_of_overlayfs(name) {
                bail!("its extended attribute {name:?} is one of overlayfs's own");
            }
            if attributes::is_of_the_image(name) {
                extended.insert(name.to_owned(), value.clone());
            }
        }
        let mode = number(&old.mode).context("its mode is no number")? & 0o7777;
        Ok(Attributes {
            user: id("uid", &old.uid)?,
            group: id("gid", &old.gid)?,
            mode: mode as u32,
            modified,
            extended,
        })
    }
}

/// Reads a field of octal digits, between spaces and zeros, or of GNU's binary numbers. An empty one is zero, as Go's
/// package and so Docker reads it.
pub fn number(field: &[u8]) -> Result<u64> {
    if field[0] & 0x80 != 0 {
        let low = field[1..].iter().rev().take(8).rev();
        return Ok(low.fold(0, |number, byte| number << 8 | u64::from(*byte)));
    }
    let digits = str::from_utf8(until_zero(field))?.trim();
    if digits.is_empty() { Ok(0) } else { Ok(u64::from_str_radix(digits, 8)?) }
}

fn device(header: &Header) -> Result<dev_t> {
    match (header.device_major()?, header.device_minor()?) {
        (Some(major), Some(minor)) => Ok(makedev(major.into(), minor.into())),
        _ => bail!("it is a device without a number"),
    }
}

pub fn until_zero(text: &[u8]) -> &[u8] {
    text.split(|byte| *byte == 0).next().unwrap_or_default()
}
