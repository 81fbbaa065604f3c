//! A container's folder: what it started from, and the layer that it writes to.

use crate::image::config::Settings;
use crate::image::digest::Digest;
use crate::image::store::Store;
use crate::storage::{self, Kind};
use crate::tree::Tree;
use crate::volumes::{self, Volumes};
use crate::{explain, lock, worker};
use anyhow::{Context, Error, Result, bail};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

mod running;

pub use running::Running;

const RECORD: &str = "container.json";

/// What is known of a container.
#[derive(Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub name: Option<String>,
    /// The image's id; none when it is a directory.
    pub image: Option<Digest>,
    pub driver: Kind,
    /// Whether the folder goes when the container ends.
    pub throwaway: bool,
    /// What the command was started with, in the words of an image's document.
    pub settings: Settings,
    /// What is mounted in it. Its volumes stay as long as it does.
    #[serde(default)]
    pub volumes: Volumes,
}

impl Record {
    /// Puts the record into the container's folder: who looks there finds none or all of it.
    fn write(&self, folder: &Path) -> Result<()> {
        let (path, draft) = (folder.join(RECORD), folder.join(format!(".{RECORD}")));
        let written = fs::write(&draft, serde_json::to_vec_pretty(self)?);
        written.and_then(|()| fs::rename(&draft, &path)).with_context(|| format!("write {}", path.display()))
    }
}

/// A container in its folder, whether it runs or not.
pub struct Container {
    pub record: Record,
    folder: PathBuf,
}

impl Container {
    /// This step's containers. One whose record is damaged is told of, and does not stand in the way of the others.
    pub fn list(store: &Store) -> Result<Vec<Container>> {
        let tell = |error: &Error| explain::tell(format_args!("{error:#}"));
        let found = in_folder(&own_folder(store))?.into_iter();
        Ok(found.filter_map(|container| container.inspect_err(tell).ok()).collect())
    }

    /// Finds a container of this step by its name, its id, or the first digits of an id that no other's has.
    pub fn find(store: &Store, wanted: &str) -> Result<Container> {
        // A whole id is the name of a folder, and the records of the others need not be read.
        let whole = |folder: &PathBuf| folder.file_name() == Some(OsStr::new(wanted));
        if let Some(folder) = folders(&own_folder(store))?.into_iter().find(whole)
            && let Some(record) = read_record(&folder)?
        {
            return Ok(Container { record, folder });
        }
        let mut found = Container::list(store)?;
        if let Some(named) = found.iter().position(|it| it.record.name.as_deref() == Some(wanted)) {
            return Ok(found.swap_remove(named));
        }
        found.retain(|it| !wanted.is_empty() && it.record.id.starts_with(wanted));
        match (found.pop(), found.is_empty()) {
            (Some(_), false) => {
                bail!("container {wanted}: more than one id starts like this; give more digits")
            }
            (Some(container), true) => Ok(container),
            (None, _) => {
                bail!("no container {wanted}: one is kept when it is run with --name and without --rm")
            }
        }
    }

    /// The image as this container found it, and what the container sees.
    pub fn trees(&self) -> Result<(Tree, Tree)> {
        let driver = self.record.driver.driver();
        let before = Tree::merge(&storage::layers(&self.folder), driver.form())?;
        Ok((before, Tree::merge(&driver.stack(&self.folder), driver.form())?))
    }

    /// What messages call it.
    pub fn title(&self) -> &str {
        self.record.name.as_ref().unwrap_or(&self.record.id)
    }

    /// Removes a container that does not run.
    pub fn remove_stopped(&self) -> Result<()> {
        match lock::take(&self.folder)? {
            Some(_lock) => self.remove(),
            None => bail!("container {}: it is running", self.title()),
        }
    }

    fn remove(&self) -> Result<()> {
        remove_folder(&self.folder)
    }

    /// Removes it as if it had never been.
    fn throw_away(&self, store: &Store) -> Result<()> {
        volumes::remove_anonymous(store, &self.record)?;
        self.remove()
    }
}

/// All containers in a folder that have a record: one without is being made, or was never finished.
fn in_folder(all: &Path) -> Result<Vec<Result<Container>>> {
    let container = |folder: PathBuf| {
        let record = read_record(&folder).transpose()?;
        Some(record.map(|record| Container { record, folder }))
    };
    Ok(folders(all)?.into_iter().filter_map(container).collect())
}

fn folders(all: &Path) -> Result<Vec<PathBuf>> {
    let list = match fs::read_dir(all) {
        // Before the first run there is none.
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Vec::new()),
        result => result.and_then(|list| list.map(|entry| Ok(entry?.path())).collect()),
    };
    list.with_context(|| format!("list {}", all.display()))
}

fn read_record(folder: &Path) -> Result<Option<Record>> {
    let path = folder.join(RECORD);
    let text = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        result => result.with_context(|| format!("read {}", path.display()))?,
    };
    let damaged = || format!("read {} (remove its folder to be rid of this container)", path.display());
    serde_json::from_slice(&text).map(Some).with_context(damaged)
}

/// The containers of all steps: they share the images.
pub fn all(store: &Store) -> Result<Vec<Container>> {
    let mut found = Vec::new();
    for step in 5..=8 {
        found.extend(in_folder(&folder_of(store, &format!("step{step:02}")))?);
    }
    found.into_iter().collect()
}

/// Removes what killed runtimes have left: throwaway containers, and those that were not finished.
pub fn sweep(store: &Store) -> Result<()> {
    for folder in folders(&own_folder(store))? {
        // Nobody has to look after one that is kept, and a lock on it would be in somebody's way.
        if is_kept(&folder) {
            continue;
        }
        let Some(_lock) = lock::take(&folder)? else { continue };
        // Its runtime may have written the record before it let go of the lock.
        match read_record(&folder)? {
            Some(record) if record.throwaway => Container { record, folder }.throw_away(store)?,
            Some(_) => {}
            None => remove_folder(&folder)?,
        }
    }
    Ok(())
}

/// What cannot be read is not ours to remove.
fn is_kept(folder: &Path) -> bool {
    !read_record(folder).is_ok_and(|record| record.is_none_or(|record| record.throwaway))
}

fn own_folder(store: &Store) -> PathBuf {
    folder_of(store, env!("CARGO_PKG_NAME"))
}

fn folder_of(store: &Store, step: &str) -> PathBuf {
    store.data.join(step).join("containers")
}

fn remove_folder(folder: &Path) -> Result<()> {
    worker::run(|| fs::remove_dir_all(folder).with_context(|| format!("remove {}", folder.display())))
}
