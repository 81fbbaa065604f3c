//! A PID namespace for one check. pid_namespaces(7)
//!
//! Nothing in it can see or signal what is outside: neither the other checks that run at the same time nor whoever
//! started them. And however many processes a check starts, the kernel ends all of them with the first one.

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork};

/// Does it in the first process of a new PID namespace, and waits for its end.
pub(super) fn in_new(life: impl FnOnce() -> Result<()>) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWPID).context("make a PID namespace for the check")?;
    // SAFETY: the guard has a single thread, so the child's copy of memory is consistent and it may go on as an
    // ordinary process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let done = bind_to_parent().and_then(|()| life());
            if let Err(error) = &done {
                eprintln!("{error:#}");
            }
            // SAFETY: _exit ends this process at once; what it had to say ended with a line feed, and so is written.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        ForkResult::Parent { child } => match waitpid(child, None)? {
            WaitStatus::Exited(_, 0) => Ok(()),
            status => bail!("the first process of the check's PID namespace ended: {status:?}"),
        },
    }
}

/// If the parent is killed, the kernel kills this process, and with it the namespace.
fn bind_to_parent() -> Result<()> {
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    Ok(())
}

/// The numbers of this namespace's processes are others in the `/proc` of the one above. proc(5)
pub(crate) fn mount_proc() -> Result<()> {
    let flags = MsFlags::MS_NOSUID | MsFlags::MS_NODEV | MsFlags::MS_NOEXEC;
    mount(Some("proc"), "/proc", Some("proc"), flags, None::<&str>).context("mount a /proc of one's own")
}
