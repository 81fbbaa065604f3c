//! Whether the machine has room for a crowd: one that runs out of processes or memory takes others with it.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use grade::kernel::hierarchy;

/// What one container takes: its supervisor and its command, and what the kernel keeps for them.
const TASKS: u64 = 2;
const MEMORY: u64 = 4 << 20;

/// What is left to everybody else.
const SPARE_TASKS: u64 = 200;
const SPARE_MEMORY: u64 = 256 << 20;

/// What can be had in addition to what is used.
struct Room {
    tasks: u64,
    memory: u64,
}

/// # Errors
/// When there is no room for so many containers: what is missing.
pub fn check(count: u32) -> Result<()> {
    enough(count.into(), &room()?)
}

fn enough(count: u64, room: &Room) -> Result<()> {
    let (tasks, memory) = (count * TASKS + SPARE_TASKS, count * MEMORY + SPARE_MEMORY);
    ensure!(
        room.tasks >= tasks,
        "{count} containers want room for {tasks} processes, and here is room for {}; ask for fewer",
        room.tasks
    );
    ensure!(
        room.memory >= memory,
        "{count} containers want {} MiB of memory, and {} MiB are free; ask for fewer",
        memory >> 20,
        room.memory >> 20
    );
    Ok(())
}

fn room() -> Result<Room> {
    let load = read("/proc/loadavg")?;
    let present = tasks_in(&load).context("/proc/loadavg counts no tasks")?;
    let kernel = number("/proc/sys/kernel/pid_max")?.min(number("/proc/sys/kernel/threads-max")?);
    let available = available(&read("/proc/meminfo")?).context("/proc/meminfo has no MemAvailable")?;
    let mut room = Room { tasks: kernel.saturating_sub(present), memory: available };
    for folder in groups("pids")? {
        room.tasks = room.tasks.min(left(&folder, "pids.max", "pids.current")?);
    }
    for folder in groups("memory")? {
        room.memory = room.memory.min(left(&folder, "memory.max", "memory.current")?);
        room.memory = room.memory.min(left(&folder, "memory.limit_in_bytes", "memory.usage_in_bytes")?);
    }
    Ok(room)
}

/// The group that we are in and all above it, in the hierarchy that has this controller: each of them can have a limit.
fn groups(controller: &str) -> Result<Vec<PathBuf>> {
    let own = grade::Process::this().cgroup_dir(controller)?;
    let top = hierarchy(Some(controller)).or_else(|| hierarchy(None)).context("no cgroups are mounted")?;
    Ok(own.ancestors().take_while(|folder| folder.starts_with(&top)).map(Path::to_owned).collect())
}

/// What a group's limit leaves; everything where there is none: no such file, or `max` in it.
fn left(group: &Path, limit: &str, used: &str) -> Result<u64> {
    let file = group.join(limit);
    match fs::read_to_string(&file) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(u64::MAX),
        Err(error) => Err(error).with_context(|| format!("read {}", file.display())),
        Ok(text) if text.trim() == "max" => Ok(u64::MAX),
        Ok(text) => {
            let limit: u64 = text.trim().parse().with_context(|| format!("read {}", file.display()))?;
            Ok(limit.saturating_sub(number(group.join(used))?))
        }
    }
}

/// All tasks of the machine: the number behind the slash of `/proc/loadavg`, proc_loadavg(5).
fn tasks_in(loadavg: &str) -> Option<u64> {
    loadavg.split(' ').nth(3)?.split_once('/')?.1.parse().ok()
}

/// In bytes.
fn available(meminfo: &str) -> Option<u64> {
    let line = meminfo.lines().find_map(|line| line.strip_prefix("MemAvailable:"))?;
    line.trim().strip_suffix(" kB")?.parse::<u64>().ok().map(|kib| kib << 10)
}

fn number(path: impl AsRef<Path>) -> Result<u64> {
    let path = path.as_ref();
    read(path)?.trim().parse().with_context(|| format!("read {}", path.display()))
}

fn read(path: impl AsRef<Path>) -> Result<String> {
    let path = path.as_ref();
    fs::read_to_string(path).with_context(|| format!("read {}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn a_crowd_needs_room_for_all_of_it() {
        let room = Room { tasks: 300, memory: 1 << 30 };
        assert!(enough(50, &room).is_ok());
        assert!(enough(51, &room).unwrap_err().to_string().contains("302 processes"));
        let room = Room { tasks: 100_000, memory: 456 << 20 };
        assert!(enough(50, &room).is_ok());
        assert!(enough(51, &room).unwrap_err().to_string().contains("460 MiB"));
    }

    #[test]
    fn the_kernels_tables_are_understood() {
        assert_eq!(tasks_in("0.20 0.18 0.12 1/80 11206\n"), Some(80));
        assert_eq!(available("MemTotal: 9 kB\nMemAvailable:   2048 kB\n"), Some(2 << 20));
        assert_eq!(available("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn a_group_leaves_its_limit_less_what_is_used() {
        let scratch = Scratch::new("headroom").unwrap();
        let left = || left(scratch.path(), "pids.max", "pids.current").unwrap();
        assert_eq!(left(), u64::MAX);
        scratch.write("pids.max", "max\n");
        assert_eq!(left(), u64::MAX);
        scratch.write("pids.max", "100\n");
        scratch.write("pids.current", "30\n");
        assert_eq!(left(), 70);
    }
}
