use super::unpack;
use crate::attributes::Lost;
use crate::samples::{Scratch, Tar};
use crate::whiteouts::{Form, is_whiteout_device};
use nix::sys::stat::lstat;
use std::ffi::OsStr;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};
use std::path::Path;
use tar::EntryType;

/// A file with holes, as GNU tar describes one.
pub fn sparse(blocks: &[(u64, u64)], length: u64, data: &[u8]) -> Tar {
    Tar::default().with(EntryType::GNUSparse, b"s", "", data, |header| {
        let gnu = header.as_gnu_mut().unwrap();
        gnu.set_real_size(length);
        for (field, (offset, length)) in gnu.sparse.iter_mut().zip(blocks) {
            field.set_offset(*offset);
            field.set_length(*length);
        }
    })
}

#[test]
fn attributes_are_kept() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    let mode = |header: &mut tar::Header| header.set_mode(0o6751);
    Tar::default()
        .with(EntryType::Directory, b"./", "", b"", |header| header.set_mode(0o1777))
        .records(&[(b"mtime", b"12.000000034")])
        .with(EntryType::Directory, b"d/", "", b"", |header| header.set_mode(0o2705))
        .records(&[(b"mtime", b"-1.5")])
        .with(EntryType::Regular, b"d/f", "", b"text", mode)
        .file("made/g", "")
        .entry(EntryType::Fifo, "p", "", b"")
        .symlink("l", "/anywhere/../at/all")
        .unpack(&layer, Form::Overlay);
    let look = |name: &str| fs::symlink_metadata(layer.join(name)).unwrap();
    let times = |name: &str| (look(name).mtime(), look(name).mtime_nsec());
    let mode = |name: &str| look(name).permissions().mode() & 0o7777;
    assert_eq!(
        [mode(""), mode("d"), mode("d/f"), mode("made"), mode("made/g")],
        [0o1777, 0o2705, 0o6751, 0o755, 0o644]
    );
    assert_eq!([times(""), times("d"), times("d/f")], [(1_000_000_000, 0), (12, 34), (-2, 500_000_000)]);
    assert_eq!([times("p"), times("l")], [(1_000_000_000, 0); 2]);
    assert!(look("p").file_type().is_fifo());
    assert_eq!(fs::read_link(layer.join("l")).unwrap(), Path::new("/anywhere/../at/all"));
    assert_eq!(fs::read_to_string(layer.join("d/f")).unwrap(), "text");
}

#[test]
fn later_entries_take_the_place_of_earlier_ones() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    Tar::default()
        .file("f", "one")
        .hard_link("g", "f")
        .file("f", "two")
        .symlink("s", "f")
        .hard_link("t", "s")
        .hard_link("t", "./t")
        .file("s", "three")
        .directory("d")
        .file("d", "four")
        .file("e/x", "five")
        .with(EntryType::Directory, b"e", "", b"", |header| header.set_mode(0o700))
        .symlink("k", "e")
        .directory("k")
        .file("k/y", "six")
        .unpack(&layer, Form::Overlay);
    for (name, text) in
        [("f", "two"), ("g", "one"), ("s", "three"), ("d", "four"), ("e/x", "five"), ("k/y", "six")]
    {
        assert_eq!(fs::read_to_string(layer.join(name)).unwrap(), text, "{name}");
    }
    assert_eq!(fs::read_link(layer.join("t")).unwrap(), Path::new("f"));
    assert_eq!(fs::metadata(layer.join("e")).unwrap().permissions().mode() & 0o777, 0o700);
}

#[test]
fn names_may_be_long_and_hold_any_byte() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    let long = format!("{}/{}", "d".repeat(200), "f".repeat(255));
    let target = "t".repeat(1000);
    let odd: &[u8] = b"a\nb\xff=\"c";
    Tar::default()
        .entry(EntryType::GNULongName, "././@LongLink", "", format!("{long}\0").as_bytes())
        .file("f", "gnu")
        .records(&[(b"path", odd), (b"mtime", b"1")])
        .file("x", "pax")
        .records(&[(b"linkpath", target.as_bytes())])
        .symlink("l", "x")
        .unpack(&layer, Form::Overlay);
    assert_eq!(fs::read_to_string(layer.join(long)).unwrap(), "gnu");
    assert_eq!(fs::read_to_string(layer.join(OsStr::from_bytes(odd))).unwrap(), "pax");
    assert_eq!(fs::read_link(layer.join("l")).unwrap(), Path::new(&target));
}

#[test]
fn zeros_become_holes() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    let mut data = vec![0; 3 << 20];
    data[1 << 20] = 1;
    Tar::default().entry(EntryType::Regular, "f", "", &data).unpack(&layer, Form::Overlay);
    sparse(&[(1 << 20, 512), (2 << 20, 512), (3 << 20, 0)], 3 << 20, &[b'x'; 1024])
        .unpack(&layer, Form::Overlay);
    assert_eq!(fs::read(layer.join("f")).unwrap(), data);
    let read = fs::read(layer.join("s")).unwrap();
    assert_eq!((read.len(), read.iter().filter(|byte| **byte == b'x').count()), (3 << 20, 1024));
    assert_eq!([read[(1 << 20) - 1], read[1 << 20], read[(2 << 20) + 511]], [0, b'x', b'x']);
    for name in ["f", "s"] {
        assert!(fs::metadata(layer.join(name)).unwrap().blocks() * 512 < 1 << 20, "{name} has no holes");
    }
}

#[test]
fn extended_attributes_are_kept() {
    let scratch = Scratch::new();
    if !scratch.has_attributes() {
        return;
    }
    let layer = scratch.directory("layer");
    let records: [(&[u8], &[u8]); 3] = [
        (b"SCHILY.xattr.user.a", b"one\ntwo=\0"),
        (b"SCHILY.xattr.user.b", b""),
        (b"SCHILY.xattr.security.selinux", b"x"),
    ];
    Tar::default().records(&records).file("f", "").unpack(&layer, Form::Overlay);
    let get = |name: &str| xattr::get(layer.join("f"), name).unwrap();
    assert_eq!((get("user.a").unwrap(), get("user.b").unwrap()), (b"one\ntwo=\0".to_vec(), vec![]));
    // On a host without SELinux it could have been set.
    assert_ne!(get("security.selinux"), Some(b"x".to_vec()));
}

#[test]
fn whiteouts_have_two_forms() {
    let archive = || {
        Tar::default().file(".wh.gone", "").file("d/.wh.gone", "").file("d/kept", "").file(".wh..wh.aufs", "")
    };
    let scratch = Scratch::new();
    let (overlay, aufs) = (scratch.directory("overlay"), scratch.directory("aufs"));
    archive().unpack(&overlay, Form::Overlay);
    archive().unpack(&aufs, Form::Aufs);
    for directory in [Path::new(""), Path::new("d")] {
        let device = lstat(&overlay.join(directory).join("gone")).unwrap();
        assert!(is_whiteout_device(&device));
        assert!(!overlay.join(directory).join(".wh.gone").exists());
        assert!(aufs.join(directory).join(".wh.gone").is_file());
    }
    assert!(!overlay.join(".wh..wh.aufs").exists() && !aufs.join(".wh..wh.aufs").exists());
}

#[test]
fn what_a_layer_has_is_not_hidden_by_its_whiteouts() {
    let scratch = Scratch::new();
    if !scratch.has_attributes() {
        return;
    }
    let before =
        || Tar::default().file(".wh.f", "").file(".wh.d", "").file("o/.wh..wh..opq", "").file(".wh.o", "");
    let after = |archive: Tar| archive.file("f", "").file("d/x", "").file("o/y", "");
    let archives = [
        after(before()),
        after(Tar::default()).file(".wh.f", "").file(".wh.d", "").file("o/.wh..wh..opq", ""),
    ];
    for (number, archive) in archives.into_iter().enumerate() {
        let (overlay, aufs) =
            (scratch.directory(&format!("overlay{number}")), scratch.directory(&format!("aufs{number}")));
        let archive = archive.end();
        let _: Lost = unpack(archive.as_slice(), &overlay, Form::Overlay).unwrap();
        let _: Lost = unpack(archive.as_slice(), &aufs, Form::Aufs).unwrap();
        assert!(overlay.join("f").is_file() && aufs.join("f").is_file() && !aufs.join(".wh.f").exists());
        for name in ["d", "o"] {
            assert_eq!(xattr::get(overlay.join(name), "user.overlay.opaque").unwrap().unwrap(), b"y");
            assert!(
                aufs.join(name).join(".wh..wh..opq").exists() && !aufs.join(format!(".wh.{name}")).exists()
            );
        }
    }
    // A whiteout within what is whited out itself.
    let layer = scratch.directory("layer");
    Tar::default().file(".wh.a", "").file("a/.wh.b", "").unpack(&layer, Form::Overlay);
    assert!(is_whiteout_device(&lstat(&layer.join("a/b")).unwrap()));
    assert_eq!(xattr::get(layer.join("a"), "user.overlay.opaque").unwrap().unwrap(), b"y");
}

#[test]
fn the_source_is_read_to_its_end() {
    let scratch = Scratch::new();
    let archive = [Tar::default().file("a", "").end(), vec![7; 100_000]].concat();
    let mut source = archive.as_slice();
    let _: Lost = unpack(source.by_ref(), &scratch.directory("layer"), Form::Overlay).unwrap();
    assert!(source.is_empty());
}
