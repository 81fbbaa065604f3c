//! Probes that try to get out of the container's root, or to write where nothing may be written.

use std::ffi::{CString, OsString};
use std::fs::{self, File};
use std::io::Read;
use std::os::fd::AsRawFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::unistd::{chdir, chroot};

fn path(arguments: &[OsString]) -> Result<&Path> {
    Ok(Path::new(arguments.first().context("which path?")?))
}

/// So many steps up lead out of any tree.
const UP: usize = 64;

fn up() -> PathBuf {
    std::iter::repeat_n("..", UP).collect()
}

/// Looks for the host's file that the argument names by every way that leads out of a badly made root. Prints each
/// way on which it was found and then `end`; lives until its stdin ends.
pub(super) fn reach(arguments: &[OsString]) -> Result<()> {
    let wanted = path(arguments)?.strip_prefix("/")?;
    let mut ways = vec![PathBuf::from("/"), up(), PathBuf::from("/").join(up())];
    for process in numbers("/proc") {
        let process = Path::new("/proc").join(process);
        for link in ["root", "cwd", "exe"] {
            ways.push(process.join(link));
            ways.push(process.join(link).join(up()));
        }
        for descriptor in numbers(process.join("fd")) {
            ways.push(process.join("fd").join(&descriptor));
            ways.push(process.join("fd").join(&descriptor).join(up()));
        }
    }
    for way in ways {
        if fs::symlink_metadata(way.join(wanted)).is_ok() {
            println!("{}", way.display());
        }
    }
    println!("end");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}

/// The entries of a folder that are numbers.
fn numbers(dir: impl AsRef<Path>) -> Vec<String> {
    let Ok(entries) = fs::read_dir(dir) else { return Vec::new() };
    let names = entries.flatten().filter_map(|entry| entry.file_name().into_string().ok());
    names.filter(|name| name.bytes().all(|byte| byte.is_ascii_digit())).collect()
}

/// The classic way out of chroot(2): with a folder open that lies above the root, go up from there. Prints `out` when
/// the host's file that the argument names is found then, else `in`.
pub(super) fn escape(arguments: &[OsString]) -> Result<()> {
    let wanted = path(arguments)?.strip_prefix("/")?;
    // The working directory stays where it is when the root moves below it: then `..` no longer stops at the root.
    let below = Path::new("/tmp/below");
    fs::create_dir_all(below)?;
    chdir("/")?;
    chroot(below).context("chroot")?;
    for _ in 0..UP {
        chdir("..")?;
    }
    chroot(".").context("chroot to where this has led")?;
    let out = fs::symlink_metadata(Path::new("/").join(wanted)).is_ok();
    println!("{}", if out { "out" } else { "in" });
    Ok(())
}

/// Opens each path for writing, and writes nothing. Prints `opened` or the error's name for each.
pub(super) fn open_write(arguments: &[OsString]) -> Result<()> {
    for argument in arguments {
        let file = CString::new(argument.as_bytes())?;
        // SAFETY: the name ends with a NUL and lives through the call.
        match Errno::result(unsafe { libc::open(file.as_ptr(), libc::O_WRONLY | libc::O_CLOEXEC) }) {
            Ok(_) => println!("opened"),
            Err(error) => println!("{error:?}"),
        }
    }
    Ok(())
}

/// Opens a terminal through `/dev/ptmx`, prints its number, and lives until its stdin ends.
pub(super) fn terminal(_arguments: &[OsString]) -> Result<()> {
    let side = File::options().read(true).write(true).open("/dev/ptmx").context("open /dev/ptmx")?;
    let mut number: libc::c_uint = 0;
    // SAFETY: the kernel writes one integer, which lives through the call.
    Errno::result(unsafe { libc::ioctl(side.as_raw_fd(), libc::TIOCGPTN, &raw mut number) })
        .context("ask for the terminal's number")?;
    println!("{number}");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
