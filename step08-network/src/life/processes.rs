//! `stats` and `top`: what running containers use, and the processes that use it.

use crate::cgroups::members::Members;
use crate::container::Container;
use crate::image::listing::shown_size;
use crate::image::store::Store;
use crate::{output, table};
use anyhow::{Context, Result};
use clap::Args;
use std::collections::BTreeMap;
use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

#[derive(Args)]
pub struct Stats {
    /// Show the figures once, and end
    #[arg(long)]
    no_stream: bool,
    /// Print one JSON document a line
    #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
    format: Option<String>,
    /// The containers; all that run when none is named
    containers: Vec<String>,
}

/// What a container's groups have counted. What none counts, or this kernel does not, is `None`.
struct Sample {
    title: String,
    id: String,
    /// CPU time, in nanoseconds, and when it was read.
    cpu: Option<u64>,
    at: Instant,
    /// In bytes.
    memory: Option<u64>,
    limit: Option<u64>,
    pids: Option<u64>,
}

impl Stats {
    pub fn run(&self, store: &Store) -> Result<u8> {
        let mut before = BTreeMap::new();
        loop {
            let samples = self.sample(store)?;
            // Time used is known after some time.
            if !before.is_empty() || samples.is_empty() {
                self.show(&samples, &before)?;
                if self.no_stream {
                    return Ok(0);
                }
            }
            before = samples.into_iter().map(|sample| (sample.id.clone(), sample)).collect();
            sleep(Duration::from_secs(1));
        }
    }

    fn sample(&self, store: &Store) -> Result<Vec<Sample>> {
        if self.containers.is_empty() {
            let running = Container::list(store)?.into_iter().filter(|it| it.record.state.is_running());
            return running.map(|container| Sample::of(&container)).collect();
        }
        self.containers.iter().map(|name| Sample::of(&Container::find(store, name)?)).collect()
    }

    fn show(&self, samples: &[Sample], before: &BTreeMap<String, Sample>) -> Result<()> {
        let share = |sample: &Sample| sample.cpu_share(before.get(&sample.id));
        if self.format.is_some() {
            return samples
                .iter()
                .try_for_each(|sample| output::print_line(&sample.json(share(sample)).to_string()));
        }
        let title =
            ["CONTAINER ID", "NAME", "CPU %", "MEM USAGE / LIMIT", "PIDS"].map(str::to_owned).to_vec();
        let rows = samples.iter().map(|sample| sample.cells(share(sample)));
        output::print(table::aligned(&[vec![title], rows.collect()].concat()).as_bytes())
    }
}

impl Sample {
    fn of(container: &Container) -> Result<Sample> {
        let process = container.running()?;
        let members = Members::of(process.pid)?;
        let number =
            |controller: &str, v1: &str, v2: &str| members.read(controller, v1, v2)?.trim().parse().ok();
        let used = |text: String| {
            text.lines().find_map(|line| line.strip_prefix("usage_usec "))?.parse::<u64>().ok()
        };
        let cpu = number("cpuacct", "cpuacct.usage", "")
            .or_else(|| Some(used(members.read("cpu", "", "cpu.stat")?)? * 1000));
        // A limit that is none is a number beyond all memory on v1, and the word max on v2.
        let limit: Option<u64> = number("memory", "memory.limit_in_bytes", "memory.max");
        Ok(Sample {
            title: container.title().to_owned(),
            id: container.record.id.clone(),
            cpu,
            at: Instant::now(),
            memory: number("memory", "memory.usage_in_bytes", "memory.current"),
            limit: limit.filter(|bytes| *bytes < 1 << 60).or(machine_memory()),
            pids: number("pids", "pids.current", "pids.current"),
        })
    }

    /// CPU time used since the sample before, as a part of the time of one CPU.
    fn cpu_share(&self, before: Option<&Sample>) -> Option<f64> {
        let before = before?;
        let used = self.cpu?.checked_sub(before.cpu?)?;
        Some(used as f64 / self.at.duration_since(before.at).as_nanos() as f64)
    }

    fn cells(&self, share: Option<f64>) -> Vec<String> {
        let unknown = || "--".to_owned();
        let size = |bytes: Option<u64>| bytes.map_or_else(unknown, shown_size);
        vec![
            self.id.clone(),
            self.title.clone(),
            share.map_or_else(unknown, |share| format!("{:.2}%", share * 100.0)),
            format!("{} / {}", size(self.memory), size(self.limit)),
            self.pids.map_or_else(unknown, |pids| pids.to_string()),
        ]
    }

    /// With Docker's keys, but numbers as numbers: bytes, and percents of one CPU.
    fn json(&self, share: Option<f64>) -> serde_json::Value {
        serde_json::json!({
            "ID": self.id,
            "Name": self.title,
            "CPUPerc": share.map(|share| share * 100.0),
            "MemUsage": self.memory,
            "MemLimit": self.limit,
            "PIDs": self.pids,
        })
    }
}

/// The machine's memory in bytes, proc_meminfo(5).
fn machine_memory() -> Option<u64> {
    let text = fs::read_to_string("/proc/meminfo").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    line.split_whitespace().next()?.parse::<u64>().ok().map(|kilobytes| kilobytes << 10)
}

/// Lists the processes of a container: all that are in its first process's PID namespace, with the numbers that they have
/// on the host and in there.
pub fn top(container: &Container) -> Result<u8> {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    let first = container.running()?.pid.to_string();
    let own = namespace(&first);
    let title = ["UID", "PID", "PPID", "PID INSIDE", "CMD"].map(str::to_owned).to_vec();
    let mut rows = vec![title];
    for entry in fs::read_dir("/proc").context("list /proc")? {
        let pid = entry?.file_name().to_string_lossy().into_owned();
        if pid.bytes().all(|byte| byte.is_ascii_digit())
            && namespace(&pid).is_some()
            && namespace(&pid) == own
        {
            rows.extend(row(&pid));
        }
    }
    rows[1..].sort_by_key(|row| row[1].parse::<u32>().unwrap_or_default());
    output::print(table::aligned(&rows).as_bytes())?;
    Ok(0)
}

/// One line of it; none when the process has just ended.
fn row(pid: &str) -> Option<Vec<String>> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let words =
        |name: &str| status.lines().find_map(|line| line.strip_prefix(name)).map(str::split_whitespace);
    let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let command = String::from_utf8_lossy(&command).trim_end_matches('\0').replace('\0', " ");
    // A zombie has no command line any more, but a name still.
    let command = if command.is_empty() { format!("[{}]", words("Name:")?.next()?) } else { command };
    let first = |name: &str| words(name)?.next().map(str::to_owned);
    Some(vec![
        first("Uid:")?,
        pid.to_owned(),
        first("PPid:")?,
        words("NSpid:")?.next_back()?.to_owned(),
        command,
    ])
}
