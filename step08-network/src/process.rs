//! Processes: made with clone3(2), held by a pidfd, waited for once.

use crate::explain::explain;
use crate::namespaces::{self, Namespaces};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::Signal;
use nix::unistd::Pid;
use std::cell::Cell;
use std::mem;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::panic::{AssertUnwindSafe, catch_unwind};

/// A flag of clone3(2) that does not fit the integer in which libc has the others. Linux 5.7.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// A child of this process. Dropped before it was waited for, it is killed: no error leaves one behind.
pub struct Child {
    pub pid: Pid,
    pidfd: OwnedFd,
    waited: Cell<bool>,
}

impl Child {
    /// Makes a copy of this process that runs `life` and nothing else: when `life` returns, the copy exits.
    ///
    /// Rust code may run in the copy because this program never starts a second thread: no lock can be held by
    /// one that clone3(2) did not copy.
    pub fn spawn(namespaces: &Namespaces, cgroup: Option<BorrowedFd>, life: impl FnOnce()) -> Result<Child> {
        let (flags, mut names) = namespaces.clone_flags();
        let mut pidfd: RawFd = -1;
        // SAFETY: clone_args is plain data, for which zeroes are a valid value.
        let mut arguments: libc::clone_args = unsafe { mem::zeroed() };
        arguments.flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
        arguments.pidfd = &raw mut pidfd as u64;
        if let Some(directory) = cgroup {
            arguments.flags |= CLONE_INTO_CGROUP;
            arguments.cgroup = directory.as_raw_fd() as u64;
            names += "|CLONE_INTO_CGROUP";
        }
        arguments.exit_signal = libc::SIGCHLD as u64;
        // SAFETY: this process has one thread, so its copy may do what the original may. Without CLONE_VM the copy has
        // a stack of its own, as after fork(2). The kernel writes the pidfd to an integer that outlives the call.
        let result = unsafe { libc::syscall(libc::SYS_clone3, &raw mut arguments, size_of_val(&arguments)) };
        let pid = match Errno::result(result) {
            Ok(0) => end_with(life),
            Ok(pid) => Pid::from_raw(i32::try_from(pid)?),
            Err(error) => return Err(namespaces::refused(error, &names)),
        };
        explain!("clone3({}) = {pid}", format!("CLONE_PIDFD|{names}").trim_end_matches('|'));
        // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
        Ok(Child { pid, pidfd: unsafe { OwnedFd::from_raw_fd(pidfd) }, waited: Cell::new(false) })
    }

    /// Sends a signal through the pidfd, which can never name another process that has got the same PID.
    pub fn kill(&self, signal: Signal) -> Result<()> {
        // SAFETY: pidfd_send_signal(2) reads no memory of ours when its info pointer is null.
        let result = unsafe {
            libc::syscall(libc::SYS_pidfd_send_signal, self.pidfd.as_raw_fd(), signal as i32, 0usize, 0u32)
        };
        match Errno::result(result) {
            // It ended meanwhile. Its exit status tells the rest.
            Err(Errno::ESRCH) => return Ok(()),
            result => result.with_context(|| format!("send {signal} to process {}", self.pid))?,
        };
        explain!("pidfd_send_signal({}, {signal}) = 0", self.pidfd.as_raw_fd());
        Ok(())
    }

    /// Waits for the end of the child. The exit code is its own, or 128 plus the signal that ended it.
    pub fn wait(&self) -> Result<u8> {
        // SAFETY: siginfo_t is plain data, for which zeroes are a valid value.
        let mut info: libc::siginfo_t = unsafe { mem::zeroed() };
        let id = self.pidfd.as_raw_fd().cast_unsigned();
        loop {
            // SAFETY: waitid(2) fills in the siginfo_t that outlives the call.
            match Errno::result(unsafe { libc::waitid(libc::P_PIDFD, id, &raw mut info, libc::WEXITED) }) {
                Ok(_) => break,
                Err(Errno::EINTR) => {}
                Err(error) => return Err(error).context("wait for the command"),
            }
        }
        self.waited.set(true);
        // SAFETY: after a successful waitid(2) these fields of the union are the ones in use.
        let status = unsafe { info.si_status() };
        let (code, how) = match info.si_code {
            libc::CLD_EXITED => (status, "exited"),
            _ => (128 + status, "killed"),
        };
        explain!("waitid(P_PIDFD, {id}) = {how} {status}");
        u8::try_from(code).context("read the exit status")
    }
}

impl AsFd for Child {
    /// The pidfd: readable once the child has ended.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        if !self.waited.get() {
            // An error is on its way up already, and it matters more than one from here.
            let _ = self.kill(Signal::SIGKILL).and_then(|()| self.wait());
        }
    }
}

/// Runs the child's life and exits without unwinding into the parent's half of the program, and without the
/// parent's exit handlers.
fn end_with(life: impl FnOnce()) -> ! {
    let _ = catch_unwind(AssertUnwindSafe(life));
    // SAFETY: _exit(2) is always allowed; it runs no destructor.
    unsafe { libc::_exit(125) }
}

/// Closes every descriptor above stderr but one: see [`close_all_but_these`].
pub fn close_all_but(kept: &impl AsFd) -> Result<()> {
    close_all_but_these(&mut [kept.as_fd()])
}

/// Closes every descriptor above stderr but some: close_range(2), Linux 5.9. A child starts with a copy of each that its
/// parent has open.
///
/// A copy of the other end of the socket would keep this end from ever telling that the parent is gone; and through any
/// of them a path such as /proc/self/fd/5 would lead out of the container.
pub fn close_all_but_these(kept: &mut [BorrowedFd]) -> Result<()> {
    kept.sort_by_key(AsRawFd::as_raw_fd);
    let mut first = 3;
    for end in kept.iter().map(|fd| fd.as_raw_fd().cast_unsigned()).chain([u32::MAX]) {
        let last = if end == u32::MAX { end } else { end - 1 };
        if first <= last {
            // SAFETY: the process leaves by execve(2) or _exit(2): no owner of a closed descriptor uses or drops it.
            let result = unsafe { libc::syscall(libc::SYS_close_range, first, last, 0) };
            Errno::result(result).context("close the parent's descriptors")?;
            explain!("close_range({first}, {last}, 0) = 0");
        }
        first = end.saturating_add(1);
    }
    Ok(())
}

/// Asks the kernel to kill this process when its parent dies: `PR_SET_PDEATHSIG` in prctl(2).
///
/// A parent that died before this call is noticed by the socket: see `ContainerEnd::check_parent`.
pub fn die_with_parent() -> Result<()> {
    prctl::set_pdeathsig(Signal::SIGKILL).context("set the parent death signal")?;
    explain!("prctl(PR_SET_PDEATHSIG, SIGKILL) = 0");
    Ok(())
}
