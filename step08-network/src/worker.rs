//! Work on the store's files, which have many owners.
//!
//! Root may give a file to anybody and read everybody's. An ordinary user may do so in a user namespace with the ids of
//! her containers, so a child of this process does her work there.

use crate::link::{self, ContainerEnd};
use crate::namespaces::Namespaces;
use crate::process::{self, Child};
use crate::{explain, id_map};
use anyhow::{Result, bail};
use nix::unistd::geteuid;

/// Does the work, and returns when it is done. What is open in this process is closed in the child: the work opens its
/// files itself.
pub fn run(work: impl FnOnce() -> Result<()>) -> Result<()> {
    if geteuid().is_root() {
        return work();
    }
    let (mut host_end, container_end) = link::pair()?;
    let child = Child::spawn(&Namespaces::user_alone(), None, || life(work, container_end))?;
    id_map::write(child.pid)?;
    host_end.go()?;
    host_end.wait_for_exec()?;
    match child.wait()? {
        0 => Ok(()),
        code => bail!("the process that works on the store ended with {code}"),
    }
}

/// The child's life. An error travels to the parent like one of a container's start; silence and the status 0 mean that
/// all is done.
fn life(work: impl FnOnce() -> Result<()>, mut parent: ContainerEnd) {
    explain::speak_as("worker");
    match alone(&mut parent).and_then(|()| work()) {
        Err(error) => parent.report(&error),
        // SAFETY: _exit(2) is always allowed; it runs no destructor.
        Ok(()) => unsafe { libc::_exit(0) },
    }
}

fn alone(parent: &mut ContainerEnd) -> Result<()> {
    process::close_all_but(parent)?;
    process::die_with_parent()?;
    parent.wait_for_go()
}
