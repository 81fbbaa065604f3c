//! A pseudo-terminal for checks about Ctrl-C, Ctrl-Z and shells. pty(7).

use std::fs::File;
use std::io::{Read, Write};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::kernel::until;

/// The side of the terminal at which the user sits.
pub struct Terminal {
    keyboard: File,
    name: String,
    shown: Arc<Mutex<Vec<u8>>>,
}

impl Terminal {
    /// Opens a new one.
    ///
    /// # Errors
    /// When the host has no pseudo-terminals left or none at all.
    pub fn open() -> Result<Terminal> {
        let master =
            posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).context("open /dev/ptmx")?;
        grantpt(&master)?;
        unlockpt(&master)?;
        let name = ptsname_r(&master)?;
        let keyboard = File::from(std::os::fd::OwnedFd::from(master));
        let mut screen = keyboard.try_clone()?;
        let shown = Arc::new(Mutex::new(Vec::new()));
        let writer = Arc::clone(&shown);
        std::thread::spawn(move || {
            let mut buffer = [0; 4096];
            // The kernel answers EIO while no process has the other side open, before and after the run.
            loop {
                match screen.read(&mut buffer) {
                    Ok(0) => break,
                    Ok(count) => {
                        let mut shown = writer.lock().unwrap_or_else(PoisonError::into_inner);
                        shown.extend_from_slice(&buffer[..count]);
                    }
                    Err(_) => std::thread::sleep(Duration::from_millis(5)),
                }
            }
        });
        Ok(Terminal { keyboard, name, shown })
    }

    /// The other side's device, `/dev/pts/N`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Types these bytes; `\x03` is Ctrl-C, `\x1a` Ctrl-Z, `\x04` the end of input.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn press(&mut self, keys: &str) -> Result<()> {
        Ok(self.keyboard.write_all(keys.as_bytes())?)
    }

    /// All that was shown so far.
    #[must_use]
    pub fn screen(&self) -> String {
        let shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&shown).into_owned()
    }

    /// Waits until the screen shows `text`.
    ///
    /// # Errors
    /// When it does not within ten seconds.
    pub fn wait_for(&self, text: &str) -> Result<()> {
        let shown = || self.screen().contains(text).then_some(());
        until(Duration::from_secs(10), &format!("{text:?} on the terminal"), shown)
            .with_context(|| format!("the screen holds {:?}", self.screen()))
    }
}
