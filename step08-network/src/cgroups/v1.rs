//! cgroup v1: a hierarchy for each controller, files with names of their own.
//! Documentation/admin-guide/cgroup-v1 in the kernel's source.

use super::Setting;
use crate::limits::{CPU_PERIOD, Limits, Swap};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Memory and swap together, in bytes. Kernels that do not count swap lack it.
const SWAP: &str = "memory.memsw.limit_in_bytes";

/// The limits as values for v1's files, in the order in which they have to be written.
pub fn settings(limits: &Limits) -> Result<Vec<Setting>> {
    let mut settings = Vec::new();
    let by_default = limits.memory_swap.is_none();
    let mut set = |controller, file: &'static str, value: String| {
        let by_default = by_default && file == SWAP;
        settings.push(Setting { controller, file, value, by_default });
    };
    if let Some(bytes) = limits.memory {
        set("memory", "memory.limit_in_bytes", bytes.to_string());
    }
    match limits.swap()? {
        // It may not be less than the memory alone, so it comes second.
        Some(Swap::Total(bytes)) => set("memory", SWAP, bytes.to_string()),
        Some(Swap::Unlimited) => set("memory", SWAP, "-1".to_owned()),
        None => {}
    }
    if let Some(quota) = limits.cpus {
        set("cpu", "cpu.cfs_period_us", CPU_PERIOD.to_string());
        set("cpu", "cpu.cfs_quota_us", quota.to_string());
    }
    if let Some(shares) = limits.cpu_shares {
        set("cpu", "cpu.shares", shares.to_string());
    }
    if let Some(cpus) = &limits.cpuset_cpus {
        set("cpuset", "cpuset.cpus", cpus.clone());
    }
    if let Some(number) = limits.pids_limit {
        set("pids", "pids.max", number.to_string());
    }
    if let Some(weight) = limits.blkio_weight {
        set("blkio", "blkio.bfq.weight", weight.to_string());
    }
    for (file, rates) in [
        ("blkio.throttle.read_bps_device", &limits.device_read_bps),
        ("blkio.throttle.write_bps_device", &limits.device_write_bps),
    ] {
        for rate in rates {
            set("blkio", file, format!("{} {}", rate.device, rate.bytes_per_second));
        }
    }
    if let Some(class) = limits.net_cls {
        set("net_cls", "net_cls.classid", class.to_string());
    }
    Ok(settings)
}

/// Gives a new cpuset group the CPUs and memory nodes of the one above: it starts with none, and a process cannot join
/// it (ENOSPC) before it has both.
pub fn fill_cpuset(base: &Path, group: &Path) -> Result<()> {
    for file in ["cpuset.cpus", "cpuset.mems"] {
        let all = fs::read_to_string(base.join(file))
            .with_context(|| format!("read {file} of {}", base.display()))?;
        super::group::write(&group.join(file), all.trim())?;
    }
    Ok(())
}
