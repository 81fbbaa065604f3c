//! cgroup v2: one tree for all controllers. Documentation/admin-guide/cgroup-v2.rst in the kernel's source.

use super::hierarchy::Place;
use super::{Setting, group};
use crate::explain;
use crate::limits::{CPU_PERIOD, Limits, Swap};
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::fcntl::Flock;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

/// Swap alone, in bytes. Kernels that do not count swap lack it.
const SWAP: &str = "memory.swap.max";

/// The limits as values for v2's files.
pub fn settings(limits: &Limits) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    let by_default = limits.memory_swap.is_none();
    let mut set = |controller, file: &'static str, value: String| {
        let by_default = by_default && file == SWAP;
        settings.push(Setting { controller, file, value, by_default });
    };
    if let Some(bytes) = limits.memory {
        set("memory", "memory.max", bytes.to_string());
    }
    match (limits.swap()?, limits.memory) {
        (Some(Swap::Total(total)), Some(memory)) => set("memory", SWAP, (total - memory).to_string()),
        (Some(Swap::Unlimited), _) => set("memory", SWAP, "max".to_owned()),
        _ => {}
    }
    if let Some(quota) = limits.cpus {
        set("cpu", "cpu.max", format!("{quota} {CPU_PERIOD}"));
    }
    if let Some(shares) = limits.cpu_shares {
        set("cpu", "cpu.weight", weight_of_shares(shares).to_string());
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        set("cpuset", "cpuset.cpus", cpus.clone());
    }
    if let Some(number) = limits.pids_limit {
        set("pids", "pids.max", number.to_string());
    }
    if let Some(weight) = limits.blkio_weight {
        // 10 to 1000 becomes 1 to 10000, as runc has it.
        set("io", "io.weight", (1 + (weight - 10) * 9999 / 990).to_string());
    }
    for (key, rates) in [("rbps", &limits.device_read_bps), ("wbps", &limits.device_write_bps)] {
        for rate in rates {
            set("io", "io.max", format!("{} {key}={}", rate.device, rate.bytes_per_second));
        }
    }
    Ok(settings)
}

/// v1's shares, 2 to 262144, on v2's scale of 1 to 10000.
fn weight_of_shares(shares: u64) -> u64 {
    1 + (shares - 2) * 9999 / 262_142
}

/// The runtime's own group beside the container's, where the one above could not keep both a process and controllers
/// for its children ("no internal processes"). Dropped, everything is put back.
pub struct Leaf {
    base: PathBuf,
    path: PathBuf,
    /// No other command's sweep takes it for a dead one's.
    _lock: Flock<File>,
    controllers: Vec<String>,
}

/// Makes the base group give its children the controllers: `cgroup.subtree_control`.
pub fn enable(place: &Place, id: &str) -> Result<Option<Leaf>> {
    let file = place.base.join("cgroup.subtree_control");
    let given = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let absent = |name: &&String| !given.split_whitespace().any(|word| word == name.as_str());
    let controllers: Vec<String> = place.controllers.iter().filter(absent).cloned().collect();
    let switch_on = || group::write(&file, &list('+', &controllers));
    let busy = |error: &anyhow::Error| error.downcast_ref::<std::io::Error>().is_some_and(is_busy);
    if controllers.is_empty() {
        return Ok(None);
    }
    match switch_on() {
        Err(error) if busy(&error) && place.own == place.base => {}
        result => return result.map(|()| None),
    }
    let leaf = Leaf::enter(&place.base, id, controllers.clone())?;
    switch_on().with_context(|| {
        format!(
            "{} holds other processes besides this one; put 'systemd-run --user --scope -p Delegate=yes' \
             before the command, or move them into a group below it",
            place.base.display()
        )
    })?;
    Ok(Some(leaf))
}

fn is_busy(error: &std::io::Error) -> bool {
    error.raw_os_error() == Some(Errno::EBUSY as i32)
}

/// `+cpu +memory` or `-cpu -memory`, as cgroup.subtree_control takes it.
fn list(sign: char, controllers: &[String]) -> String {
    controllers.iter().map(|name| format!("{sign}{name}")).collect::<Vec<_>>().join(" ")
}

impl Leaf {
    fn enter(base: &Path, id: &str, controllers: Vec<String>) -> Result<Leaf> {
        let path = base.join(format!("fork-to-veth-{id}-runtime"));
        let leaf = Leaf { base: base.to_path_buf(), _lock: group::make(&path)?, path, controllers };
        group::write(&leaf.path.join("cgroup.procs"), "0")?;
        Ok(leaf)
    }

    fn leave(&self) -> Result<()> {
        group::write(&self.base.join("cgroup.subtree_control"), &list('-', &self.controllers))?;
        group::write(&self.base.join("cgroup.procs"), "0")?;
        group::remove(&self.path)
    }
}

impl Drop for Leaf {
    fn drop(&mut self) {
        if let Err(error) = self.leave() {
            explain::tell(format_args!("{error:#}"));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::weight_of_shares;

    #[test]
    fn shares_keep_their_order_on_the_new_scale() {
        assert_eq!(weight_of_shares(2), 1);
        assert_eq!(weight_of_shares(1024), 39);
        assert_eq!(weight_of_shares(262_144), 10_000);
    }
}
