//! `exec`: another process in a container that runs. It gets nothing new; it joins what is there.

use crate::cgroups::members::Members;
use crate::cli::Run;
use crate::console::Console;
use crate::container::Container;
use crate::explain::explain;
use crate::link::{self, ContainerEnd};
use crate::namespaces::Namespaces;
use crate::process::{self, Child};
use crate::raw_mode::RawMode;
use crate::root::{Root, open_image};
use crate::signals::Signals;
use crate::supervisor::Caller;
use crate::terminal::Terminal;
use crate::tty::Relay;
use crate::users::User;
use crate::{environment, exec, explain, overrides};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::sys::prctl;
use nix::unistd::{chroot, fchdir};
use std::convert::Infallible;
use std::ffi::CString;
use std::fs;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};

/// The kinds of namespaces, by their names in /proc/PID/ns.
const KINDS: [(&str, libc::c_int); 8] = [
    ("user", libc::CLONE_NEWUSER),
    ("pid", libc::CLONE_NEWPID),
    ("mnt", libc::CLONE_NEWNS),
    ("net", libc::CLONE_NEWNET),
    ("uts", libc::CLONE_NEWUTS),
    ("ipc", libc::CLONE_NEWIPC),
    ("cgroup", libc::CLONE_NEWCGROUP),
    ("time", libc::CLONE_NEWTIME),
];

/// Where a container's processes are, opened from the host.
struct Place {
    pidfd: OwnedFd,
    root: Root<OwnedFd>,
    members: Members,
    /// The namespaces that are not this process's own.
    others: libc::c_int,
}

struct Plan {
    argv: Vec<CString>,
    environment: Vec<CString>,
    workdir: PathBuf,
    user: Option<String>,
    console: Console,
}

/// Runs a command in a container, and returns the exit code to leave with.
pub fn enter(container: &Container, run: &Run, console: Console, caller: &mut Option<Caller>) -> Result<u8> {
    let settings = &container.record.settings;
    let namespaces = Namespaces::choose(&container.record.run)?;
    let hostname = namespaces.hostname(container.record.run.hostname.as_deref(), &container.record.id)?;
    let plan = Plan {
        argv: exec::arguments(run.command())?,
        environment: environment::asked(run, settings)?.build(&hostname)?,
        workdir: exec::absolute(&overrides::workdir(run, settings))?,
        user: run.user.clone().or_else(|| settings.user.clone()),
        console,
    };
    let place = Place::of(container)?;
    let into = place.members.clone_into()?;
    let signals = Signals::block()?;
    let (mut host_end, container_end) = link::pair()?;
    // The container's processes must not look into this one or its child, which still have what is the host's:
    // CVE-2016-9962 in runc. execve(2) takes this back.
    prctl::set_dumpable(false).context("hide from the container's processes")?;
    explain!("prctl(PR_SET_DUMPABLE, 0) = 0");
    // A process that is there cannot change its PID namespace, but its children are born into the one that it chooses;
    // it is allowed to choose with the rights that it has in the user namespace, setns(2).
    place.join(libc::CLONE_NEWUSER | libc::CLONE_NEWPID)?;
    let child = Child::spawn(&Namespaces::none(), into.as_ref().map(AsFd::as_fd), || {
        main(&plan, &place, container_end);
    })?;
    let terminal = Terminal::find(!run.tty);
    terminal.hand_over(&child)?;
    let raw = RawMode::enter(run)?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    if let Some(caller) = caller.take() {
        caller.let_go(None)?;
    }
    match host_end.terminal.take() {
        Some(outside) => Relay::new(outside, run.interactive, raw)?.run(&signals, &child),
        None => signals.watch(&child, &terminal),
    }
}

impl Place {
    fn of(container: &Container) -> Result<Place> {
        let process = container.running()?;
        let gone = || format!("container {}: it has just ended", container.title());
        let pidfd = process.open()?.with_context(gone)?;
        let place = Place {
            root: open_image(Path::new(&format!("/proc/{}/root", process.pid))).with_context(gone)?,
            members: Members::of(process.pid)?,
            others: other_namespaces(process.pid).with_context(gone)?,
            pidfd,
        };
        // The paths are the process's only if it was still there when the last one was looked at.
        if process.is_alive() { Ok(place) } else { bail!("{}", gone()) }
    }

    /// Joins those of these namespaces that are not this process's own: setns(2) with a pidfd, Linux 5.8.
    fn join(&self, kinds: libc::c_int) -> Result<()> {
        let kinds = self.others & kinds;
        if kinds == 0 {
            return Ok(());
        }
        let names: Vec<_> =
            KINDS.iter().filter(|(_, flag)| kinds & flag != 0).map(|(name, _)| *name).collect();
        // SAFETY: the call takes two integers.
        Errno::result(unsafe { libc::setns(self.pidfd.as_raw_fd(), kinds) })
            .with_context(|| format!("join the namespaces {}", names.join(", ")))?;
        explain!("setns({}, {}) = 0", self.pidfd.as_raw_fd(), names.join("|"));
        Ok(())
    }
}

/// The kinds of namespaces in which a process is not where this one is.
fn other_namespaces(pid: i32) -> Result<libc::c_int> {
    let mut others = 0;
    for (kind, flag) in KINDS {
        let own = fs::read_link(format!("/proc/self/ns/{kind}"));
        // An older kernel does not have all of them.
        if let Ok(own) = own
            && own != fs::read_link(format!("/proc/{pid}/ns/{kind}"))?
        {
            others |= flag;
        }
    }
    Ok(others)
}

fn main(plan: &Plan, place: &Place, mut container_end: ContainerEnd) {
    explain::speak_as("container");
    let Err(error) = become_command(plan, place, &mut container_end);
    container_end.report(&error);
}

fn become_command(plan: &Plan, place: &Place, parent: &mut ContainerEnd) -> Result<Infallible> {
    process::die_with_parent()?;
    parent.wait_for_go()?;
    place.members.join()?;
    let mut console = plan.console.open()?;
    place.join(!(libc::CLONE_NEWUSER | libc::CLONE_NEWPID))?;
    let user = User::find(plan.user.as_deref(), &place.root)?;
    console.make_terminal(&place.root, &user, parent)?;
    fchdir(&place.root).and_then(|()| chroot(".")).context("change the root to the container's")?;
    explain!("fchdir({}) = 0, chroot(\".\") = 0", place.root.as_fd().as_raw_fd());
    process::close_all_but_these(&mut [console.descriptors(), vec![parent.as_fd()]].concat())?;
    exec::enter_workdir(&plan.workdir)?;
    user.become_it()?;
    process::die_with_parent()?;
    parent.check_parent()?;
    console.take()?;
    exec::clean_slate()?;
    exec::exec(&plan.argv, &environment::with_home(&plan.environment, &user.home)?)
}
