//! The end of whatever a check or a grading leaves behind.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::kernel::Process;

/// Kills every descendant and reaps it. The loop ends when `/proc` shows none, not when one pass is done:
/// a process may fork between the look and the signal.
///
/// `alone` says that all other processes of this PID namespace are descendants. Then one call ends them, and no fork
/// slips through: the kernel holds its list of processes meanwhile. kill(2)
pub(crate) fn end_descendants(alone: bool) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        if alone {
            // ESRCH: there is nobody, which is what is wanted.
            let _ = kill(Pid::from_raw(-1), Signal::SIGKILL);
        }
        let left = Process::this().descendants();
        if left.is_empty() {
            return Ok(());
        }
        if Instant::now() >= deadline {
            let (count, some) = (left.len(), &left[..left.len().min(5)]);
            bail!(
                "expected every process of the check to end, the kernel showed {count} after SIGKILL: {some:?}"
            );
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
