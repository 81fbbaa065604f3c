//! The host's side of a container start: prepare, clone, say go, watch, clean up.

use crate::cli::Run;
use crate::namespaces::{Namespace, Namespaces};
use crate::process::Child;
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::{child, environment, exec, id, id_map, link};
use anyhow::Result;

/// Runs one container in the foreground and returns the exit code to leave with.
pub fn run(run: &Run) -> Result<u8> {
    let namespaces = Namespaces::choose(run);
    let hostname = namespaces.hostname(run.hostname.as_deref(), &id::new()?)?;
    let plan = child::Plan {
        argv: exec::arguments(&run.command)?,
        environment: environment::build(run, &hostname)?,
        workdir: exec::absolute(&run.workdir)?,
        init: run.init,
        hostname,
        namespaces,
    };

    let signals = Signals::block()?;
    let (mut host_end, container_end) = link::pair()?;
    plan.namespaces.unshare_time_on_host()?;
    let child = Child::spawn(&plan.namespaces, || child::main(&plan, container_end))?;
    if plan.namespaces.has(Namespace::User) {
        id_map::write(child.pid)?;
    }
    let terminal = Terminal::find(plan.namespaces.has(Namespace::Pid));
    terminal.hand_over(&child)?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    signals.watch(&child, &terminal)
}
