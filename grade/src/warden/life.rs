//! The warden's own process, and its child up to the point where the work begins.

use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sched::{CloneFlags, setns, unshare};
use nix::sys::resource::{UsageWho, getrusage};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::{ForkResult, Pid, fork, setsid};

use super::group::Group;
use super::memory::Ground;
use super::{End, Limits, Said, WARDEN, Work, say, shelter, start};
use crate::guard::end::end_descendants;
use crate::guard::namespace::mount_proc;
use crate::guard::{hide, remove_folder};
use crate::kernel::patient;
use crate::{grading, harness, submission};

/// How long the one run may take that sweeps up after a grading that was cut short.
const SWEEP: Limits = Limits { seconds: 15, memory: 1 << 30, processes: 256, disk: 1 << 28, jobs: 1 };

/// The warden's life.
pub(crate) fn main(arguments: &[OsString]) -> Result<ExitCode> {
    let [work, limits] = arguments else { bail!("{WARDEN} WORK LIMITS") };
    let work: Work = serde_json::from_str(&work.to_string_lossy())?;
    let limits: Limits = serde_json::from_str(&limits.to_string_lossy())?;
    // Ctrl-C at the terminal is for who started it; the warden sees its stdin end and cleans up.
    setsid().ok();
    hide();
    // SAFETY: prctl with these arguments only sets a flag of this process.
    Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
    let root = nix::unistd::geteuid().is_root();
    if root && let Err(error) = unshare(CloneFlags::CLONE_NEWPID) {
        say(&Said::Lack(format!(
            "root may make no namespaces here ({error}); in a container, it takes --privileged"
        )))?;
        return Ok(ExitCode::SUCCESS);
    }
    let folder = match folder_of(&work) {
        Ok(folder) => folder,
        Err(error) => {
            say(&Said::Lack(format!("{error:#}")))?;
            return Ok(ExitCode::SUCCESS);
        }
    };
    let ground = Ground::lay(&folder, &work, &limits);
    let group = if root { Group::make(&limits) } else { Group::default() };
    // SAFETY: the warden has a single thread, so the child's copy of memory is consistent and it may go on as an
    // ordinary process.
    match unsafe { fork() }? {
        ForkResult::Child => {
            let place = Place { group: &group, folder: &folder, root };
            let done = place.enter(&work).and_then(|()| place.inside(&work, &limits));
            if let Err(error) = &done {
                let _ = say(&Said::Lack(format!("{error:#}")));
            }
            // SAFETY: _exit ends this process at once; what it had to say is flushed.
            unsafe { libc::_exit(i32::from(done.is_err())) }
        }
        ForkResult::Parent { child } => {
            let (time_is_up, well) = wait(child, Duration::from_secs(limits.seconds))?;
            let ended = end_descendants(false);
            let peak_memory = group.peak().or_else(largest);
            let removed = group.remove();
            let cleared = if matches!(work, Work::Sweep(..)) { Ok(()) } else { clear(&work, &ground, well) };
            End { time_is_up, peak_memory }.say()?;
            ended.and(removed).and(cleared).map(|()| ExitCode::SUCCESS)
        }
    }
}

fn folder_of(work: &Work) -> Result<PathBuf> {
    match work {
        Work::Checks(_) | Work::Build(_) => harness::make_folder(),
        Work::Sweep(_, folder) => Ok(folder.clone()),
    }
}

/// Removes the folder; when the checks could not end, the binary gets a last run in it before.
fn clear(work: &Work, ground: &Ground, well: bool) -> Result<()> {
    if let (Work::Checks(checks), false) = (work, well) {
        // The namespace in which children were born died with its first process.
        setns(File::open("/proc/self/ns/pid")?, CloneFlags::CLONE_NEWPID).or_else(|error| match error {
            Errno::EPERM => Ok(()),
            error => Err(error),
        })?;
        let mut sweep = start(&Work::Sweep(checks.clone(), ground.folder.to_path_buf()), SWEEP)?;
        // Its stdin stays open until it has ended; what it says is of no interest.
        let said = sweep.stdout.take();
        std::io::copy(&mut said.context("it has no stdout")?, &mut std::io::sink())?;
        sweep.wait()?;
    }
    ground.clear().context("unmount the grading's folder")?;
    remove_folder(ground.folder)
}

/// Where the warden's child works.
struct Place<'a> {
    group: &'a Group,
    folder: &'a Path,
    root: bool,
}

impl Place<'_> {
    /// The child settles in its namespaces and its group.
    fn enter(&self, work: &Work) -> Result<()> {
        // SAFETY: prctl with these arguments only sets a flag of this process. If the warden is killed, the kernel kills
        // its child, and with the first process of a namespace all of them.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_PDEATHSIG, libc::SIGKILL, 0, 0, 0) })?;
        // SAFETY: as above.
        Errno::result(unsafe { libc::prctl(libc::PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) })?;
        self.group.join()?;
        if !self.root {
            return Ok(());
        }
        // Refused without CAP_SYS_RESOURCE; then the kernel may take the grader itself when memory is short.
        let _ = std::fs::write("/proc/self/oom_score_adj", "-900");
        unshare(CloneFlags::CLONE_NEWNS).context("make a mount namespace")?;
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
        // Before anything looks into /proc.
        mount_proc()?;
        match work {
            Work::Checks(checks) | Work::Sweep(checks, _) => {
                shelter::build(self.folder, &[], std::slice::from_ref(&checks.bin))?;
                // The folder that it was started in may be one of the host's that can still be written.
                std::env::set_current_dir("/")?;
            }
            Work::Build(build) => shelter::build(self.folder, &build.writable, &[])?,
        }
        Ok(())
    }

    fn inside(&self, work: &Work, limits: &Limits) -> Result<()> {
        match work {
            Work::Checks(checks) => grading::inside(checks, self.folder, limits, self.root),
            Work::Sweep(checks, folder) => grading::sweep(checks, folder, self.root),
            Work::Build(build) => submission::build_inside(build),
        }
    }
}

/// Waits for the child's end, for the time to be up, or for the end of who started the warden. Whether it was the time,
/// and whether the child ended well.
fn wait(child: Pid, limit: Duration) -> Result<(bool, bool)> {
    let deadline = Instant::now() + patient(limit);
    let stdin = std::io::stdin();
    loop {
        loop {
            match waitpid(None::<Pid>, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::StillAlive) | Err(Errno::ECHILD) => break,
                Ok(status) if status.pid() == Some(child) => {
                    return Ok((false, status == WaitStatus::Exited(child, 0)));
                }
                // EINVAL: it was reaped, and a real-time signal that nix has no name for had ended it.
                Ok(_) | Err(Errno::EINTR | Errno::EINVAL) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let time_is_up = Instant::now() >= deadline;
        let mut fds = [PollFd::new(stdin.as_fd(), PollFlags::POLLIN)];
        let told_to_end = poll(&mut fds, PollTimeout::from(10_u8)).is_ok_and(|ready| ready > 0);
        if time_is_up || told_to_end {
            // In a PID namespace this ends everything; the wait returns when all of it is gone.
            kill(child, Signal::SIGKILL)?;
            waitpid(child, None)?;
            return Ok((time_is_up, false));
        }
    }
}

/// The most memory that a single process among those that have ended has had.
fn largest() -> Option<u64> {
    let usage = getrusage(UsageWho::RUSAGE_CHILDREN).ok()?;
    u64::try_from(usage.max_rss()).ok().map(|kibibytes| kibibytes * 1024)
}
