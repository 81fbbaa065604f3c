//! The container's files: an image as its root, the kernel's filesystems in it, and nothing else of the host.
//!
//! Which mounts, with which flags, is Docker's choice (the OCI runtime specification leaves it to the caller).

use crate::explain::explain;
use crate::mount::{
    MOUNT_ATTR_NODEV as NODEV, MOUNT_ATTR_NOEXEC as NOEXEC, MOUNT_ATTR_NOSUID as NOSUID,
    MOUNT_ATTR_RDONLY as RDONLY, MOUNT_ATTR_STRICTATIME as STRICTATIME, Mount,
};
use crate::namespaces::{Namespace, Namespaces};
use crate::root::{Kind, Root};
use crate::users;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::{OFlag, openat};
use nix::mount::{MntFlags, umount2};
use nix::sys::stat::{Mode, mkdirat, umask};
use nix::unistd::{chdir, chroot, fchdir, pivot_root, symlinkat};
use std::fs;
use std::path::Path;

/// The host's device nodes that every container has. They are bound, not made: in a user namespace mknod(2) is refused.
const NODES: [&str; 6] = ["null", "zero", "full", "random", "urandom", "tty"];

const LINKS: [(&str, &str); 6] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
    ("core", "/proc/kcore"),
    // The terminals of this devpts, not the host's.
    ("ptmx", "pts/ptmx"),
];

/// What tells about the whole machine, or acts on it: covered.
const MASKED: [&str; 12] = [
    "proc/acpi",
    "proc/asound",
    "proc/interrupts",
    "proc/kcore",
    "proc/keys",
    "proc/latency_stats",
    "proc/sched_debug",
    "proc/scsi",
    "proc/timer_list",
    "proc/timer_stats",
    "sys/devices/virtual/powercap",
    "sys/firmware",
];

/// What may be read, and not written.
const READ_ONLY: [&str; 5] = ["proc/bus", "proc/fs", "proc/irq", "proc/sys", "proc/sysrq-trigger"];

/// Mounts /proc, /sys and /dev and hides what they tell of the host.
pub fn mount_kernel_filesystems(root: &Root<Mount>, namespaces: &Namespaces) -> Result<()> {
    // The mount points that are missing are made with these modes, whatever mask the caller has.
    umask(Mode::from_bits_truncate(0o022));
    let proc = root.mount_point("proc")?;
    // The kernel lets a user namespace mount what shows its own namespaces; the host's can only be bound.
    if namespaces.has(Namespace::Pid) || !namespaces.has(Namespace::User) {
        let mount = Mount::filesystem("proc", &[], NOSUID | NODEV | NOEXEC).map_err(explain_refusal)?;
        mount.attach(&proc, "/proc")?;
    } else {
        Mount::bind(Path::new("/proc"))?.attach(&proc, "/proc")?;
    }
    let sys = root.mount_point("sys")?;
    let mount = if namespaces.has(Namespace::Net) || !namespaces.has(Namespace::User) {
        Mount::filesystem("sysfs", &[], RDONLY | NOSUID | NODEV | NOEXEC)?
    } else {
        Mount::bind(Path::new("/sys"))?
    };
    mount.restrict(RDONLY)?;
    mount.attach(&sys, "/sys")?;
    mount_dev(root, namespaces)?;
    mask(root)
}

/// A user namespace gets no /proc that would show more than the one it sees already: `mount_too_revealing` in the
/// kernel's fs/namespace.c.
fn explain_refusal(error: anyhow::Error) -> anyhow::Error {
    match error.downcast_ref::<Errno>() {
        Some(Errno::EPERM) => error.context(
            "parts of /proc are covered here, as inside another container, so no new one can be mounted",
        ),
        _ => error,
    }
}

/// /dev: an empty tmpfs, and in it what a program may expect.
fn mount_dev(root: &Root<Mount>, namespaces: &Namespaces) -> Result<()> {
    let dev = Mount::filesystem("tmpfs", &["mode=755", "size=65536k"], NOSUID | STRICTATIME)?;
    dev.attach(&root.mount_point("dev")?, "/dev")?;
    for node in NODES {
        let flags = OFlag::O_CREAT | OFlag::O_EXCL | OFlag::O_WRONLY | OFlag::O_CLOEXEC;
        let place = openat(&dev, node, flags, Mode::from_bits_truncate(0o666))
            .with_context(|| format!("make /dev/{node}"))?;
        Mount::bind(&Path::new("/dev").join(node))?.attach(&place, &format!("/dev/{node}"))?;
    }
    for (name, target) in LINKS {
        symlinkat(target, &dev, name).with_context(|| format!("make the symlink /dev/{name}"))?;
        explain!("symlinkat({target:?}, \"/dev/{name}\") = 0");
    }
    for directory in ["pts", "shm", "mqueue"] {
        mkdirat(&dev, directory, Mode::from_bits_truncate(0o755))
            .with_context(|| format!("make /dev/{directory}"))?;
    }
    let mut terminals = vec!["newinstance", "ptmxmode=0666", "mode=0620"];
    // The group `tty`, where there is one: a user namespace may map a single id.
    if users::has_group(5)? {
        terminals.push("gid=5");
    }
    let place = |directory: &str| root.mount_point(&format!("dev/{directory}"));
    Mount::filesystem("devpts", &terminals, NOSUID | NOEXEC)?.attach(&place("pts")?, "/dev/pts")?;
    let shm = Mount::filesystem("tmpfs", &["mode=1777", "size=65536k"], NOSUID | NODEV | NOEXEC)?;
    shm.attach(&place("shm")?, "/dev/shm")?;
    if namespaces.has(Namespace::Ipc) || !namespaces.has(Namespace::User) {
        let queues = Mount::filesystem("mqueue", &[], NOSUID | NODEV | NOEXEC)?;
        queues.attach(&place("mqueue")?, "/dev/mqueue")?;
    }
    Ok(())
}

/// Covers files with the null device and directories with one empty tmpfs, and binds the read-only paths onto
/// themselves. What this kernel does not have needs no cover.
fn mask(root: &Root<Mount>) -> Result<()> {
    let mut empty: Option<Mount> = None;
    for path in MASKED {
        let name = format!("/{path}");
        match root.look_up(path) {
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error).with_context(|| format!("open {name}")),
            Ok((place, Kind::File)) => Mount::bind(Path::new("/dev/null"))?.attach(&place, &name)?,
            Ok((place, Kind::Directory)) => match &empty {
                Some(first) => Mount::bind_again(first)?.attach(&place, &name)?,
                None => {
                    let first = Mount::filesystem(
                        "tmpfs",
                        &["size=0k", "mode=755"],
                        RDONLY | NOSUID | NODEV | NOEXEC,
                    )?;
                    first.attach(&place, &name)?;
                    empty = Some(first);
                }
            },
        }
    }
    for path in READ_ONLY {
        match root.look_up(path) {
            Err(Errno::ENOENT) => {}
            Err(error) => return Err(error).with_context(|| format!("open /{path}")),
            Ok((place, _)) => {
                let mount = Mount::bind_again(&place)?;
                mount.restrict(RDONLY)?;
                mount.attach(&place, &format!("/{path}"))?;
            }
        }
    }
    Ok(())
}

/// Makes the image this process's `/`, and takes everything else out of reach: pivot_root(2).
///
/// With the new root stacked on the old one at `.`, no directory has to be set aside for the old, which is then
/// unmounted with all that is mounted below it.
pub fn pivot(root: &Root<Mount>) -> Result<()> {
    fchdir(root).context("enter the image")?;
    pivot_root(".", ".").context("pivot_root")?;
    explain!("pivot_root(\".\", \".\") = 0");
    umount2(".", MntFlags::MNT_DETACH).context("unmount the old root")?;
    explain!("umount2(\".\", MNT_DETACH) = 0");
    chdir("/").context("enter the new root")
}

/// Makes the image this process's `/` and leaves the host's tree mounted: chroot(2), which a root user can leave.
pub fn change_root(root: &Root<Mount>) -> Result<()> {
    fchdir(root).context("enter the image")?;
    chroot(".").context("chroot")?;
    explain!("chroot(\".\") = 0");
    Ok(())
}

/// Makes the working directory, as Docker does, and then closes the root to writing if that was asked for.
pub fn finish(root: &Root<Mount>, workdir: &Path, read_only: bool) -> Result<()> {
    fs::create_dir_all(workdir)
        .with_context(|| format!("make the working directory {}", workdir.display()))?;
    if read_only { root.0.restrict_alone(RDONLY) } else { Ok(()) }
}
