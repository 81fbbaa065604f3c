//! Bundles and stores made by hand, for tests.

use crate::image::config::architecture;
use crate::image::digest::Digest;
use crate::image::store::Store;
use flate2::{Compression, write::GzEncoder};
use nix::unistd::{getegid, geteuid};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::PathBuf;
use tar::{Builder, Header};

/// A directory with an empty store in it, removed at the end.
pub struct Scratch(pub PathBuf);

impl Scratch {
    pub fn new(name: &str) -> (Scratch, Store) {
        let path = std::env::temp_dir().join(format!("fork-to-veth-load-{name}-{}", std::process::id()));
        for directory in ["blobs", "drafts", "images", "layers/overlay", "tags"] {
            fs::create_dir_all(path.join("data").join(directory)).unwrap();
        }
        let store = Store { data: path.join("data") };
        (Scratch(path), store)
    }

    pub fn file(&self, content: &[u8]) -> PathBuf {
        let path = self.0.join("bundle");
        fs::write(&path, content).unwrap();
        path
    }

    /// What the store has of images, layers and drafts.
    pub fn is_empty(&self) -> bool {
        ["blobs", "drafts", "images", "layers/overlay", "tags"]
            .iter()
            .all(|name| fs::read_dir(self.0.join("data").join(name)).unwrap().next().is_none())
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        fs::remove_dir_all(&self.0).unwrap();
    }
}

pub type Entries = BTreeMap<String, Vec<u8>>;

pub fn tar(entries: &Entries) -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    for (name, content) in entries {
        let mut header = Header::new_gnu();
        header.set_mode(0o644);
        header.set_uid(geteuid().as_raw().into());
        header.set_gid(getegid().as_raw().into());
        header.set_size(content.len() as u64);
        // Written by hand, since the builder refuses names that lead elsewhere.
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_cksum();
        builder.append(&header, content.as_slice()).unwrap();
    }
    builder.into_inner().unwrap()
}

pub fn gzip(content: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(content).unwrap();
    encoder.finish().unwrap()
}

pub fn layer(file: &str) -> Vec<u8> {
    tar(&BTreeMap::from([(file.to_owned(), b"content".to_vec())]))
}

pub fn config(layers: &[&[u8]]) -> Vec<u8> {
    let diff_ids: Vec<_> = layers.iter().map(|layer| Digest::of(layer)).collect();
    let rootfs = json!({ "type": "layers", "diff_ids": diff_ids });
    json!({ "architecture": architecture(), "os": "linux", "rootfs": rootfs, "config": null })
        .to_string()
        .into()
}

pub fn add_blob(entries: &mut Entries, media_type: &str, content: &[u8]) -> Value {
    let digest = Digest::of(content);
    entries.insert(format!("blobs/sha256/{}", digest.hex()), content.to_vec());
    json!({ "mediaType": media_type, "digest": digest, "size": content.len() })
}

/// An image layout with one image of one compressed layer, changed by the caller before digests are taken.
pub fn oci(change_manifest: impl Fn(&mut Value), change_index: impl Fn(&mut Value)) -> Entries {
    let mut entries = Entries::new();
    let content = layer("file");
    let layer = add_blob(&mut entries, "application/vnd.oci.image.layer.v1.tar+gzip", &gzip(&content));
    let config = add_blob(&mut entries, "application/vnd.oci.image.config.v1+json", &config(&[&content]));
    let mut manifest = json!({ "schemaVersion": 2, "config": config, "layers": [layer] });
    change_manifest(&mut manifest);
    let kind = "application/vnd.oci.image.manifest.v1+json";
    let mut image = add_blob(&mut entries, kind, manifest.to_string().as_bytes());
    image["annotations"] = json!({ "org.opencontainers.image.ref.name": "web:1" });
    let mut index = json!({ "schemaVersion": 2, "manifests": [image] });
    change_index(&mut index);
    entries.insert("index.json".to_owned(), index.to_string().into());
    entries.insert("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec());
    entries
}

pub fn docker(manifest: &Value, layers: &[&[u8]]) -> Entries {
    let mut entries = Entries::from([("manifest.json".to_owned(), manifest.to_string().into())]);
    entries.insert("config.json".to_owned(), config(layers));
    for (number, layer) in layers.iter().enumerate() {
        entries.insert(format!("{number}/layer.tar"), layer.to_vec());
    }
    entries
}

pub fn unchanged(_: &mut Value) {}
