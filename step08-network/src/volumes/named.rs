//! Volumes with a place of the runtime's choice: `volumes/NAME/_data` in the data directory, which all steps from here on
//! share.

use crate::container::{self, Container, Record};
use crate::image::store::{Guard, Store};
use crate::image::time::Time;
use crate::{id, worker};
use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

/// A volume's name, by Docker's rule. It becomes a part of a path of the host, and no other path than that.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Name(String);

/// A volume that a container has.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    pub name: Name,
    /// Whether nobody gave it its name, and so nobody will look for it when the container is thrown away.
    pub anonymous: bool,
}

/// A volume in its folder, whether it is there or not.
pub struct Volume {
    pub name: Name,
    pub folder: PathBuf,
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Name> {
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        ensure!(
            text.len() >= 2
                && text.starts_with(|c: char| c.is_ascii_alphanumeric())
                && text.chars().all(plain),
            "a volume's name has two letters or digits at least, and '_', '.', '-' behind the first"
        );
        Ok(Name(text.to_owned()))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Held {
    /// A new volume, under a random name.
    pub fn anonymous() -> Result<Held> {
        Ok(Held { name: Name(id::new()?), anonymous: true })
    }
}

/// The folder of all volumes.
pub fn place(store: &Store) -> PathBuf {
    store.data.join("volumes")
}

/// All volumes, by name.
pub fn all(store: &Store) -> Result<Vec<Volume>> {
    let place = place(store);
    let entries = match fs::read_dir(&place) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.with_context(|| format!("list {}", place.display()))?,
    };
    let mut volumes = Vec::new();
    for entry in entries {
        if let Ok(name) = entry?.file_name().to_string_lossy().parse() {
            volumes.push(Volume::at(&place, &name));
        }
    }
    volumes.retain(Volume::exists);
    volumes.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(volumes)
}

impl Volume {
    pub fn of(store: &Store, name: &Name) -> Volume {
        Volume::at(&place(store), name)
    }

    pub fn at(place: &Path, name: &Name) -> Volume {
        Volume { name: name.clone(), folder: place.join(&name.0) }
    }

    /// The directory that containers see.
    pub fn content(&self) -> PathBuf {
        self.folder.join("_data")
    }

    pub fn exists(&self) -> bool {
        self.content().is_dir()
    }

    /// Makes it if it is not there.
    pub fn make(&self, store: &Store) -> Result<()> {
        if self.exists() {
            return Ok(());
        }
        let place = place(store);
        // A volume may hold set-user-ID programs of root's: no other user of the host shall reach them.
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&place);
        made.with_context(|| format!("make {}", place.display()))?;
        let draft = store.draft()?;
        let content = draft.path.join("_data");
        fs::create_dir(&content)
            // Whoever the command runs as has to get in, whatever the caller's umask is.
            .and_then(|()| fs::set_permissions(&content, Permissions::from_mode(0o755)))
            .with_context(|| format!("make {}", content.display()))?;
        match fs::rename(&draft.path, &self.folder) {
            // Another container's start has made it meanwhile.
            Err(_) if self.exists() => Ok(()),
            result => result.with_context(|| format!("make {}", self.folder.display())),
        }
    }

    /// Removes it with all that it holds. It is moved away first: whoever looks finds all of it or nothing, and from then
    /// on the store need not be held for this alone.
    pub fn remove(&self, store: &Store, alone: Option<Guard>) -> Result<()> {
        let draft = store.draft()?;
        let gone = draft.path.join("volume");
        let failed = || format!("remove {}", self.folder.display());
        fs::rename(&self.folder, &gone).with_context(failed)?;
        drop(alone);
        let removed = worker::run(|| fs::remove_dir_all(&gone).with_context(failed));
        if removed.is_err() {
            // An immutable file, or a mount of the host's: what is left is a volume again, for its owner to look into.
            fs::rename(&gone, &self.folder).with_context(failed)?;
        }
        removed
    }

    pub fn created(&self) -> Result<Time> {
        let status =
            fs::metadata(&self.folder).with_context(|| format!("look at {}", self.folder.display()))?;
        // Not every filesystem knows when a file was made.
        let created = status.created().or_else(|_| status.modified()).context("read the time")?;
        Ok(created.into())
    }

    /// Another container than this one, running or kept, that has it.
    pub fn user(&self, store: &Store, except: &str) -> Result<Option<Container>> {
        let has_it = |it: &Container| it.record.volumes.held().any(|held| held.name == self.name);
        Ok(container::all(store)?.into_iter().find(|it| it.record.id != except && has_it(it)))
    }
}

/// Removes the volumes that were made for a container alone, when it is thrown away.
pub fn remove_anonymous(store: &Store, record: &Record) -> Result<()> {
    for held in record.volumes.held().filter(|held| held.anonymous) {
        let volume = Volume::of(store, &held.name);
        if volume.exists() && volume.user(store, &record.id)?.is_none() {
            volume.remove(store, None)?;
        }
    }
    Ok(())
}
