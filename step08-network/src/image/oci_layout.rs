//! The OCI image layout: `index.json` names manifests by digest, and each of those a configuration and layers.

use super::bundle::{BLOBS, Bundle};
use super::config::{OS, architecture};
use super::digest::Digest;
use super::load::{Found, FoundLayer};
use super::name::Name;
use super::section::Section;
use anyhow::{Context, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

pub const INDEX: &str = "index.json";
pub const LAYOUT: &str = "oci-layout";

/// The annotation in which containerd, and Docker since it is built on that, has an image's whole name.
pub const IMAGE_NAME: &str = "io.containerd.image.name";
/// The OCI's annotation, which may be any text: some have a whole name here, some only a tag.
pub const REF_NAME: &str = "org.opencontainers.image.ref.name";

pub const INDEX_TYPE: &str = "application/vnd.oci.image.index.v1+json";
pub const MANIFEST_TYPE: &str = "application/vnd.oci.image.manifest.v1+json";
pub const CONFIG_TYPE: &str = "application/vnd.oci.image.config.v1+json";
pub const LAYER_TYPE: &str = "application/vnd.oci.image.layer.v1.tar";

const INDEX_TYPES: [&str; 2] = [INDEX_TYPE, "application/vnd.docker.distribution.manifest.list.v2+json"];
const MANIFEST_TYPES: [&str; 2] = [MANIFEST_TYPE, "application/vnd.docker.distribution.manifest.v2+json"];
const CONFIG_TYPES: [&str; 2] = [CONFIG_TYPE, "application/vnd.docker.container.image.v1+json"];
const LAYER_TYPES: [&str; 4] = [
    LAYER_TYPE,
    "application/vnd.oci.image.layer.v1.tar+gzip",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.diff.tar.gzip",
];

/// How deep indexes may lie in indexes, and how many images one may name: an archive must not keep its reader busy for hours.
const DEEPEST: usize = 4;
const MOST_IMAGES: usize = 1000;

#[derive(Clone, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    pub media_type: String,
    pub digest: Digest,
    pub size: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, Value>>,
}

#[derive(Clone, Serialize, Deserialize)]
pub struct Platform {
    pub architecture: String,
    pub os: String,
}

/// An index or a manifest, whichever of the two it is by its media type. One that could be read as both, and so be two
/// different images to two readers, is refused (CVE-2021-41190).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Document {
    schema_version: u32,
    media_type: Option<String>,
    manifests: Option<Vec<Descriptor>>,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
}

pub fn images(bundle: &Bundle, index: Section) -> Result<Vec<Found>> {
    check_version(bundle)?;
    let index = Document::parse(&index.document().context(INDEX)?, INDEX_TYPE).context(INDEX)?;
    let images = index.manifests.unwrap_or_default();
    ensure!(!images.is_empty(), "{INDEX} names no image");
    ensure!(images.len() <= MOST_IMAGES, "{INDEX} names more than {MOST_IMAGES} images");
    let mut found = Vec::new();
    for image in images.iter().filter(|image| image.is_for_this_machine()) {
        found.push(open(bundle, image)?);
    }
    if found.is_empty() {
        let platforms: Vec<_> =
            images.iter().filter_map(|image| image.platform.as_ref()).map(Platform::name).collect();
        bail!("it is made for {}, and this machine is {OS}/{}", platforms.join(" and "), architecture());
    }
    Ok(found)
}

fn check_version(bundle: &Bundle) -> Result<()> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Layout {
        image_layout_version: String,
    }
    let document = bundle.need(LAYOUT)?.document().context(LAYOUT)?;
    let layout: Layout = serde_json::from_slice(&document).context(LAYOUT)?;
    let version = layout.image_layout_version;
    ensure!(version.starts_with("1."), "{LAYOUT}: version {version:?} of the image layout is not known here");
    Ok(())
}

/// Reads an image's manifest, and of an index the one for this machine.
fn open(bundle: &Bundle, image: &Descriptor) -> Result<Found> {
    let mut descriptor = image.clone();
    for _ in 0..DEEPEST {
        let bytes = descriptor.read(bundle)?;
        let document = Document::parse(&bytes, &descriptor.media_type);
        let document = document.with_context(|| format!("manifest {}", descriptor.digest))?;
        if let Some(config) = document.config {
            let mut found = read(bundle, &config, document.layers.unwrap_or_default())
                .with_context(|| format!("manifest {}", descriptor.digest))?;
            found.names.extend(image.name());
            return Ok(found);
        }
        let mut inside = document.manifests.unwrap_or_default().into_iter();
        descriptor = inside.find(Descriptor::is_for_this_machine).with_context(|| {
            format!("index {} has no image for {OS}/{}", descriptor.digest, architecture())
        })?;
    }
    bail!("index {}: more than {DEEPEST} indexes lie in each other", image.digest);
}

fn read(bundle: &Bundle, config: &Descriptor, layers: Vec<Descriptor>) -> Result<Found> {
    check_type("configuration", &config.media_type, &CONFIG_TYPES)?;
    let layer = |layer: Descriptor| {
        let kind = &layer.media_type;
        if kind.ends_with("zstd") {
            bail!(
                "layer {}: it is compressed with zstd, and only gzip is known here; 'skopeo copy --dest-compress-format gzip' converts images",
                layer.digest
            );
        }
        if kind.contains(".nondistributable.") || kind.contains(".foreign.") {
            bail!("layer {}: it is not in archives ({kind}); its owner alone may give it away", layer.digest);
        }
        check_type("layer", kind, &LAYER_TYPES)?;
        let entry = layer.entry();
        Ok(FoundLayer { entry, digest: Some(layer.digest), size: Some(layer.size) })
    };
    let layers = layers.into_iter().map(layer).collect::<Result<_>>()?;
    Ok(Found { document: config.read(bundle)?, names: Vec::new(), layers })
}

fn check_type(what: &str, found: &str, known: &[&str]) -> Result<()> {
    ensure!(known.contains(&found), "a {what} of the media type {found:?}, which is not known here");
    Ok(())
}

impl Document {
    fn parse(bytes: &[u8], media_type: &str) -> Result<Document> {
        let document: Document = serde_json::from_slice(bytes)?;
        let (is_index, is_manifest) =
            (INDEX_TYPES.contains(&media_type), MANIFEST_TYPES.contains(&media_type));
        ensure!(is_index || is_manifest, "its media type {media_type:?} is not known here");
        ensure!(
            document.schema_version == 2,
            "version {} of its format is not known here",
            document.schema_version
        );
        if let Some(own) = &document.media_type {
            ensure!(
                own == media_type,
                "it says of itself that it is {own:?}, and is named as {media_type:?}"
            );
        }
        let (has_images, has_layers) = (document.manifests.is_some(), document.layers.is_some());
        ensure!(
            (has_images, has_layers, document.config.is_some()) == (is_index, is_manifest, is_manifest),
            "an index has manifests, a manifest has a configuration and layers, and neither has both"
        );
        Ok(document)
    }
}

impl Descriptor {
    pub fn entry(&self) -> String {
        format!("{BLOBS}{}", self.digest.hex())
    }

    fn read(&self, bundle: &Bundle) -> Result<Vec<u8>> {
        bundle.document(&self.entry(), Some(&self.digest), Some(self.size))
    }

    /// Whether it may be an image for this machine: what does not say may be.
    fn is_for_this_machine(&self) -> bool {
        self.platform
            .as_ref()
            .is_none_or(|it| (it.os.as_str(), it.architecture.as_str()) == (OS, architecture()))
    }

    /// The image's name. A text that is no name gives none; a tag alone is taken for a repository's name, as podman does.
    fn name(&self) -> Option<Name> {
        let annotations = self.annotations.as_ref()?;
        let text = |key| annotations.get(key).and_then(Value::as_str);
        [IMAGE_NAME, REF_NAME].into_iter().filter_map(text).find_map(|name| name.parse().ok())
    }
}

impl Platform {
    fn name(&self) -> String {
        format!("{}/{}", self.os.escape_debug(), self.architecture.escape_debug())
    }
}
