use std::fs;
use std::process::Command;

use super::{Entry, gzip, image, read, tar, unended};
use crate::tree::{expect_alike, of_folder, of_tar};

fn entries() -> Vec<Entry> {
    vec![
        Entry::dir("d/").mode(0o1777),
        Entry::file("d/f", "text").mode(0o4755),
        Entry::hard_link("d/g", "d/f"),
        Entry::symlink("l", "d/f"),
        Entry::new(b'6', "p"),
        Entry::file(b"\xff\n", "any byte"),
        Entry::file("x".repeat(101), "PAX"),
        Entry::file("y".repeat(255), "GNU").gnu(),
        Entry::symlink("long", "z".repeat(300)),
    ]
}

#[test]
fn tar_1_makes_of_an_archive_what_we_list() {
    let dir = nix::unistd::mkdtemp(&std::env::temp_dir().join("fork-to-veth-archive-XXXXXX")).unwrap();
    let (file, root) = (dir.join("a.tar.gz"), dir.join("root"));
    fs::create_dir(&root).unwrap();
    fs::write(&file, gzip(&tar(entries())).unwrap()).unwrap();
    let output = Command::new("tar").args(["-xpzf"]).arg(&file).arg("-C").arg(&root).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let mut unpacked = of_folder(&root, &[]).unwrap();
    let mut listed = of_tar(&tar(entries())).unwrap();
    unpacked.remove(&b""[..]);
    // Whoever runs the tests owns what tar made.
    for node in unpacked.values_mut().chain(listed.values_mut()) {
        node.owner = (0, 0);
    }
    fs::remove_dir_all(&dir).unwrap();
    expect_alike(&unpacked, &listed, "what tar(1) unpacked").unwrap();
    assert_eq!(listed[&b"d/g"[..]].same_as.as_deref(), Some(&b"d/f"[..]));
}

#[test]
fn records_and_names_may_hold_any_byte() {
    let long = [&b"\n\xff/"[..], &[b'n'; 200]].concat();
    let found = read::entries(&tar([Entry::file(&long, "").pax("comment", b"\xfe\n1 x=")])).unwrap();
    assert_eq!(found[0].name, long);
    assert_eq!(found[0].pax[0], ("comment".to_string(), b"\xfe\n1 x=".to_vec()));
}

#[test]
fn a_size_may_be_a_lie() {
    let archive = unended([Entry::file("big", "").size(1 << 50)]);
    assert_eq!(tar::Header::from_byte_slice(&archive).entry_size().unwrap(), 1 << 50);
    assert!(read::entries(&archive).is_err());
    assert!(read::entries(&unended([Entry::file("no end", "")])).is_err());
}

#[test]
fn skopeo_reads_the_archives_that_we_make() {
    if crate::need::program("skopeo").is_none() {
        eprintln!("skipped: skopeo is not installed");
        return;
    }
    let dir = nix::unistd::mkdtemp(&std::env::temp_dir().join("fork-to-veth-archive-XXXXXX")).unwrap();
    let mut one = image::Image::new("check/one:1", vec![tar(entries()), tar([])]);
    one.gzip = true;
    fs::write(dir.join("docker.tar"), image::pack(&image::docker(&[one.clone()]).unwrap())).unwrap();
    fs::write(dir.join("oci.tar"), image::pack(&image::oci(&[one.clone()]).unwrap())).unwrap();
    for from in ["docker-archive:docker.tar:check/one:1", "oci-archive:oci.tar:check/one:1"] {
        let mut skopeo = Command::new("skopeo");
        skopeo.args(["copy", "--insecure-policy", from, "dir:out"]).current_dir(&dir).env("TMPDIR", &dir);
        let output = skopeo.output().unwrap();
        assert!(output.status.success(), "{from}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(dir.join("out").join(one.id()).exists(), "no config of that id from {from}");
        fs::remove_dir_all(dir.join("out")).unwrap();
    }
    fs::remove_dir_all(&dir).unwrap();
}
