//! The container's side of a start: what the child does to itself before it becomes the command.

use crate::cgroups::Cgroup;
use crate::console::Console;
use crate::container::Running;
use crate::link::ContainerEnd;
use crate::namespaces::{Namespace, Namespaces};
use crate::users::User;
use crate::{environment, exec, explain, init, loopback, process, rootfs};
use anyhow::Result;
use std::convert::Infallible;
use std::ffi::{CString, OsString};
use std::path::PathBuf;

/// What the child needs to know, worked out before the clone: an error in it stops the start early.
pub struct Plan {
    pub argv: Vec<CString>,
    pub environment: Vec<CString>,
    pub workdir: PathBuf,
    pub init: bool,
    pub hostname: OsString,
    pub namespaces: Namespaces,
    pub cgroup: Cgroup,
    pub container: Running,
    pub read_only: bool,
    pub chroot: bool,
    pub user: Option<String>,
    pub console: Console,
}

/// The child's life. It comes back only when something failed, and then the parent has been told.
pub fn main(plan: &Plan, mut container_end: ContainerEnd) {
    explain::speak_as("container");
    let Err(error) = become_command(plan, &mut container_end);
    container_end.report(&error);
}

fn become_command(plan: &Plan, parent: &mut ContainerEnd) -> Result<Infallible> {
    process::close_all_but(parent)?;
    process::die_with_parent()?;
    parent.wait_for_go()?;
    plan.cgroup.join()?;
    plan.namespaces.make_mounts_private()?;
    plan.namespaces.set_hostname(&plan.hostname)?;
    plan.namespaces.unshare_cgroup()?;
    plan.namespaces.unshare_time_in_container()?;
    if plan.namespaces.has(Namespace::Net) {
        loopback::up()?;
    }
    let mut console = plan.console.open()?;
    let names = plan.container.open_names()?;
    let root = plan.container.mount()?;
    let user = User::find(plan.user.as_deref(), &root)?;
    rootfs::mount_kernel_filesystems(&root, &plan.namespaces)?;
    console.make_terminal(&root, &user, parent)?;
    plan.container.mount_volumes(&root)?;
    names.mount(&root)?;
    if plan.chroot { rootfs::change_root(&root) } else { rootfs::pivot(&root) }?;
    rootfs::finish(&root, &plan.workdir, plan.read_only)?;
    exec::enter_workdir(&plan.workdir)?;
    user.become_it()?;
    // A change of user takes the parent death signal away: prctl(2).
    process::die_with_parent()?;
    parent.check_parent()?;
    console.take()?;
    if plan.init {
        init::stay_behind()?;
    }
    exec::clean_slate()?;
    exec::exec(&plan.argv, &environment::with_home(&plan.environment, &user.home)?)
}
