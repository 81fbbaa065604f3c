//! The surroundings in which everything is measured: a machine of its own, as far as processes, links and mounts go.
//!
//! Three processes: the one that was called; PID 1 of a new PID namespace, which reaps what detaches itself; and its child,
//! which measures. When the first dies, however it dies, the kernel kills the second, and with it all that is in there:
//! containers, daemons, shims. Links go with the network namespace, mounts with the mount namespace.

use std::fs;
use std::process::{Command, exit};

use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::prctl::set_pdeathsig;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, getppid, setsid};

use super::interrupt;

/// Does the work in there. This process stays outside, so that it sees no mount that could keep a folder from going.
///
/// # Errors
/// When it failed; what and why is on stderr by then.
pub fn run(work: impl FnOnce() -> Result<()>) -> Result<()> {
    interrupt::catch(false)?;
    unshare(CloneFlags::CLONE_NEWPID).context("make a PID namespace for the bench")?;
    // SAFETY: xtask has no other threads here, so the child may do what it likes.
    let code = match unsafe { fork() }.context("fork PID 1")? {
        ForkResult::Child => leave(first(work)),
        ForkResult::Parent { child } => attend(child)?,
    };
    ensure!(code == 0, "the bench did not come to its end");
    Ok(())
}

/// PID 1: makes the machine, and looks after it until the work is done.
fn first(work: impl FnOnce() -> Result<()>) -> Result<i32> {
    set_pdeathsig(Signal::SIGKILL).context("ask to be killed with the one that called")?;
    // In a PID namespace of our own, a parent outside of it has no number.
    ensure!(getppid().as_raw() == 0, "not PID 1");
    // Ctrl-C is for the first process, which passes it on: a half-made container could not be undone.
    setsid().context("start a session")?;
    furnish()?;
    // SAFETY: as above.
    match unsafe { fork() }.context("fork")? {
        ForkResult::Child => leave(interrupt::catch(true).and_then(|()| work()).map(|()| 0)),
        ForkResult::Parent { child } => attend(child),
    }
}

fn leave(result: Result<i32>) -> ! {
    exit(result.unwrap_or_else(|error| {
        eprintln!("xtask: {error:#}");
        1
    }))
}

/// Mounts that stay here, `/proc` of these processes, an empty `/run`, and a machine that forwards packets.
fn furnish() -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWNET).context("make namespaces for the bench")?;
    let none = None::<&str>;
    mount(none, "/", none, MsFlags::MS_REC | MsFlags::MS_PRIVATE, none).context("make all mounts private")?;
    mount(Some("proc"), "/proc", Some("proc"), MsFlags::empty(), none).context("mount /proc")?;
    mount(Some("tmpfs"), "/run", Some("tmpfs"), MsFlags::empty(), none).context("mount a tmpfs at /run")?;
    let up = Command::new("ip").args(["link", "set", "lo", "up"]).status().context("start ip")?;
    ensure!(up.success(), "ip link set lo up: {up}");
    fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switch ip_forward on")
}

/// Reaps until this child ends, and passes an interruption on to it; its exit status.
fn attend(child: Pid) -> Result<i32> {
    loop {
        match waitpid(None, None) {
            Ok(WaitStatus::Exited(pid, code)) if pid == child => return Ok(code),
            Ok(WaitStatus::Signaled(pid, signal, _)) if pid == child => {
                bail!("the bench was ended by {signal}")
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(error) => return Err(error).context("wait for the bench"),
        }
        if interrupt::take() {
            kill(child, Signal::SIGTERM).context("pass the interruption on")?;
        }
    }
}
