//! What `docker save` writes: `manifest.json` says where each image's configuration and layers are.

use super::bundle::{BLOBS, Bundle};
use super::digest::Digest;
use super::load::{Found, FoundLayer};
use super::section::Section;
use anyhow::{Context, Result, ensure};
use serde::Deserialize;

pub const MANIFEST: &str = "manifest.json";

/// More images than anybody saves at once: a small archive must not keep the reader busy for hours.
const MOST_IMAGES: usize = 1000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Image {
    config: String,
    repo_tags: Option<Vec<String>>,
    layers: Option<Vec<String>>,
}

pub fn images(bundle: &Bundle, manifest: Section) -> Result<Vec<Found>> {
    let document = manifest.document().context(MANIFEST)?;
    let images: Vec<Image> = serde_json::from_slice(&document).context(MANIFEST)?;
    ensure!(!images.is_empty(), "{MANIFEST} names no image");
    ensure!(images.len() <= MOST_IMAGES, "{MANIFEST} names more than {MOST_IMAGES} images");
    images.into_iter().map(|image| open(bundle, image)).collect()
}

fn open(bundle: &Bundle, image: Image) -> Result<Found> {
    // Every tool names the configuration by its digest, if not each in the same way.
    let name = image.config.rsplit('/').next().unwrap_or_default();
    let digest = Digest::from_hex(name.strip_suffix(".json").unwrap_or(name)).ok();
    let document = bundle.document(&image.config, digest.as_ref(), None)?;
    let name = |name: String| name.parse().with_context(|| format!("image name {name:?}"));
    let names = image.repo_tags.into_iter().flatten().map(name).collect::<Result<_>>()?;
    let layer = |entry: String| {
        let digest = entry.strip_prefix(BLOBS).map(Digest::from_hex).transpose();
        let digest = digest.with_context(|| format!("layer {entry:?}"))?;
        Ok(FoundLayer { entry, digest, size: None })
    };
    let layers = image.layers.into_iter().flatten().map(layer).collect::<Result<_>>()?;
    Ok(Found { document, names, layers })
}
