//! What is measured, section by section. The commands of a section take turns.

mod crowd;
mod detached;
mod exec;
mod import;
mod naive;
mod start;
mod stop;
mod storage;
mod throughput;

use anyhow::{Context, Result};
use clap::ValueEnum;

use super::naive::Naive;
use super::ours::Ours;
use super::peers::Peers;
use super::place::Place;
use super::timing::{Entry, Measured, Pace, measure};

/// The steps that stand beside the peers: without a network, and with one.
pub const PLAIN: &str = "step07";
pub const NETWORK: &str = "step08";

#[derive(Clone, Copy, Debug, Eq, PartialEq, ValueEnum)]
pub enum Section {
    /// From start to exit of `true`
    Start,
    /// `run -d` until it returns
    Detached,
    /// `exec` in a running container
    Exec,
    /// `stop`, and `rm -f` of a running container
    Stop,
    /// Many containers at once, and the memory of what stays with them
    Crowd,
    /// Start to exit with each storage driver
    Storage,
    /// A large archive becomes an image
    Import,
    /// What a bridge and a published port let through
    Throughput,
    /// Each naive variant beside the real one
    Naive,
}

/// All tables: their ids and titles, in their order.
pub const GROUPS: [(&str, &str); 20] = [
    ("floor", "The floor: start to exit of `true` with nothing around it, and with namespaces alone"),
    ("steps", "Start to exit of `true`; in steps 01 to 03 the host's own, for want of images"),
    ("plain", "Start to exit of `true`, without a network"),
    ("limits", "Start to exit of `true`, with --memory 64m --pids-limit 50"),
    ("bridge", "Start to exit of `true`, on a bridge"),
    ("port", "Start to exit of `true`, on a bridge and with a published port"),
    ("detached", "`run -d` until it returns"),
    ("exec", "`exec` of `true` in a running container"),
    ("stop", "`stop` of a container that obeys at once"),
    ("rm", "`rm -f` of a running container"),
    ("rate", "Many `run -d`, two at a time"),
    ("crowded", "One `run -d` among others that run"),
    ("memory", "Memory of what stays with a container, PSS"),
    ("storage", "Start to exit of `true`, by storage driver"),
    ("import", "An archive of a root filesystem becomes an image"),
    ("load", "An archive of docker save becomes an image"),
    ("unpack", "An OCI image layout becomes folders"),
    ("between", "Throughput from container to container"),
    ("published", "Throughput from the machine to a published port"),
    ("naive", "Start to exit of `true`, with one thing done the naive way"),
];

/// Everything that the sections use.
pub struct Bench<'a> {
    pub ours: Vec<Ours>,
    pub peers: Peers,
    pub naive: Vec<Naive>,
    pub pace: Pace,
    pub place: &'a Place,
    pub crowd: Vec<u32>,
    pub quick: bool,
}

impl Section {
    /// Those that need no patches.
    pub fn usual() -> Vec<Section> {
        let all = Section::value_variants().iter().copied();
        all.filter(|section| *section != Section::Naive).collect()
    }

    pub fn name(self) -> String {
        self.to_possible_value().map_or_else(String::new, |value| value.get_name().to_owned())
    }

    pub fn run(self, bench: &Bench) -> Result<Measured> {
        let measured = match self {
            Section::Start => bench.measure(self, start::entries(bench)?, bench.pace),
            Section::Detached => detached::run(bench),
            Section::Exec => exec::run(bench),
            Section::Stop => stop::run(bench),
            Section::Crowd => crowd::run(bench),
            Section::Storage => bench.measure(self, storage::entries(bench)?, bench.pace),
            Section::Import => import::run(bench),
            Section::Throughput => throughput::run(bench),
            Section::Naive => naive::run(bench),
        };
        measured.with_context(|| format!("measure {}", self.name()))
    }
}

impl Bench<'_> {
    pub fn step(&self, name: &str) -> Result<&Ours> {
        self.ours.iter().find(|ours| ours.step == name).with_context(|| format!("{name} was not built"))
    }

    fn measure(&self, section: Section, entries: Vec<Entry>, pace: Pace) -> Result<Measured> {
        measure(&section.name(), entries, pace, &self.place.words())
    }
}
