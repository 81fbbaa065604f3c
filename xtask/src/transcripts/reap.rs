//! Ends everything that a block has started, however far it has gone from its bash.

use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};
use nix::errno::Errno;
use nix::sys::prctl;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, waitpid};
use nix::unistd::{Pid, getpid, getsid};

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(10);

/// Makes orphans of the blocks children of xtask, so that none is lost from sight: see `prctl(2)`,
/// `PR_SET_CHILD_SUBREAPER`.
pub fn adopt_orphans() -> anyhow::Result<()> {
    prctl::set_child_subreaper(true).context("become the reaper of orphans")
}

/// Kills every descendant of xtask that is in another session than xtask itself, and waits until all are gone.
/// Blocks run in sessions of their own; what xtask starts for itself is in its own.
pub fn kill_block() -> anyhow::Result<()> {
    let own = getsid(None).context("read our session")?.as_raw();
    let start = Instant::now();
    loop {
        let descendants = descendants()?;
        let block: Vec<&Process> = descendants.iter().filter(|process| process.session != own).collect();
        let Some(first) = block.first() else { return Ok(()) };
        for process in &block {
            // It may have ended since it was listed; one of another user goes when its parent does, or patience ends.
            match kill(Pid::from_raw(process.pid), Signal::SIGKILL) {
                Ok(()) | Err(Errno::ESRCH | Errno::EPERM) => {}
                Err(error) => return Err(error).with_context(|| format!("kill process {}", process.pid)),
            }
            match waitpid(Pid::from_raw(process.pid), Some(WaitPidFlag::WNOHANG)) {
                // Not ours to reap: its parent is still there.
                Ok(_) | Err(Errno::ECHILD) => {}
                Err(error) => return Err(error).with_context(|| format!("reap process {}", process.pid)),
            }
        }
        if start.elapsed() > PATIENCE {
            bail!("process {} cannot be killed", first.pid);
        }
        sleep(Duration::from_millis(5));
    }
}

struct Process {
    pid: i32,
    session: i32,
}

fn descendants() -> anyhow::Result<Vec<Process>> {
    let mut children: BTreeMap<i32, Vec<Process>> = BTreeMap::new();
    for entry in fs::read_dir("/proc").context("list /proc")? {
        let Ok(pid) = entry?.file_name().to_string_lossy().parse::<i32>() else { continue };
        // Gone since it was listed.
        let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else { continue };
        if let Some((parent, session)) = parse(&stat) {
            children.entry(parent).or_default().push(Process { pid, session });
        }
    }
    let mut found = Vec::new();
    let mut left = vec![getpid().as_raw()];
    while let Some(pid) = left.pop() {
        for process in children.remove(&pid).unwrap_or_default() {
            left.push(process.pid);
            found.push(process);
        }
    }
    Ok(found)
}

/// Parent and session of a line of `/proc/PID/stat`. The name in it may hold anything, so fields count from its end.
fn parse(stat: &str) -> Option<(i32, i32)> {
    let (_, fields) = stat.rsplit_once(')')?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    Some((fields.get(1)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_with_a_parenthesis_misleads_nobody() {
        assert_eq!(parse("7 (a) S 1 (b)) S 5 6 42 0 -1"), Some((5, 42)));
        assert_eq!(parse("nonsense"), None);
    }
}
