use super::tests::sparse;
use super::unpack;
use crate::attributes::Lost;
use crate::samples::{Scratch, Tar};
use crate::whiteouts::Form;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use tar::EntryType;

/// An archive is refused in one line that says why, and nothing is made beside the layer.
fn refuse(archive: &[u8], why: &str) {
    let scratch = Scratch::new();
    let error = unpack(archive, &scratch.directory("layer"), Form::Overlay).expect_err(why);
    let line = format!("{error:#}");
    assert!(line.contains(why) && !line.contains('\n'), "{line:?} does not say {why:?}");
    assert_eq!(scratch.list(""), ["layer"]);
}

#[test]
fn names_that_lead_out_are_refused() {
    refuse(&Tar::default().file("../a", "").end(), "entry \"../a\": `..` is in its name");
    refuse(&Tar::default().file("a/../../b", "").end(), "`..` is in its name");
    refuse(&Tar::default().file("/a", "").end(), "its name is absolute");
    refuse(&Tar::default().file("", "").end(), "its name is empty");
    refuse(&Tar::default().records(&[(b"path", b"../a")]).file("a", "").end(), "`..` is in its name");
    refuse(&Tar::default().file(".", "").end(), "the root can be nothing but a directory");
}

#[test]
fn entries_in_what_is_no_directory_are_refused() {
    let symlinks = Tar::default().directory("d").symlink("a", "d").symlink("out", "/");
    refuse(&symlinks.file("a/b", "").end(), "\"a\" above it is a symlink");
    refuse(&Tar::default().symlink("out", "/").file("out/etc/x", "").end(), "is a symlink");
    refuse(&Tar::default().symlink("out", "/").file("out/.wh.x", "").end(), "is a symlink");
    refuse(&Tar::default().file("a", "").file("a/b", "").end(), "\"a\" above it is not a directory");
    refuse(&Tar::default().directory("d/e").file("d", "").end(), "a directory with something in it");
}

#[test]
fn links_that_lead_out_are_refused() {
    refuse(&Tar::default().hard_link("a", "/etc/passwd").end(), "its name is absolute");
    refuse(&Tar::default().hard_link("a", "../a").end(), "`..` is in its name");
    refuse(&Tar::default().hard_link("a", "b").file("b", "").end(), "which is not there");
    refuse(&Tar::default().directory("d").hard_link("a", "d").end(), "which is a directory");
    refuse(&Tar::default().directory("d").hard_link("a", ".").end(), "the root directory");
    refuse(&Tar::default().symlink("s", "/etc").hard_link("a", "s/passwd").end(), "through a symlink");
    refuse(&Tar::default().symlink("d/s", "../../x").end(), "above the root");
    refuse(&Tar::default().symlink("s", "..").end(), "above the root");
}

#[test]
fn what_only_the_kernel_or_the_host_may_make_is_refused() {
    let zero = |header: &mut tar::Header| {
        header.set_device_major(0).unwrap();
        header.set_device_minor(0).unwrap();
    };
    refuse(&Tar::default().with(EntryType::Char, b"a", "", b"", zero).end(), "takes for a whiteout");
    for name in [b"SCHILY.xattr.user.overlay.opaque".as_slice(), b"SCHILY.xattr.trusted.overlay.redirect"] {
        refuse(&Tar::default().records(&[(name, b"y")]).file("a", "").end(), "overlayfs's own");
    }
    refuse(&Tar::default().entry(EntryType::new(b'M'), "a", "", b"").end(), "its type 'M' is unknown");
    let sparse: [(&[u8], &[u8]); 1] = [(b"GNU.sparse.major", b"1")];
    refuse(&Tar::default().records(&sparse).file("a", "").end(), "--format=gnu");
    for name in [".wh.", "d/.wh..", ".wh..."] {
        refuse(&Tar::default().file(name, "").end(), "whiteout of no name");
    }
    refuse(&Tar::default().file(".wh.a/b", "").end(), "a whiteout is above it");
}

#[test]
fn devices_are_for_the_hosts_root() {
    let map = fs::read_to_string("/proc/self/uid_map").unwrap();
    let archive = Tar::default().entry(EntryType::Char, "null", "", b"").end();
    if !nix::unistd::geteuid().is_root() || !map.trim_end().ends_with(" 4294967295") {
        return refuse(&archive, "which only the host's root can make");
    }
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    let _: Lost = unpack(archive.as_slice(), &layer, Form::Overlay).unwrap();
    let made = fs::symlink_metadata(layer.join("null")).unwrap();
    assert!(made.file_type().is_char_device());
    assert_eq!(made.rdev(), nix::libc::makedev(1, 3));
}

#[test]
fn more_than_there_is_room_for_is_refused() {
    let huge = |header: &mut tar::Header| header.set_size(1 << 60);
    refuse(&Tar::default().with(EntryType::Regular, b"a", "", b"", huge).end(), "the filesystem has");
    // All bytes that the field can hold: the sum must not overflow.
    let all = |header: &mut tar::Header| header.as_old_mut().size = [0xff; 12];
    refuse(
        &Tar::default().file("b", "b").with(EntryType::Regular, b"a", "", b"", all).end(),
        "the filesystem has",
    );
    let too_long = |header: &mut tar::Header| header.set_size(1 << 40);
    refuse(&Tar::default().with(EntryType::XHeader, b"a", "", b"", too_long).end(), "is too long");
}

#[test]
fn damaged_archives_are_refused() {
    let whole = Tar::default().file("a", "content").file("b", "content").end();
    for (length, why) in
        [(0, "truncated"), (100, "truncated"), (515, "truncated"), (700, "truncated"), (2048, "truncated")]
    {
        refuse(&whole[..length], why);
    }
    for (at, byte) in [(0, b'x'), (600 + 512, b'x'), (148, b'9')] {
        let mut damaged = whole.clone();
        damaged[at] = byte;
        refuse(&damaged, "wrong checksum");
    }
    refuse(b"This is no archive. ".repeat(50).as_slice(), "is no tar archive");
    let hidden = [&whole[..1024], &[0; 512], &whole[1024..]].concat();
    refuse(&hidden, "goes on after a block of zeros");
    let records = Tar::default().entry(EntryType::XHeader, "x", "", b"99 path=b\n").file("a", "");
    refuse(&records.end(), "malformed");
    refuse(&Tar::default().records(&[(b"path", b"a")]).end(), "ends where an entry was announced");
    let letters = |header: &mut tar::Header| header.as_old_mut().uid = *b"zzzzzzz\0";
    refuse(&Tar::default().with(EntryType::Regular, b"a", "", b"", letters).end(), "its uid is no number");
}

#[test]
fn a_map_of_holes_has_to_make_sense() {
    type Blocks<'a> = &'a [(u64, u64)];
    let maps: [(Blocks, u64, &str); 4] = [
        (&[(1024, 512), (0, 512)], 4096, "not in order"),
        (&[(0, 512), (u64::MAX, 512)], 4096, "corrupt"),
        (&[(0, 512)], 4096, "does not fit its length"),
        (&[(0, 1024)], 512, "does not fit its length"),
    ];
    for (blocks, length, why) in maps {
        refuse(&sparse(blocks, length, &[b'x'; 1024]).end(), why);
    }
}
