//! An image with all that a layer can say, for other tools to read.

use std::path::PathBuf;

use anyhow::Result;
use nix::unistd::geteuid;

use super::super::common::start_cat;
use super::own::{Held, Own, small_root};
use crate::archive::{Entry, image::Image, tar};
use crate::tree::Tree;

/// What a container changes in the image, in a shell that has no more than the small root's tools.
const CHANGES: &str = "set -e
    echo new >/etc/new; ln /etc/new /etc/same; rm /etc/group; mkdir /tmp/d; chmod 1777 /tmp/d
    rm -r /var/remade; mkdir /var/remade; echo new >/var/remade/new
    rm /var/to-dir; mkdir /var/to-dir; echo in >/var/to-dir/in; rm -r /var/to-file; echo file >/var/to-file
    chmod 700 /var/noted; chmod 6711 /var/changed";

/// `cap_net_raw=ep` as the kernel keeps it: version 2, effective, bit 13 of the permitted ones. capabilities(7)
const CAPABILITY: [u8; 20] = [1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];

const NOTE: &[u8] = b"\0\xff=\n12 path=evil\n";

fn changed_at(mut entry: Entry, mtime: u64) -> Entry {
    entry.mtime = mtime;
    entry
}

fn lower() -> Result<Vec<Entry>> {
    let deep = format!("var/{0}/{0}/{0}/deep", "p".repeat(99));
    let mut entries = small_root()?;
    entries.extend([
        Entry::file("var/f", "f").mode(0o4755),
        // Docker gives the file the mode of the last of its names.
        Entry::hard_link("var/g", "var/f").mode(0o4755),
        Entry::symlink("var/l", "/etc/passwd"),
        Entry::symlink("var/long", "t/".repeat(200)),
        Entry::new(b'6', "var/fifo").mode(0o622),
        Entry::file(format!("var/{}", "n".repeat(200)), "long").gnu(),
        Entry::file(b"var/\xff\xfe new\nline", "bytes"),
        Entry::file(&deep, "deep"),
        Entry::hard_link("var/not-deep", &deep),
        // A file that is a hole but for its end.
        Entry::file("var/sparse", [vec![0; 1 << 20], b"z".to_vec()].concat()),
        changed_at(Entry::file("var/of-1970", ""), 0),
        changed_at(Entry::file("var/of-2096", ""), 4_000_000_000),
        changed_at(Entry::symlink("var/old-link", "nowhere"), 1),
        Entry::dir("var/noted/").pax("SCHILY.xattr.user.note", NOTE),
        Entry::dir("var/shared/").mode(0o3777),
        Entry::file("var/changed", "x").pax("SCHILY.xattr.user.note", NOTE),
        Entry::file("var/gone", "gone"),
        Entry::file("var/whole/old", "old"),
        Entry::file("var/remade/old", "old"),
        Entry::file("var/to-dir", "file"),
        Entry::file("var/to-file/old", "old"),
    ]);
    Ok(entries)
}

/// What an ordinary user's tools cannot give a file.
fn privileged() -> [Entry; 6] {
    [
        Entry::file("var/owned", "x").owner(1000, 7).mode(0o6755),
        Entry::dir("var/owned-dir/").owner(7, 1000).mode(0o2770),
        Entry::symlink("var/owned-link", "owned").owner(300_000, 400_000),
        Entry::device(b'3', "var/null", 1, 3).mode(0o666),
        Entry::device(b'4', "var/disk", 7, 99).owner(0, 6).mode(0o660),
        Entry::file("var/capable", "x").mode(0o755).pax("SCHILY.xattr.security.capability", CAPABILITY),
    ]
}

/// The layers below: everything that a layer adds, and what it hides.
pub(super) fn layers() -> Result<Vec<Vec<u8>>> {
    let mut lower = lower()?;
    if geteuid().is_root() {
        lower.extend(privileged());
    }
    let upper = [Entry::file("var/.wh.gone", ""), Entry::file("var/whole/.wh..wh..opq", "")];
    Ok(vec![tar(lower), tar(upper)])
}

/// Runs a line of shell in a container of this name, and returns the root that it left, before anything packed it.
pub(super) fn changed(own: &Own, image: &str, name: &str, line: &str) -> Result<Tree> {
    let (running, command) = start_cat(|words| {
        let line = format!("{line}\nexec {}", words.join(" "));
        own.launch(image, &["--name", name], &["sh", "-c", &line])
    })?;
    let held = Held { running, command };
    let tree = held.tree()?;
    held.end()?;
    Ok(tree)
}

/// Commits the container `changed`, and saves the image in a file.
pub(super) fn committed(own: &Own, image: &str, file: &str) -> Result<PathBuf> {
    own.ok(&["commit", "changed", image])?;
    let path = own.file(file, b"")?;
    own.ok(&["save", image, "-o", &path])?;
    Ok(path.into())
}

/// `check/two:2`, whose topmost layer is a commit of the container `changed`, in an archive named `saved.tar`; with it
/// the root of that container.
pub(super) fn saved(own: &Own) -> Result<(PathBuf, Tree)> {
    own.load_images(&[Image::new("check/one:1", layers()?)])?;
    let root = changed(own, "check/one:1", "changed", &changes())?;
    Ok((committed(own, "check/two:2", "saved.tar")?, root))
}

fn changes() -> String {
    // Files with an owner and a capability of their own keep them when only the mode is new.
    let more = if geteuid().is_root() { "; chmod 4750 /var/owned; chmod 711 /var/capable" } else { "" };
    format!("{CHANGES}{more}")
}
