//! `logs`: the file that a detached container writes to, from the end or as it grows.

use crate::container::Container;
use crate::image::store::Store;
use crate::output;
use anyhow::{Context, Result};
use clap::Args;
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};
use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::os::fd::{AsFd, OwnedFd};

#[derive(Args)]
pub struct Logs {
    /// Go on until the container ends
    #[arg(short, long)]
    follow: bool,
    /// Begin with the last lines, so many of them
    #[arg(short = 'n', long, value_name = "LINES")]
    tail: Option<u64>,
    container: String,
}

impl Logs {
    pub fn run(&self, store: &Store) -> Result<u8> {
        let container = Container::find(store, &self.container)?;
        let path = container.log();
        let context = || format!("read {}", path.display());
        let mut log = File::open(&path).with_context(context)?;
        if let Some(lines) = self.tail {
            let start = start_of_last(&mut log, lines).with_context(context)?;
            log.seek(SeekFrom::Start(start)).with_context(context)?;
        }
        let follower = if self.follow { Follower::new(&container)? } else { None };
        loop {
            // Asked before the file is read: after the end of the container nothing more is written.
            let more = match &follower {
                Some(follower) => follower.is_alive()?,
                None => false,
            };
            copy(&mut log).with_context(context)?;
            match &follower {
                Some(follower) if more => follower.wait()?,
                _ => return Ok(0),
            }
        }
    }
}

/// What tells that there is more to read, or that there will be none.
struct Follower {
    changes: Inotify,
    process: OwnedFd,
}

impl Follower {
    /// None when the container does not run.
    fn new(container: &Container) -> Result<Option<Follower>> {
        let Ok(process) = container.running() else { return Ok(None) };
        let Some(process) = process.open()? else { return Ok(None) };
        let changes =
            Inotify::init(InitFlags::IN_CLOEXEC | InitFlags::IN_NONBLOCK).context("watch the log")?;
        changes.add_watch(&container.log(), AddWatchFlags::IN_MODIFY).context("watch the log")?;
        Ok(Some(Follower { changes, process }))
    }

    fn is_alive(&self) -> Result<bool> {
        let ended = poll(&mut [PollFd::new(self.process.as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO);
        Ok(ended.context("look at the container")? == 0)
    }

    fn wait(&self) -> Result<()> {
        let mut ready = [
            PollFd::new(self.changes.as_fd(), PollFlags::POLLIN),
            PollFd::new(self.process.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut ready, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the log to grow"),
        }
        match self.changes.read_events() {
            Ok(_) | Err(Errno::EAGAIN) => Ok(()),
            Err(error) => Err(error).context("watch the log"),
        }
    }
}

/// Writes what there is from here to the end.
fn copy(log: &mut File) -> Result<()> {
    let mut piece = vec![0; 64 << 10];
    loop {
        match log.read(&mut piece)? {
            0 => return Ok(()),
            length => output::print(&piece[..length])?,
        }
    }
}

/// Where the last lines of a file begin, found from behind. What follows the last newline is a line, too.
fn start_of_last(file: &mut File, lines: u64) -> Result<u64> {
    const PIECE: u64 = 64 << 10;
    let length = file.metadata()?.len();
    let (mut end, mut left, mut piece) = (length, lines, Vec::new());
    if lines == 0 {
        return Ok(length);
    }
    while end > 0 {
        let start = end.saturating_sub(PIECE);
        file.seek(SeekFrom::Start(start))?;
        piece.clear();
        file.by_ref().take(end - start).read_to_end(&mut piece)?;
        for (index, _) in piece.iter().enumerate().rev().filter(|(_, byte)| **byte == b'\n') {
            let after = start + index as u64 + 1;
            if after == length {
                continue;
            }
            left -= 1;
            if left == 0 {
                return Ok(after);
            }
        }
        end = start;
    }
    Ok(0)
}
