//! The wait for a process's end, without asking again and again.

use std::os::fd::{AsFd, FromRawFd, OwnedFd, RawFd};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use super::Process;

/// Tells of the end of a process that its parent has not yet waited for. pidfd_open(2), Linux 5.3
pub(crate) struct Ending(OwnedFd);

impl Ending {
    /// # Errors
    /// When there is no such process.
    pub(crate) fn of(process: Process) -> Result<Ending> {
        // SAFETY: the call takes two plain numbers.
        let number = Errno::result(unsafe { libc::syscall(libc::SYS_pidfd_open, process.0, 0) });
        let number = RawFd::try_from(number.context("watch a process")?)?;
        // SAFETY: the kernel has just made this descriptor, and nobody else knows of it.
        Ok(Ending(unsafe { OwnedFd::from_raw_fd(number) }))
    }

    /// Waits until the process has ended, something has come over `also`, or `limit` has passed. Whether it was `also`.
    pub(crate) fn wait(&self, also: Option<&dyn AsFd>, limit: Duration) -> bool {
        let mut fds = vec![PollFd::new(self.0.as_fd(), PollFlags::POLLIN)];
        fds.extend(also.map(|also| PollFd::new(also.as_fd(), PollFlags::POLLIN)));
        let limit = PollTimeout::try_from(limit).unwrap_or(PollTimeout::MAX);
        let ready = poll(&mut fds, limit);
        ready.is_ok_and(|ready| ready > 0) && fds.get(1).and_then(PollFd::any).unwrap_or(false)
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Instant;

    use super::*;

    #[test]
    fn an_end_is_told_at_once_and_a_limit_is_kept() {
        let mut child = Command::new("sleep").arg("1000").spawn().unwrap();
        let ending = Ending::of(Process(child.id().cast_signed())).unwrap();
        let start = Instant::now();
        assert!(!ending.wait(None, Duration::from_millis(30)));
        assert!(start.elapsed() >= Duration::from_millis(30));
        child.kill().unwrap();
        assert!(!ending.wait(None, Duration::from_secs(60)));
        assert!(start.elapsed() < Duration::from_secs(50));
        child.wait().unwrap();
    }

    #[test]
    fn what_comes_beside_it_is_told() {
        let own = Ending::of(Process::this()).unwrap();
        let (reader, writer) = nix::unistd::pipe().unwrap();
        assert!(!own.wait(Some(&reader), Duration::from_millis(1)));
        drop(writer);
        assert!(own.wait(Some(&reader), Duration::from_secs(60)));
    }
}
