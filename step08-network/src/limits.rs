//! The limits of a container, as they are asked for on the command line: names and units are Docker's.

use anyhow::{Context, Result, anyhow, bail, ensure};
use clap::Args;
use nix::sys::stat::{SFlag, major, minor, stat};
use nix::unistd::{SysconfVar, sysconf};
use serde::{Deserialize, Serialize};
use std::num::IntErrorKind;
use std::str::FromStr;

/// The period in which a quota of CPU time is counted, in microseconds: cpu.cfs_period_us, cpu.max.
pub const CPU_PERIOD: u64 = 100_000;

#[derive(Args, Clone, Default, Serialize, Deserialize)]
#[command(next_help_heading = "Limits")]
pub struct Limits {
    /// Memory, in bytes or with a suffix b, k, m or g
    #[arg(short, long, value_name = "SIZE", value_parser = memory_size, allow_hyphen_values = true)]
    pub memory: Option<u64>,
    /// Memory and swap together; -1 for no limit on swap. Twice the memory when not given
    #[arg(long, value_name = "SIZE", requires = "memory", allow_hyphen_values = true)]
    pub memory_swap: Option<Swap>,
    /// CPU time, in CPUs: 0.5 is half the time of one
    #[arg(long, value_name = "NUMBER", value_parser = cpu_quota, allow_hyphen_values = true)]
    pub cpus: Option<u64>,
    /// Weight against other containers when the CPUs are busy; 1024 is the usual one
    #[arg(short, long, value_name = "WEIGHT", value_parser = whole(2, 262_144), allow_hyphen_values = true)]
    pub cpu_shares: Option<u64>,
    /// CPUs to run on, such as 0-2,5
    #[arg(long, value_name = "LIST", value_parser = cpu_list, allow_hyphen_values = true)]
    pub cpuset_cpus: Option<String>,
    /// Processes and threads at one time
    #[arg(long, value_name = "NUMBER", value_parser = whole(1, 4_194_304), allow_hyphen_values = true)]
    pub pids_limit: Option<u64>,
    /// Weight against other containers when a disk is busy, 10 to 1000
    #[arg(long, value_name = "WEIGHT", value_parser = whole(10, 1000), allow_hyphen_values = true)]
    pub blkio_weight: Option<u64>,
    /// Bytes a second that may be read from a block device
    #[arg(long, value_name = "DEVICE:SIZE", allow_hyphen_values = true)]
    pub device_read_bps: Vec<DeviceRate>,
    /// Bytes a second that may be written to a block device
    #[arg(long, value_name = "DEVICE:SIZE", allow_hyphen_values = true)]
    pub device_write_bps: Vec<DeviceRate>,
    /// Class of the container's packets for tc(8), such as 0x100001 (cgroup v1)
    #[arg(long, value_name = "CLASSID", value_parser = class_id, allow_hyphen_values = true)]
    pub net_cls: Option<u32>,
}

/// `--memory-swap`: memory and swap together, in bytes, or no limit on swap.
#[derive(Clone, Copy, Serialize, Deserialize)]
pub enum Swap {
    Total(u64),
    Unlimited,
}

/// A transfer rate for one block device.
#[derive(Clone, Serialize, Deserialize)]
pub struct DeviceRate {
    /// The device's numbers as the kernel's files take them, `MAJOR:MINOR`.
    pub device: String,
    pub bytes_per_second: u64,
}

impl Limits {
    /// Memory and swap together, in bytes; Docker's rule where only memory was given.
    pub fn swap(&self) -> Result<Option<Swap>> {
        match (self.memory, self.memory_swap) {
            (Some(memory), Some(Swap::Total(total))) if total < memory => {
                bail!("--memory-swap {total} counts memory and swap together: less than --memory {memory}")
            }
            (Some(memory), None) => Ok(Some(Swap::Total(memory.saturating_mul(2)))),
            (_, swap) => Ok(swap),
        }
    }
}

/// A size in bytes: a number, perhaps with a fraction, and a suffix (`64m`, `64MB` and `64MiB` are the same); a kilobyte
/// has 1024 bytes.
pub fn size(text: &str) -> Result<u64> {
    let end = text.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let shift = match suffix.to_ascii_lowercase().as_str() {
        "" | "b" => 0,
        "k" | "kb" | "kib" => 10,
        "m" | "mb" | "mib" => 20,
        "g" | "gb" | "gib" => 30,
        "t" | "tb" | "tib" => 40,
        _ => bail!("not a size: a number and b, k, m or g, such as 64m"),
    };
    let (whole, fraction) = number.split_once('.').unwrap_or((number, "0"));
    let whole: u64 = match whole.parse::<u64>().map_err(|error| *error.kind()) {
        Ok(number) => number,
        Err(IntErrorKind::PosOverflow) => bail!("more than any machine has"),
        Err(_) => bail!("not a size: a number and b, k, m or g, such as 64m"),
    };
    let fraction: f64 = format!("0.{fraction}").parse().context("not a size, such as 1.5g")?;
    let bytes = whole.checked_mul(1 << shift).filter(|&bytes| bytes <= i64::MAX as u64);
    let bytes = bytes.context("more than any machine has")?;
    Ok(bytes + (fraction * (1u64 << shift) as f64) as u64)
}

fn memory_size(text: &str) -> Result<u64> {
    const LEAST: u64 = 6 << 20;
    let bytes = size(text)?;
    ensure!(bytes >= LEAST, "at least 6m, or no command can start");
    Ok(bytes)
}

impl FromStr for Swap {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<Swap> {
        if text == "-1" { Ok(Swap::Unlimited) } else { Ok(Swap::Total(memory_size(text)?)) }
    }
}

/// CPUs to microseconds of CPU time in each [`CPU_PERIOD`].
fn cpu_quota(text: &str) -> Result<u64> {
    let cpus: f64 = text.parse().context("not a number of CPUs, such as 0.5")?;
    let most = std::thread::available_parallelism()?.get();
    ensure!(cpus >= 0.01 && cpus <= most as f64, "from 0.01 to {most}.00, the CPUs of this machine");
    Ok((cpus * CPU_PERIOD as f64).round() as u64)
}

fn cpu_list(text: &str) -> Result<String> {
    let cpus = sysconf(SysconfVar::_NPROCESSORS_CONF)?.context("count the CPUs")?;
    for range in text.split(',') {
        let (first, last) = range.split_once('-').unwrap_or((range, range));
        let number = |digits: &str| digits.parse::<i64>().context("not a list of CPUs, such as 0-2,5");
        let (first, last) = (number(first)?, number(last)?);
        ensure!(first <= last, "{range} runs backwards");
        ensure!((0..cpus).contains(&last), "this machine has the CPUs 0 to {}", cpus - 1);
    }
    Ok(text.to_owned())
}

/// A whole number in a range.
fn whole(least: u64, most: u64) -> impl Fn(&str) -> Result<u64> + Clone {
    move |text| match text.parse() {
        Ok(number) if (least..=most).contains(&number) => Ok(number),
        _ => bail!("not a whole number from {least} to {most}"),
    }
}

impl FromStr for DeviceRate {
    type Err = anyhow::Error;

    fn from_str(text: &str) -> Result<DeviceRate> {
        let (path, rate) = text.rsplit_once(':').context("not DEVICE:SIZE, such as /dev/sda:1m")?;
        let status = stat(path).map_err(|error| anyhow!("{path}: {}", error.desc()))?;
        let kind = SFlag::from_bits_truncate(status.st_mode) & SFlag::S_IFMT;
        ensure!(kind == SFlag::S_IFBLK, "{path} is not a block device");
        let bytes_per_second = size(rate)?;
        ensure!(bytes_per_second > 0, "a rate of 0 would stop the device");
        Ok(DeviceRate {
            device: format!("{}:{}", major(status.st_rdev), minor(status.st_rdev)),
            bytes_per_second,
        })
    }
}

/// A class of tc(8) as net_cls.classid takes it: 0xAAAABBBB for AAAA:BBBB.
fn class_id(text: &str) -> Result<u32> {
    let number = match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16),
        None => text.parse(),
    };
    match number {
        Ok(id) if id > 0 => Ok(id),
        _ => bail!("not a class, such as 0x100001 for 10:1"),
    }
}

#[cfg(test)]
mod tests {
    use super::{cpu_list, memory_size, size};

    #[test]
    fn sizes_are_dockers() {
        for (text, bytes) in [("512k", 512 << 10), ("64m", 64 << 20), ("64MiB", 64 << 20), ("1g", 1 << 30)] {
            assert_eq!(size(text).unwrap(), bytes, "{text}");
        }
        assert_eq!(size("1.5g").unwrap(), 3 << 29);
        assert_eq!(size("1000").unwrap(), 1000);
    }

    #[test]
    fn what_is_not_a_size_is_refused() {
        for text in ["", "m", "-1", "64x", "1e3", "0x10", "1 m", "99999999999999999999", "9999999t", "1..5g"]
        {
            assert!(size(text).is_err(), "{text}");
        }
        assert!(memory_size("5m").is_err());
    }

    #[test]
    fn cpu_lists_are_the_kernels() {
        assert!(cpu_list("0").is_ok());
        for text in ["", "2-1", "a", "0-", "-1", "0,,1", "99999"] {
            assert!(cpu_list(text).is_err(), "{text}");
        }
    }
}
