//! PID 1. The kernel gives the first process of a PID namespace two duties, pid_namespaces(7): it inherits every
//! orphan and must wait for it, and signals that it has no handler for do not reach it. Most commands do not expect
//! either; `--init` puts a process there that does.

use crate::explain::{self, explain};
use crate::process::{Child, close_all_but, die_with_parent};
use anyhow::{Context, Result};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::{ForkResult, Pid, fork};
use std::cell::Cell;
use std::fs;

/// Forks. The new process returns from here and becomes the command, PID 2; this one stays and never returns.
pub fn stay_behind() -> Result<()> {
    // Where there is no PID namespace, orphans come to the nearest process that asked for them.
    prctl::set_child_subreaper(true).context("become the reaper of orphans")?;
    explain!("prctl(PR_SET_CHILD_SUBREAPER, 1) = 0");
    explain::speak_as("init");
    // Blocked and read, a signal counts as handled; otherwise the kernel drops it on the way to a PID 1. This has to
    // be so before there is a command, or its end could go unnoticed.
    let all = SigSet::all();
    all.thread_set_mask().context("block all signals")?;
    let signals = SignalFd::with_flags(&all, SfdFlags::SFD_CLOEXEC).context("make a signalfd")?;
    // SAFETY: this process has one thread, so its copy may do what the original may.
    match unsafe { fork() }.context("fork the command from init")? {
        ForkResult::Child => {
            explain::speak_as("container");
            die_with_parent()
        }
        ForkResult::Parent { child } => {
            explain!("clone(SIGCHLD) = {child}");
            // The socket to the parent must not stay open here, too: its end tells that the command runs.
            let code = close_all_but(&signals).map_or(125, |()| serve(child, &signals));
            // SAFETY: _exit(2) is always allowed. Leaving any other way would run the parent's half of the program.
            unsafe { libc::_exit(code) }
        }
    }
}

/// Passes signals on and waits for children until the command has ended; returns its exit code.
fn serve(command: Pid, signals: &SignalFd) -> i32 {
    loop {
        match signals.read_signal() {
            Ok(Some(info)) if info.ssi_signo == libc::SIGCHLD.cast_unsigned() => {
                if let Some(code) = reap(command) {
                    return code;
                }
            }
            Ok(Some(info)) if info.ssi_code != libc::SI_KERNEL => {
                // SAFETY: kill(2) takes two integers. The command has not been waited for, so the PID is its own.
                unsafe { libc::kill(command.as_raw(), info.ssi_signo.cast_signed()) };
            }
            _ => {}
        }
    }
}

/// Waits for every child that has ended. Once the command is among them, returns its exit code.
fn reap(command: Pid) -> Option<i32> {
    loop {
        let mut status = 0;
        // SAFETY: waitpid(2) writes one integer, which outlives the call.
        match unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG) } {
            pid if pid <= 0 => return None,
            pid if pid == command.as_raw() && libc::WIFEXITED(status) => {
                return Some(libc::WEXITSTATUS(status));
            }
            pid if pid == command.as_raw() => return Some(128 + libc::WTERMSIG(status)),
            _ => {}
        }
    }
}

/// Whether a signal has any effect on a process: it does on all but a PID 1 without a handler for it.
///
/// Read from /proc/PID/status, proc_pid_status(5); a process that is gone hears everything.
pub fn hears(pid: Pid, signal: Signal) -> bool {
    let Ok(status) = fs::read_to_string(format!("/proc/{pid}/status")) else { return true };
    let field = |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let mask = |name: &str| u64::from_str_radix(field(name).trim(), 16).unwrap_or(0);
    let first = field("NSpid:").split_whitespace().last() == Some("1");
    let bit = 1 << (signal as i32 - 1);
    !first || (mask("SigBlk:") | mask("SigIgn:") | mask("SigCgt:")) & bit != 0
}

/// Does for a PID 1 without a handler what the kernel does for every other process; it never drops SIGSTOP and SIGKILL
/// from outside. Whoever wants to end the command is told first how things are.
pub fn stand_in(signal: Signal, child: &Child, warned: &Cell<bool>) -> Result<()> {
    match signal {
        Signal::SIGTSTP => child.kill(Signal::SIGSTOP),
        Signal::SIGHUP | Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTERM if warned.replace(true) => {
            child.kill(Signal::SIGKILL)
        }
        Signal::SIGHUP | Signal::SIGINT | Signal::SIGQUIT | Signal::SIGTERM => {
            explain::tell(format_args!(
                "the command is PID 1 and has no handler for {signal}, so the kernel drops it; \
                 once more kills the container (with --init the command is PID 2 and hears it)"
            ));
            Ok(())
        }
        // SIGCONT does its work where it is sent, handler or not; the others are lost.
        _ => child.kill(signal),
    }
}
