//! The other runtimes, as far as they are installed.

pub mod docker;
pub mod oci;
pub mod podman;

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use grade::need::program;

use super::line::{Line, said};
use super::place::Place;
use super::results::Absent;
use docker::Docker;
use oci::Oci;
use podman::Podman;

/// The names that `--only` takes.
pub const NAMES: [&str; 8] = ["unshare", "bwrap", "runc", "crun", "youki", "podman", "docker", "umoci"];

pub struct Peers {
    /// The root filesystem of all of them: step 04's image, a plain folder.
    pub root: PathBuf,
    pub unshare: bool,
    pub bwrap: bool,
    pub umoci: bool,
    pub oci: Vec<Oci>,
    pub podman: Option<Podman>,
    pub docker: Option<Docker>,
    pub absent: Vec<Absent>,
}

impl Peers {
    /// Finds those of the `wanted` that are installed, and starts a Docker daemon.
    pub fn find(wanted: &[&str], root: PathBuf, place: &Place) -> Result<Peers> {
        let mut absent = Vec::new();
        let mut there = |name: &str| {
            let found = program(name).is_some();
            if wanted.contains(&name) && !found {
                absent.push(Absent { name: name.to_owned(), why: "not installed".to_owned() });
            }
            wanted.contains(&name) && found
        };
        let [unshare, bwrap, umoci] = ["unshare", "bwrap", "umoci"].map(&mut there);
        let runtimes: Vec<_> = ["runc", "crun", "youki"].into_iter().filter(|name| there(name)).collect();
        let podman = there("podman").then(|| Podman::new(place)).transpose()?;
        let docker = there("docker").then(|| Docker::start(&root, place)).transpose();
        let mut oci = runtimes.into_iter().map(|name| Oci::new(name, place)).collect::<Result<Vec<_>>>()?;
        oci.retain(|runtime| match runtime.try_once(&root, place) {
            Ok(()) => true,
            Err(error) => {
                absent.push(Absent { name: runtime.name.to_owned(), why: format!("{error:#}") });
                false
            }
        });
        let docker = docker.unwrap_or_else(|error| {
            absent.push(Absent { name: "docker".to_owned(), why: format!("{error:#}") });
            None
        });
        Ok(Peers { root, unshare, bwrap, umoci, oci, podman, docker, absent })
    }

    /// The namespaces of a container and its `/proc`, and nothing else.
    pub fn unshare(&self) -> Line {
        Line::of("unshare --mount --uts --ipc --net --cgroup --pid --fork --mount-proc true")
    }

    pub fn bwrap(&self) -> Line {
        let line = Line::of("bwrap --unshare-all --bind").word(&self.root);
        line.with("/ --proc /proc --dev /dev /bin/true")
    }
}

/// Name and version of each program that takes part.
pub fn versions(peers: &Peers) -> Vec<(String, String)> {
    let mut names: Vec<&str> = peers.oci.iter().map(|runtime| runtime.name).collect();
    let others = [
        (peers.unshare, "unshare"),
        (peers.bwrap, "bwrap"),
        (peers.umoci, "umoci"),
        (peers.podman.is_some(), "podman"),
        (peers.podman.is_some(), "conmon"),
        (program("iperf3").is_some(), "iperf3"),
    ];
    names.extend(others.into_iter().filter(|(there, _)| *there).map(|(_, name)| name));
    let mut found: Vec<_> =
        names.into_iter().filter_map(|name| Some((name.to_owned(), version(name)?))).collect();
    found.extend(peers.docker.as_ref().map(Docker::versions).unwrap_or_default());
    found
}

/// The first word with a number in it of the first line that a program says of its version.
fn version(name: &str) -> Option<String> {
    let said = said(Command::new(program(name)?).arg("--version")).ok()?;
    number_in(&said).map(str::to_owned)
}

fn number_in(text: &str) -> Option<&str> {
    let words = text.lines().next()?.split([' ', ',']);
    words.map(|word| word.trim_start_matches('v')).find(|word| word.starts_with(|c: char| c.is_ascii_digit()))
}

/// PSS of a process in KiB. A page that N processes share counts as an Nth for each.
pub fn pss(pid: i32) -> Result<f64> {
    let file = format!("/proc/{pid}/smaps_rollup");
    let text = std::fs::read_to_string(&file).with_context(|| format!("read {file}"))?;
    pss_in(&text).with_context(|| format!("{file} has no Pss"))
}

fn pss_in(rollup: &str) -> Option<f64> {
    let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"))?;
    line.trim().strip_suffix(" kB")?.parse().ok()
}

/// PSS of all processes of this name, of which the kernel keeps 15 bytes; in here there are no others than ours.
pub fn pss_of_all(name: &str) -> Result<Vec<f64>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir("/proc").context("list /proc")? {
        let path = entry.context("list /proc")?.path();
        let Some(pid) = pid_in(&path) else { continue };
        // Gone since it was listed.
        let Ok(comm) = std::fs::read_to_string(path.join("comm")) else { continue };
        if comm.trim_end() == name {
            found.push(pss(pid)?);
        }
    }
    Ok(found)
}

fn pid_in(path: &Path) -> Option<i32> {
    path.file_name()?.to_str()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_proportional_size_is_found_among_the_others() {
        let rollup = "5f-7f ---p 0 00:00 0 [rollup]\nRss:     2000 kB\nPss:      350 kB\nPss_Dirty:  96 kB\n";
        assert_eq!(pss_in(rollup), Some(350.0));
        assert_eq!(pss_in("Rss: 1 kB\n"), None);
        assert!(pss(std::process::id().try_into().unwrap()).unwrap() > 0.0);
    }

    #[test]
    fn a_version_is_a_word_that_begins_with_a_digit() {
        assert_eq!(number_in("runc version 1.1.5+ds1\ncommit: 1"), Some("1.1.5+ds1"));
        assert_eq!(number_in("Docker version 28.2.2, build e6"), Some("28.2.2"));
        assert_eq!(number_in("tool v2.0"), Some("2.0"));
        assert_eq!(number_in("none"), None);
    }
}
