//! `cargo xtask bench`: how long a container takes from start to exit, beside the ones that people use.
//!
//! hyperfine (Debian's package) does the measuring: all commands in one run, 50 ms of rest before each start, because a
//! start waits for RCU grace periods in the kernel and a loop without gaps hides that. The set is run several times
//! over, so that a busy moment of the machine falls on all commands alike; the figures are medians over all runs.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use crate::scratch::Scratch;
use crate::{cargo, steps};

#[derive(clap::Args)]
pub struct Args {
    /// The step to measure
    #[arg(default_value = "step04")]
    step: String,
    /// Starts of each command in a round
    #[arg(long, default_value_t = 20)]
    runs: u32,
    /// Rounds through all commands
    #[arg(long, default_value_t = 5)]
    rounds: u32,
}

/// One command line to time, under the name that the table shows.
struct Entry {
    name: String,
    line: String,
}

pub fn run(args: &Args) -> Result<()> {
    ensure!(found("hyperfine"), "hyperfine is not installed; apt-get install hyperfine");
    ensure!(nix::unistd::geteuid().is_root(), "runc and the limits need root; run this as root");
    let built = cargo::build(steps::root(), &["build", "--release", "--package", &args.step])?;
    let ours = built
        .into_iter()
        .find(|one| one.target == args.step && !one.test)
        .context("cargo built no binary")?;
    let scratch = Scratch::new("bench")?;
    let entries = entries(&ours.path, &args.step, scratch.path())?;
    let mut times: BTreeMap<&str, Vec<f64>> = BTreeMap::new();
    for _ in 0..args.rounds {
        for (entry, seconds) in entries.iter().zip(measure(&entries, args.runs, scratch.path())?) {
            times.entry(&entry.name).or_default().extend(seconds);
        }
    }
    print(&entries, &mut times);
    Ok(())
}

/// What can be timed here; for a peer that is missing, a line says so.
fn entries(ours: &Path, step: &str, scratch: &Path) -> Result<Vec<Entry>> {
    let data = scratch.join("data");
    let base = data.join("base");
    let ours = format!("env FORK_TO_VETH_ROOT={} {}", data.display(), ours.display());
    let entry = |name: &str, line: String| Entry { name: name.to_owned(), line };
    let limits = "--memory 64m --pids-limit 50";
    let mut entries = vec![
        entry(step, format!("{ours} run base true")),
        entry(&format!("{step} {limits}"), format!("{ours} run {limits} base true")),
    ];
    let first = Command::new("sh").args(["-c", &entries[0].line]).status().context("make the image base")?;
    ensure!(first.success(), "{}: {first}", entries[0].line);
    // The same root and the same program for all; env costs each of ours one more execve, so the others get it, too.
    if found("bwrap") {
        let bind = format!("--unshare-all --bind {} / --proc /proc --dev /dev", base.display());
        entries.push(entry("bwrap", format!("env -u X bwrap {bind} /bin/true")));
    } else {
        println!("bwrap is not installed: apt-get install bubblewrap");
    }
    if found("runc") {
        let limit = json!({"memory": {"limit": 64 << 20, "swap": 128 << 20}, "pids": {"limit": 50}});
        for (name, resources) in [("runc", None), ("runc with the same limits", Some(limit))] {
            let bundle = bundle(&scratch.join(name.replace(' ', "-")), &base, resources)?;
            entries.push(entry(
                name,
                format!("env -u X runc run --bundle {} fork-to-veth-bench", bundle.display()),
            ));
        }
    } else {
        println!("runc is not installed: apt-get install runc");
    }
    Ok(entries)
}

fn found(program: &str) -> bool {
    let check = Command::new(program).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    check.is_ok_and(|status| status.success())
}

/// An OCI bundle that runs `/bin/true` in `root`: runc's own default configuration, without a terminal.
fn bundle(folder: &Path, root: &Path, resources: Option<Value>) -> Result<PathBuf> {
    fs::create_dir(folder)?;
    let made = Command::new("runc").arg("spec").current_dir(folder).status().context("start runc spec")?;
    ensure!(made.success(), "runc spec: {made}");
    let file = folder.join("config.json");
    let mut config: Value =
        serde_json::from_str(&fs::read_to_string(&file)?).context("read runc's config.json")?;
    config["process"]["terminal"] = json!(false);
    config["process"]["args"] = json!(["/bin/true"]);
    config["root"] = json!({"path": root, "readonly": false});
    if let Some(resources) = resources {
        config["linux"]["resources"] = resources;
    }
    fs::write(&file, config.to_string())?;
    Ok(folder.to_path_buf())
}

/// One round of hyperfine: for each command its times, in seconds.
fn measure(entries: &[Entry], runs: u32, scratch: &Path) -> Result<Vec<Vec<f64>>> {
    let report = scratch.join("times.json");
    let mut hyperfine = Command::new("hyperfine");
    hyperfine.args(["--shell", "none", "--style", "none", "--warmup", "2", "--prepare", "sleep 0.05"]);
    hyperfine.arg("--runs").arg(runs.to_string()).arg("--export-json").arg(&report);
    hyperfine.args(entries.iter().map(|entry| &entry.line)).stdout(Stdio::null());
    let status = hyperfine.status().context("start hyperfine")?;
    ensure!(status.success(), "hyperfine: {status}");
    let report: Value =
        serde_json::from_str(&fs::read_to_string(&report)?).context("read hyperfine's report")?;
    let results = report["results"].as_array().context("hyperfine's report has no results")?;
    let times = |result: &Value| -> Result<Vec<f64>> {
        serde_json::from_value(result["times"].clone()).context("hyperfine's report has no times")
    };
    results.iter().map(times).collect()
}

/// Medians in milliseconds, the ninth tenth, and the first command's ratio to each.
fn print(entries: &[Entry], times: &mut BTreeMap<&str, Vec<f64>>) {
    let mut figures = Vec::new();
    for entry in entries {
        let sorted = times.get_mut(entry.name.as_str()).map(std::mem::take).unwrap_or_default();
        figures.push((entry, quantile(sorted.clone(), 0.5), quantile(sorted, 0.9)));
    }
    println!("{:40} {:>9} {:>9}  ratio of ours", "start to exit of `true`", "median", "p90");
    for (index, (entry, median, ninth)) in figures.iter().enumerate() {
        // Ours without limits is first, ours with limits second; a peer is compared with the one that does the same.
        let ours = if entry.name.contains("limit") { figures[1].1 } else { figures[0].1 };
        let ratio = if index < 2 { String::new() } else { format!("{:.2}", ours / median) };
        println!("{:40} {:6.2} ms {:6.2} ms  {ratio}", entry.name, median * 1000.0, ninth * 1000.0);
    }
}

fn quantile(mut values: Vec<f64>, share: f64) -> f64 {
    values.sort_by(f64::total_cmp);
    let place = (values.len().saturating_sub(1)) as f64 * share;
    values.get(place.round() as usize).copied().unwrap_or(f64::NAN)
}

#[cfg(test)]
mod tests {
    use super::quantile;

    #[test]
    fn a_quantile_is_a_value_of_the_sorted_list() {
        let values = vec![5.0, 1.0, 3.0, 2.0, 4.0];
        assert!((quantile(values.clone(), 0.5) - 3.0).abs() < 1e-9);
        assert!((quantile(values, 0.9) - 5.0).abs() < 1e-9);
        assert!(quantile(Vec::new(), 0.5).is_nan());
    }
}
