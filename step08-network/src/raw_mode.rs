//! The caller's terminal in raw mode: every key goes to the container as it is, Ctrl-C too, and it is the container's terminal
//! that makes of it what it has to, termios(3).

use crate::cli::Run;
use crate::explain;
use anyhow::{Context, Result};
use nix::sys::termios::{SetArg, Termios, cfmakeraw, tcgetattr, tcsetattr};
use std::io::{IsTerminal, stdin};

/// Raw mode on stdin. Dropped, the terminal is as it was; this program ends in no way that drops nothing, for it blocks
/// the signals that would, and a panic unwinds.
pub struct RawMode(Termios);

impl RawMode {
    /// None where nothing is typed into a container's terminal.
    pub fn enter(run: &Run) -> Result<Option<RawMode>> {
        if !(run.tty && run.interactive && stdin().is_terminal()) {
            return Ok(None);
        }
        let before = tcgetattr(stdin()).context("read the terminal's mode")?;
        let mut raw = before.clone();
        cfmakeraw(&mut raw);
        tcsetattr(stdin(), SetArg::TCSADRAIN, &raw).context("set the terminal to raw mode")?;
        Ok(Some(RawMode(before)))
    }
}

impl Drop for RawMode {
    fn drop(&mut self) {
        if let Err(error) = tcsetattr(stdin(), SetArg::TCSADRAIN, &self.0) {
            explain::tell(format_args!("set the terminal's mode back: {error}"));
        }
    }
}
