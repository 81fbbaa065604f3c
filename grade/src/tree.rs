//! What is in a folder or a tar archive, entry by entry, so that two of them can be compared.

use std::collections::BTreeMap;
use std::ffi::{CString, OsStr, OsString};
use std::fmt::Write as _;
use std::fs::{self, File, Metadata};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use anyhow::{Context, Result, bail};
use tar::EntryType;

use crate::archive::{Entry, read, sha256, sha256_of};

/// An entry of a tree. Of folders no size and no time is kept: filesystems differ, and every change below changes them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Node {
    /// `d`, `f`, `l`, `p` (FIFO), `s` (socket), `c` or `b`.
    pub kind: char,
    /// Permissions with setuid, setgid and the sticky bit; of symlinks 0, which have none.
    pub mode: u32,
    /// User and group.
    pub owner: (u64, u64),
    /// The size of a file.
    pub size: u64,
    /// Seconds since 1970.
    pub mtime: u64,
    /// A file's SHA-256, a symlink's target, a device's numbers, or `unreadable`.
    pub content: String,
    /// Extended attributes.
    pub xattrs: BTreeMap<String, Vec<u8>>,
    /// The first name, in the order of bytes, of the same file; nothing when it has no other name in the tree.
    pub same_as: Option<Vec<u8>>,
}

/// Paths relative to the root, without `./` before and `/` behind; the root itself is the empty path.
pub type Tree = BTreeMap<Vec<u8>, Node>;

/// Lists a folder and everything below it but the paths in `skip` (an entry there stays, what is below it does not).
///
/// # Errors
/// When something cannot be read. A file that may not be opened is no error: its content is `unreadable`. Nor is a folder
/// that may not be listed.
pub fn of_folder(root: &Path, skip: &[&str]) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut files = BTreeMap::new();
    let mut open = vec![Vec::new()];
    while let Some(path) = open.pop() {
        let place = root.join(OsStr::from_bytes(&path));
        let metadata =
            fs::symlink_metadata(&place).with_context(|| format!("look at {}", place.display()))?;
        if metadata.is_dir() && !skip.iter().any(|skip| skip.as_bytes() == path) {
            open.extend(listed(&place)?.into_iter().map(|name| join(&path, name.as_bytes())));
        }
        if !metadata.is_dir() && metadata.nlink() > 1 {
            files.entry((metadata.dev(), metadata.ino())).or_insert_with(Vec::new).push(path.clone());
        }
        let node = node(&place, &metadata).with_context(|| format!("read {}", place.display()))?;
        tree.insert(path, node);
    }
    name_links(&mut tree, files.into_values());
    Ok(tree)
}

/// What is in a folder; nothing when it may not be listed.
fn listed(place: &Path) -> Result<Vec<OsString>> {
    match fs::read_dir(place) {
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok(Vec::new()),
        result => {
            let entries = result.with_context(|| format!("list {}", place.display()))?;
            entries.map(|entry| Ok(entry?.file_name())).collect()
        }
    }
}

fn join(dir: &[u8], name: &[u8]) -> Vec<u8> {
    if dir.is_empty() { name.to_vec() } else { [dir, b"/", name].concat() }
}

fn name_links(tree: &mut Tree, groups: impl Iterator<Item = Vec<Vec<u8>>>) {
    for group in groups.filter(|group| group.len() > 1) {
        let first = group.iter().min().cloned();
        for name in &group {
            if let Some(node) = tree.get_mut(name) {
                node.same_as.clone_from(&first);
            }
        }
    }
}

fn node(place: &Path, metadata: &Metadata) -> Result<Node> {
    let kind = metadata.file_type();
    let device = format!("{}:{}", libc::major(metadata.rdev()), libc::minor(metadata.rdev()));
    let (letter, content) = match () {
        () if kind.is_dir() => ('d', String::new()),
        () if kind.is_symlink() => ('l', format!("{:?}", fs::read_link(place)?)),
        () if kind.is_file() => ('f', content(place)?),
        () if kind.is_fifo() => ('p', String::new()),
        () if kind.is_socket() => ('s', String::new()),
        () if kind.is_block_device() => ('b', device),
        () => ('c', device),
    };
    Ok(Node {
        kind: letter,
        mode: if letter == 'l' { 0 } else { metadata.mode() & 0o7777 },
        owner: (metadata.uid().into(), metadata.gid().into()),
        size: if letter == 'f' { metadata.size() } else { 0 },
        mtime: if letter == 'd' { 0 } else { u64::try_from(metadata.mtime()).unwrap_or(0) },
        content,
        xattrs: xattrs(place)?,
        same_as: None,
    })
}

fn content(place: &Path) -> Result<String> {
    match File::open(place) {
        Ok(file) => Ok(sha256_of(file)?),
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied => Ok("unreadable".into()),
        Err(error) => Err(error.into()),
    }
}

/// The extended attributes of a file, of a symlink itself. The label that an LSM adds is the host's, not the tree's.
fn xattrs(place: &Path) -> Result<BTreeMap<String, Vec<u8>>> {
    let path = CString::new(place.as_os_str().as_bytes())?;
    let mut names = vec![0_u8; 64 * 1024];
    // SAFETY: the path ends with a NUL, and the kernel writes at most as many bytes as the buffer has.
    let length = unsafe { libc::llistxattr(path.as_ptr(), names.as_mut_ptr().cast(), names.len()) };
    // A filesystem without them, and a file that may not be read, show none.
    let Ok(length) = usize::try_from(length) else { return Ok(BTreeMap::new()) };
    let mut found = BTreeMap::new();
    for name in names[..length].split(|byte| *byte == 0) {
        if name.is_empty() || name == b"security.selinux" {
            continue;
        }
        let c_name = CString::new(name)?;
        let mut value = vec![0_u8; 64 * 1024];
        // SAFETY: both strings end with a NUL, and the kernel writes at most as many bytes as the buffer has.
        let length = unsafe {
            libc::lgetxattr(path.as_ptr(), c_name.as_ptr(), value.as_mut_ptr().cast(), value.len())
        };
        value.truncate(usize::try_from(length).unwrap_or(0));
        found.insert(String::from_utf8_lossy(name).into_owned(), value);
    }
    Ok(found)
}

/// Lists a plain tar archive.
///
/// # Errors
/// When it is none, is cut, or holds a hard link to what it does not hold before.
pub fn of_tar(bytes: &[u8]) -> Result<Tree> {
    let mut tree = Tree::new();
    let mut links: BTreeMap<Vec<u8>, Vec<Vec<u8>>> = BTreeMap::new();
    for entry in read::entries(bytes)? {
        let path = plain(&entry.name);
        if entry.kind != EntryType::Link {
            tree.insert(path, tar_node(&entry)?);
            continue;
        }
        let target = plain(&entry.link);
        let shown = || format!("a hard link to {}", String::from_utf8_lossy(&target));
        let node = tree.get(&target).cloned().with_context(shown)?;
        tree.insert(path.clone(), node);
        links.entry(target.clone()).or_insert_with(|| vec![target]).push(path);
    }
    name_links(&mut tree, links.into_values());
    Ok(tree)
}

/// The path without `./` before and `/` behind it.
fn plain(path: &[u8]) -> Vec<u8> {
    let parts = path.split(|byte| *byte == b'/').filter(|part| !part.is_empty() && *part != b".");
    parts.collect::<Vec<_>>().join(&b'/')
}

fn tar_node(entry: &Entry) -> Result<Node> {
    let kind = match entry.kind {
        EntryType::Directory => 'd',
        EntryType::Symlink => 'l',
        EntryType::Regular => 'f',
        EntryType::Fifo => 'p',
        EntryType::Char => 'c',
        EntryType::Block => 'b',
        other => bail!("an entry of the kind {other:?}"),
    };
    let xattr = |(key, value): &(String, Vec<u8>)| {
        Some((key.strip_prefix("SCHILY.xattr.")?.to_string(), value.clone()))
    };
    Ok(Node {
        kind,
        mode: if kind == 'l' { 0 } else { entry.mode & 0o7777 },
        owner: entry.owner,
        size: entry.data.len() as u64,
        mtime: if kind == 'd' { 0 } else { entry.mtime },
        content: match kind {
            'l' => format!("{:?}", OsStr::from_bytes(&entry.link)),
            'f' => sha256(&entry.data),
            'c' | 'b' => format!("{}:{}", entry.device.0, entry.device.1),
            _ => String::new(),
        },
        xattrs: entry.pax.iter().filter_map(xattr).collect(),
        same_as: None,
    })
}

/// Ends the check unless both trees are alike; names up to five paths that are not.
///
/// # Errors
/// When they differ.
pub fn expect_alike(got: &Tree, want: &Tree, what: &str) -> Result<()> {
    let paths = got.keys().chain(want.keys()).collect::<std::collections::BTreeSet<_>>();
    let differing: Vec<_> = paths.into_iter().filter(|path| got.get(*path) != want.get(*path)).collect();
    if differing.is_empty() {
        return Ok(());
    }
    let mut text = String::new();
    for path in differing.iter().take(5) {
        let shown = String::from_utf8_lossy(path);
        write!(text, "\n/{shown}: expected {:?}, the kernel showed {:?}", want.get(*path), got.get(*path))?;
    }
    bail!("{what}: {} paths differ:{text}", differing.len())
}
