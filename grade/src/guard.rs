//! Containment: a check runs in a process of its own, and whatever it leaves behind is ended.
//!
//! The harness starts its own executable again as a guard. The guard becomes the reaper of every orphan
//! beneath it (`PR_SET_CHILD_SUBREAPER`), forks the check, enforces the time limit, and afterwards kills
//! descendants until none is left: a runtime that loses its processes cannot litter the host with them.

use std::fs;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::OFlag;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, dup2_stdin, dup2_stdout, fork, pipe2, setsid};

use crate::check::{Check, Outcome};
use crate::kernel::{Process, patient};
use crate::subject::Subject;
use crate::sweep::remove_all;

/// The first argument that makes the executable a guard.
pub const GUARD: &str = "__check";

/// A message longer than this is cut, so that it always fits into a pipe that nobody reads yet.
const LONGEST_MESSAGE: usize = 16 * 1024;

/// Runs one check under a guard process and returns how it ended.
#[must_use]
pub fn run(check: &Check, bin: &Path, step: u8, root: &Path) -> Outcome {
    guarded(check, bin, step, root).unwrap_or_else(|error| Outcome::Fail { message: format!("{error:#}") })
}

fn guarded(check: &Check, bin: &Path, step: u8, root: &Path) -> Result<Outcome> {
    let mut guard = Command::new(crate::own_executable()?)
        .args([GUARD, check.id, &step.to_string()])
        .args([bin, root])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the guard of the check")?;
    let mut report = String::new();
    guard.stdout.take().context("the guard has no stdout")?.read_to_string(&mut report)?;
    // The guard takes the end of its stdin as the end of this process: hold it open until here.
    let status = guard.wait()?;
    serde_json::from_str(&report)
        .with_context(|| format!("the guard ended with {status} and said {report:?}"))
}

/// The guard's whole life: runs `check`, cleans up, prints the outcome as JSON.
///
/// # Errors
/// When the check could not be started or the outcome not be printed.
pub fn main(check: &Check, subject: &Subject) -> Result<()> {
    // Ctrl-C at the terminal is for the harness; the guard sees its stdin end and cleans up.
    setsid().ok();
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    isolate()?;
    let scratch = subject.scratch();
    fs::create_dir_all(scratch).with_context(|| format!("make {}", scratch.display()))?;
    let outcome = supervise(check, subject)?;
    let outcome = match (end_descendants(), outcome) {
        (Err(error), Outcome::Pass) => Outcome::Fail { message: format!("{error:#}") },
        (_, outcome) => outcome,
    };
    if let Err(error) = remove_folder(scratch) {
        eprintln!("{}: {error:#}", check.id);
    }
    println!("{}", serde_json::to_string(&outcome)?);
    Ok(())
}

/// Whatever a wrong runtime does to its host's name, mounts, links, firewall or IPC objects goes with this guard, and so
/// does what a right one leaves for its next container.
fn isolate() -> Result<()> {
    if nix::unistd::geteuid().is_root() {
        let net = CloneFlags::CLONE_NEWNET;
        unshare(CloneFlags::CLONE_NEWNS | CloneFlags::CLONE_NEWUTS | CloneFlags::CLONE_NEWIPC | net)?;
        // A runtime that has to switch this on says so, and many checks look whether it says nothing.
        fs::write("/proc/sys/net/ipv4/ip_forward", "1").context("switch net.ipv4.ip_forward on")?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    }
    Ok(())
}

fn supervise(check: &Check, subject: &Subject) -> Result<Outcome> {
    // CLOEXEC: what the check starts must not hold the report open.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    let guard = std::process::id();
    // SAFETY: the guard has a single thread, so the child's copy of memory is consistent and it may go
    // on as an ordinary process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            body(check, subject, guard, writer);
        }
        ForkResult::Parent { child } => {
            drop(writer);
            match wait(child, check.timeout)? {
                Ended::Status(WaitStatus::Exited(_, 0)) => {
                    let mut json = String::new();
                    fs::File::from(reader).read_to_string(&mut json)?;
                    Ok(serde_json::from_str(&json)?)
                }
                Ended::Status(status) => bail!("the check itself died: {status:?}"),
                Ended::TimeIsUp => {
                    Ok(Outcome::Fail { message: format!("not done after {:?}", check.timeout) })
                }
            }
        }
    }
}

/// The check's own process. It never returns into the guard's code.
fn body(check: &Check, subject: &Subject, guard: u32, writer: OwnedFd) -> ! {
    let outcome = prepare_body(guard).map(|()| catch_unwind(AssertUnwindSafe(|| (check.run)(subject))));
    let mut outcome = match outcome {
        Ok(Ok(verdict)) => Outcome::from(verdict),
        Ok(Err(panic)) => Outcome::Fail { message: format!("the check panicked: {}", panic_text(&*panic)) },
        Err(error) => Outcome::Fail { message: format!("{error:#}") },
    };
    if let Outcome::Fail { message } = &mut outcome
        && message.len() > LONGEST_MESSAGE
    {
        let cut = (0..=LONGEST_MESSAGE).rev().find(|at| message.is_char_boundary(*at)).unwrap_or(0);
        message.truncate(cut);
        message.push('…');
    }
    let written = serde_json::to_vec(&outcome).map(|json| fs::File::from(writer).write_all(&json));
    let code = i32::from(!matches!(written, Ok(Ok(()))));
    // SAFETY: _exit ends this process at once; the guard's buffers are not flushed a second time.
    unsafe { libc::_exit(code) }
}

fn prepare_body(guard: u32) -> Result<()> {
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
    if nix::unistd::getppid().as_raw() != guard.cast_signed() {
        bail!("the guard is gone");
    }
    setsid()?;
    let null = fs::File::options().read(true).write(true).open("/dev/null")?;
    dup2_stdin(&null)?;
    dup2_stdout(&null)?;
    Ok(())
}

fn panic_text(panic: &(dyn std::any::Any + Send)) -> &str {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message")
}

enum Ended {
    Status(WaitStatus),
    TimeIsUp,
}

/// Waits for the check and reaps the orphans that come to the guard meanwhile.
fn wait(child: Pid, limit: Duration) -> Result<Ended> {
    let deadline = Instant::now() + patient(limit);
    let stdin = std::io::stdin();
    loop {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(status) if status.pid() == Some(child) => return Ok(Ended::Status(status)),
                Ok(_) | Err(Errno::EINTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() >= deadline {
            return Ok(Ended::TimeIsUp);
        }
        // The harness writes nothing: an event on stdin is the harness's end.
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        if poll(&mut fds, PollTimeout::from(5_u8)).is_ok_and(|ready| ready > 0) {
            return Ok(Ended::TimeIsUp);
        }
    }
}

/// Kills every descendant and reaps it. The loop ends when `/proc` shows none, not when one pass is done:
/// a process may fork between the look and the signal.
fn end_descendants() -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let left = Process::this().descendants();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            bail!("expected every process of the check to end, the kernel showed {left:?} after SIGKILL");
        }
        for process in left {
            // It may be gone already, which is what is wanted.
            let _ = kill(Pid::from_raw(process.0), Signal::SIGKILL);
        }
        while matches!(waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)), Ok(status) if status != WaitStatus::StillAlive)
        {
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Deletes a folder of checks, unless something is mounted beneath it: what is mounted may be the host's.
pub(crate) fn remove_folder(scratch: &Path) -> Result<()> {
    let mounts = Process::this().mounts()?;
    if let Some(mount) = mounts.iter().find(|mount| Path::new(&mount.point).starts_with(scratch)) {
        bail!("{} is still mounted, so {} is left as it is", mount.point, scratch.display());
    }
    remove_all(scratch).with_context(|| format!("remove {}", scratch.display()))
}
