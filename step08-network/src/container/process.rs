//! A process by its number and its start time: the number alone may be another's tomorrow.

use crate::explain::explain;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::unistd::Pid;
use serde::{Deserialize, Serialize};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::sync::LazyLock;

/// A process of this boot.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Process {
    pub pid: i32,
    /// Ticks of the clock from the boot of the machine to its start: field 22 of /proc/PID/stat.
    start_time: u64,
    /// The boot that these ticks are counted from: /proc/sys/kernel/random/boot_id.
    boot: String,
}

impl Process {
    /// The process that has this number now.
    pub fn of(pid: Pid) -> Result<Process> {
        let boot = boot().context("read the boot id")?;
        let (_, start_time) = stat(pid.as_raw()).with_context(|| format!("look at process {pid}"))?;
        Ok(Process { pid: pid.as_raw(), start_time, boot: boot.to_owned() })
    }

    /// Whether it runs: it has its number still, and is no zombie.
    pub fn is_alive(&self) -> bool {
        stat(self.pid).is_some_and(|(alive, start_time)| alive && start_time == self.start_time)
            && boot().is_some_and(|boot| boot == self.boot)
    }

    /// Opens it: from then on the descriptor stands for this process and no other, pidfd_open(2). None when it has ended.
    pub fn open(&self) -> Result<Option<OwnedFd>> {
        // SAFETY: the call takes two integers.
        let result = unsafe { libc::syscall(libc::SYS_pidfd_open, self.pid, 0) };
        let pidfd = match Errno::result(result) {
            // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
            Ok(fd) => unsafe { OwnedFd::from_raw_fd(RawFd::try_from(fd)?) },
            Err(Errno::ESRCH) => return Ok(None),
            Err(error) => return Err(error).with_context(|| format!("open process {}", self.pid)),
        };
        explain!("pidfd_open({}, 0) = {}", self.pid, pidfd.as_raw_fd());
        // Only now, for the number could have changed hands before the call.
        Ok(self.is_alive().then_some(pidfd))
    }

    /// Sends it a signal, if it runs.
    pub fn kill(&self, signal: i32) -> Result<bool> {
        let Some(pidfd) = self.open()? else { return Ok(false) };
        // SAFETY: pidfd_send_signal(2) reads no memory of ours when its info pointer is null.
        let result =
            unsafe { libc::syscall(libc::SYS_pidfd_send_signal, pidfd.as_raw_fd(), signal, 0usize, 0u32) };
        match Errno::result(result) {
            Ok(_) => Ok(true),
            Err(Errno::ESRCH) => Ok(false),
            Err(Errno::EINVAL) => bail!("there is no signal {signal}"),
            Err(error) => Err(error).with_context(|| format!("send signal {signal} to process {}", self.pid)),
        }
    }
}

/// The id of this boot, proc_sys_kernel(5).
fn boot() -> Option<&'static str> {
    static BOOT: LazyLock<Option<String>> =
        LazyLock::new(|| fs::read_to_string("/proc/sys/kernel/random/boot_id").ok());
    BOOT.as_deref().map(str::trim_end)
}

/// Whether a process is more than a zombie, and its start time, proc_pid_stat(5). The second field, the name, may hold
/// anything.
fn stat(pid: i32) -> Option<(bool, u64)> {
    // Of a file without a size, one read into enough room takes all. A list of containers does this for each.
    let mut text = [0; 1024];
    let length = File::open(format!("/proc/{pid}/stat")).ok()?.read(&mut text).ok()?;
    let stat = String::from_utf8_lossy(&text[..length]);
    let mut fields = stat.rsplit_once(") ")?.1.split(' ');
    let alive = !matches!(fields.next()?, "Z" | "X");
    Some((alive, fields.nth(18)?.parse().ok()?))
}
