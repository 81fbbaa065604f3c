//! What the checks of terminals share: a user in front of one, in whose shell the runtime runs.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::bed::{Bed, SOON};
use crate::{Launch, Process, Running, Terminal, Verdict, expect_eq, until};

/// The caller's terminal, of 33 rows and 101 columns, with a shell that starts the runtime and stays when that ends: with
/// the leader of its session a terminal loses its mode, too.
pub(super) struct Seat {
    pub terminal: Terminal,
    shell: Running,
}

pub(super) const SIZE: (u16, u16) = (33, 101);

/// Tells the runtime's exit status, and then holds the terminal.
const SHELL: &str = "\"$@\"; echo \"ended=$?\"; read end";

impl Seat {
    pub fn take(launch: Launch) -> Result<Seat> {
        Seat::at(Terminal::open()?, launch)
    }

    /// The same in front of a terminal that was made ready.
    pub fn at(terminal: Terminal, launch: Launch) -> Result<Seat> {
        terminal.resize(SIZE.0, SIZE.1)?;
        let shell = launch.under(&["sh", "-c", SHELL, "sh"]).start_on(&terminal)?;
        Ok(Seat { terminal, shell })
    }

    /// A shell script in a container with a terminal, once it has shown `up`.
    pub fn script(bed: &Bed, options: &[&str], script: &str) -> Result<Seat> {
        let seat = Seat::take(bed.launch(&[&["--rm"], options].concat(), &["sh", "-c", script]))?;
        seat.terminal.wait_for("up")?;
        Ok(seat)
    }

    pub fn runtime(&self) -> Result<Process> {
        let children = || self.shell.runtime().children().first().copied();
        until(SOON, "a runtime below the shell", children)
    }

    /// The container's first process that is not the runtime.
    pub fn command(&self) -> Result<Process> {
        self.shell.command_below(self.runtime()?)
    }

    /// Waits for the runtime's end and tells its exit status.
    pub fn code(&self) -> Result<i32> {
        let told = || {
            let screen = self.terminal.screen();
            let (_, rest) = screen.rsplit_once("ended=")?;
            rest.split_once(['\r', '\n'])?.0.parse().ok()
        };
        until(Duration::from_secs(10), "the runtime's end", told)
            .with_context(|| format!("the screen holds {:?}", self.terminal.screen()))
    }

    pub fn expect_code(&self, code: i32, of: &str) -> Verdict {
        let got = self.code()?;
        expect_eq!(got, code, "exit status of {of}, whose screen holds {:?}", self.terminal.screen());
        Ok(())
    }

    /// What was shown before the runtime ended.
    pub fn shown(&self) -> String {
        let screen = self.terminal.screen();
        screen.rsplit_once("ended=").map_or(screen.clone(), |(shown, _)| shown.to_owned())
    }
}

/// The filesystem and the number of what a path leads to.
pub(super) fn identity(path: &Path) -> Result<(u64, u64)> {
    let there = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    Ok((there.dev(), there.ino()))
}
