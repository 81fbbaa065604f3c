//! Images: what a name stands for.

pub mod commit;
pub mod config;
pub mod digest;
pub mod import;
pub mod listing;
pub mod load;
pub mod name;
pub mod removal;
pub mod save;
pub mod store;
pub mod time;

mod bundle;
mod compression;
mod copying;
mod docker_archive;
mod layer;
mod oci_layout;
mod progress;
mod section;

use crate::base_image;
use crate::storage::Kind;
use anyhow::{Context, Result, bail};
use config::{ImageConfig, Settings};
use digest::Digest;
use std::ffi::OsStr;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use store::Store;

/// What a container starts from.
pub struct Image {
    /// None for a directory, which is in no store.
    pub id: Option<Digest>,
    /// Directories to read, from the top one down.
    pub layers: Vec<PathBuf>,
    pub settings: Settings,
    /// The storage driver whose layers these are.
    pub driver: Kind,
}

/// Finds an image of the store, by name or id, or a directory, written with a slash. `base` is made when it is not there.
pub fn find(store: &Store, wanted: &OsStr, driver: Kind) -> Result<Image> {
    let plain = wanted.to_str().filter(|name| !name.starts_with(['/', '.']));
    if let Some(name) = plain {
        if name == base_image::NAME {
            base_image::ensure(store, driver)?;
        }
        if let Some(id) = store.find(name)? {
            return open(store, id, driver).with_context(|| format!("image {name}"));
        }
    }
    if !wanted.as_bytes().contains(&b'/') {
        bail!(
            "no image {wanted:?}: 'images' lists those of the store; a directory has a slash in it, such as ./rootfs"
        );
    }
    directory(Path::new(wanted), driver)
}

fn open(store: &Store, id: Digest, driver: Kind) -> Result<Image> {
    let form = driver.driver().form();
    let config = ImageConfig::parse(&store.document(&id)?)?;
    let mut layers = Vec::new();
    for diff_id in config.rootfs.diff_ids.iter().rev() {
        if !store.has_layer(form, diff_id) {
            bail!(
                "its layers were not taken in for this storage driver; import or load it again with --storage-driver"
            );
        }
        let layer = store.layer(form, diff_id);
        // Overlayfs does not heed this mark on a layer's own root, so what it hides is left away.
        let hides_all =
            form.is_opaque(&File::open(&layer).with_context(|| format!("open {}", layer.display()))?)?;
        layers.push(layer);
        if hides_all {
            break;
        }
    }
    Ok(Image { id: Some(id), layers, settings: config.config.unwrap_or_default(), driver })
}

/// A directory is an image of one layer.
fn directory(path: &Path, driver: Kind) -> Result<Image> {
    let context = || format!("image {}", path.display());
    let directory = fs::canonicalize(path).with_context(context)?;
    if fs::read_dir(&directory).with_context(context)?.next().is_none() {
        bail!("{}: an empty directory, with nothing in it to run", context());
    }
    Ok(Image { id: None, layers: vec![directory], settings: Settings::shell(), driver })
}
