//! The host's side of a container start: prepare, clone, say go, watch, clean up.

use crate::cli::Run;
use crate::process::Child;
use crate::signals::Signals;
use crate::{child, environment, exec, link};
use anyhow::Result;
use nix::unistd;

/// Runs one container in the foreground and returns the exit code to leave with.
pub fn run(run: &Run) -> Result<u8> {
    let hostname = unistd::gethostname()?;
    let plan = child::Plan {
        argv: exec::arguments(&run.command)?,
        environment: environment::build(run, &hostname)?,
        workdir: exec::absolute(&run.workdir)?,
    };

    let signals = Signals::block()?;
    let (mut host_end, container_end) = link::pair()?;
    let child = Child::spawn(|| child::main(&plan, container_end))?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    signals.watch(&child)
}
