//! What is loaded, and what is refused.

use super::load_all;
use super::samples::{Entries, Scratch, config, docker, gzip, layer, oci, tar, unchanged};
use crate::image::digest::Digest;
use crate::whiteouts::Form;
use serde_json::{Value, json};
use std::fs;
use std::os::unix::fs::symlink;
use tar::{Builder, EntryType, Header};

#[test]
fn an_image_layout_is_loaded_from_every_kind_of_bundle() {
    let entries = oci(unchanged, unchanged);
    let archive = tar(&entries);
    for (name, content) in [("plain", archive.clone()), ("gzip", gzip(&archive))] {
        let (scratch, store) = Scratch::new(name);
        let lines = load_all(&store, &scratch.file(&content), Form::Overlay).unwrap();
        assert_eq!(lines, ["Loaded image: web:1"]);
        let id = store.find("web:1").unwrap().unwrap();
        assert_eq!(id, Digest::of(&config(&[&layer("file")])));
        assert!(store.has_layer(Form::Overlay, &Digest::of(&layer("file"))));
        assert_eq!(fs::read(store.blob(&Digest::of(&layer("file")))).unwrap(), gzip(&layer("file")));
    }
    let (scratch, store) = Scratch::new("folder");
    for (name, content) in &entries {
        let path = scratch.0.join("layout").join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    assert_eq!(load_all(&store, &scratch.0.join("layout"), Form::Overlay).unwrap(), ["Loaded image: web:1"]);
}

#[test]
fn a_docker_archive_may_have_several_images_and_names() {
    let (first, second) = (layer("first"), layer("second"));
    let image = |tags: Value| json!({ "Config": "config.json", "RepoTags": tags, "Layers": ["0/layer.tar", "1/layer.tar"] });
    let manifest = json!([image(json!(["web:1", "docker.io/library/web"])), image(Value::Null)]);
    let (scratch, store) = Scratch::new("docker");
    let lines =
        load_all(&store, &scratch.file(&tar(&docker(&manifest, &[&first, &second]))), Form::Overlay).unwrap();
    let id = Digest::of(&config(&[&first, &second]));
    assert_eq!(lines, ["Loaded image: web:1", "Loaded image: web:latest", &format!("Loaded image ID: {id}")]);
}

#[test]
fn a_link_to_another_images_layer_is_followed() {
    let first = layer("first");
    let manifest = json!([{ "Config": "config.json", "RepoTags": ["web:1"], "Layers": ["link/layer.tar"] }]);
    for (target, found) in [
        ("../0/layer.tar", true),
        ("../../0/layer.tar", false),
        ("/0/layer.tar", false),
        ("layer.tar", false),
    ] {
        let mut builder = Builder::new(tar(&docker(&manifest, &[&first])));
        let length = builder.get_ref().len() - 1024;
        builder.get_mut().truncate(length);
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Symlink);
        header.set_size(0);
        builder.append_link(&mut header, "link/layer.tar", target).unwrap();
        let (scratch, store) = Scratch::new("link");
        let loaded = load_all(&store, &scratch.file(&builder.into_inner().unwrap()), Form::Overlay);
        assert_eq!(loaded.is_ok(), found, "{target}: {loaded:?}");
    }
}

#[test]
fn what_is_in_the_store_is_not_read_again() {
    let (scratch, store) = Scratch::new("again");
    load_all(&store, &scratch.file(&tar(&oci(unchanged, unchanged))), Form::Overlay).unwrap();
    let mut entries = oci(unchanged, unchanged);
    entries.remove(&format!("blobs/sha256/{}", Digest::of(&gzip(&layer("file"))).hex()));
    load_all(&store, &scratch.file(&tar(&entries)), Form::Overlay).unwrap();
}

/// Every one is refused for the reason given, and leaves nothing in the store.
fn refused(name: &str, entries: &Entries, reason: &str) {
    let (scratch, store) = Scratch::new(name);
    let error = load_all(&store, &scratch.file(&tar(entries)), Form::Overlay).unwrap_err();
    assert!(format!("{error:#}").contains(reason), "{name}: {error:#}");
    assert!(scratch.is_empty(), "{name}");
}

#[test]
fn what_a_layout_says_is_checked() {
    let blob = |content: &[u8]| format!("blobs/sha256/{}", Digest::of(content).hex());
    let (packed, document) = (blob(&gzip(&layer("file"))), blob(&config(&[&layer("file")])));
    let changed = |key: &str, content: Option<Vec<u8>>| {
        let mut entries = oci(unchanged, unchanged);
        match content {
            Some(content) => entries.insert(key.to_owned(), content),
            None => entries.remove(key),
        };
        entries
    };
    refused("missing-layer", &changed(&packed, None), "is missing");
    refused("missing-config", &changed(&document, None), "is missing");
    refused("missing-version", &changed("oci-layout", None), "is missing");
    refused("other-config", &changed(&document, Some(config(&[&layer("eile")]))), "its digest is");
    refused("other-layer", &changed(&packed, Some(gzip(&layer("fill")))), "its digest is");
    refused("long-layer", &changed(&packed, Some(vec![0; 9999])), "its size is 9999 bytes");
    refused("long-index", &changed("index.json", Some(vec![b' '; 5 << 20])), "a document has");

    let manifest = |change: fn(&mut Value)| oci(change, unchanged);
    let kind = |index: &'static str| move |it: &mut Value| it["layers"][0]["mediaType"] = index.into();
    refused("zstd", &oci(kind("application/vnd.oci.image.layer.v1.tar+zstd"), unchanged), "zstd");
    refused(
        "foreign",
        &oci(kind("application/vnd.docker.image.rootfs.foreign.diff.tar.gzip"), unchanged),
        "foreign",
    );
    refused("unknown", &oci(kind("text/plain"), unchanged), "text/plain");
    refused(
        "artifact",
        &manifest(|it| it["config"]["mediaType"] = "application/json".into()),
        "application/json",
    );
    refused("two-in-one", &manifest(|it| it["manifests"] = json!([])), "neither has both");
    refused("version", &manifest(|it| it["schemaVersion"] = 1.into()), "version 1");
    refused("no-layers", &manifest(|it| it["layers"] = json!([])), "0 layers");

    let index = |change: fn(&mut Value)| oci(unchanged, change);
    refused(
        "name-out",
        &index(|it| it["manifests"][0]["digest"] = "sha256:../../../x".into()),
        "64 lower-case",
    );
    refused("sha512", &index(|it| it["manifests"][0]["digest"] = "sha512:00".into()), "sha256");
    refused(
        "machine",
        &index(|it| it["manifests"][0]["platform"] = json!({"os": "linux", "architecture": "pdp11"})),
        "linux/pdp11",
    );
    refused(
        "bomb",
        &index(|it| it["manifests"] = vec![it["manifests"][0].clone(); 1001].into()),
        "more than 1000",
    );
    refused("nothing", &index(|it| it["manifests"] = Value::Null), "an index has manifests");
}

#[test]
fn what_a_docker_archive_says_is_checked() {
    let content = layer("file");
    let image = |config: &str, layers: &[&str], tag: &str| {
        docker(&json!([{ "Config": config, "RepoTags": [tag], "Layers": layers }]), &[&content])
    };
    refused("config-out", &image("../config.json", &["0/layer.tar"], "web"), "leads out");
    refused("config-absolute", &image("/etc/hostname", &["0/layer.tar"], "web"), "leads out");
    refused("layer-out", &image("config.json", &["blobs/../../x"], "web"), "leads out");
    refused("layer-absolute", &image("config.json", &["/etc/hostname"], "web"), "leads out");
    refused("layer-missing", &image("config.json", &["1/layer.tar"], "web"), "is missing");
    refused("layer-more", &image("config.json", &["0/layer.tar", "0/layer.tar"], "web"), "2 layers");
    refused("name", &image("config.json", &["0/layer.tar"], "../web"), "../web");
    refused("no-image", &docker(&json!([]), &[&content]), "names no image");
    let mut other = image("config.json", &["0/layer.tar"], "web");
    other.insert("0/layer.tar".to_owned(), layer("other"));
    refused("other-layer-tar", &other, "the digest of its content");
    refused("entry-out", &Entries::from([("../manifest.json".to_owned(), Vec::new())]), "leads out");
    refused("neither", &Entries::from([("etc/passwd".to_owned(), Vec::new())]), "import");
}

#[test]
fn damaged_archives_and_links_in_folders_are_refused() {
    let archive = tar(&oci(unchanged, unchanged));
    let (scratch, store) = Scratch::new("damaged");
    for content in
        [&archive[..archive.len() - 1024], &archive[..700], &gzip(&archive)[..200], b"no archive", b""]
    {
        assert!(load_all(&store, &scratch.file(content), Form::Overlay).is_err());
        assert!(scratch.is_empty());
    }
    let folder = scratch.0.join("layout");
    fs::create_dir(&folder).unwrap();
    symlink("/etc/hostname", folder.join("manifest.json")).unwrap();
    let error = load_all(&store, &folder, Form::Overlay).unwrap_err();
    assert!(format!("{error:#}").contains("symlink"), "{error:#}");
}
