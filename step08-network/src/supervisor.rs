//! A container without its caller: its runtime goes on in a process of its own, which nobody waits for.

use crate::explain::{self, explain};
use crate::link::{self, ContainerEnd};
use crate::output;
use crate::process::close_all_but;
use anyhow::{Context, Result};
use nix::unistd::{ForkResult, chdir, dup2_stderr, dup2_stdin, dup2_stdout, fork, setsid};
use std::fs::File;

/// The process that was asked for a detached container. It waits until that runs, or until it is clear that it will not.
pub struct Caller(ContainerEnd);

/// Does the work in a process that leaves the caller's session, and with it the terminal. The work lets go of the caller
/// when the container runs; what goes wrong before is the caller's to tell.
pub fn detach(work: impl FnOnce(&mut Option<Caller>) -> Result<u8>) -> Result<u8> {
    let (mut host_end, caller) = link::pair()?;
    // SAFETY: this process has one thread, so its copy may do what the original may.
    match unsafe { fork() }.context("fork the supervisor")? {
        ForkResult::Parent { child } => {
            explain!("clone(SIGCHLD) = {child}");
            drop(caller);
            host_end.wait_for_exec()?;
            Ok(0)
        }
        ForkResult::Child => {
            drop(host_end);
            let mut caller = Some(Caller(caller));
            let result = leave(&caller).and_then(|()| work(&mut caller));
            match (result, caller) {
                (Err(error), Some(Caller(mut caller))) => caller.report(&error),
                // Nobody listens any more; the record and the log say what there is to say.
                (Err(_), None) | (Ok(_), _) => {}
            }
            // SAFETY: _exit(2) is always allowed. Leaving any other way would run the caller's half of the program.
            unsafe { nix::libc::_exit(0) }
        }
    }
}

/// A session without a terminal, and none of the descriptors that the caller happens to have open.
fn leave(caller: &Option<Caller>) -> Result<()> {
    let session = setsid().context("begin a session")?;
    explain!("setsid() = {session}");
    caller.iter().try_for_each(|Caller(end)| close_all_but(end))
}

impl Caller {
    /// Prints a new container's id and lets the caller go: from here on nothing of its is held open.
    pub fn let_go(self, id: Option<&str>) -> Result<()> {
        let printed = id.map_or(Ok(()), output::print_line);
        chdir("/").context("change to /")?;
        let null = File::options().read(true).write(true).open("/dev/null").context("open /dev/null")?;
        explain::enable(false);
        dup2_stdin(&null)
            .and_then(|()| dup2_stdout(&null))
            .and_then(|()| dup2_stderr(&null))
            .context("let go of the caller")?;
        printed
    }
}
