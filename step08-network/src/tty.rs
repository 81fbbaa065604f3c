//! A terminal of the container's own: a pair of devices, pty(7). The command has the one, and whoever talks to it the other.

use crate::explain::explain;
use crate::process::Child;
use crate::raw_mode::RawMode;
use crate::root::Root;
use crate::signals::Signals;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, ResolveFlag, fcntl};
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::Signal;
use nix::unistd::{Gid, Uid, fchown, read, setsid, write};
use std::io::{Write, stdin, stdout};
use std::mem;
use std::os::fd::{AsFd, AsRawFd, FromRawFd, OwnedFd};

/// Makes a pair in the devpts that is mounted below `root`: the side that stays outside, and the command's.
///
/// The command's side is opened through the other one (TIOCGPTPEER), and not by its name: what /dev/pts/0 leads to would
/// depend on who asks.
pub fn pair(root: &Root<impl AsFd>, owner: Uid) -> Result<(OwnedFd, OwnedFd)> {
    let flags = OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC;
    let outside = root
        .open("dev/pts/ptmx", flags, ResolveFlag::RESOLVE_NO_SYMLINKS)
        .context("open a terminal of the container's devpts")?;
    let unlocked: libc::c_int = 0;
    // SAFETY: the call reads one integer, which outlives it.
    Errno::result(unsafe { libc::ioctl(outside.as_raw_fd(), libc::TIOCSPTLCK, &raw const unlocked) })
        .context("unlock the terminal")?;
    // SAFETY: the call takes flags for open(2) and no pointer.
    let inside = Errno::result(unsafe { libc::ioctl(outside.as_raw_fd(), libc::TIOCGPTPEER, flags.bits()) });
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    let inside = unsafe { OwnedFd::from_raw_fd(inside.context("open the terminal's other side")?) };
    resize(&outside);
    fchown(&inside, Some(owner), None::<Gid>).context("give the terminal to the user")?;
    explain!("ioctl({}, TIOCGPTPEER) = {}", outside.as_raw_fd(), inside.as_raw_fd());
    Ok((outside, inside))
}

/// Makes it the terminal of a new session, whose leader is the calling process: from then on Ctrl-C is a signal.
pub fn take_control(inside: &OwnedFd) -> Result<()> {
    // PID 1 of a container may lead a session already.
    match setsid() {
        Ok(_) | Err(Errno::EPERM) => {}
        Err(error) => return Err(error).context("begin a session"),
    }
    // SAFETY: the call takes an integer.
    Errno::result(unsafe { libc::ioctl(inside.as_raw_fd(), libc::TIOCSCTTY, 0) })
        .context("make the terminal the session's")?;
    explain!("ioctl({}, TIOCSCTTY, 0) = 0", inside.as_raw_fd());
    Ok(())
}

/// Gives the container's terminal the size of the caller's, which any of the three may be. The kernel tells those
/// inside: SIGWINCH.
fn resize(outside: &OwnedFd) {
    // SAFETY: struct winsize is plain data, for which zeroes are a valid value.
    let mut size: libc::winsize = unsafe { mem::zeroed() };
    for ours in [libc::STDIN_FILENO, libc::STDOUT_FILENO, libc::STDERR_FILENO] {
        // SAFETY: the first call fills in a structure that outlives it, the second one reads it.
        unsafe {
            if libc::ioctl(ours, libc::TIOCGWINSZ, &raw mut size) == 0 {
                libc::ioctl(outside.as_raw_fd(), libc::TIOCSWINSZ, &raw const size);
                return;
            }
        }
    }
}

/// What the caller's terminal and the container's have to say to each other.
pub struct Relay {
    outside: OwnedFd,
    /// Whether there may be more on the caller's stdin.
    input: bool,
    /// What was typed and not taken yet: a command that does not read must not keep its output from being read.
    typed: Vec<u8>,
    /// Whether somebody has the command's side open. Who has closed it may open it again, as /dev/tty.
    open: bool,
    _raw: Option<RawMode>,
}

impl Relay {
    /// Connects a container's terminal with the caller's; without `interactive`, nothing goes in.
    pub fn new(outside: OwnedFd, interactive: bool, raw: Option<RawMode>) -> Result<Relay> {
        fcntl(&outside, FcntlArg::F_SETFL(OFlag::O_RDWR | OFlag::O_NONBLOCK))
            .context("set the terminal's flags")?;
        // It may have changed since the container's side was made.
        resize(&outside);
        Ok(Relay { outside, input: interactive, typed: Vec::new(), open: true, _raw: raw })
    }

    /// Passes bytes and signals on until the child has ended and all that it wrote is written; returns its exit code.
    pub fn run(mut self, signals: &Signals, child: &Child) -> Result<u8> {
        /// How long a terminal is left alone that nobody has open.
        const PAUSE: u16 = 100;
        loop {
            let [output, taken, typed, signalled, ended] = self.wait(signals, child, PAUSE)?;
            if taken {
                self.put_in()?;
            }
            if typed {
                self.input = self.take_in()?;
            }
            if signalled {
                self.signals(signals, child)?;
            }
            if (output || !self.open) && self.pass_on()? {
                continue;
            }
            if ended {
                return child.wait();
            }
        }
    }

    /// Waits for any of: output, room for input, input, a signal, the child's end.
    fn wait(&self, signals: &Signals, child: &Child, pause: u16) -> Result<[bool; 5]> {
        let stdin = stdin();
        let mut asked = PollFlags::POLLIN;
        asked.set(PollFlags::POLLOUT, !self.typed.is_empty());
        let mut ready = vec![
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
            PollFd::new(child.as_fd(), PollFlags::POLLIN),
        ];
        // A terminal without another side is always ready, with nothing to read.
        let outside = self.open.then(|| ready.push(PollFd::new(self.outside.as_fd(), asked))).map(|()| 2);
        let input = self.input && self.typed.is_empty();
        let input = input.then(|| ready.push(PollFd::new(stdin.as_fd(), PollFlags::POLLIN)));
        let input = input.map(|()| ready.len() - 1);
        let patience = if self.open { PollTimeout::NONE } else { PollTimeout::from(pause) };
        match poll(&mut ready, patience) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the terminal"),
        }
        let events =
            |index: Option<usize>| index.and_then(|at| ready[at].revents()).unwrap_or(PollFlags::empty());
        let outside = events(outside);
        Ok([
            outside.intersects(PollFlags::POLLIN | PollFlags::POLLHUP | PollFlags::POLLERR),
            outside.contains(PollFlags::POLLOUT),
            !events(input).is_empty(),
            !events(Some(0)).is_empty(),
            !events(Some(1)).is_empty(),
        ])
    }

    fn signals(&self, signals: &Signals, child: &Child) -> Result<()> {
        while let Some(signal) = signals.next()? {
            match signal {
                Signal::SIGWINCH => resize(&self.outside),
                // They are about the caller's terminal. The command has another.
                Signal::SIGTSTP | Signal::SIGCONT => {}
                other => signals.pass_on(other, child)?,
            }
        }
        Ok(())
    }

    /// Writes out what the command has written, one piece of it; false when there is no more for now.
    fn pass_on(&mut self) -> Result<bool> {
        let mut piece = [0; 16 << 10];
        let length = match read(&self.outside, &mut piece) {
            Ok(0) | Err(Errno::EIO) => {
                self.open = false;
                return Ok(false);
            }
            Err(Errno::EINTR) => return Ok(true),
            Err(Errno::EAGAIN) => {
                self.open = true;
                return Ok(false);
            }
            result => result.context("read from the container's terminal")?,
        };
        self.open = true;
        let mut stdout = stdout().lock();
        stdout.write_all(&piece[..length]).and_then(|()| stdout.flush()).context("write to stdout")?;
        Ok(true)
    }

    /// Reads what the caller has typed; false when there will be no more.
    fn take_in(&mut self) -> Result<bool> {
        let mut piece = [0; 4 << 10];
        match read(stdin(), &mut piece) {
            Ok(0) | Err(Errno::EIO) => Ok(false),
            Err(Errno::EINTR | Errno::EAGAIN) => Ok(true),
            result => {
                self.typed.extend_from_slice(&piece[..result.context("read from stdin")?]);
                self.put_in()?;
                Ok(true)
            }
        }
    }

    /// Gives the command as much of it as it takes.
    fn put_in(&mut self) -> Result<()> {
        match write(&self.outside, &self.typed) {
            Ok(length) => drop(self.typed.drain(..length)),
            Err(Errno::EAGAIN | Errno::EINTR) => {}
            // Nobody is there to read it.
            Err(Errno::EIO) => self.typed.clear(),
            Err(error) => return Err(error).context("write to the container's terminal"),
        }
        Ok(())
    }
}
