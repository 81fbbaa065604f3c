//! One directory of a cgroup hierarchy: a group.

use super::hierarchy::{Place, Version};
use super::{Setting, v1};
use crate::explain::{self, explain};
use crate::lock;
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::fcntl::Flock;
use nix::sys::signal::{Signal, kill};
use nix::unistd::{Pid, getpid};
use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::{self, File, OpenOptions};
use std::io::{ErrorKind, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

/// What the names of our groups start with; the container's id follows.
const PREFIX: &str = "fork-to-veth-";

/// A group of this runtime, with a lock on its directory. The kernel lets go of the lock when the runtime dies,
/// however it dies: a group that can be locked has no owner.
pub struct Group {
    place: Place,
    path: PathBuf,
    directory: Flock<File>,
}

impl Group {
    /// Makes the group and locks it.
    pub fn create(place: Place, id: &str) -> Result<Group> {
        let path = place.base.join(format!("{PREFIX}{id}"));
        let directory = make(&path)?;
        let group = Group { place, path, directory };
        if group.version() == Version::V1 && group.path.join("cpuset.cpus").exists() {
            v1::fill_cpuset(group.base(), &group.path)?;
        }
        Ok(group)
    }

    pub fn version(&self) -> Version {
        self.place.version
    }

    pub fn base(&self) -> &Path {
        &self.place.base
    }

    pub fn controls(&self, controller: &str) -> bool {
        self.place.controllers.iter().any(|name| name == controller)
    }

    pub fn directory(&self) -> BorrowedFd<'_> {
        self.directory.as_fd()
    }

    pub fn set(&self, setting: &Setting) -> Result<()> {
        let file = self.path.join(setting.file);
        if setting.by_default && !file.exists() {
            explain::tell(format_args!("this kernel does not count swap: --memory limits memory alone"));
            return Ok(());
        }
        write(&file, &setting.value)
    }

    /// Moves the calling process, all one thread of it, into this group.
    pub fn join(&self) -> Result<()> {
        write(&self.path.join("tasks"), "0")
    }

    /// The text of one of the group's files; nothing where this kernel does not have that file.
    pub fn read(&self, file: &str) -> Result<Option<String>> {
        let path = self.path.join(file);
        match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => Ok(None),
            result => result.map(Some).with_context(|| format!("read {}", path.display())),
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        if let Err(error) = remove(&self.path) {
            explain::tell(format_args!("{error:#}"));
        }
    }
}

/// Makes a group's directory and locks it.
pub fn make(path: &Path) -> Result<Flock<File>> {
    loop {
        match fs::create_dir(path) {
            Ok(()) => explain!("mkdir({path:?}) = 0"),
            // Another command's sweep took it for a dead one's in the moment before it was locked.
            Err(error) if error.kind() == ErrorKind::AlreadyExists => sleep(Duration::from_millis(1)),
            Err(error) => return Err(error).with_context(|| format!("make the cgroup {}", path.display())),
        }
        if let Some(locked) = lock::take(path)? {
            return Ok(locked);
        }
    }
}

/// Writes a value to a file of the kernel: opened without creating it, written in one call.
pub fn write(path: &Path, value: &str) -> Result<()> {
    let mut file =
        OpenOptions::new().write(true).open(path).with_context(|| format!("open {}", path.display()))?;
    file.write_all(value.as_bytes()).with_context(|| format!("write {value:?} to {}", path.display()))?;
    explain!("write({path:?}, {value:?}) = {}", value.len());
    Ok(())
}

/// Removes every group below `base` whose owner is gone. Who is known to be `alive` has all its groups locked.
pub fn sweep(base: &Path, alive: &mut HashSet<OsString>) -> Result<()> {
    let abandoned = lock::abandoned(base, PREFIX, alive)?;
    // That one cannot be removed is no reason to leave the others.
    let removed: Vec<_> = abandoned.iter().map(|(path, _lock)| remove(path)).collect();
    removed.into_iter().collect()
}

/// Removes a group, the groups that were made inside it, and every process in them.
///
/// A process that has been killed stays in its group until it is reaped, so the kernel may say EBUSY for a while.
pub fn remove(path: &Path) -> Result<()> {
    let patience = Instant::now() + Duration::from_secs(10);
    loop {
        match fs::remove_dir(path) {
            Ok(()) => break,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            Err(error) if Instant::now() > patience => {
                return Err(error).with_context(|| format!("remove the cgroup {}", path.display()));
            }
            Err(_) => {}
        }
        for entry in fs::read_dir(path).with_context(|| format!("list {}", path.display()))?.flatten() {
            if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
                remove(&entry.path())?;
            }
        }
        kill_members(path)?;
        sleep(Duration::from_millis(1));
    }
    explain!("rmdir({path:?}) = 0");
    Ok(())
}

fn kill_members(path: &Path) -> Result<()> {
    let members = fs::read_to_string(path.join("cgroup.procs")).unwrap_or_default();
    // A 0 stands for a process of another PID namespace, and kill(2) would take it for our own process group.
    for pid in members.lines().filter_map(|line| line.parse().ok()).filter(|&pid| pid > 0) {
        let pid = Pid::from_raw(pid);
        if pid == getpid() {
            bail!("{}: this process is in it", path.display());
        }
        match kill(pid, Signal::SIGKILL) {
            Ok(()) | Err(Errno::ESRCH) => {}
            Err(error) => {
                return Err(error).with_context(|| format!("kill process {pid} in {}", path.display()));
            }
        }
    }
    Ok(())
}
