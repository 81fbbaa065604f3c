//! What unit tests work on: directories of their own, and archives that no program would make.

use crate::attributes::Lost;
use crate::pax::{self, Records};
use crate::unpack::unpack;
use crate::whiteouts::Form;
use nix::unistd::{getgid, getuid};
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use tar::{EntryType, Header};

/// A directory that is removed in the end.
pub struct Scratch(PathBuf);

impl Scratch {
    pub fn new() -> Scratch {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("fork-to-veth-trees-{}-{number}", std::process::id()));
        fs::create_dir(&path).unwrap();
        Scratch(path)
    }

    /// Makes an empty directory in it.
    pub fn directory(&self, name: &str) -> PathBuf {
        let path = self.0.join(name);
        fs::create_dir(&path).unwrap();
        path
    }

    /// What is in a directory of it.
    pub fn list(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.0.join(name)).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    /// Whether attributes of users can be set here, which the mark of an opaque directory is. Says so if not.
    pub fn has_attributes(&self) -> bool {
        let result = xattr::set(&self.0, "user.probe", b"");
        if let Err(error) = &result {
            eprintln!("skipped: {} has no extended attributes of users: {error}", self.0.display());
        }
        result.is_ok()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

/// An archive, byte by byte. Its entries belong to whoever runs the test.
#[derive(Default)]
pub struct Tar(pub Vec<u8>);

impl Tar {
    /// Adds an entry; a directory has the mode 0755, and all else 0644.
    pub fn entry(self, kind: EntryType, name: &str, link: &str, data: &[u8]) -> Tar {
        self.with(kind, name.as_bytes(), link, data, |_| {})
    }

    /// Adds an entry whose header is not what it should be.
    pub fn with(
        mut self,
        kind: EntryType,
        name: &[u8],
        link: &str,
        data: &[u8],
        spoil: impl FnOnce(&mut Header),
    ) -> Tar {
        let mut header = Header::new_gnu();
        header.as_old_mut().name[..name.len()].copy_from_slice(name);
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_mode(if kind == EntryType::Directory { 0o755 } else { 0o644 });
        header.set_uid(getuid().as_raw().into());
        header.set_gid(getgid().as_raw().into());
        header.set_mtime(1_000_000_000);
        header.set_size(data.len() as u64);
        header.set_entry_type(kind);
        header.set_device_major(1).unwrap();
        header.set_device_minor(3).unwrap();
        spoil(&mut header);
        header.set_cksum();
        self.0.extend_from_slice(header.as_bytes());
        self.0.extend_from_slice(data);
        self.0.resize(self.0.len().next_multiple_of(512), 0);
        self
    }

    pub fn file(self, name: &str, data: &str) -> Tar {
        self.entry(EntryType::Regular, name, "", data.as_bytes())
    }

    pub fn directory(self, name: &str) -> Tar {
        self.entry(EntryType::Directory, name, "", b"")
    }

    pub fn symlink(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Symlink, name, target, b"")
    }

    pub fn hard_link(self, name: &str, target: &str) -> Tar {
        self.entry(EntryType::Link, name, target, b"")
    }

    /// Adds records for the entry that comes next.
    pub fn records(self, records: &[(&[u8], &[u8])]) -> Tar {
        let records: Records = records.iter().map(|(key, value)| (key.to_vec(), value.to_vec())).collect();
        let text = pax::format(&records);
        self.entry(EntryType::XHeader, "PaxHeaders", "", &text)
    }

    /// The bytes of an archive that ends as it should.
    pub fn end(mut self) -> Vec<u8> {
        self.0.extend_from_slice(&[0; 1024]);
        self.0
    }

    /// Unpacks it.
    pub fn unpack(self, into: &Path, form: Form) {
        assert_eq!(unpack(self.end().as_slice(), into, form).unwrap(), Lost::default());
    }
}
