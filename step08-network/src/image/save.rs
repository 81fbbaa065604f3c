//! `save`: images in one archive that is both an OCI image layout and what `docker save` has always written.
//!
//! Two archives of the same images are the same, byte for byte.

use super::bundle::BLOBS;
use super::compression;
use super::config::ImageConfig;
use super::digest::{Digest, Hashing};
use super::docker_archive::MANIFEST;
use super::name::Name;
use super::oci_layout::{
    CONFIG_TYPE, Descriptor, IMAGE_NAME, INDEX, INDEX_TYPE, LAYER_TYPE, LAYOUT, MANIFEST_TYPE, Platform,
    REF_NAME,
};
use super::store::Store;
use crate::output;
use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;
use tar::{Builder, EntryType, Header};

/// What goes into the archive, by the names of its entries.
struct Contents<'a> {
    store: &'a Store,
    entries: BTreeMap<String, Content>,
    /// What index.json and manifest.json have of each image.
    manifests: Vec<Descriptor>,
    images: Vec<Value>,
}

enum Content {
    Document(Vec<u8>),
    Layer(Digest, u64),
}

/// Writes images, by their names or ids, into a file or to stdout.
pub fn save(store: &Store, images: &[String], output: Option<&Path>) -> Result<()> {
    let _guard = store.lock()?;
    let mut contents =
        Contents { store, entries: BTreeMap::new(), manifests: Vec::new(), images: Vec::new() };
    for (id, names) in by_image(store, images)? {
        contents.add(&id, &names).with_context(|| format!("image {id}"))?;
    }
    output::write_archive(output, |to| contents.write(to))
}

/// Each image once, in the order in which they were first asked for, with the names by which they were.
fn by_image(store: &Store, wanted: &[String]) -> Result<Vec<(Digest, Vec<Name>)>> {
    let tags = store.tags()?;
    let mut images: Vec<(Digest, Vec<Name>)> = Vec::new();
    for wanted in wanted {
        let id = store
            .find(wanted)?
            .with_context(|| format!("no image {wanted}: 'images' lists those of the store"))?;
        let place = images.iter().position(|(known, _)| *known == id).unwrap_or(images.len());
        if place == images.len() {
            images.push((id.clone(), Vec::new()));
        }
        let name = wanted.parse().ok().filter(|name| tags.contains(&(Name::clone(name), id.clone())));
        if let Some(name) = name.filter(|name| !images[place].1.contains(name)) {
            images[place].1.push(name);
        }
    }
    Ok(images)
}

impl Contents<'_> {
    fn add(&mut self, id: &Digest, names: &[Name]) -> Result<()> {
        let document = self.store.document(id)?;
        let config = ImageConfig::parse(&document)?;
        let mut layers = Vec::new();
        for diff_id in &config.rootfs.diff_ids {
            layers.push(self.add_layer(diff_id)?);
        }
        let config_descriptor = self.add_document(CONFIG_TYPE, document);
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST_TYPE, "config": config_descriptor, "layers": layers,
        });
        let mut descriptor = self.add_document(MANIFEST_TYPE, serde_json::to_vec(&manifest)?);
        descriptor.platform = Some(Platform { architecture: config.architecture, os: config.os });
        self.images.push(json!({
            "Config": config_descriptor.entry(),
            "RepoTags": (!names.is_empty()).then(|| names.iter().map(Name::to_string).collect::<Vec<_>>()),
            "Layers": layers.iter().map(Descriptor::entry).collect::<Vec<_>>(),
        }));
        if names.is_empty() {
            self.manifests.push(descriptor.clone());
        }
        for name in names {
            let annotations = [(IMAGE_NAME, name.full()), (REF_NAME, name.tag.clone())];
            let annotations = annotations.map(|(key, value)| (key.to_owned(), Value::from(value)));
            self.manifests.push(Descriptor { annotations: Some(annotations.into()), ..descriptor.clone() });
        }
        Ok(())
    }

    fn add_document(&mut self, media_type: &str, document: Vec<u8>) -> Descriptor {
        let descriptor = describe(media_type, Digest::of(&document), document.len() as u64);
        self.entries.insert(descriptor.entry(), Content::Document(document));
        descriptor
    }

    /// Layers are written uncompressed: their digests are those that the configuration has, whatever they came as.
    fn add_layer(&mut self, diff_id: &Digest) -> Result<Descriptor> {
        let context = || format!("layer {diff_id}");
        let size = match self.entries.get(&format!("{BLOBS}{}", diff_id.hex())) {
            Some(Content::Layer(_, size)) => *size,
            _ => content_size(&self.store.blob(diff_id)).with_context(context)?,
        };
        let descriptor = describe(LAYER_TYPE, diff_id.clone(), size);
        self.entries.insert(descriptor.entry(), Content::Layer(diff_id.clone(), size));
        Ok(descriptor)
    }

    fn write(mut self, to: &mut dyn Write) -> Result<()> {
        let index = json!({ "schemaVersion": 2, "mediaType": INDEX_TYPE, "manifests": self.manifests });
        for (name, document) in [
            (INDEX, index),
            (LAYOUT, json!({ "imageLayoutVersion": "1.0.0" })),
            (MANIFEST, Value::Array(self.images)),
        ] {
            self.entries.insert(name.to_owned(), Content::Document(serde_json::to_vec(&document)?));
        }
        let mut archive = Builder::new(to);
        for directory in ["blobs/", BLOBS] {
            append(&mut archive, directory, EntryType::Directory, 0o755, 0, io::empty())?;
        }
        for (name, content) in &self.entries {
            match content {
                Content::Document(document) => {
                    append(
                        &mut archive,
                        name,
                        EntryType::Regular,
                        0o644,
                        document.len() as u64,
                        &document[..],
                    )?;
                }
                Content::Layer(diff_id, size) => {
                    let blob = self.store.blob(diff_id);
                    let file = File::open(&blob).with_context(|| format!("open {}", blob.display()))?;
                    let mut content = Hashing::new(compression::decompress(file)?);
                    append(&mut archive, name, EntryType::Regular, 0o644, *size, &mut content)?;
                    let (digest, length, _) = content.finish();
                    ensure!(
                        (&digest, length) == (diff_id, *size),
                        "layer {diff_id}: {} is damaged, its content has the digest {digest}",
                        blob.display()
                    );
                }
            }
        }
        archive.finish().context("write the archive")
    }
}

fn describe(media_type: &str, digest: Digest, size: u64) -> Descriptor {
    Descriptor { media_type: media_type.to_owned(), digest, size, platform: None, annotations: None }
}

/// The length of a blob's content. A compressed one has to be gone through for it.
fn content_size(blob: &Path) -> Result<u64> {
    let file = File::open(blob).with_context(|| format!("open {}", blob.display()))?;
    if compression::is_gzip(&file)? {
        io::copy(&mut compression::decompress(file)?, &mut io::sink()).context("read it")
    } else {
        Ok(file.metadata().context("look at it")?.len())
    }
}

fn append(
    archive: &mut Builder<&mut dyn Write>,
    name: &str,
    kind: EntryType,
    mode: u32,
    size: u64,
    content: impl Read,
) -> Result<()> {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    archive.append_data(&mut header, name, content).with_context(|| format!("write {name}"))
}
