//! How a container's life ends: by itself, or because somebody wants it to.

use crate::cgroups::members::Members;
use crate::container::{Container, EXIT_CODE, Process};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};

/// What will tell of a container's end. It is opened before that, for the folder of a throwaway container is gone then.
struct End {
    /// The folder. Its lock ends with the runtime, however that ends.
    folder: File,
    exit_code: File,
}

impl End {
    /// None when the container has just been removed.
    fn open(container: &Container) -> Result<Option<End>> {
        let path = container.folder();
        let opened = File::open(path)
            .and_then(|folder| Ok(End { folder, exit_code: File::open(path.join(EXIT_CODE))? }));
        match opened {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            result => result.map(Some).with_context(|| format!("open {}", path.display())),
        }
    }

    /// Waits until the runtime has put everything away, and returns the exit code of the command. None when it has never
    /// run, or its runtime was killed.
    fn wait(mut self) -> Result<Option<u8>> {
        let lock = Flock::lock(self.folder, FlockArg::LockShared).map_err(|(_, error)| error);
        drop(lock.context("wait for the container's runtime")?);
        let mut code = [0];
        let read = self.exit_code.read(&mut code).context("read the exit code")?;
        Ok((read > 0).then_some(code[0]))
    }
}

/// Waits until a container has ended, and returns the exit code of its command.
pub fn wait(container: &mut Container) -> Result<u8> {
    let gone = || format!("container {}: it has just been removed", container.title());
    if let Some(code) = End::open(container)?.with_context(gone)?.wait()? {
        return Ok(code);
    }
    container.settle()?;
    Ok(container.record.state.exit_code.unwrap_or(0))
}

/// A container that runs: its first process, and what tells of the ends of both.
pub struct Ending {
    process: Process,
    pidfd: OwnedFd,
    end: End,
}

impl Ending {
    fn open(container: &Container) -> Result<Option<Ending>> {
        let Ok(process) = container.running() else { return Ok(None) };
        let Some(end) = End::open(container)? else { return Ok(None) };
        Ok(process.open()?.map(|pidfd| Ending { process: process.clone(), pidfd, end }))
    }

    /// Asks the command to end. One that does not run is left as it is.
    pub fn ask(container: &Container) -> Result<Option<Ending>> {
        let ending = Ending::open(container)?;
        if let Some(Ending { process, .. }) = &ending {
            thaw(process)?;
            process.kill(container.stop_signal())?;
        }
        Ok(ending)
    }

    /// Waits for the end, and ends what has not ended in time.
    pub fn wait_until(self, deadline: Instant) -> Result<()> {
        if !has_ended(&self.pidfd, deadline.saturating_duration_since(Instant::now()))? {
            self.process.kill(Signal::SIGKILL as i32)?;
        }
        self.end.wait().map(drop)
    }
}

/// Ends a container at once, whatever its command thinks of it.
pub fn kill(container: &Container) -> Result<()> {
    if let Some(Ending { process, end, .. }) = Ending::open(container)? {
        process.kill(Signal::SIGKILL as i32)?;
        // Of a v1 group that is frozen, the kernel lets nobody die.
        thaw(&process)?;
        end.wait()?;
    }
    Ok(())
}

/// Sends a signal to a container's first process.
pub fn signal(container: &Container, signal: i32) -> Result<()> {
    let process = container.running()?;
    if signal == Signal::SIGKILL as i32 {
        return kill(container);
    }
    if !process.kill(signal)? {
        bail!("container {}: it has just ended", container.title());
    }
    Ok(())
}

fn thaw(process: &Process) -> Result<()> {
    let members = Members::of(process.pid)?;
    if members.is_frozen() { members.freeze(false) } else { Ok(()) }
}

/// Whether a process ends within this time: its pidfd becomes readable.
fn has_ended(pidfd: &OwnedFd, patience: Duration) -> Result<bool> {
    let patience = PollTimeout::try_from(patience).unwrap_or(PollTimeout::MAX);
    loop {
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], patience) {
            Ok(ready) => return Ok(ready > 0),
            Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the container's end"),
        }
    }
}
