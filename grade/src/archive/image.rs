//! Image archives as `docker save` writes them, and OCI image layouts.
//!
//! Both are given as lists of files, so that a check can spoil one before it packs them.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{Entry, gzip, sha256, tar};

/// The media type of an OCI image manifest.
pub const MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// The media type of an OCI image index.
pub const INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// The media type of an OCI image's configuration.
pub const CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The media type of a layer that is a plain tar archive.
pub const LAYER: &str = "application/vnd.oci.image.layer.v1.tar";
/// The media type of one that is compressed.
pub const LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";

/// The files of an archive or layout: name and content.
pub type Files = Vec<(String, Vec<u8>)>;

/// An image to be written: its names, its layers as plain tar archives from the lowest up, and its configuration.
#[derive(Clone, Debug, Default)]
pub struct Image {
    /// Names with tags, `check/one:1`.
    pub names: Vec<String>,
    /// Plain tar archives; they are compressed in the archive when `gzip` says so.
    pub layers: Vec<Vec<u8>>,
    /// Whether the layers are compressed in the archive.
    pub gzip: bool,
    /// The value of `config` in the image's document: `Cmd`, `Env`, `User`, …
    pub config: Value,
}

impl Image {
    /// An image with one name.
    #[must_use]
    pub fn new(name: &str, layers: Vec<Vec<u8>>) -> Image {
        Image { names: vec![name.to_string()], layers, gzip: false, config: json!({ "Cmd": ["sh"] }) }
    }

    /// The image's document, whose digest is the image's id.
    #[must_use]
    pub fn document(&self) -> Vec<u8> {
        let diff_ids: Vec<String> =
            self.layers.iter().map(|layer| format!("sha256:{}", sha256(layer))).collect();
        let document = json!({
            "architecture": architecture(),
            "os": "linux",
            "created": "2020-09-13T12:26:40Z",
            "config": self.config,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        document.to_string().into_bytes()
    }

    /// The 64 digits of the image's id.
    #[must_use]
    pub fn id(&self) -> String {
        sha256(&self.document())
    }

    fn blob(&self, layer: &[u8]) -> Result<Vec<u8>> {
        if self.gzip { gzip(layer) } else { Ok(layer.to_vec()) }
    }
}

/// This machine's architecture as Go, and therefore every image, calls it.
#[must_use]
pub fn architecture() -> &'static str {
    match std::env::consts::ARCH {
        "x86_64" => "amd64",
        "aarch64" => "arm64",
        other => other,
    }
}

/// The files of an archive as `docker save` wrote it until Docker 25: a folder for each layer.
///
/// # Errors
/// When a layer cannot be compressed.
pub fn docker(images: &[Image]) -> Result<Files> {
    let mut files = Files::new();
    let mut manifest = Vec::new();
    for image in images {
        let mut layers = Vec::new();
        for layer in &image.layers {
            let name = format!("{}/layer.tar", sha256(layer));
            put(&mut files, &name, image.blob(layer)?);
            layers.push(name);
        }
        let config = format!("{}.json", image.id());
        put(&mut files, &config, image.document());
        let names = if image.names.is_empty() { Value::Null } else { json!(image.names) };
        manifest.push(json!({ "Config": config, "RepoTags": names, "Layers": layers }));
    }
    put(&mut files, "manifest.json", Value::from(manifest).to_string().into_bytes());
    Ok(files)
}

/// The files of an OCI image layout; an image without a name has no annotation.
///
/// # Errors
/// When a layer cannot be compressed.
pub fn oci(images: &[Image]) -> Result<Files> {
    let mut files = Files::new();
    let mut manifests = Vec::new();
    for image in images {
        let manifest = oci_manifest(&mut files, image)?;
        if image.names.is_empty() {
            manifests.push(manifest.clone());
        }
        for name in &image.names {
            let mut named = manifest.clone();
            named["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
            manifests.push(named);
        }
    }
    Ok(layout(files, &manifests))
}

/// Completes the blobs with `index.json` and `oci-layout`.
#[must_use]
pub fn layout(mut files: Files, manifests: &[Value]) -> Files {
    let index = json!({ "schemaVersion": 2, "mediaType": INDEX, "manifests": manifests });
    put(&mut files, "index.json", index.to_string().into_bytes());
    put(&mut files, "oci-layout", json!({ "imageLayoutVersion": "1.0.0" }).to_string().into_bytes());
    files
}

/// Adds the blobs of one image and returns the descriptor of its manifest.
///
/// # Errors
/// When a layer cannot be compressed.
pub fn oci_manifest(files: &mut Files, image: &Image) -> Result<Value> {
    let media = if image.gzip { LAYER_GZIP } else { LAYER };
    let mut layers = Vec::new();
    for layer in &image.layers {
        layers.push(blob(files, media, image.blob(layer)?));
    }
    let config = blob(files, CONFIG, image.document());
    let manifest = json!({ "schemaVersion": 2, "mediaType": MANIFEST, "config": config, "layers": layers });
    Ok(blob(files, MANIFEST, manifest.to_string().into_bytes()))
}

/// Adds a blob and returns its descriptor.
pub fn blob(files: &mut Files, media: &str, content: Vec<u8>) -> Value {
    let (digest, size) = (sha256(&content), content.len());
    put(files, &format!("blobs/sha256/{digest}"), content);
    json!({ "mediaType": media, "digest": format!("sha256:{digest}"), "size": size })
}

/// Adds a file, or replaces the content of the one with this name.
pub fn put(files: &mut Files, name: &str, content: Vec<u8>) {
    files.retain(|(other, _)| other != name);
    files.push((name.to_string(), content));
}

/// The content of the file with this name.
///
/// # Errors
/// When there is none.
pub fn get<'a>(files: &'a Files, name: &str) -> Result<&'a [u8]> {
    let file = files.iter().find(|(other, _)| other == name);
    Ok(&file.with_context(|| format!("the archive has no {name}"))?.1)
}

/// Changes a file that is JSON.
///
/// # Errors
/// When there is none with this name, or it is not JSON.
pub fn edit(files: &mut Files, name: &str, change: impl FnOnce(&mut Value)) -> Result<()> {
    let mut value: Value = serde_json::from_slice(get(files, name)?)?;
    change(&mut value);
    put(files, name, value.to_string().into_bytes());
    Ok(())
}

/// The files as one tar archive.
#[must_use]
pub fn pack(files: &Files) -> Vec<u8> {
    tar(files.iter().map(|(name, content)| Entry::file(name, content)))
}

/// The files as a folder.
///
/// # Errors
/// When one cannot be written.
pub fn unfold(files: &Files, dir: &Path) -> Result<()> {
    for (name, content) in files {
        let path = dir.join(name);
        fs::create_dir_all(path.parent().context("a file has no folder")?)?;
        fs::write(&path, content).with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}
