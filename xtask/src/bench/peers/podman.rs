//! podman, with its store in our own folder.

use std::path::{Path, PathBuf};

use anyhow::Result;
use grade::need::program;

use crate::bench::line::Line;
use crate::bench::place::Place;

pub struct Podman {
    folder: PathBuf,
    group: String,
}

impl Podman {
    pub fn new(place: &Place) -> Result<Podman> {
        Ok(Podman { folder: place.folder("podman")?, group: place.group.clone() })
    }

    fn line(&self) -> Line {
        let line = Line::of("podman --cgroup-manager cgroupfs");
        // runc also takes hosts with v1 and v2 of cgroups side by side, which crun does not.
        let line = if program("runc").is_some() { line.with("--runtime runc") } else { line };
        let folders = [("--root", "store"), ("--runroot", "run"), ("--tmpdir", "tmp")];
        folders.iter().fold(line, |line, (option, name)| line.with(option).word(self.folder.join(name)))
    }

    /// podman would raise these two limits, which takes CAP_SYS_RESOURCE.
    fn run(&self, options: &str) -> Line {
        let line = self.line().with("run --network none --ulimit nofile=1024:1024 --ulimit nproc=1024:1024");
        line.with(&format!("--cgroup-parent /{}", self.group)).with(options)
    }

    /// Runs `true` in `root`.
    pub fn start(&self, root: &Path) -> Line {
        self.run("--rm --rootfs").word(root).with("/bin/true")
    }

    /// Starts a container that lives on.
    pub fn live(&self, root: &Path, name: &str) -> Line {
        self.run(&format!("-d --name {name} --rootfs")).word(root).with("/bin/sleep 100000")
    }

    pub fn remove(&self, name: &str) -> Line {
        self.line().with(&format!("rm -f -t 0 {name}"))
    }
}
