//! A pseudo-terminal for checks about Ctrl-C, Ctrl-Z and shells. pty(7).

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::AsRawFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};

use crate::kernel::until;

/// Of what is shown this much is kept, so that a flood does not fill the memory.
const SHOWN: usize = 8 * 1024 * 1024;

/// The side of the terminal at which the user sits.
pub struct Terminal {
    keyboard: File,
    name: String,
    shown: Arc<Mutex<Vec<u8>>>,
}

/// How a terminal treats what passes through it: the flags and control characters of termios(3).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mode {
    /// `ICRNL`, `IXON`, …
    pub input: libc::tcflag_t,
    /// `OPOST`, …
    pub output: libc::tcflag_t,
    /// `CS8`, …
    pub control: libc::tcflag_t,
    /// `ISIG`, `ICANON`, `ECHO`, …
    pub local: libc::tcflag_t,
    /// What Ctrl-C and its like are.
    pub characters: [libc::cc_t; libc::NCCS],
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
                        let room = SHOWN.saturating_sub(shown.len());
                        shown.extend_from_slice(&buffer[..count.min(room)]);
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
        self.send(keys.as_bytes())
    }

    /// The same for any bytes.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        Ok(self.keyboard.write_all(bytes)?)
    }

    /// Types these bytes while the check goes on, for as long as it takes until they are read.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn paste(&self, bytes: Vec<u8>) -> Result<()> {
        let mut keyboard = self.keyboard.try_clone()?;
        // A terminal whose other side is closed takes no more, and then nobody misses the rest.
        std::thread::spawn(move || drop(keyboard.write_all(&bytes)));
        Ok(())
    }

    /// All that was shown so far.
    #[must_use]
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.bytes()).into_owned()
    }

    /// The same byte for byte.
    #[must_use]
    pub fn bytes(&self) -> Vec<u8> {
        self.shown.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Gives it so many rows and columns. The kernel sends SIGWINCH to who is in the foreground on its other side.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn resize(&self, rows: u16, columns: u16) -> Result<()> {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the kernel reads the structure, which lives through the call.
        Errno::result(unsafe { libc::ioctl(self.keyboard.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) })
            .context("set the terminal's size")?;
        Ok(())
    }

    /// How its other side treats what passes through it now.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn mode(&self) -> Result<Mode> {
        let now = self.termios()?;
        Ok(Mode {
            input: now.c_iflag,
            output: now.c_oflag,
            control: now.c_cflag,
            local: now.c_lflag,
            characters: now.c_cc,
        })
    }

    /// Has it treat it in a way that no program would choose by itself, but a user can.
    ///
    /// # Errors
    /// When the terminal is gone.
    pub fn set_odd_mode(&self) -> Result<()> {
        let mut odd = self.termios()?;
        odd.c_iflag |= libc::IXANY;
        odd.c_lflag &= !libc::ECHOK;
        odd.c_cc[libc::VERASE] = b'#';
        odd.c_cc[libc::VKILL] = b'@';
        // SAFETY: the call reads the structure, which lives through it.
        Errno::result(unsafe { libc::tcsetattr(self.keyboard.as_raw_fd(), libc::TCSANOW, &raw const odd) })
            .context("set the terminal's mode")?;
        Ok(())
    }

    /// Asked at this side, the kernel answers for the other.
    fn termios(&self) -> Result<libc::termios> {
        // SAFETY: struct termios is plain data, for which zeroes are a valid value.
        let mut now: libc::termios = unsafe { std::mem::zeroed() };
        // SAFETY: the call fills in the structure, which lives through it.
        Errno::result(unsafe { libc::tcgetattr(self.keyboard.as_raw_fd(), &raw mut now) })
            .context("read the terminal's mode")?;
        Ok(now)
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
