//! The machine and the code that the figures are of.

use std::fs;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use grade::kernel::hierarchy;

use super::line::said;
use super::peers::{self, Peers};
use super::place::Place;
use super::results::About;
use super::timing::GAP;
use crate::steps;

/// What is known before anything is measured.
pub fn before(place: &Place, quick: bool) -> Result<About> {
    let load = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
    let cpuinfo = fs::read_to_string("/proc/cpuinfo").context("read /proc/cpuinfo")?;
    Ok(About {
        date: said(Command::new("date").args(["-u", "+%Y-%m-%d %H:%M UTC"]))?.trim().to_owned(),
        commit: commit()?,
        kernel: said(Command::new("uname").arg("-r"))?.trim().to_owned(),
        cgroups: cgroups(),
        processor: model(&cpuinfo).unwrap_or("unknown").to_owned(),
        processors: std::thread::available_parallelism().context("count the processors")?.get(),
        data: place.filesystem()?,
        load: load.split(' ').next().unwrap_or_default().to_owned(),
        gap_ms: u64::try_from(GAP.as_millis()).context("a short gap")?,
        quick,
        ..About::default()
    })
}

/// What is known when all is done.
pub fn after(about: &mut About, peers: &Peers, time: Duration) {
    about.versions = peers::versions(peers).into_iter().collect();
    about.seconds = time.as_secs();
}

/// The commit, and whether the files are others.
fn commit() -> Result<String> {
    let git = |words: &[&str]| said(Command::new("git").current_dir(steps::root()).args(words));
    let commit = git(&["rev-parse", "--short=12", "HEAD"])?;
    // What the bench itself writes does not count.
    let changed = git(&["status", "--porcelain", "--", ".", ":!book/bench"])?;
    Ok(format!("{}{}", commit.trim(), if changed.is_empty() { "" } else { ", with changes" }))
}

fn cgroups() -> String {
    let (v1, v2) = (hierarchy(Some("pids")).is_some(), hierarchy(None).is_some());
    match (v1, v2) {
        (true, true) => "v1, with v2 beside it",
        (true, false) => "v1",
        (false, true) => "v2",
        (false, false) => "none",
    }
    .to_owned()
}

fn model(cpuinfo: &str) -> Option<&str> {
    let line = cpuinfo.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim())
}

#[cfg(test)]
mod tests {
    use super::model;

    #[test]
    fn the_processors_name_is_found() {
        assert_eq!(model("processor\t: 0\nmodel name\t: A CPU @ 3 GHz\n"), Some("A CPU @ 3 GHz"));
        assert_eq!(model("processor\t: 0\n"), None);
    }
}
