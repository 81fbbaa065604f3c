//! The host's side of a container start: prepare, clone, say go, watch, clean up.

use crate::cgroups::Cgroup;
use crate::cli::Run;
use crate::container::Running;
use crate::namespaces::{Namespace, Namespaces};
use crate::process::Child;
use crate::signals::Signals;
use crate::storage::Kind;
use crate::terminal::Terminal;
use crate::{child, exec, explain, id_map, link, overrides};
use anyhow::Result;

/// Runs one container in the foreground and returns the exit code to leave with.
pub fn run(run: &Run, driver: Option<Kind>) -> Result<u8> {
    start(run, Running::create(run, driver)?)
}

/// Runs the command of a container that has its folder.
fn start(run: &Run, container: Running) -> Result<u8> {
    let settings = container.settings();
    let namespaces = Namespaces::choose(run)?;
    let hostname = namespaces.hostname(run.hostname.as_deref(), container.id())?;
    let plan = child::Plan {
        argv: exec::arguments(&overrides::command(run, settings)?)?,
        environment: container.environment.build(&hostname)?,
        workdir: exec::absolute(&overrides::workdir(run, settings))?,
        init: run.init,
        hostname,
        namespaces,
        read_only: run.read_only,
        chroot: run.chroot,
        user: settings.user.clone(),
        cgroup: Cgroup::create(container.id(), &run.limits, run.stats)?,
        container,
    };
    plan.container.make_volumes()?;

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
    plan.container.has_started();
    let swept = plan.cgroup.sweep().and(plan.container.sweep_others());
    let code = signals.watch(&child, &terminal)?;
    // The command has run; what goes wrong now is told, and does not change its exit code.
    for problem in [swept, plan.cgroup.report(&run.limits, run.stats)].into_iter().filter_map(Result::err) {
        explain::tell(format_args!("{problem:#}"));
    }
    Ok(code)
}
