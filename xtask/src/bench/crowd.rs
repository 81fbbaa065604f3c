//! Many containers at once.

use std::fs;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, anyhow, ensure};
use serde_json::Value;

use super::ours::{Ours, Sweep};
use super::place::Place;
use super::timing::{self, Entry, Pace, quantile};
use super::{headroom, interrupt};

/// Starts so many, `jobs` at a time; looks at them; ends and removes them, each with one command.
pub fn run(ours: &Ours, count: u32, jobs: u32, pace: &Pace, place: &Place) -> Result<()> {
    headroom::check(count)?;
    ours.prepare()?;
    let _sweep = Sweep(ours);
    let time = timed(|| start(ours, count, jobs))?;
    let rate = f64::from(count) / time.as_secs_f64();
    println!("{count} × run -d, {jobs} at a time: {:.2} s, {rate:.0} a second", time.as_secs_f64());
    let ids = ours.containers()?;
    ensure!(ids.len() == count as usize, "{count} were started, and ps shows {}", ids.len());
    memory(ours, &ids)?;
    let lists = ["ps", "ps -q"].map(|words| Entry::ours(words, ours.line(words)));
    timing::table(&format!("a list of {count}"), &lists, pace, place)?;
    for words in [&["stop", "-t", "0"][..], &["rm"]] {
        interrupt::check()?;
        let time = timed(|| ours.output(words.iter().copied().chain(ids.iter().map(String::as_str))))?;
        println!("{} of all {count}: {:.2} s", words.join(" "), time.as_secs_f64());
    }
    let left = ours.containers()?.len();
    ensure!(left == 0, "{left} containers are left");
    Ok(())
}

/// Each worker starts the next container when its last one runs; after a failure none starts another.
fn start(ours: &Ours, count: u32, jobs: u32) -> Result<()> {
    let words = format!("run -d {} base sleep 1000", ours.options);
    let next = AtomicU32::new(0);
    let work = || -> Result<()> {
        while next.fetch_add(1, Ordering::Relaxed) < count {
            let started = interrupt::check().and_then(|()| ours.output(words.split_whitespace()));
            started.inspect_err(|_| next.store(count, Ordering::Relaxed))?;
        }
        Ok(())
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..jobs).map(|_| scope.spawn(work)).collect();
        workers.into_iter().try_for_each(|worker| worker.join().map_err(|_| anyhow!("a worker panicked"))?)
    })
}

/// What the supervisors have in memory. PSS counts a page that N processes share as an Nth for each.
fn memory(ours: &Ours, ids: &[String]) -> Result<()> {
    let records = ours.output(["inspect"].into_iter().chain(ids.iter().map(String::as_str)))?;
    let records: Vec<Value> = serde_json::from_str(&records).context("read what inspect prints")?;
    let mut sizes = Vec::new();
    for record in &records {
        let pid = record["state"]["supervisor"]["pid"].as_i64().context("inspect names no supervisor")?;
        let file = format!("/proc/{pid}/smaps_rollup");
        let text = fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
        sizes.push(pss(&text).with_context(|| format!("{file} has no Pss"))?);
    }
    let mean = sizes.iter().sum::<f64>() / sizes.len() as f64;
    let (median, most) = (quantile(sizes.clone(), 0.5), quantile(sizes, 1.0));
    println!("supervisor's PSS: median {median:.0} KiB, largest {most:.0} KiB, total / N {mean:.0} KiB");
    Ok(())
}

/// In KiB.
fn pss(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let begin = Instant::now();
    work().map(|_| begin.elapsed())
}

#[cfg(test)]
mod tests {
    use super::pss;

    #[test]
    fn the_proportional_size_is_found_among_the_others() {
        let rollup = "5f-7f ---p 0 00:00 0 [rollup]\nRss:     2000 kB\nPss:      350 kB\nPss_Dirty:  96 kB\n";
        assert_eq!(pss(rollup), Some(350.0));
        assert_eq!(pss("Rss: 1 kB\n"), None);
    }
}
