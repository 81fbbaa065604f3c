//! `commit`: what a container has written becomes a layer, on top of those of its image.

use super::config::{ImageConfig, Settings};
use super::layer::{self, Expected};
use super::name::Name;
use super::store::Store;
use crate::container::Container;
use crate::{output, pack};
use anyhow::{Context, Result};
use std::fs::File;
use std::io::BufWriter;
use std::path::Path;

/// Makes an image of a container, whether it runs or not, and prints its id. The image starts what the container started.
pub fn commit(store: &Store, container: &Container, name: &Name) -> Result<()> {
    let record = &container.record;
    let draft = store.draft()?;
    let archive = draft.path.join("changes");
    let mut config = match &record.image {
        Some(id) => ImageConfig::parse(&store.document(id)?)?,
        None => ImageConfig::new(Settings::default()),
    };
    config.config = Some(record.settings.clone());
    let context = || format!("commit {}", container.title());
    let form = record.driver.driver().form();
    let taken = if write_changes(container, &archive).with_context(context)? {
        let file = File::open(&archive).with_context(|| format!("open {}", archive.display()))?;
        let (taken, lost) =
            layer::take_in(&draft.path, file, form, &Expected::default()).with_context(context)?;
        lost.tell();
        Some(taken)
    } else {
        None
    };
    config.add(taken.as_ref().map(|taken| taken.diff_id.clone()), &command(&record.settings), "");
    let _guard = store.lock()?;
    if let Some(taken) = &taken {
        store.keep_layer(form, &taken.diff_id, &taken.blob, &taken.layer)?;
    }
    let id = store.keep_image(&config.document()?)?;
    store.tag(name, &id)?;
    output::print_line(&id.to_string())
}

/// Writes the archive of the container's layer; false when it has changed nothing. Of a container that runs in a directory
/// there is no image that the layer could lie on, so that layer is everything.
fn write_changes(container: &Container, archive: &Path) -> Result<bool> {
    let (before, now) = container.trees()?;
    let changes = now.changes_since(&before)?;
    let whole = container.record.image.is_none();
    if changes.is_empty() && !whole {
        return Ok(false);
    }
    let file = File::create(archive).with_context(|| format!("make {}", archive.display()))?;
    let mut to = BufWriter::new(file);
    if whole { pack::everything(&now, &mut to) } else { pack::changes(&now, &changes, &mut to) }?;
    to.into_inner().with_context(|| format!("write {}", archive.display()))?;
    Ok(true)
}

/// The command line, for the history.
fn command(settings: &Settings) -> String {
    let words: Vec<_> =
        [&settings.entrypoint, &settings.cmd].into_iter().flatten().flatten().cloned().collect();
    words.join(" ")
}
