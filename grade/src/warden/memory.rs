//! The grading's folder in memory, where there is room for it.
//!
//! Checks make and delete files by the ten thousand. On a disk that is a third of their time, and most of that is spent
//! looking for inode numbers that were not in use a moment ago.

use std::fs;
use std::path::Path;

use nix::errno::Errno;
use nix::mount::{MntFlags, MsFlags, mount, umount2};
use nix::sched::{CloneFlags, unshare};

use super::{Limits, Work};
use crate::kernel::Process;

/// A folder that may be a tmpfs in this process's mount namespace.
pub(super) struct Ground<'a> {
    pub(super) folder: &'a Path,
    in_memory: bool,
}

impl<'a> Ground<'a> {
    /// Lays one on the folder for the checks of root, unless the machine has too little memory for it.
    pub(super) fn lay(folder: &'a Path, work: &Work, limits: &Limits) -> Ground<'a> {
        let wanted = matches!(work, Work::Checks(_)) && nix::unistd::geteuid().is_root();
        // A check that may write more than half of what all may use must be stopped before it uses up the memory.
        let fits = limits.disk <= limits.memory / 2 && 2 * limits.memory <= room();
        Ground { folder, in_memory: wanted && fits && mount_on(folder, limits.memory / 4 * 3).is_ok() }
    }

    /// Gives the memory back.
    pub(super) fn clear(&self) -> nix::Result<()> {
        if self.in_memory { umount2(self.folder, MntFlags::MNT_DETACH) } else { Ok(()) }
    }
}

fn mount_on(folder: &Path, size: u64) -> nix::Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let options = format!("mode=0755,size={size}");
    mount(Some("grade"), folder, Some("tmpfs"), MsFlags::empty(), Some(options.as_str()))?;
    // tmpfs has extended attributes of users since Linux 6.6. Without them checks would fail for no fault of the program's.
    set_attribute(folder).inspect_err(|_| {
        // What is then below is the folder on the disk.
        let _ = umount2(folder, MntFlags::MNT_DETACH);
    })
}

fn set_attribute(folder: &Path) -> nix::Result<()> {
    let path = std::ffi::CString::new(folder.as_os_str().as_encoded_bytes()).map_err(|_| Errno::EINVAL)?;
    let (name, value) = (c"user.grade", b"1");
    // SAFETY: path and name end with a NUL, and the value is as long as it is said to be.
    let done = unsafe { libc::setxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(done).map(drop)
}

/// Bytes that may still be used: of the machine, and of every group that this process is in.
fn room() -> u64 {
    let machine = fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let available = machine.lines().find_map(|line| line.strip_prefix("MemAvailable:"));
    let kibibytes = available.and_then(|text| text.trim().strip_suffix(" kB")?.parse::<u64>().ok());
    let own = Process::this().cgroup_dir("memory").ok();
    let groups = own.iter().flat_map(|own| own.ancestors()).filter_map(left_in);
    groups.chain([kibibytes.unwrap_or(0) * 1024]).min().unwrap_or(0)
}

/// What a group has left of its limit; `None` when it has none. v2 first, then v1.
fn left_in(group: &Path) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
    let v2 = || Some((number("memory.max")?, number("memory.current")?));
    let v1 = || Some((number("memory.limit_in_bytes")?, number("memory.usage_in_bytes")?));
    v2().or_else(v1).map(|(limit, used)| limit.saturating_sub(used))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_group_has_left_what_it_does_not_use() {
        let group = std::env::temp_dir().join(format!("grade-memory-{}", std::process::id()));
        fs::create_dir_all(&group).unwrap();
        assert_eq!(left_in(&group), None);
        fs::write(group.join("memory.limit_in_bytes"), "1000\n").unwrap();
        fs::write(group.join("memory.usage_in_bytes"), "400\n").unwrap();
        assert_eq!(left_in(&group), Some(600));
        fs::write(group.join("memory.max"), "max\n").unwrap();
        fs::write(group.join("memory.current"), "1\n").unwrap();
        assert_eq!(left_in(&group), Some(600), "a v2 group without a limit says nothing");
        fs::write(group.join("memory.max"), "100\n").unwrap();
        assert_eq!(left_in(&group), Some(99));
        fs::remove_dir_all(&group).unwrap();
        assert!(room() > 0);
    }
}
