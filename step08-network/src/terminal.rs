//! The terminal's foreground process group: who gets Ctrl-C, and who may read.

use crate::explain::{self, explain};
use crate::process::Child;
use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getsid, setpgid, tcgetpgrp, tcsetpgrp};
use std::io::stdin;

/// The terminal on stdin, while this process is in its foreground group. Dropped, the terminal is as it was.
///
/// Seen from a PID namespace, a process group of the host's has no number: getpgrp(2) says 0, and a shell that wants to
/// put its own group back into the foreground when it leaves cannot name it. So the container gets a group of its own,
/// led by its PID 1, and this process joins that group: what the terminal sends reaches both, as it would have before.
pub struct Terminal {
    /// The group that the caller's shell has put this process into; none when there is nothing to hand over.
    group: Option<Pid>,
}

impl Terminal {
    /// The leader of a session cannot leave its group, setpgid(2), so there things stay as they are.
    pub fn find(own_pids: bool) -> Terminal {
        let group = getpgrp();
        let ours = tcgetpgrp(stdin()) == Ok(group) && getsid(None) != Ok(getpid());
        Terminal { group: (ours && own_pids).then_some(group) }
    }

    /// Makes the child's group the foreground, and joins it. After the shell's `bg` the foreground is not ours to give.
    pub fn hand_over(&self, child: &Child) -> Result<()> {
        if self.group.is_none() || self.group != tcgetpgrp(stdin()).ok() {
            return Ok(());
        }
        if getpgid(Some(child.pid)) != Ok(child.pid) {
            setpgid(child.pid, child.pid).context("give the container a process group")?;
            explain!("setpgid({0}, {0}) = 0", child.pid);
        }
        self.switch(child.pid)
    }

    /// Goes back to the old group, and makes it the foreground.
    pub fn take_back(&self) -> Result<()> {
        match self.group {
            Some(group) if getpgrp() != group => self.switch(group),
            _ => Ok(()),
        }
    }

    fn switch(&self, group: Pid) -> Result<()> {
        // A process outside the foreground group that changes it is stopped by SIGTTOU, unless it blocks that.
        SigSet::from(Signal::SIGTTOU).thread_block().context("block SIGTTOU")?;
        setpgid(Pid::from_raw(0), group).with_context(|| format!("join the process group {group}"))?;
        explain!("setpgid(0, {group}) = 0");
        tcsetpgrp(stdin(), group).with_context(|| format!("make {group} the foreground process group"))?;
        explain!("ioctl(0, TIOCSPGRP, [{group}]) = 0");
        Ok(())
    }
}

impl Drop for Terminal {
    fn drop(&mut self) {
        if let Err(error) = self.take_back() {
            explain::tell(format_args!("{error:#}"));
        }
    }
}
