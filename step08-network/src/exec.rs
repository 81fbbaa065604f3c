//! The last steps of the child: a clean slate, and execve(2).

use crate::explain::explain;
use crate::failure::{Failure, NOT_EXECUTABLE, NOT_FOUND};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::signal::SigSet;
use nix::sys::stat::{Mode, umask};
use nix::unistd::{AccessFlags, access, chdir, execve};
use std::convert::Infallible;
use std::ffi::{CString, OsStr, OsString};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

/// The command line as execve(2) takes it: an array of byte strings, never joined and never split.
pub fn arguments(command: &[OsString]) -> Result<Vec<CString>> {
    command.iter().map(|word| CString::new(word.as_bytes()).context("a NUL in the command line")).collect()
}

/// A working directory must be an absolute path: there is nothing yet that it could be relative to.
pub fn absolute(workdir: &Path) -> Result<PathBuf> {
    if !workdir.is_absolute() {
        bail!("working directory {}: not an absolute path", workdir.display());
    }
    Ok(workdir.to_path_buf())
}

pub fn enter_workdir(workdir: &Path) -> Result<()> {
    chdir(workdir).with_context(|| format!("change to the working directory {}", workdir.display()))?;
    explain!("chdir({workdir:?}) = 0");
    Ok(())
}

/// Leaves the command nothing of ours: descriptors, signal state, file mode mask, keyring.
pub fn clean_slate() -> Result<()> {
    close_descriptors()?;
    reset_signals()?;
    umask(Mode::from_bits_truncate(0o022));
    explain!("umask(022)");
    new_keyring()
}

/// Marks everything above stderr close-on-exec: close_range(2), Linux 5.11. Closing at once would take the socket
/// on which a failing execve(2) is reported.
fn close_descriptors() -> Result<()> {
    // SAFETY: the call takes three integers; the flag closes nothing before execve(2).
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Errno::result(result).context("mark descriptors close-on-exec")?;
    explain!("close_range(3, ~0U, CLOSE_RANGE_CLOEXEC) = 0");
    Ok(())
}

/// Default dispositions and an empty mask. execve(2) resets handlers but keeps what is ignored (Rust's runtime
/// ignores SIGPIPE) and what is blocked (we blocked what we forward).
fn reset_signals() -> Result<()> {
    // The kernel's own struct sigaction, all zeroes: SIG_DFL, no flags. glibc's sigaction(3) refuses signals 32 and 33,
    // and a caller may ignore those like any other.
    let default = [0u64; 4];
    for signal in 1..=64 {
        // SAFETY: the structure is read, and outlives the call. SIGKILL and SIGSTOP refuse the change, and have the
        // default already.
        unsafe { libc::syscall(libc::SYS_rt_sigaction, signal, default.as_ptr(), 0usize, size_of::<u64>()) };
    }
    SigSet::empty().thread_set_mask().context("empty the signal mask")?;
    explain!("rt_sigprocmask(SIG_SETMASK, []) = 0");
    Ok(())
}

/// A session keyring of its own, keyrings(7): otherwise the command could read the caller's keys.
fn new_keyring() -> Result<()> {
    const KEYCTL_JOIN_SESSION_KEYRING: libc::c_long = 1;
    // SAFETY: a null name asks for an anonymous keyring; no memory is read.
    let result = unsafe { libc::syscall(libc::SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, 0usize) };
    match Errno::result(result) {
        // A kernel without keyrings, or a seccomp filter that allows nobody in here to use them.
        Err(Errno::ENOSYS | Errno::EPERM) => Ok(()),
        Err(error) => Err(error).context("join a new session keyring"),
        Ok(id) => {
            explain!("keyctl(KEYCTL_JOIN_SESSION_KEYRING, NULL) = {id}");
            Ok(())
        }
    }
}

/// Becomes the command. Comes back only with an error, whose exit code is a shell's: 127 or 126.
pub fn exec(argv: &[CString], environment: &[CString]) -> Result<Infallible> {
    let command = Path::new(OsStr::from_bytes(argv[0].as_bytes()));
    let program = find(command, environment)?;
    explain!("execve({program:?}, {argv:?})");
    let file = CString::new(program.as_os_str().as_bytes())?;
    let Err(error) = execve(&file, argv, environment);
    let reason = match error {
        // The file is there, as find has seen; so its #! line or ELF header names a program that is not.
        Errno::ENOENT => "its interpreter is missing",
        error => error.desc(),
    };
    Err(failure(NOT_EXECUTABLE, command, reason))
}

/// The file that a command's name stands for: itself when it has a slash, else the first in the command's own PATH.
fn find(command: &Path, environment: &[CString]) -> Result<PathBuf> {
    if command.as_os_str().is_empty() {
        return Err(failure(NOT_FOUND, Path::new("\"\""), "a command needs a name"));
    }
    if command.as_os_str().as_bytes().contains(&b'/') {
        return match executable(command) {
            Ok(()) => Ok(command.to_path_buf()),
            Err(Errno::ENOENT | Errno::ENOTDIR) => Err(failure(NOT_FOUND, command, "not found")),
            Err(error) => Err(failure(NOT_EXECUTABLE, command, error.desc())),
        };
    }
    let path = environment.iter().rev().find_map(|variable| variable.as_bytes().strip_prefix(b"PATH="));
    let mut found = failure(NOT_FOUND, command, "not found in PATH");
    for directory in path.unwrap_or_default().split(|&byte| byte == b':') {
        let candidate = PathBuf::from(OsString::from_vec(directory.to_vec())).join(command);
        match executable(&candidate) {
            Ok(()) => return Ok(candidate),
            Err(error @ (Errno::EACCES | Errno::EISDIR)) => {
                found = failure(NOT_EXECUTABLE, command, error.desc());
            }
            _ => {}
        }
    }
    Err(found)
}

/// Whether a path leads to a file that this process may execute.
fn executable(path: &Path) -> nix::Result<()> {
    access(path, AccessFlags::X_OK)?;
    if path.is_dir() { Err(Errno::EISDIR) } else { Ok(()) }
}

fn failure(code: u8, command: &Path, reason: &str) -> anyhow::Error {
    Failure { code, message: format!("{}: {reason}", command.display()) }.into()
}
