//! Timing command lines, and the table of it.
//!
//! hyperfine (Debian's package) does the measuring: all commands in one run, 50 ms of rest before each start, because a
//! start waits for RCU grace periods in the kernel and a loop without gaps hides that. The set is run several times
//! over, so that a busy moment of the machine falls on all commands alike; the figures are medians over all runs.

use std::fs;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::interrupt;
use super::place::Place;

/// One command line to time.
pub struct Entry {
    /// What the table calls it.
    pub name: String,
    pub line: String,
    /// Which entry does the same with our own program, for the ratio of that one to this.
    pub beside: Option<usize>,
}

impl Entry {
    pub fn ours(name: &str, line: String) -> Entry {
        Entry { name: name.to_owned(), line, beside: None }
    }

    /// A peer of the first entry. One of our own lines costs an execve more, of env, so the others get it, too.
    pub fn peer(name: &str, line: &str) -> Entry {
        Entry { name: name.to_owned(), line: format!("env -u X {line}"), beside: Some(0) }
    }

    /// Runs it once.
    ///
    /// # Errors
    /// When it does not work here.
    pub fn try_once(&self) -> Result<()> {
        interrupt::check()?;
        super::ours::said(Command::new("sh").arg("-c").arg(&self.line)).map(drop)
    }
}

/// How often everything is run.
pub struct Pace {
    pub runs: u32,
    pub rounds: u32,
}

/// Times the entries and prints the table.
pub fn table(title: &str, entries: &[Entry], pace: &Pace, place: &Place) -> Result<()> {
    let mut times = vec![Vec::new(); entries.len()];
    for _ in 0..pace.rounds {
        for (all, more) in times.iter_mut().zip(round(entries, pace.runs, place)?) {
            all.extend(more);
        }
    }
    let medians: Vec<f64> = times.iter().map(|times| quantile(times.clone(), 0.5)).collect();
    let compared = entries.iter().any(|entry| entry.beside.is_some());
    println!("{title:40} {:>9} {:>9}{}", "median", "p90", if compared { "  ratio of ours" } else { "" });
    for (index, entry) in entries.iter().enumerate() {
        let ratio = entry.beside.map(|ours| format!("  {:.2}", medians[ours] / medians[index]));
        let (median, ninth) = (medians[index] * 1000.0, quantile(times[index].clone(), 0.9) * 1000.0);
        println!("{:40} {median:6.2} ms {ninth:6.2} ms{}", entry.name, ratio.unwrap_or_default());
    }
    Ok(())
}

/// One round of hyperfine: for each command its times, in seconds.
fn round(entries: &[Entry], runs: u32, place: &Place) -> Result<Vec<Vec<f64>>> {
    let report = place.path().join("times.json");
    let mut hyperfine = Command::new("hyperfine");
    hyperfine.args(["--shell", "none", "--style", "none", "--warmup", "2", "--prepare", "sleep 0.05"]);
    hyperfine.arg("--runs").arg(runs.to_string()).arg("--export-json").arg(&report);
    hyperfine.args(entries.iter().map(|entry| &entry.line)).stdout(Stdio::null());
    let status = hyperfine.status().context("start hyperfine")?;
    interrupt::check()?;
    ensure!(status.success(), "hyperfine: {status}");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(&report)?).context("read hyperfine's report")?;
    let results = report["results"].as_array().context("hyperfine's report has no results")?;
    let times = |result: &Value| -> Result<Vec<f64>> {
        serde_json::from_value(result["times"].clone()).context("hyperfine's report has no times")
    };
    results.iter().map(times).collect()
}

/// The value below which this share of all values lies; not a number when there are none.
pub fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1)) as f64 * share;
    values.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quantile_is_a_value_of_the_sorted_list() {
        let values = vec![5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((quantile(values.clone(), 0.5) - 3.0).abs() < 1e-9);
        assert!((quantile(values, 0.9) - 5.0).abs() < 1e-9);
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }

    #[test]
    fn a_peer_that_fails_is_found_out_by_one_run() {
        assert!(Entry::peer("works", "true").try_once().is_ok());
        assert!(Entry::peer("fails", "false").try_once().is_err());
    }
}
