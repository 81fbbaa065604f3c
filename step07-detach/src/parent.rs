//! The host's side of a container start: prepare, clone, say go, watch, clean up.

use crate::cgroups::Cgroup;
use crate::cli::Run;
use crate::console::Console;
use crate::container::Running;
use crate::namespaces::{Namespace, Namespaces};
use crate::process::Child;
use crate::raw_mode::RawMode;
use crate::signals::Signals;
use crate::storage::Kind;
use crate::supervisor::{self, Caller};
use crate::terminal::Terminal;
use crate::tty::Relay;
use crate::{child, exec, explain, id_map, link, memory, overrides};
use anyhow::Result;

/// Runs one container, in the foreground or detached, and returns the exit code to leave with.
pub fn run(run: &Run, driver: Option<Kind>) -> Result<u8> {
    let go = |caller: &mut Option<Caller>| start(run, Running::create(run, driver)?, caller);
    if run.detach { supervisor::detach(go) } else { go(&mut None) }
}

/// Runs the command of a container that has its folder, until the command ends.
pub fn start(run: &Run, container: Running, caller: &mut Option<Caller>) -> Result<u8> {
    let detached = caller.is_some();
    let settings = container.settings();
    let namespaces = Namespaces::choose(run)?;
    let hostname = namespaces.hostname(run.hostname.as_deref(), container.id())?;
    let mut plan = child::Plan {
        argv: exec::arguments(&overrides::command(run, settings)?)?,
        environment: container.environment.build(&hostname)?,
        workdir: exec::absolute(&overrides::workdir(run, settings))?,
        init: run.init,
        hostname,
        namespaces,
        read_only: run.read_only,
        chroot: run.chroot,
        user: settings.user.clone(),
        console: Console::choose(run, detached, container.log())?,
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
    // With a terminal of the container's own, the caller's stays where it is.
    let terminal = Terminal::find(plan.namespaces.has(Namespace::Pid) && !run.tty);
    terminal.hand_over(&child)?;
    let raw = RawMode::enter(run)?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    plan.container.has_started(child.pid)?;
    if let Some(caller) = caller.take() {
        caller.let_go(run.detach.then_some(plan.container.id()))?;
    }
    let swept = plan.container.sweep_others();
    let shrunk = if detached { memory::give_back() } else { Ok(()) };
    let code = match host_end.terminal.take() {
        Some(outside) => Relay::new(outside, run.interactive, raw)?.run(&signals, &child)?,
        None => signals.watch(&child, &terminal)?,
    };
    let recorded = plan.cgroup.oom_kills().and_then(|kills| plan.container.has_ended(code, kills > 0));
    let reported = plan.cgroup.report(&run.limits, run.stats);
    // The command has run; what goes wrong now is told, and does not change its exit code.
    for problem in [swept, shrunk, recorded, reported].into_iter().filter_map(Result::err) {
        explain::tell(format_args!("{problem:#}"));
    }
    Ok(code)
}
