//! Work in another process's network namespace, network_namespaces(7).

use crate::explain::explain;
use anyhow::{Context, Result};
use nix::sched::{CloneFlags, setns};
use std::fs::File;
use std::os::fd::AsRawFd;

/// Opens the network namespace of a process.
pub fn of(pid: i32) -> Result<File> {
    let path = format!("/proc/{pid}/ns/net");
    File::open(&path).with_context(|| format!("open {path}"))
}

/// Does some work there and comes back: setns(2). Nothing of what is open moves along, but sockets that are opened there
/// belong there.
pub fn inside<T>(namespace: &File, work: impl FnOnce() -> Result<T>) -> Result<T> {
    let own = File::open("/proc/thread-self/ns/net").context("open this process's network namespace")?;
    enter(namespace)?;
    let result = work();
    enter(&own)?;
    result
}

fn enter(namespace: &File) -> Result<()> {
    setns(namespace, CloneFlags::CLONE_NEWNET).context("join a network namespace")?;
    explain!("setns({}, CLONE_NEWNET) = 0", namespace.as_raw_fd());
    Ok(())
}
