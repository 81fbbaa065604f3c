use super::{changes, everything};
use crate::archive::Archive;
use crate::attributes::Lost;
use crate::copy;
use crate::header::Kind;
use crate::samples::{Scratch, Tar};
use crate::tree::Tree;
use crate::unpack::unpack;
use crate::whiteouts::Form;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use tar::EntryType;

fn pack(directory: &Path) -> Vec<u8> {
    let mut archive = Vec::new();
    everything(&Tree::merge(&[PathBuf::from(directory)], Form::Overlay).unwrap(), &mut archive).unwrap();
    archive
}

fn names(archive: &[u8]) -> Vec<String> {
    let (mut entries, mut names) = (Archive::new(archive), Vec::new());
    while let Some(entry) = entries.next().unwrap() {
        names.push(entry.path.into_string().unwrap());
    }
    names
}

/// One of everything.
fn sample() -> Tar {
    let long = "n".repeat(200);
    let mut tar = Tar::default()
        .with(EntryType::Directory, b"./", "", b"", |header| header.set_mode(0o711))
        .directory("d")
        .file("d/f", "text")
        .hard_link("d/second", "d/f")
        .records(&[(b"mtime", b"-3.000000001"), (b"path", long.as_bytes())])
        .with(EntryType::Regular, b"x", "", &[1; 1000], |header| header.set_mode(0o6755))
        .records(&[(b"linkpath", long.as_bytes())])
        .symlink("l", "")
        .hard_link("second-l", "l")
        .with(EntryType::Regular, b"any\n\xffbyte", "", b"", |_| {})
        .with(EntryType::Fifo, b"p", "", b"", |header| header.set_mtime(1 << 34))
        .entry(EntryType::Regular, "zeros", "", &[0; 1 << 20]);
    if Scratch::new().has_attributes() {
        tar = tar
            .records(&[(b"SCHILY.xattr.user.x", b"\n=\0"), (b"SCHILY.xattr.user.y", b"")])
            .file("attributes", "");
    }
    tar
}

#[test]
fn packed_again_it_is_the_same_bytes() {
    let scratch = Scratch::new();
    let (one, two, three) = (scratch.directory("1"), scratch.directory("2"), scratch.directory("3"));
    sample().unpack(&one, Form::Overlay);
    let archive = pack(&one);
    assert_eq!(archive.len() % 512, 0);
    assert_eq!(archive[archive.len() - 1024..], [0; 1024]);
    assert_eq!(unpack(archive.as_slice(), &two, Form::Overlay).unwrap(), Lost::default());
    assert_eq!(pack(&two), archive);
    // And so is a copy.
    copy::copy(&Tree::merge(&[one], Form::Overlay).unwrap(), &three).unwrap();
    assert_eq!(pack(&three), archive);
    let look = |name: &str| fs::symlink_metadata(three.join(name)).unwrap();
    assert_eq!(look("d/f").ino(), look("d/second").ino());
    assert_eq!(look("l").ino(), look("second-l").ino());
    assert!(look("zeros").blocks() * 512 < 1 << 19);
}

#[test]
fn a_layer_has_what_is_new_and_what_is_gone() {
    let scratch = Scratch::new();
    let layers = [scratch.directory("above"), scratch.directory("below")];
    Tar::default().file("etc/a", "").file("etc/b", "").file("gone/c", "").unpack(&layers[1], Form::Overlay);
    Tar::default()
        .file("etc/a", "new")
        .file("etc/.wh.b", "")
        .file(".wh.gone", "")
        .unpack(&layers[0], Form::Overlay);
    let below = Tree::merge(&layers[1..], Form::Overlay).unwrap();
    let tree = Tree::merge(&layers, Form::Overlay).unwrap();
    let mut archive = Vec::new();
    changes(&tree, &tree.changes_since(&below).unwrap(), &mut archive).unwrap();
    assert_eq!(names(&archive), ["./", "etc/", "etc/a", "etc/.wh.b", ".wh.gone"]);
    // On the image it makes what the container saw.
    let again = [scratch.directory("again"), layers[1].clone()];
    assert_eq!(unpack(archive.as_slice(), &again[0], Form::Overlay).unwrap(), Lost::default());
    assert_eq!(tree.changes_since(&Tree::merge(&again, Form::Overlay).unwrap()).unwrap(), []);
}

#[test]
fn a_name_that_means_a_whiteout_is_refused_in_a_layer_alone() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    fs::write(layer.join(".wh.x"), "").unwrap();
    let tree = Tree::merge(&[layer], Form::Overlay).unwrap();
    let all = tree.changes_since(&Tree::default()).unwrap();
    let error = changes(&tree, &all, Vec::new()).unwrap_err();
    assert!(format!("{error:#}").contains("pack \".wh.x\""), "{error:#}");
    everything(&tree, Vec::new()).unwrap();
}

#[test]
fn numbers_of_any_size_fit() {
    let attributes = crate::attributes::Attributes {
        user: u32::MAX - 1,
        group: 1 << 21,
        mode: 0o7777,
        modified: nix::sys::time::TimeSpec::new(1 << 40, 5),
        extended: [].into(),
    };
    let mut archive = Vec::new();
    let body = super::Body { kind: EntryType::Regular, length: 1 << 40, link: "".as_ref(), device: 0 };
    super::Packer::new(&mut archive).header("f".as_ref(), &attributes, &body).unwrap();
    let entry = Archive::new(archive.as_slice()).next().unwrap().unwrap();
    assert_eq!((entry.attributes, entry.length), (attributes, 1 << 40));
    assert!(matches!(entry.kind, Kind::File));
}

#[test]
fn what_is_gone_by_now_is_passed_over() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    Tar::default().file("a", "").file("b", "").unpack(&layer, Form::Overlay);
    let tree = Tree::merge(std::slice::from_ref(&layer), Form::Overlay).unwrap();
    fs::remove_file(layer.join("a")).unwrap();
    let mut archive = Vec::new();
    everything(&tree, &mut archive).unwrap();
    assert_eq!(names(&archive), ["./", "b"]);
}
