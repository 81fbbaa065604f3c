use super::What;
use crate::copy;
use crate::samples::{Scratch, Tar};
use crate::tree::Tree;
use crate::whiteouts::Form;
use std::fs::{self, File, Permissions};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use tar::EntryType;

/// The differences as `docker diff` prints them.
fn lines(tree: &Tree, below: &Tree) -> Vec<String> {
    let changes = tree.changes_since(below).unwrap();
    let letter = |what| match what {
        What::Added => 'A',
        What::Changed => 'C',
        What::Deleted => 'D',
    };
    changes.iter().map(|change| format!("{} /{}", letter(change.what), change.path.display())).collect()
}

/// An image's layer, and what a container's layer makes of it.
fn difference(below: Tar, above: Tar, form: Form) -> Vec<String> {
    let scratch = Scratch::new();
    let layers = [scratch.directory("above"), scratch.directory("below")];
    above.unpack(&layers[0], form);
    below.unpack(&layers[1], form);
    let below = Tree::merge(&layers[1..], form).unwrap();
    lines(&Tree::merge(&layers, form).unwrap(), &below)
}

fn image() -> Tar {
    let directories = ["etc", "d", "d/e", "empty"];
    let image = directories.into_iter().fold(Tar::default(), Tar::directory);
    image.file("etc/conf", "1").file("etc/other", "2").file("d/e/f", "3").symlink("s", "etc")
}

#[test]
fn both_forms_say_the_same() {
    let above = || {
        let new = Tar::default()
            .file("etc/conf", "changed")
            .file("new/a/b", "")
            .file("d/.wh.e", "")
            .symlink("s", "d");
        new.file(".wh.empty", "").file("d/g", "")
    };
    let expected = [
        "C /d",
        "D /d/e",
        "A /d/g",
        "D /empty",
        "C /etc",
        "C /etc/conf",
        "A /new",
        "A /new/a",
        "A /new/a/b",
        "C /s",
    ];
    assert_eq!(difference(image(), above(), Form::Overlay), expected);
    assert_eq!(difference(image(), above(), Form::Aufs), expected);
}

#[test]
fn what_was_only_copied_up_is_no_change() {
    assert_eq!(difference(image(), image(), Form::Overlay), [""; 0]);
    let same_size = Tar::default().file("etc/conf", "9");
    assert_eq!(
        difference(Tar::default().file("etc/conf", "1"), same_size, Form::Overlay),
        ["C /etc", "C /etc/conf"]
    );
}

#[test]
fn another_kind_is_one_change() {
    let below = || Tar::default().file("a/x/y", "").file("b", "");
    let above = Tar::default().directory("b").file("b/new", "").file(".wh.a", "");
    assert_eq!(difference(below(), above, Form::Aufs), ["D /a", "C /b", "A /b/new"]);
    let above = Tar::default().file("a", "");
    assert_eq!(difference(below(), above, Form::Overlay), ["C /a"]);
}

#[test]
fn an_opaque_directory_hides_what_was_in_it() {
    if !Scratch::new().has_attributes() {
        return;
    }
    for form in [Form::Overlay, Form::Aufs] {
        let above =
            Tar::default().directory("d").file("d/.wh..wh..opq", "").file("d/new", "").file("d/e/g", "");
        let expected = ["C /d", "C /d/e", "D /d/e/f", "A /d/e/g", "A /d/new"];
        assert_eq!(difference(image(), above, form), expected);
    }
}

#[test]
fn every_attribute_counts() {
    let scratch = Scratch::new();
    let (below, above) = (scratch.directory("below"), scratch.directory("above"));
    let names = ["same", "mode", "time", "link", "xattr"];
    for name in names {
        fs::write(below.join(name), "text").unwrap();
    }
    symlink("one", below.join("symlink")).unwrap();
    let tree = |path: &Path| Tree::merge(&[path.to_owned()], Form::Overlay).unwrap();
    copy::copy(&tree(&below), &above).unwrap();
    assert_eq!(lines(&tree(&above), &tree(&below)), [""; 0]);
    fs::set_permissions(above.join("mode"), Permissions::from_mode(0o4755)).unwrap();
    let later = SystemTime::UNIX_EPOCH + Duration::from_nanos(1);
    File::options().write(true).open(above.join("time")).unwrap().set_modified(later).unwrap();
    fs::hard_link(above.join("link"), above.join("second")).unwrap();
    let mut expected = vec!["C /link", "C /mode", "A /second", "C /time"];
    if scratch.has_attributes() {
        xattr::set(above.join("xattr"), "user.a", b"1").unwrap();
        xattr::set(above.join("same"), "user.overlay.origin", b"").unwrap();
        expected.push("C /xattr");
    }
    assert_eq!(lines(&tree(&above), &tree(&below)), expected);
}

#[test]
fn a_new_name_brings_the_others_of_its_file_along() {
    let scratch = Scratch::new();
    let layers = [scratch.directory("above"), scratch.directory("below")];
    Tar::default().file("f", "").hard_link("g", "f").unpack(&layers[1], Form::Overlay);
    // As overlayfs leaves it after `ln f new`: f is copied up, and g is what it was.
    Tar::default().file("f", "").hard_link("new", "f").unpack(&layers[0], Form::Overlay);
    let below = Tree::merge(&layers[1..], Form::Overlay).unwrap();
    assert_eq!(lines(&Tree::merge(&layers, Form::Overlay).unwrap(), &below), ["C /f", "A /new"]);
}

#[test]
fn a_tree_is_in_the_order_of_bytes_and_without_sockets() {
    let scratch = Scratch::new();
    let layer = scratch.directory("layer");
    Tar::default().file("a/b", "").file("a-b", "").file("a0", "").unpack(&layer, Form::Overlay);
    let _socket = std::os::unix::net::UnixListener::bind(layer.join("socket")).unwrap();
    let tree = Tree::merge(&[layer], Form::Overlay).unwrap();
    assert_eq!(
        tree.iter().map(|(path, _)| path).collect::<Vec<_>>(),
        ["", "a", "a-b", "a/b", "a0"].map(Path::new)
    );
}

#[test]
fn symlinks_of_a_layer_are_not_followed() {
    let scratch = Scratch::new();
    let (layer, outside) = (scratch.directory("layer"), scratch.directory("outside"));
    fs::write(outside.join("secret"), "").unwrap();
    Tar::default().directory("d").file("d/secret", "").unpack(&layer, Form::Overlay);
    let tree = Tree::merge(&[PathBuf::from(&layer)], Form::Overlay).unwrap();
    fs::rename(layer.join("d"), layer.join("old")).unwrap();
    symlink(&outside, layer.join("d")).unwrap();
    assert!(tree.node(Path::new("d/secret")).unwrap().is_none());
}

#[test]
fn fifos_and_devices_are_not_opened() {
    let fifo = || Tar::default().entry(EntryType::Fifo, "p", "", b"");
    assert_eq!(difference(fifo(), fifo(), Form::Overlay), [""; 0]);
}
