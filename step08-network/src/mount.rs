//! Mounts by descriptor: fsopen(2), fsmount(2), open_tree(2), mount_setattr(2), move_mount(2).
//!
//! A mount is made first, attached to nothing, and then moved to a target that has been opened. No path is looked up
//! in between, so no symlink of an image can lead a mount astray.

use crate::explain::explain;
use anyhow::{Context, Result};
use libc::{AT_EMPTY_PATH, AT_FDCWD, AT_RECURSIVE, c_char, c_int, c_uint};
use nix::NixPath;
use nix::errno::Errno;
use nix::fcntl::{OFlag, open};
use nix::sys::stat::Mode;
use std::ffi::{CStr, CString};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::path::Path;
use std::ptr;

pub use libc::{
    MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, MOUNT_ATTR_STRICTATIME,
};

/// A mount: the descriptor leads to its root.
pub struct Mount(OwnedFd);

impl Mount {
    /// A new filesystem of a type of the kernel's, with options as `key=value` (a flag has no `=`) and
    /// `MOUNT_ATTR_…` attributes.
    pub fn filesystem(kind: &str, options: &[&str], attributes: u64) -> Result<Mount> {
        Self::make(kind, options, attributes).with_context(|| format!("make a filesystem of type {kind}"))
    }

    fn make(kind: &str, options: &[&str], attributes: u64) -> Result<Mount> {
        let name = CString::new(kind)?;
        // SAFETY: the name outlives the call.
        let context =
            descriptor(unsafe { libc::syscall(libc::SYS_fsopen, name.as_ptr(), libc::FSOPEN_CLOEXEC) })?;
        // The source stands in the first column of `mount`; it means nothing for these filesystems.
        set(&context, libc::FSCONFIG_SET_STRING, c"source", Some(&name))?;
        for option in options {
            match option.split_once('=') {
                Some((key, value)) => {
                    let (key, value) = (CString::new(key)?, CString::new(value)?);
                    set(&context, libc::FSCONFIG_SET_STRING, &key, Some(&value))
                        .context(option.to_string())?;
                }
                None => set(&context, libc::FSCONFIG_SET_FLAG, &CString::new(*option)?, None)?,
            }
        }
        set(&context, libc::FSCONFIG_CMD_CREATE, c"", None)?;
        // SAFETY: the call takes three integers.
        let mount = descriptor(unsafe {
            libc::syscall(libc::SYS_fsmount, context.as_raw_fd(), libc::FSMOUNT_CLOEXEC, attributes as c_uint)
        })?;
        let options = options.join(",");
        explain!("fsmount({kind:?}, {options:?}, {}) = {}", names(attributes), mount.as_raw_fd());
        Ok(Mount(mount))
    }

    /// The mount that is at a path.
    pub fn at(path: &Path) -> Result<Mount> {
        let flags = OFlag::O_PATH | OFlag::O_DIRECTORY | OFlag::O_CLOEXEC;
        open(path, flags, Mode::empty()).map(Mount).with_context(|| format!("open {}", path.display()))
    }

    /// A second mount of what a path of the host leads to, with everything mounted below it: a bind mount.
    pub fn bind(path: &Path) -> Result<Mount> {
        let name = path.with_nix_path(CStr::to_owned)?;
        Self::clone_tree(AT_FDCWD, &name).with_context(|| format!("bind {}", path.display()))
    }

    /// A second mount of what a descriptor leads to.
    pub fn bind_again(descriptor: &impl AsFd) -> Result<Mount> {
        Self::clone_tree(descriptor.as_fd().as_raw_fd(), c"").context("bind a descriptor")
    }

    fn clone_tree(directory: c_int, path: &CStr) -> Result<Mount> {
        let flags =
            libc::OPEN_TREE_CLONE | libc::OPEN_TREE_CLOEXEC | (AT_RECURSIVE | AT_EMPTY_PATH).cast_unsigned();
        // SAFETY: the path outlives the call.
        let mount =
            descriptor(unsafe { libc::syscall(libc::SYS_open_tree, directory, path.as_ptr(), flags) })?;
        let from = if directory == AT_FDCWD { "AT_FDCWD".to_owned() } else { directory.to_string() };
        explain!("open_tree({from}, {path:?}, OPEN_TREE_CLONE|AT_RECURSIVE) = {}", mount.as_raw_fd());
        Ok(Mount(mount))
    }

    /// Adds attributes to the mount and to all below it: the remount of mount(2) would leave those as they are.
    pub fn restrict(&self, attributes: u64) -> Result<()> {
        self.set_attributes(attributes, AT_RECURSIVE)
    }

    /// Adds attributes to this mount alone.
    pub fn restrict_alone(&self, attributes: u64) -> Result<()> {
        self.set_attributes(attributes, 0)
    }

    fn set_attributes(&self, attributes: u64, how_far: c_int) -> Result<()> {
        let change = libc::mount_attr { attr_set: attributes, attr_clr: 0, propagation: 0, userns_fd: 0 };
        let flags = AT_EMPTY_PATH | how_far;
        // SAFETY: the structure outlives the call, which is told its size.
        Errno::result(unsafe {
            let change = &raw const change;
            libc::syscall(
                libc::SYS_mount_setattr,
                self.0.as_raw_fd(),
                c"".as_ptr(),
                flags,
                change,
                size_of_val(&*change),
            )
        })
        .with_context(|| format!("make a mount {}", names(attributes)))?;
        explain!("mount_setattr({}, {}) = 0", self.0.as_raw_fd(), names(attributes));
        Ok(())
    }

    /// Attaches the mount on top of an opened target; `name` is how the container will call that.
    pub fn attach(&self, target: &impl AsFd, name: &str) -> Result<()> {
        let flags = libc::MOVE_MOUNT_F_EMPTY_PATH | libc::MOVE_MOUNT_T_EMPTY_PATH;
        let (from, to, empty) = (self.0.as_raw_fd(), target.as_fd().as_raw_fd(), c"".as_ptr());
        // SAFETY: the empty paths outlive the call.
        Errno::result(unsafe { libc::syscall(libc::SYS_move_mount, from, empty, to, empty, flags) })
            .with_context(|| format!("mount on {name}"))?;
        explain!("move_mount({from}, {name:?}) = 0");
        Ok(())
    }
}

impl AsFd for Mount {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

fn set(context: &OwnedFd, command: c_uint, key: &CStr, value: Option<&CStr>) -> nix::Result<()> {
    let text = |part: Option<&CStr>| {
        part.filter(|part| !part.is_empty()).map_or(ptr::null::<c_char>(), CStr::as_ptr)
    };
    // SAFETY: both strings outlive the call; a command that wants none of them gets null pointers.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_fsconfig, context.as_raw_fd(), command, text(Some(key)), text(value), 0)
    })?;
    Ok(())
}

/// Takes ownership of the descriptor that a system call returned.
fn descriptor(result: libc::c_long) -> Result<OwnedFd> {
    let fd = Errno::result(result)?;
    // SAFETY: the kernel has just made this descriptor for us, and nothing else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(i32::try_from(fd)?) })
}

/// The attributes as mount(8) spells them.
fn names(attributes: u64) -> String {
    let all = [
        (MOUNT_ATTR_RDONLY, "ro"),
        (MOUNT_ATTR_NOSUID, "nosuid"),
        (MOUNT_ATTR_NODEV, "nodev"),
        (MOUNT_ATTR_NOEXEC, "noexec"),
        (MOUNT_ATTR_STRICTATIME, "strictatime"),
    ];
    let names: Vec<_> = all.iter().filter(|(bit, _)| attributes & bit != 0).map(|(_, name)| *name).collect();
    if names.is_empty() { "0".to_owned() } else { names.join("|") }
}
