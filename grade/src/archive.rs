//! Tar archives made byte by byte, so that a check can write what no honest program would.
//!
//! An [`Entry`] says whatever it is told to, checksum right: a name may hold `..`, a size may be a lie. tar(5)

use std::io::{self, Write};

use anyhow::{Context, Result};
use flate2::Compression;
use flate2::write::GzEncoder;
use sha2::{Digest, Sha256};
use tar::{EntryType, Header};

pub mod image;
pub mod read;

/// When everything in an archive of ours was changed last, unless an entry says otherwise.
pub const MTIME: u64 = 1_600_000_000;

/// One entry of a tar archive.
#[derive(Clone, Debug)]
pub struct Entry {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: EntryType,
    pub(crate) mode: u32,
    pub(crate) owner: (u64, u64),
    pub(crate) mtime: u64,
    size: Option<u64>,
    pub(crate) link: Vec<u8>,
    pub(crate) data: Vec<u8>,
    pub(crate) device: (u32, u32),
    pub(crate) pax: Vec<(String, Vec<u8>)>,
    gnu: bool,
}

impl Entry {
    /// An entry of any kind, by the byte that tar has for it, with no content.
    #[must_use]
    pub fn new(kind: u8, name: impl AsRef<[u8]>) -> Entry {
        let (name, kind) = (name.as_ref().to_vec(), EntryType::new(kind));
        let (size, link, data, pax) = (None, Vec::new(), Vec::new(), Vec::new());
        let (owner, device) = ((0, 0), (0, 0));
        Entry { name, kind, mode: 0o644, owner, mtime: MTIME, size, link, data, device, pax, gnu: false }
    }

    /// A regular file, mode 644.
    #[must_use]
    pub fn file(name: impl AsRef<[u8]>, content: impl AsRef<[u8]>) -> Entry {
        Entry { data: content.as_ref().to_vec(), ..Entry::new(b'0', name) }
    }

    /// A folder, mode 755.
    #[must_use]
    pub fn dir(name: impl AsRef<[u8]>) -> Entry {
        Entry::new(b'5', name).mode(0o755)
    }

    /// A symlink.
    #[must_use]
    pub fn symlink(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
        Entry { link: target.as_ref().to_vec(), ..Entry::new(b'2', name).mode(0o777) }
    }

    /// Another name of the file that `target` names, counted from the archive's root.
    #[must_use]
    pub fn hard_link(name: impl AsRef<[u8]>, target: impl AsRef<[u8]>) -> Entry {
        Entry { link: target.as_ref().to_vec(), ..Entry::new(b'1', name) }
    }

    /// A character (`b'3'`) or block (`b'4'`) device.
    #[must_use]
    pub fn device(kind: u8, name: impl AsRef<[u8]>, major: u32, minor: u32) -> Entry {
        Entry { device: (major, minor), ..Entry::new(kind, name) }
    }

    /// The same with these permissions.
    #[must_use]
    pub fn mode(self, mode: u32) -> Entry {
        Entry { mode, ..self }
    }

    /// The same, belonging to this user and group.
    #[must_use]
    pub fn owner(self, uid: u64, gid: u64) -> Entry {
        Entry { owner: (uid, gid), ..self }
    }

    /// The same with a header that gives this size, whatever the content is.
    #[must_use]
    pub fn size(self, size: u64) -> Entry {
        Entry { size: Some(size), ..self }
    }

    /// The same with a record of the PAX format before it: `SCHILY.xattr.user.note`, `path`, `GNU.sparse.major`.
    #[must_use]
    pub fn pax(mut self, key: &str, value: impl AsRef<[u8]>) -> Entry {
        self.pax.push((key.to_string(), value.as_ref().to_vec()));
        self
    }

    /// The same with long names written as GNU tar does, instead of as PAX records.
    #[must_use]
    pub fn gnu(self) -> Entry {
        Entry { gnu: true, ..self }
    }

    fn write(mut self, tar: &mut Vec<u8>) {
        // The fields of the old format hold 100 bytes.
        for (long, gnu, key) in [(&self.name, b'L', "path"), (&self.link, b'K', "linkpath")] {
            if long.len() > 100 && self.gnu {
                let name = [long, &b"\0"[..]].concat();
                Entry { data: name, ..Entry::new(gnu, "././@LongLink") }.write(tar);
            } else if long.len() > 100 {
                self.pax.push((key.to_string(), long.clone()));
            }
        }
        if !self.pax.is_empty() {
            let records: Vec<u8> = self.pax.iter().flat_map(|(key, value)| pax_record(key, value)).collect();
            Entry { data: records, ..Entry::new(b'x', "PaxHeaders/record") }.write(tar);
        }
        let mut header = if self.gnu { Header::new_gnu() } else { Header::new_ustar() };
        header.set_entry_type(self.kind);
        header.set_mode(self.mode);
        header.set_uid(self.owner.0);
        header.set_gid(self.owner.1);
        header.set_mtime(self.mtime);
        header.set_size(self.size.unwrap_or(self.data.len() as u64));
        // The two are part of every header but the oldest; ours is never that.
        if self.kind.is_character_special() || self.kind.is_block_special() {
            header.set_device_major(self.device.0).expect("a ustar or GNU header");
            header.set_device_minor(self.device.1).expect("a ustar or GNU header");
        }
        let old = header.as_old_mut();
        copy(&mut old.name, &self.name);
        copy(&mut old.linkname, &self.link);
        header.set_cksum();
        tar.extend_from_slice(header.as_bytes());
        tar.extend_from_slice(&self.data);
        tar.resize(tar.len().next_multiple_of(512), 0);
    }
}

fn copy(field: &mut [u8; 100], bytes: &[u8]) {
    let length = bytes.len().min(field.len());
    field[..length].copy_from_slice(&bytes[..length]);
}

/// `LENGTH KEY=VALUE\n`, where the length counts its own digits. pax(1)
fn pax_record(key: &str, value: &[u8]) -> Vec<u8> {
    let rest = key.len() + value.len() + 3;
    let mut length = rest + 1;
    while rest + length.to_string().len() != length {
        length = rest + length.to_string().len();
    }
    [format!("{length} {key}=").as_bytes(), value, b"\n"].concat()
}

/// The entries one behind the other, without the two empty blocks that end an archive.
#[must_use]
pub fn unended(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut tar = Vec::new();
    for entry in entries {
        entry.write(&mut tar);
    }
    tar
}

/// A whole archive.
#[must_use]
pub fn tar(entries: impl IntoIterator<Item = Entry>) -> Vec<u8> {
    let mut tar = unended(entries);
    tar.resize(tar.len() + 1024, 0);
    tar
}

/// The same bytes, compressed.
///
/// # Errors
/// Never for memory: the signature is that of a writer.
pub fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).and_then(|()| encoder.finish()).context("compress")
}

/// The SHA-256 of the bytes in hexadecimal digits, as OCI digests have it behind `sha256:`.
#[must_use]
pub fn sha256(bytes: &[u8]) -> String {
    hex(&Sha256::digest(bytes))
}

/// The SHA-256 of all that the reader gives.
///
/// # Errors
/// When it cannot be read.
pub fn sha256_of(mut reader: impl io::Read) -> io::Result<String> {
    let mut digest = Sha256::new();
    io::copy(&mut reader, &mut digest)?;
    Ok(hex(&digest.finalize()))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests;
