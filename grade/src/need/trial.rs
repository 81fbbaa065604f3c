//! What only a try can tell: sysctls, limits, LSMs and filters of system calls all have a say.

use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, fork, geteuid};

/// Whether `attempt` returns true in a child, which takes with it what the attempt has made.
///
/// The attempt may make system calls, and nothing else: the child is forked from a process that may have threads.
fn in_child(attempt: impl FnOnce() -> bool) -> bool {
    // SAFETY: the child makes only system calls and leaves with _exit; it takes no lock another thread could hold but
    // the allocator's, which glibc makes safe across fork.
    match unsafe { fork() } {
        Ok(ForkResult::Parent { child }) => matches!(waitpid(child, None), Ok(WaitStatus::Exited(_, 0))),
        Ok(ForkResult::Child) => {
            let status = i32::from(!attempt());
            // SAFETY: _exit ends the child without running what the parent registered at exit.
            unsafe { libc::_exit(status) }
        }
        Err(_) => false,
    }
}

/// For who is not root, a user namespace comes first.
fn made(flags: CloneFlags) -> bool {
    let user = if geteuid().is_root() { CloneFlags::empty() } else { CloneFlags::CLONE_NEWUSER };
    unshare(user | flags).is_ok()
}

pub(super) fn user_namespaces() -> bool {
    in_child(|| {
        let made = unshare(CloneFlags::CLONE_NEWUSER | CloneFlags::CLONE_NEWUTS).is_ok();
        // AppArmor can grant the namespace and withhold every power in it.
        made && nix::unistd::sethostname("check").is_ok()
    })
}

pub(super) fn namespaces() -> bool {
    let flags = CloneFlags::CLONE_NEWNS
        | CloneFlags::CLONE_NEWPID
        | CloneFlags::CLONE_NEWUTS
        | CloneFlags::CLONE_NEWIPC
        | CloneFlags::CLONE_NEWNET
        | CloneFlags::CLONE_NEWCGROUP;
    in_child(|| made(flags) && nix::unistd::sethostname("check").is_ok())
}

pub(super) fn bridge() -> bool {
    in_child(|| {
        if !made(CloneFlags::CLONE_NEWNET) {
            return false;
        }
        // SAFETY: socket takes plain numbers; the ioctl reads a name that ends with a NUL. The network namespace, and
        // the bridge in it, go with this child.
        unsafe {
            let socket = libc::socket(libc::AF_INET, libc::SOCK_STREAM | libc::SOCK_CLOEXEC, 0);
            socket >= 0 && libc::ioctl(socket, SIOCBRADDBR, c"try0".as_ptr()) == 0
        }
    })
}

/// linux/sockios.h
const SIOCBRADDBR: libc::Ioctl = 0x89a0;
