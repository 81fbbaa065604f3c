//! A container that runs: its folder, made, held and thrown away.

use super::{Container, Process, Record, State, own_folder, sweep};
use crate::cli::Run;
use crate::environment::{self, Environment};
use crate::image::config::Settings;
use crate::image::store::Store;
use crate::mount::Mount;
use crate::network::{self, Attachment, Member, Names};
use crate::root::Root;
use crate::storage::{self, Kind};
use crate::volumes::Volumes;
use crate::{cgroups, explain, id, image, lock, overrides, worker};
use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use nix::unistd::{Pid, getpid};
use std::cell::Cell;
use std::ffi::OsStr;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// In a container's folder: what a detached one has written, and the exit code of its last run, as one byte.
pub const LOG: &str = "log";
pub const EXIT_CODE: &str = "exit-code";

/// A container that this process runs. Its folder is locked as long as that lasts, however it ends.
pub struct Running {
    container: Container,
    store: Store,
    /// The command's environment, byte for byte; the record has it as text.
    pub environment: Environment,
    network: Option<Attachment>,
    /// Whether the folder is removed when this is dropped.
    remove: Cell<bool>,
    _lock: Flock<File>,
}

impl Running {
    /// Makes the folder, with a writable layer on top of the image's, and takes the name.
    pub fn create(run: &Run, driver: Option<Kind>) -> Result<Running> {
        let store = Store::open()?;
        // From the look at the image to the record of who uses it, nobody removes it.
        let _in_use = store.lock()?;
        let mut image = image::find(&store, run.image(), Kind::choose(driver, &store.data)?)?;
        let environment = environment::asked(run, &image.settings)?;
        let record = Record {
            id: id::new()?,
            name: run.name.clone(),
            image: image.id,
            driver: image.driver,
            throwaway: run.rm,
            volumes: Volumes::plan(&run.volumes, &image.settings)?,
            settings: overrides::settings(run, &image.settings, &environment),
            run: run.clone(),
            state: State::new(),
        };
        let all = own_folder(&store);
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&all);
        made.with_context(|| format!("make {}", all.display()))?;
        let folder = all.join(&record.id);
        let lock = make_and_lock(&folder)?;
        let running = Running {
            container: Container { record, folder },
            store,
            environment,
            network: None,
            remove: Cell::new(true),
            _lock: lock,
        };
        let Container { record, folder } = &running.container;
        // It lies below all others, so what the image has stays as it is.
        image.layers.push(network::mount_points(&running.store)?);
        worker::run(|| {
            storage::link_layers(folder, &image.layers)?;
            record.driver.driver().prepare(folder)
        })?;
        // Of two that want one name, the second sees the first one's record.
        let _turn = record.name.as_ref().map(|name| take_name(&running.store, name)).transpose()?;
        for file in [LOG, EXIT_CODE] {
            File::create(folder.join(file))
                .with_context(|| format!("make {}", folder.join(file).display()))?;
        }
        record.write(folder)?;
        Ok(running)
    }

    /// Comes back to a container that has run before.
    pub fn again(container: Container, store: Store) -> Result<Running> {
        let gone = || format!("container {}: it has just been removed", container.title());
        let lock = container.hold()?.with_context(gone)?;
        // The settings have what was asked for then, as text.
        let environment = environment::asked(&Run::default(), &container.record.settings)?;
        Ok(Running { container, store, environment, network: None, remove: Cell::new(false), _lock: lock })
    }

    pub fn id(&self) -> &str {
        &self.container.record.id
    }

    pub fn settings(&self) -> &Settings {
        &self.container.record.settings
    }

    /// Makes the container's root, in its own mount namespace.
    pub fn mount(&self) -> Result<Root<Mount>> {
        let Container { record, folder } = &self.container;
        record.driver.driver().mount(folder, record.throwaway).map(Root)
    }

    /// Makes the sources of its volumes. The record is there already: nobody removes one that it names.
    pub fn make_volumes(&self) -> Result<()> {
        self.container.record.volumes.make(&self.store)
    }

    /// Mounts the volumes below the container's root, in its own mount namespace.
    pub fn mount_volumes(&self, root: &Root<Mount>) -> Result<()> {
        self.container.record.volumes.attach(root, &self.store)
    }

    /// Plugs the container into its network: all of it that can fail before there is a process.
    pub fn plug_in(&mut self, flags: &network::Flags, own: bool, hostname: &OsStr) -> Result<()> {
        let member = Member::of(&self.container, hostname, Process::of(getpid())?);
        self.network = Some(Attachment::prepare(&self.store, &flags.fit(own)?, &member)?);
        Ok(())
    }

    /// Connects the network namespace of its first process.
    pub fn connect(&self, process: Pid) -> Result<()> {
        self.network.iter().try_for_each(|network| network.connect(process.as_raw()))
    }

    /// Opens the files with names. The root will be mounted on the folder that they are in.
    pub fn open_names(&self) -> Result<Names> {
        Names::open(&self.container.folder, &self.container.record.volumes)
    }

    /// Removes what killed runtimes have left.
    pub fn sweep_others(&self) -> Result<()> {
        let alive = sweep(&self.store);
        cgroups::sweep(alive.as_deref().unwrap_or_default()).and(alive.map(drop))
    }

    /// The file that takes what a detached container writes.
    pub fn log(&self) -> PathBuf {
        self.container.folder.join(LOG)
    }

    /// The command runs: from now on this is a container, and no failed start that leaves nothing.
    pub fn has_started(&mut self, process: Pid) -> Result<()> {
        self.remove.set(self.container.record.throwaway);
        let Container { record, folder } = &mut self.container;
        fs::write(folder.join(EXIT_CODE), [])
            .with_context(|| format!("empty the exit code in {}", folder.display()))?;
        let (process, supervisor) = (Process::of(process)?, Process::of(getpid())?);
        *record = Record::update(folder, |record| record.state.has_started(process, supervisor))?;
        Ok(())
    }

    /// The command has ended. Whoever waits for it has the file with its exit code open, even if the folder goes.
    pub fn has_ended(&mut self, code: u8, oom_killed: bool) -> Result<()> {
        self.network = None;
        let Container { record, folder } = &mut self.container;
        *record = Record::update(folder, |record| record.state.has_ended(code, oom_killed))?;
        fs::write(folder.join(EXIT_CODE), [code])
            .with_context(|| format!("write the exit code to {}", folder.display()))
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.network = None;
        if self.remove.get()
            && let Err(error) = self.container.throw_away(&self.store)
        {
            explain::tell(format_args!("{error:#}"));
        }
    }
}

fn make_and_lock(folder: &Path) -> Result<Flock<File>> {
    loop {
        match fs::create_dir(folder) {
            Err(error) if error.kind() == ErrorKind::AlreadyExists => {}
            result => result.with_context(|| format!("make {}", folder.display()))?,
        }
        // Another command's sweep may take it for a dead one's in the moment before it is locked.
        if let Some(lock) = lock::take(folder)? {
            return Ok(lock);
        }
    }
}

/// Makes sure that nobody has a name, and that nobody takes it before a record with it is written.
pub fn take_name(store: &Store, name: &str) -> Result<Flock<File>> {
    let turn = wait_for_turn(&own_folder(store))?;
    sweep(store)?;
    check_name(name, &Container::list(store)?)?;
    Ok(turn)
}

fn wait_for_turn(folder: &Path) -> Result<Flock<File>> {
    let file = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    let lock = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
    lock.with_context(|| format!("lock {}", folder.display()))
}

/// Docker's rule for names, and nobody else's.
fn check_name(name: &str, others: &[Container]) -> Result<()> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    if !name.starts_with(|c: char| c.is_ascii_alphanumeric()) || !name.chars().all(plain) {
        bail!("--name {name:?}: a name has letters, digits, and '_', '.', '-' behind the first");
    }
    if let Some(other) = others.iter().find(|other| other.record.name.as_deref() == Some(name)) {
        bail!("--name {name}: container {} has this name; 'rm {name}' removes it", other.record.id);
    }
    Ok(())
}
