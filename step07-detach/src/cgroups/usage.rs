//! What a container used of the machine, read from its cgroup before that is removed.

use super::Group;
use super::hierarchy::Version;
use crate::explain;
use anyhow::{Context, Result};

/// A figure that this kernel does not keep, or that no group of the container counts, is `None`.
pub struct Usage {
    /// CPU time, in microseconds.
    cpu: Option<u64>,
    /// Periods in which the container was held at its `--cpus`, all periods, and the time held, in microseconds.
    throttled: Option<[u64; 3]>,
    /// The most memory at one time, in bytes, file cache included.
    memory_peak: Option<u64>,
    /// The most processes and threads at one time.
    pids_peak: Option<u64>,
    oom_kills: Option<u64>,
}

/// How many processes the kernel has killed for want of memory.
pub fn oom_kills(groups: &[Group]) -> Result<Option<u64>> {
    let memory = groups.iter().find(|group| group.controls("memory"));
    let events = match memory.map(Group::version) {
        Some(Version::V2) => "memory.events",
        _ => "memory.oom_control",
    };
    figure(memory, events, Some("oom_kill"))
}

impl Usage {
    pub fn read(groups: &[Group]) -> Result<Usage> {
        let of = |controller: &str| groups.iter().find(|group| group.controls(controller));
        let (cpu, memory, pids) = (of("cpu"), of("memory"), of("pids"));
        // v2's cpu.stat has them all and counts microseconds; v1 has two controllers, and counts nanoseconds.
        let stat = |key| figure(cpu, "cpu.stat", Some(key));
        let v1_time = figure(of("cpuacct"), "cpuacct.usage", None)?.map(|time| time / 1000);
        let held = match stat("throttled_usec")? {
            None => stat("throttled_time")?.map(|time| time / 1000),
            time => time,
        };
        let throttled = match (stat("nr_throttled")?, stat("nr_periods")?, held) {
            (Some(periods), Some(all), Some(time)) => Some([periods, all, time]),
            _ => None,
        };
        let peak = match memory.map(Group::version) {
            Some(Version::V2) => "memory.peak",
            _ => "memory.max_usage_in_bytes",
        };
        Ok(Usage {
            cpu: v1_time.or(stat("usage_usec")?),
            throttled,
            memory_peak: figure(memory, peak, None)?,
            pids_peak: figure(pids, "pids.peak", None)?,
            oom_kills: oom_kills(groups)?,
        })
    }

    /// One figure a line on stderr.
    pub fn print(&self) {
        let line = |name: &str, figure: Option<String>| {
            let figure = figure.unwrap_or_else(|| "not counted here".to_owned());
            explain::tell(format_args!("{name:12}  {figure}"));
        };
        let seconds =
            |microseconds: u64| format!("{}.{:06} s", microseconds / 1_000_000, microseconds % 1_000_000);
        line("CPU time", self.cpu.map(seconds));
        let throttled =
            |[held, all, time]: [u64; 3]| format!("{}, in {held} of {all} periods", seconds(time));
        line("throttled", self.throttled.map(throttled));
        line("memory peak", self.memory_peak.map(|bytes| format!("{bytes} bytes")));
        line("pids peak", self.pids_peak.map(|number| number.to_string()));
        line("OOM kills", self.oom_kills.map(|number| number.to_string()));
    }
}

/// A number from a group's file: the whole file, or the value behind a key in a file of `KEY VALUE` lines.
fn figure(group: Option<&Group>, file: &str, key: Option<&str>) -> Result<Option<u64>> {
    let Some(group) = group else { return Ok(None) };
    let Some(text) = group.read(file)? else { return Ok(None) };
    let value = match key {
        None => Some(text.trim()),
        Some(key) => text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(' ')),
    };
    value.map(|value| value.parse().with_context(|| format!("read {file}: {text:?}"))).transpose()
}
