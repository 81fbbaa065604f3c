//! `import`: the archive of a whole root filesystem becomes an image of one layer.

use super::config::{ImageConfig, Settings};
use super::digest::Digest;
use super::layer::{self, Expected};
use super::name::Name;
use super::progress::{self, Progress};
use super::store::Store;
use crate::output;
use crate::whiteouts::Form;
use anyhow::{Context, Result};
use std::io::Read;
use std::path::Path;

/// Makes an image of an archive, `-` for standard input, and prints its id.
pub fn import(store: &Store, source: &Path, form: Form, name: &Name) -> Result<()> {
    let context = || format!("import {}", source.display());
    let (file, size) = progress::open(source).with_context(context)?;
    let progress = Progress::new(size)?;
    let comment = format!("Imported from {}", source.display());
    let id =
        add(store, progress.of(file), form, Settings::default(), name, &comment).with_context(context)?;
    drop(progress);
    output::print_line(&id.to_string())
}

/// Makes an image of what a reader gives, plain or compressed with gzip. The comment is for the image's history.
pub fn add(
    store: &Store,
    archive: impl Read,
    form: Form,
    settings: Settings,
    name: &Name,
    comment: &str,
) -> Result<Digest> {
    let draft = store.draft()?;
    let (taken, lost) = layer::take_in(&draft.path, archive, form, &Expected::default())?;
    lost.tell();
    let mut config = ImageConfig::new(settings);
    config.add(Some(taken.diff_id.clone()), "", comment);
    let _guard = store.lock()?;
    store.keep_layer(form, &taken.diff_id, &taken.blob, &taken.layer)?;
    let id = store.keep_image(&config.document()?)?;
    store.tag(name, &id)?;
    Ok(id)
}
