//! Volumes: files in a container that are not the container's, and outlive it.
//!
//! A volume is a bind mount of a directory of the host. Where that is, the caller says, or the runtime chooses a place by
//! the volume's name. The mount is in the container's own mount namespace and goes with it; what it shows stays.

mod commands;
pub mod destination;
mod fill;
mod flags;
mod mount_option;
mod named;
mod spec;
mod tmpfs;

pub use commands::Command;
pub use flags::Flags;
pub use named::remove_anonymous;

use crate::image::config::Settings;
use crate::image::store::Store;
use crate::mount::{MOUNT_ATTR_RDONLY, Mount};
use crate::root::{Kind, Root};
use anyhow::{Context, Result, bail};
use named::{Held, Volume};
use nix::sys::stat::{SFlag, fstat};
use serde::{Deserialize, Serialize};
use spec::{Source, Spec};
use std::fs;
use std::io::ErrorKind;
use std::path::Path;

/// The mounts that a container is started with, those closest to `/` first: another one may be below them.
#[derive(Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Volumes {
    mounts: Vec<Spec>,
}

impl Volumes {
    /// What was asked for, by the caller and then by the image, where the caller has nothing else in mind. Nothing is
    /// made yet.
    pub fn plan(flags: &Flags, image: &Settings) -> Result<Volumes> {
        let mut mounts: Vec<Spec> =
            [&flags.volume, &flags.mount, &flags.tmpfs].into_iter().flatten().cloned().collect();
        let depth = |spec: &Spec| (spec.destination.components().count(), spec.destination.clone());
        mounts.sort_by_key(depth);
        if let Some(pair) = mounts.windows(2).find(|pair| pair[0].destination == pair[1].destination) {
            bail!("two mounts on {}", pair[0].destination.display());
        }
        for path in image.volumes() {
            let spec = spec::of_image(path).with_context(|| format!("the image's volume {path:?}"))?;
            if mounts.iter().all(|other| other.destination != spec.destination) {
                mounts.push(spec);
            }
        }
        mounts.sort_by_key(depth);
        Ok(Volumes { mounts })
    }

    /// The volumes among them: as long as the container is there, nobody removes them.
    pub fn held(&self) -> impl Iterator<Item = &Held> {
        self.mounts.iter().filter_map(|spec| match &spec.source {
            Source::Volume { held, .. } => Some(held),
            _ => None,
        })
    }

    /// Whether something is mounted at exactly this path.
    pub fn covers(&self, path: &str) -> bool {
        self.mounts.iter().any(|spec| spec.destination == Path::new(path))
    }

    /// Makes the sources that are missing.
    pub fn make(&self, store: &Store) -> Result<()> {
        for spec in &self.mounts {
            match &spec.source {
                Source::Host { path, make } => make_source(path, *make)?,
                Source::Volume { held, .. } => Volume::of(store, &held.name).make(store)?,
                Source::Memory(_) => {}
            }
        }
        Ok(())
    }

    /// Mounts them below the container's root, in its mount namespace.
    pub fn attach(&self, root: &Root<Mount>, store: &Store) -> Result<()> {
        // Copies come first: the image is not covered by any volume yet.
        for spec in &self.mounts {
            fill(root, spec, store).with_context(|| format!("volume on {}", spec.destination.display()))?;
        }
        for spec in &self.mounts {
            mount(root, spec, store).with_context(|| format!("volume on {}", spec.destination.display()))?;
        }
        Ok(())
    }
}

fn fill(root: &Root<Mount>, spec: &Spec, store: &Store) -> Result<()> {
    if let Source::Volume { held, copy: true } = &spec.source
        && let Some(image) = destination::in_image(root, &spec.destination)?
    {
        fill::fill(&Volume::of(store, &held.name), &image)?;
    }
    Ok(())
}

fn mount(root: &Root<Mount>, spec: &Spec, store: &Store) -> Result<()> {
    let mount = match &spec.source {
        Source::Host { path, .. } => Mount::bind(path)?,
        Source::Volume { held, .. } => Mount::bind(&Volume::of(store, &held.name).content())?,
        Source::Memory(tmpfs) => tmpfs.mount()?,
    };
    if spec.read_only {
        mount.restrict(MOUNT_ATTR_RDONLY)?;
    }
    let kind = SFlag::from_bits_truncate(fstat(&mount)?.st_mode) & SFlag::S_IFMT;
    let kind = if kind == SFlag::S_IFDIR { Kind::Directory } else { Kind::File };
    let place = destination::open(root, &spec.destination, kind)?;
    mount.attach(&place, &spec.destination.to_string_lossy())
}

/// Docker's rule: `-v` makes a directory where its source is missing, and `--mount`, which came later, does not.
fn make_source(path: &Path, make: bool) -> Result<()> {
    let made = match fs::metadata(path) {
        Err(error) if make && error.kind() == ErrorKind::NotFound => fs::create_dir_all(path),
        result => result.map(drop),
    };
    made.with_context(|| format!("the source {}", path.display()))
}
