//! A container's folder: what it started from, and the layer that it writes to.

use crate::cli::Run;
use crate::explain::{self, explain};
use crate::image::config::Settings;
use crate::image::digest::Digest;
use crate::image::store::Store;
use crate::storage::{self, Kind};
use crate::tree::Tree;
use crate::volumes::{self, Volumes};
use crate::{cgroups, lock, network, worker};
use anyhow::{Context, Error, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};

mod alive;
mod process;
mod running;
mod state;

pub use alive::signal_number;
pub use process::Process;
pub use running::{EXIT_CODE, Running};
pub use state::{State, Status};

const RECORD: &str = "container.json";

/// What is known of a container.
#[derive(Serialize, Deserialize)]
pub struct Record {
    pub id: String,
    pub name: Option<String>,
    /// The image's id; none when it is a directory.
    pub image: Option<Digest>,
    pub driver: Kind,
    /// Whether the container is removed when it ends.
    pub throwaway: bool,
    /// What the command was started with, in the words of an image's document.
    pub settings: Settings,
    /// What is mounted in it. Its volumes stay as long as it does.
    #[serde(default)]
    pub volumes: Volumes,
    /// How it is started.
    #[serde(default)]
    pub run: Run,
    #[serde(default)]
    pub state: State,
}

impl Record {
    /// Whether a runtime that is gone has left nothing to be done.
    fn is_settled(&self) -> bool {
        !self.throwaway && self.state.finished.is_some()
    }

    /// Changes a record that others may change as well. The lock is that of a file which is always there.
    pub fn update(folder: &Path, change: impl FnOnce(&mut Record)) -> Result<Record> {
        let path = folder.join(EXIT_CODE);
        let file = File::open(&path).with_context(|| format!("open {}", path.display()))?;
        let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
        let _lock = lock.with_context(|| format!("lock {}", path.display()))?;
        let mut record = read_record(folder)?.with_context(|| format!("{}: it is gone", folder.display()))?;
        change(&mut record);
        record.write(folder)?;
        Ok(record)
    }

    /// Replaces the record: who reads it finds the old one or the new one, and after a power failure, too.
    fn write(&self, folder: &Path) -> Result<()> {
        let (path, draft) = (folder.join(RECORD), folder.join(format!(".{RECORD}")));
        let written = File::create(&draft).and_then(|mut file| {
            file.write_all(&serde_json::to_vec_pretty(self)?)?;
            // What has not run yet, or is thrown away at its end, outlives no power failure.
            if self.throwaway || self.state.is_new() { Ok(()) } else { file.sync_all() }
        });
        let replaced = written.and_then(|()| fs::rename(&draft, &path));
        replaced.with_context(|| format!("write {}", path.display()))?;
        explain!("rename({draft:?}, {path:?}) = 0");
        Ok(())
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
            return Container { record, folder }.begun();
        }
        let mut found = Container::list(store)?;
        if let Some(named) = found.iter().position(|it| it.record.name.as_deref() == Some(wanted)) {
            return found.swap_remove(named).begun();
        }
        found.retain(|it| !wanted.is_empty() && it.record.id.starts_with(wanted));
        match (found.pop(), found.is_empty()) {
            (Some(_), false) => {
                bail!("container {wanted}: more than one id starts like this; give more digits")
            }
            (Some(container), true) => container.begun(),
            (None, _) => {
                bail!("no container {wanted}: 'ps -a' lists them")
            }
        }
    }

    /// The image as this container found it, and what the container sees.
    pub fn trees(&self) -> Result<(Tree, Tree)> {
        let driver = self.record.driver.driver();
        let before = Tree::merge(&storage::layers(&self.folder), driver.form())?;
        Ok((before, Tree::merge(&driver.stack(&self.folder), driver.form())?))
    }

    pub fn folder(&self) -> &Path {
        &self.folder
    }

    pub fn log(&self) -> PathBuf {
        self.folder.join(running::LOG)
    }

    /// What messages call it.
    pub fn title(&self) -> &str {
        self.record.name.as_ref().unwrap_or(&self.record.id)
    }

    /// Removes a container that does not run.
    pub fn remove_stopped(&self) -> Result<()> {
        match self.hold()? {
            Some(_lock) => self.remove(),
            None => Ok(()),
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

/// Puts right what killed runtimes have left: ends what still runs, removes containers that were to be thrown away or were
/// not finished, and writes down the end of the others. Returns the ids of those that somebody looks after.
pub fn sweep(store: &Store) -> Result<Vec<String>> {
    network::sweep(store)?;
    let mut alive = Vec::new();
    for folder in folders(&own_folder(store))? {
        let Some(_lock) = lock::take(&folder)? else {
            alive.extend(folder.file_name().map(|id| id.to_string_lossy().into_owned()));
            continue;
        };
        match read_record(&folder) {
            Ok(Some(record)) if record.is_settled() => {}
            Ok(Some(record)) => {
                cgroups::sweep(&alive)?;
                // Of one without a name that has not run, nobody has been told.
                if record.throwaway || record.state.is_new() && record.name.is_none() {
                    Container { record, folder }.throw_away(store)?;
                } else {
                    Record::update(&folder, |record| record.state.has_died())?;
                }
            }
            Ok(None) => remove_folder(&folder)?,
            // What cannot be read is not ours to remove.
            Err(_) => {}
        }
    }
    Ok(alive)
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
