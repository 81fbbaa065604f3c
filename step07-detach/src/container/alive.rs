//! What a container does: the record, the lock on its folder and the kernel together know.

use super::running::take_name;
use super::{Container, Process, Record, Status, read_record};
use crate::cgroups::members::Members;
use crate::image::store::Store;
use crate::lock;
use anyhow::{Context, Result, bail};
use nix::fcntl::Flock;
use nix::sys::signal::Signal;
use std::fs::File;
use std::str::FromStr;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// How long to wait before another look at what will not take long.
const MOMENT: Duration = Duration::from_millis(2);

/// For how long to look for what should not take long.
const PATIENCE: Duration = Duration::from_secs(2);

impl Container {
    /// Its first process, if it runs.
    pub fn running(&self) -> Result<&Process> {
        match &self.record.state.process {
            Some(process) if self.record.state.is_running() => Ok(process),
            _ => bail!("container {}: it is not running; 'start' starts it again", self.title()),
        }
    }

    /// Waits for a start or an end that is under way: a command may run a moment before the record says so.
    pub(super) fn begun(mut self) -> Result<Container> {
        let patience = Instant::now() + PATIENCE;
        while !self.record.state.is_running() && self.is_held()? && Instant::now() < patience {
            sleep(MOMENT);
            self.settle()?;
        }
        Ok(self)
    }

    /// Whether somebody looks after it.
    fn is_held(&self) -> Result<bool> {
        Ok(lock::take(&self.folder)?.is_none() && self.folder.exists())
    }

    /// What it does now. Between the end of its command and the word of that in the record, its runtime has a moment's
    /// work; one that takes longer runs still.
    pub fn status(&mut self) -> Result<Status> {
        let patience = Instant::now() + PATIENCE;
        let mut alive = self.record.state.is_running();
        while !alive && !self.record.state.is_complete() && Instant::now() < patience {
            sleep(MOMENT);
            self.settle()?;
            alive = self.record.state.is_running();
        }
        let state = &self.record.state;
        Ok(match &state.process {
            None => Status::Created,
            Some(_) if state.is_complete() => Status::Exited,
            Some(process) if alive && Members::of(process.pid)?.is_frozen() => Status::Paused,
            Some(_) => Status::Running,
        })
    }

    /// Reads the record again, as its runtime has left it, or would have if it had not been killed.
    pub fn settle(&mut self) -> Result<()> {
        self.read_again()?;
        if !self.record.state.is_complete()
            && let Some(_lock) = lock::take(&self.folder)?
        {
            // Before it let go of the lock, it may have written down the end.
            self.read_again()?;
            if !self.record.state.is_complete() {
                self.record.state.has_died();
            }
        }
        Ok(())
    }

    fn read_again(&mut self) -> Result<()> {
        match read_record(&self.folder)? {
            Some(record) => self.record = record,
            // It was to be thrown away.
            None => self.record.state.has_died(),
        }
        Ok(())
    }

    /// Locks a container that does not run, so that nobody else starts or removes it. None when somebody has removed it.
    pub fn hold(&self) -> Result<Option<Flock<File>>> {
        let patience = Instant::now() + Duration::from_secs(5);
        loop {
            if let Some(lock) = lock::take(&self.folder)? {
                return Ok(Some(lock));
            }
            // Its runtime is putting things away, or another command has just looked at it.
            match read_record(&self.folder)? {
                None if !self.folder.exists() => return Ok(None),
                Some(record) if record.state.is_running() => break,
                _ if Instant::now() > patience => break,
                _ => sleep(MOMENT),
            }
        }
        bail!("container {}: it is running", self.title());
    }

    /// Gives it another name, if nobody has that.
    pub fn rename(&mut self, store: &Store, name: &str) -> Result<()> {
        let _turn = take_name(store, name)?;
        self.record = Record::update(&self.folder, |record| record.name = Some(name.to_owned()))?;
        Ok(())
    }

    /// The signal that asks its command to end: the image's, or SIGTERM.
    pub fn stop_signal(&self) -> i32 {
        let asked = self.record.settings.stop_signal();
        asked.and_then(|name| signal_number(name).ok()).unwrap_or(Signal::SIGTERM as i32)
    }
}

/// A signal by its number, or by its name with or without SIG.
pub fn signal_number(text: &str) -> Result<i32> {
    if let Ok(number @ 1..=64) = text.parse() {
        return Ok(number);
    }
    let name = text.to_ascii_uppercase();
    let name = if name.starts_with("SIG") { name } else { format!("SIG{name}") };
    let signal = Signal::from_str(&name).ok().with_context(|| format!("there is no signal {text:?}"))?;
    Ok(signal as i32)
}
