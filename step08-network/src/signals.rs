//! Signals that reach the runtime are meant for the command: it passes them on.

use crate::init;
use crate::process::Child;
use crate::terminal::Terminal;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigHandler, SigSet, Signal, raise, signal};
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
use std::cell::Cell;
use std::os::fd::{AsFd, BorrowedFd};

/// What a terminal, a shell, an init system or an operator sends.
const FORWARDED: [Signal; 9] = [
    Signal::SIGHUP,
    Signal::SIGINT,
    Signal::SIGQUIT,
    Signal::SIGTERM,
    Signal::SIGUSR1,
    Signal::SIGUSR2,
    Signal::SIGWINCH,
    Signal::SIGTSTP,
    Signal::SIGCONT,
];

/// Has the kernel keep the exit statuses of this process's children: a caller may have left SIGCHLD ignored, and then it
/// throws them away, wait(2).
pub fn keep_exit_statuses() -> Result<()> {
    // SAFETY: the default disposition runs no code of ours.
    unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }.map(drop).context("reset SIGCHLD")
}

/// The forwarded signals, blocked and readable from a signalfd(2) instead of interrupting anything.
pub struct Signals {
    fd: SignalFd,
    /// Whether the reader has been told of a signal that the command did not hear.
    warned: Cell<bool>,
}

impl Signals {
    /// Blocks the signals. Called before the clone, so that none is lost between it and the watch.
    pub fn block() -> Result<Signals> {
        let set: SigSet = FORWARDED.into_iter().collect();
        set.thread_block().context("block signals")?;
        let fd = SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)
            .context("make a signalfd")?;
        Ok(Signals { fd, warned: Cell::new(false) })
    }

    /// Passes signals on until the child has ended; returns its exit code.
    pub fn watch(&self, child: &Child, terminal: &Terminal) -> Result<u8> {
        loop {
            let mut ready = [
                PollFd::new(child.as_fd(), PollFlags::POLLIN),
                PollFd::new(self.fd.as_fd(), PollFlags::POLLIN),
            ];
            match poll(&mut ready, PollTimeout::NONE) {
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("wait for the command or a signal"),
            }
            while let Some(info) = self.fd.read_signal().context("read a signal")? {
                self.forward(&info, child, terminal)?;
            }
            if ready[0].any() == Some(true) {
                return child.wait();
            }
        }
    }

    /// The next signal that has come, for whoever waits for more than signals.
    pub fn next(&self) -> Result<Option<Signal>> {
        let info = self.fd.read_signal().context("read a signal")?;
        info.map(|info| Ok(Signal::try_from(info.ssi_signo.cast_signed())?)).transpose()
    }

    /// Passes a signal on to a child that has a terminal of its own, and so has not got it yet.
    pub fn pass_on(&self, signal: Signal, child: &Child) -> Result<()> {
        if init::hears(child.pid, signal) {
            child.kill(signal)
        } else {
            init::stand_in(signal, child, &self.warned)
        }
    }

    /// Passes one signal on to the child.
    fn forward(&self, info: &siginfo, child: &Child, terminal: &Terminal) -> Result<()> {
        let signal = Signal::try_from(info.ssi_signo.cast_signed())?;
        // Ctrl-C and its like come from the kernel and go to the whole foreground process group: the command, which
        // is in ours, has got this one already.
        if !init::hears(child.pid, signal) {
            init::stand_in(signal, child, &self.warned)?;
        } else if info.ssi_code != libc::SI_KERNEL {
            child.kill(signal)?;
        }
        if signal == Signal::SIGTSTP {
            // The shell that waits for us wants to see us stopped, too. SIGCONT wakes us here.
            terminal.take_back()?;
            raise(Signal::SIGSTOP).context("stop")?;
            terminal.hand_over(child)?;
        }
        Ok(())
    }
}

impl AsFd for Signals {
    /// Readable when a signal has come.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}
