//! Containment: a check runs in a process of its own, and whatever it leaves behind is ended.
//!
//! The harness starts its own executable again as a guard. The guard becomes the reaper of every orphan
//! beneath it (`PR_SET_CHILD_SUBREAPER`), forks the check, enforces the time limit, and afterwards kills
//! descendants until none is left: a runtime that loses its processes cannot litter the host with them.
//! Under a [`crate::warden`] that is root's, the check has a PID namespace, too.

use std::fs;
use std::io::Read;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, pipe2, setsid};

use crate::check::{Check, Outcome};
use crate::kernel::{Ending, Process, patient};
use crate::subject::Subject;
use crate::sweep::remove_all;

mod body;
mod disk;
pub(crate) mod end;
pub(crate) mod namespace;

use end::end_descendants;

/// The first argument that makes the executable a guard.
pub const GUARD: &str = "__check";

/// Four texts of the longest kind in JSON, whose escapes make six bytes of one.
const LONGEST_OUTCOME: i32 = 256 * 1024;

/// Orphans are reaped, and the clock and the disk looked at, this often at least.
const LOOK_AROUND: Duration = Duration::from_millis(20);

/// What the harness tells the guard beside the check.
#[derive(Clone, Copy, Debug, Default)]
pub struct Terms {
    /// The check has a PID namespace to itself, whose first process is its guard.
    pub alone: bool,
    /// Bytes that a check may have on the disk; 0 for as many as it likes.
    pub disk: u64,
}

/// Runs one check under a guard process and returns how it ended.
#[must_use]
pub fn run(check: &Check, bin: &Path, step: u8, root: &Path, terms: Terms) -> Outcome {
    guarded(check, bin, step, root, terms).unwrap_or_else(|error| Outcome::fail(format!("{error:#}")))
}

fn guarded(check: &Check, bin: &Path, step: u8, root: &Path, terms: Terms) -> Result<Outcome> {
    let mut guard = Command::new(crate::own_executable()?)
        .args([GUARD, check.id, &step.to_string()])
        .args([bin, root])
        .args([terms.alone.to_string(), terms.disk.to_string()])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start the guard of the check")?;
    let mut report = String::new();
    let stdout = guard.stdout.take().context("the guard has no stdout")?;
    stdout.take(2 * u64::from(LONGEST_OUTCOME.cast_unsigned())).read_to_string(&mut report)?;
    // The guard takes the end of its stdin as the end of this process: hold it open until here.
    let status = guard.wait()?;
    // Whoever can write to the guard's stdout can end the guard, too, but cannot make it end well without its own word.
    if !status.success() {
        bail!("the guard of the check ended with {status}: something killed it");
    }
    serde_json::from_str(&report).with_context(|| format!("the guard of the check said {report:?}"))
}

/// The guard's whole life: runs `check`, cleans up, prints the outcome as JSON.
///
/// # Errors
/// When the check could not be started or the outcome not be printed.
pub fn main(check: &Check, subject: &Subject, terms: Terms) -> Result<()> {
    // Ctrl-C at the terminal is for the harness; the guard sees its stdin end and cleans up.
    setsid().ok();
    if terms.alone {
        namespace::in_new(|| guard(check, subject, terms))
    } else {
        guard(check, subject, terms)
    }
}

fn guard(check: &Check, subject: &Subject, terms: Terms) -> Result<()> {
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    isolate()?;
    if terms.alone {
        namespace::mount_proc()?;
    }
    hide();
    let scratch = subject.scratch();
    fs::create_dir_all(scratch).with_context(|| format!("make {}", scratch.display()))?;
    let outcome =
        supervise(check, subject, terms).unwrap_or_else(|error| Outcome::fail(format!("{error:#}")));
    let outcome = match (end_descendants(terms.alone), outcome) {
        (Err(error), Outcome::Pass) => Outcome::fail(format!("{error:#}")),
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

/// An ordinary user's program must not reach into this process, which is the same user's, through `/proc` or ptrace(2).
pub(crate) fn hide() {
    // SAFETY: prctl with these arguments only sets a flag of this process.
    unsafe { libc::prctl(libc::PR_SET_DUMPABLE, 0, 0, 0, 0) };
}

fn supervise(check: &Check, subject: &Subject, terms: Terms) -> Result<Outcome> {
    // CLOEXEC: what the check starts must not hold the report open.
    let (reader, writer) = pipe2(OFlag::O_CLOEXEC)?;
    fcntl(&writer, FcntlArg::F_SETPIPE_SZ(LONGEST_OUTCOME))?;
    let guard = std::process::id();
    // SAFETY: the guard has a single thread, so the child's copy of memory is consistent and it may go
    // on as an ordinary process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            drop(reader);
            body::run(check, subject, guard, writer);
        }
        ForkResult::Parent { child } => {
            drop(writer);
            let disk = (terms.disk > 0).then(|| disk::Watch::new(subject.root(), terms.disk));
            match wait(child, check.timeout, disk)? {
                Ended::Status(WaitStatus::Exited(_, 0)) => {
                    let mut json = String::new();
                    fs::File::from(reader).read_to_string(&mut json)?;
                    Ok(serde_json::from_str(&json)?)
                }
                Ended::Status(status) => {
                    Ok(Outcome::fail(format!("the check itself died, something killed it: {status:?}")))
                }
                Ended::TimeIsUp => Ok(Outcome::fail(format!("not done after {:?}", check.timeout))),
                Ended::DiskIsFull(used) => {
                    let (used, allowed) = (used >> 20, terms.disk >> 20);
                    Ok(Outcome::fail(format!("{used} MiB on the disk, where {allowed} MiB are allowed")))
                }
            }
        }
    }
}

enum Ended {
    Status(WaitStatus),
    TimeIsUp,
    DiskIsFull(u64),
}

/// Waits for the check and reaps the orphans that come to the guard meanwhile.
fn wait(child: Pid, limit: Duration, mut disk: Option<disk::Watch>) -> Result<Ended> {
    let deadline = Instant::now() + patient(limit);
    let (stdin, ending) = (std::io::stdin(), Ending::of(Process(child.as_raw()))?);
    loop {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(status) if status.pid() == Some(child) => return Ok(Ended::Status(status)),
                // EINVAL: it was reaped, and a real-time signal that nix has no name for had ended it.
                Ok(_) | Err(Errno::EINTR | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if Instant::now() >= deadline {
            return Ok(Ended::TimeIsUp);
        }
        if let Some(used) = disk.as_mut().and_then(disk::Watch::too_much) {
            return Ok(Ended::DiskIsFull(used));
        }
        // The harness writes nothing: an event on stdin is the harness's end.
        if ending.wait(Some(&stdin), LOOK_AROUND) {
            return Ok(Ended::TimeIsUp);
        }
    }
}

/// Deletes a folder of checks, unless something is mounted beneath it: what is mounted may be the host's.
pub(crate) fn remove_folder(scratch: &Path) -> Result<()> {
    let mounts = Process::this().mounts()?;
    if let Some(mount) = mounts.iter().find(|mount| Path::new(&mount.point).starts_with(scratch)) {
        bail!("{} is still mounted, so {} is left as it is", mount.point, scratch.display());
    }
    if !scratch.exists() {
        return Ok(());
    }
    remove_all(scratch).with_context(|| format!("remove {}", scratch.display()))
}
