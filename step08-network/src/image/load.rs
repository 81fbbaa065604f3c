//! `load`: images that other tools have written, with the layers that the store does not have yet.
//!
//! All of it is made in a draft and checked there. Then it goes into the store: layers, documents, names, in this order, so
//! that nothing ever stands for something that is not there.

use super::bundle::Bundle;
use super::config::ImageConfig;
use super::digest::Digest;
use super::layer::{self, Expected, TakenLayer};
use super::name::Name;
use super::progress::Progress;
use super::section::Section;
use super::store::Store;
use super::{docker_archive, oci_layout};
use crate::attributes::Lost;
use crate::output;
use crate::whiteouts::Form;
use anyhow::{Context, Result, ensure};
use std::collections::BTreeSet;
use std::path::Path;

/// An image in a bundle.
pub struct Found {
    /// Its configuration, byte for byte.
    pub document: Vec<u8>,
    pub names: Vec<Name>,
    /// From the bottom up.
    pub layers: Vec<FoundLayer>,
}

/// A layer's archive in a bundle, with what the bundle says of it.
pub struct FoundLayer {
    pub entry: String,
    pub digest: Option<Digest>,
    pub size: Option<u64>,
}

impl FoundLayer {
    fn open(&self, bundle: &Bundle) -> Result<Section> {
        let section = bundle.need(&self.entry)?;
        section.check_size(self.size).with_context(|| format!("layer {:?}", self.entry))?;
        Ok(section)
    }
}

/// Loads all images of an archive or a folder, `-` for standard input, and prints their names.
pub fn load(store: &Store, source: &Path, form: Form) -> Result<()> {
    for line in load_all(store, source, form).with_context(|| format!("load {}", source.display()))? {
        output::print_line(&line)?;
    }
    Ok(())
}

/// The lines to print are returned: by then, everything is in its place.
fn load_all(store: &Store, source: &Path, form: Form) -> Result<Vec<String>> {
    let draft = store.draft()?;
    let bundle = Bundle::open(source, &draft.path)?;
    let mut images = Vec::new();
    for found in find_images(&bundle)? {
        let config = ImageConfig::parse(&found.document)?;
        let (named, there) = (config.rootfs.diff_ids.len(), found.layers.len());
        ensure!(named == there, "an image has {there} layers, and its configuration names {named}");
        images.push((found, config.rootfs.diff_ids));
    }
    let layers = images.iter().flat_map(|(found, diff_ids)| diff_ids.iter().zip(&found.layers));
    let taken = take_in(store, &bundle, &draft.path, form, layers)?;
    let _guard = store.lock()?;
    for layer in &taken {
        store.keep_layer(form, &layer.diff_id, &layer.blob, &layer.layer)?;
    }
    let mut lines = Vec::new();
    for (found, diff_ids) in &images {
        for diff_id in diff_ids {
            let there = store.has_layer(form, diff_id);
            ensure!(there, "layer {diff_id}: it was removed from the store meanwhile; load the image again");
        }
        let id = store.keep_image(&found.document)?;
        for name in &found.names {
            store.tag(name, &id)?;
            lines.push(format!("Loaded image: {name}"));
        }
        if found.names.is_empty() {
            lines.push(format!("Loaded image ID: {id}"));
        }
    }
    Ok(lines)
}

fn find_images(bundle: &Bundle) -> Result<Vec<Found>> {
    if let Some(manifest) = bundle.find(docker_archive::MANIFEST)? {
        return docker_archive::images(bundle, manifest);
    }
    let index = bundle.find(oci_layout::INDEX)?.context(
        "neither manifest.json nor index.json is in it, so it is no image; 'import' takes a plain root filesystem",
    )?;
    oci_layout::images(bundle, index)
}

/// Takes in the layers that the store does not have, each once.
fn take_in<'a>(
    store: &Store,
    bundle: &Bundle,
    draft: &Path,
    form: Form,
    layers: impl Iterator<Item = (&'a Digest, &'a FoundLayer)>,
) -> Result<Vec<TakenLayer>> {
    let (mut wanted, mut known, mut total) = (Vec::new(), BTreeSet::new(), 0);
    for (diff_id, found) in layers {
        if known.insert(diff_id) && !store.has_layer(form, diff_id) {
            total += found.open(bundle)?.left();
            wanted.push((diff_id, found));
        }
    }
    let progress = Progress::new(Some(total))?;
    let (mut taken, mut lost) = (Vec::new(), Lost::default());
    for (diff_id, found) in wanted {
        let place = draft.join(diff_id.hex());
        let expected = Expected { blob: found.digest.as_ref(), diff_id: Some(diff_id) };
        let archive = progress.of(found.open(bundle)?);
        let (layer, its) = layer::take_in(&place, archive, form, &expected)
            .with_context(|| format!("layer {:?}", found.entry))?;
        taken.push(layer);
        lost += its;
    }
    drop(progress);
    lost.tell();
    Ok(taken)
}

#[cfg(test)]
mod samples;
#[cfg(test)]
mod tests;
