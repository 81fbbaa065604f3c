//! What a grading sees of the host's files: all of them, but to read.
//!
//! What the submission writes to `/tmp` and `/var/tmp` comes to lie in the grading's folder, where it is counted and
//! from where it is removed. Left as they are: the kernel's own filesystems, and `/run`.

use std::fs::{self, File};
use std::os::fd::AsRawFd;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};

use crate::kernel::Process;
use crate::need::docker_path;

/// Folders for temporary files, and what they are called in the grading's folder.
const TEMPORARY: [(&str, &str); 2] = [("/tmp", "tmp"), ("/var/tmp", "var-tmp")];

/// What is mounted below these stays as it is.
const LEFT_ALONE: [&str; 4] = ["/dev", "/proc", "/run", "/sys"];

/// Builds it. The grading may write to `folder` and to `writable`, which all have to be there; `seen` are files that it
/// has to find at their places.
pub(super) fn build(folder: &Path, writable: &[PathBuf], seen: &[PathBuf]) -> Result<()> {
    let temporary: Vec<(PathBuf, PathBuf)> = TEMPORARY
        .iter()
        .filter_map(|(at, name)| Some((fs::canonicalize(at).ok()?, folder.join(name))))
        .collect();
    for (_, own) in &temporary {
        fs::create_dir_all(own)?;
        fs::set_permissions(own, fs::Permissions::from_mode(0o1777))?;
    }
    let mut open: Vec<PathBuf> = writable.iter().map(fs::canonicalize).collect::<std::io::Result<_>>()?;
    open.push(folder.to_path_buf());
    for place in &open {
        bind(place, place)?;
    }
    // What lies in a folder that is about to be covered has to come back to its place.
    let places = open.iter().cloned().chain(seen.iter().cloned()).chain([crate::own_executable()?]);
    let covered = |path: &PathBuf| temporary.iter().any(|(at, _)| path.starts_with(at));
    let back = places.chain(docker_path()).filter(covered).map(|path| Ok((hold(&path)?, path)));
    let back: Vec<(File, PathBuf)> = back.collect::<Result<_>>()?;
    let covers = temporary.iter().map(|(at, own)| Ok((hold(own)?, at.clone())));
    for (cover, at) in covers.collect::<Result<Vec<_>>>()? {
        bind(&by_descriptor(&cover), &at)?;
        open.push(at);
    }
    for (original, path) in &back {
        place_for(path, original.metadata()?.is_dir())?;
        bind(&by_descriptor(original), path)?;
    }
    for mounted in Process::this().mounts()? {
        let point = Path::new(&mounted.point);
        let stays =
            open.iter().any(|open| point == open) || LEFT_ALONE.iter().any(|alone| point.starts_with(alone));
        if !stays {
            // What is mounted over cannot be reached by its path, nor by anybody else.
            let _ = read_only(point);
        }
    }
    Ok(())
}

fn bind(from: &Path, to: &Path) -> Result<()> {
    mount(Some(from), to, None::<&str>, MsFlags::MS_BIND, None::<&str>)
        .with_context(|| format!("bind {} to {}", from.display(), to.display()))
}

fn hold(path: &Path) -> Result<File> {
    let options = File::options().read(true).custom_flags(libc::O_PATH | libc::O_CLOEXEC).open(path);
    options.with_context(|| format!("open {}", path.display()))
}

fn by_descriptor(file: &File) -> PathBuf {
    format!("/proc/self/fd/{}", file.as_raw_fd()).into()
}

/// A folder or an empty file at this path, with the folders above it.
fn place_for(path: &Path, is_dir: bool) -> Result<()> {
    let dir = if is_dir { path } else { path.parent().context("a file has a folder")? };
    fs::create_dir_all(dir).with_context(|| format!("make {}", dir.display()))?;
    if !is_dir {
        File::create(path).with_context(|| format!("make {}", path.display()))?;
    }
    Ok(())
}

/// This one mount, and only as this namespace sees it. mount_setattr(2), Linux 5.12
fn read_only(point: &Path) -> Result<()> {
    let path = std::ffi::CString::new(point.as_os_str().as_encoded_bytes())?;
    // SAFETY: struct mount_attr is four numbers, for which zeroes are valid.
    let mut attributes: libc::mount_attr = unsafe { std::mem::zeroed() };
    attributes.attr_set = libc::MOUNT_ATTR_RDONLY;
    let size = size_of::<libc::mount_attr>();
    // SAFETY: the path ends with a NUL, and the kernel reads as many bytes of the structure as it has.
    Errno::result(unsafe {
        libc::syscall(libc::SYS_mount_setattr, libc::AT_FDCWD, path.as_ptr(), 0, &raw const attributes, size)
    })?;
    Ok(())
}
