//! What a file is beside its content: owner, mode, time of modification, extended attributes.

use crate::{beneath, explain};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::AtFlags;
use nix::sys::stat::{FchmodatFlags, FileStat, Mode, SFlag, UtimensatFlags, fchmodat, utimensat};
use nix::sys::time::TimeSpec;
use nix::unistd::{Gid, Uid, fchownat};
use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::ops::AddAssign;
use std::os::unix::ffi::OsStrExt;

/// What the names of overlayfs's own records start with.
const OF_OVERLAYFS: [&str; 2] = ["user.overlay.", "trusted.overlay."];

/// What this host's security modules say of a file: it means nothing elsewhere.
const OF_THE_HOST: [&str; 3] = ["security.selinux", "security.ima", "security.evm"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attributes {
    pub user: u32,
    pub group: u32,
    /// The twelve bits of chmod(2).
    pub mode: u32,
    pub modified: TimeSpec,
    pub extended: BTreeMap<OsString, Vec<u8>>,
}

/// What could not be kept of files' attributes in this user namespace or on this filesystem.
#[derive(Debug, Default, PartialEq, Eq)]
#[must_use = "add it up over all layers, and tell() the user once"]
pub struct Lost {
    pub owners: u64,
    pub extended: u64,
}

impl Attributes {
    /// Reads what a node has that `beneath::open` opened.
    pub fn read(node: &File, stat: &FileStat) -> Result<Attributes> {
        Ok(Attributes {
            user: stat.st_uid,
            group: stat.st_gid,
            mode: stat.st_mode & 0o7777,
            modified: time(stat),
            extended: read_extended(node).context("read its extended attributes")?,
        })
    }

    /// Gives them to a node of this kind, which is complete: writing would change the time, and an unfinished
    /// directory gets its time with [`set_time`] later.
    pub fn put_on(&self, node: &File, kind: SFlag) -> Result<Lost> {
        let path = beneath::path_of(node);
        let mut lost = Lost::default();
        let mut mode = self.mode;
        // chown(2) clears setuid bits and file capabilities, so all else comes after it.
        let (user, group) = (Uid::from_raw(self.user), Gid::from_raw(self.group));
        match fchownat(node, "", Some(user), Some(group), AtFlags::AT_EMPTY_PATH) {
            // The id has no mapping in this user namespace (user_namespaces(7)): the file stays root's, and must not
            // run as root for everybody when it was to run as somebody else.
            Err(Errno::EINVAL) => {
                lost.owners = 1;
                mode &= 0o1777;
            }
            result => result.with_context(|| format!("give it to {}:{}", self.user, self.group))?,
        }
        if kind != SFlag::S_IFLNK {
            fchmodat(node, &path, Mode::from_bits_truncate(mode), FchmodatFlags::FollowSymlink)
                .with_context(|| format!("give it the mode {mode:04o}"))?;
        }
        for (name, value) in &self.extended {
            match xattr::set_deref(&path, name, value) {
                Err(error) if is_not_for_us(&error) => lost.extended += 1,
                result => result.with_context(|| format!("give it the extended attribute {name:?}"))?,
            }
        }
        set_time(node, self.modified)?;
        Ok(lost)
    }
}

/// What sort of node it is: S_IFREG, S_IFDIR, … of inode(7).
pub fn kind(stat: &FileStat) -> SFlag {
    SFlag::from_bits_truncate(stat.st_mode) & SFlag::S_IFMT
}

/// When it was modified.
pub fn time(stat: &FileStat) -> TimeSpec {
    TimeSpec::new(stat.st_mtime, stat.st_mtime_nsec)
}

/// Sets the time of modification.
pub fn set_time(node: &File, time: TimeSpec) -> Result<()> {
    utimensat(node, &beneath::path_of(node), &TimeSpec::UTIME_OMIT, &time, UtimensatFlags::FollowSymlink)
        .context("set its time of modification")
}

/// Whether an extended attribute is one that overlayfs would heed.
pub fn is_of_overlayfs(name: &OsStr) -> bool {
    OF_OVERLAYFS.iter().any(|start| name.as_bytes().starts_with(start.as_bytes()))
}

/// Whether an extended attribute belongs to the file wherever it is.
pub fn is_of_the_image(name: &OsStr) -> bool {
    !is_of_overlayfs(name) && !OF_THE_HOST.iter().any(|host| name == *host)
}

fn read_extended(node: &File) -> io::Result<BTreeMap<OsString, Vec<u8>>> {
    let path = beneath::path_of(node);
    let names = match xattr::list_deref(&path) {
        Err(error) if error.raw_os_error() == Some(Errno::EOPNOTSUPP as i32) => return Ok(BTreeMap::new()),
        result => result?,
    };
    let mut extended = BTreeMap::new();
    for name in names.filter(|name| is_of_the_image(name)) {
        if let Some(value) = xattr::get_deref(&path, &name)? {
            extended.insert(name, value);
        }
    }
    Ok(extended)
}

/// Whether the filesystem has no such attributes, or the kernel keeps this one from us: `trusted.` in a user
/// namespace, or an access list with ids that have no mapping.
fn is_not_for_us(error: &io::Error) -> bool {
    let known = [Errno::EOPNOTSUPP, Errno::EPERM, Errno::EINVAL];
    error.raw_os_error().is_some_and(|number| known.contains(&Errno::from_raw(number)))
}

impl Lost {
    /// Tells the user, in a line for each sort.
    pub fn tell(&self) {
        if self.owners > 0 {
            let files = count(self.owners, "file belongs", "files belong");
            explain::tell(format_args!("{files} to ids that are not mapped here, and became root's"));
        }
        if self.extended > 0 {
            let attributes = count(self.extended, "extended attribute", "extended attributes");
            explain::tell(format_args!("{attributes} could not be set here, and were left out"));
        }
    }
}

impl AddAssign for Lost {
    fn add_assign(&mut self, other: Lost) {
        self.owners += other.owners;
        self.extended += other.extended;
    }
}

fn count(number: u64, one: &str, many: &str) -> String {
    format!("{number} {}", if number == 1 { one } else { many })
}
