//! The host's side of a container start: prepare, clone, say go, watch, clean up.

use crate::cgroups::Cgroup;
use crate::cli::Run;
use crate::namespaces::{Namespace, Namespaces};
use crate::process::Child;
use crate::signals::Signals;
use crate::terminal::Terminal;
use crate::{child, environment, exec, explain, id, id_map, image, link};
use anyhow::Result;

/// Runs one container in the foreground and returns the exit code to leave with.
pub fn run(run: &Run) -> Result<u8> {
    let namespaces = Namespaces::choose(run)?;
    let id = id::new()?;
    let hostname = namespaces.hostname(run.hostname.as_deref(), &id)?;
    let image = image::find(run.image())?;
    let plan = child::Plan {
        argv: exec::arguments(&run.command())?,
        environment: environment::build(run, &hostname)?,
        workdir: exec::absolute(&run.workdir)?,
        init: run.init,
        hostname,
        namespaces,
        image,
        read_only: run.read_only,
        chroot: run.chroot,
        user: run.user.clone(),
        cgroup: Cgroup::create(&id, &run.limits, run.stats)?,
    };

    let signals = Signals::block()?;
    let (mut host_end, container_end) = link::pair()?;
    plan.namespaces.unshare_time_on_host()?;
    let child =
        Child::spawn(&plan.namespaces, plan.cgroup.clone_into(), || child::main(&plan, container_end))?;
    if plan.namespaces.has(Namespace::User) {
        id_map::write(child.pid)?;
    }
    let terminal = Terminal::find(plan.namespaces.has(Namespace::Pid));
    terminal.hand_over(&child)?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    let swept = plan.cgroup.sweep();
    let code = signals.watch(&child, &terminal)?;
    // The command has run; what goes wrong now is told, and does not change its exit code.
    for problem in [swept, plan.cgroup.report(&run.limits, run.stats)].into_iter().filter_map(Result::err) {
        explain::tell(format_args!("{problem:#}"));
    }
    Ok(code)
}
