//! Runtimes that take an OCI bundle, with their containers' state in our own folder: runc, crun, youki.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use crate::bench::line::{Line, said};
use crate::bench::place::Place;

/// What ours and the peers are given where limits are measured.
pub const LIMITS: &str = "--memory 64m --pids-limit 50";

/// Dropped, it removes what lives on.
pub struct Oci {
    pub name: &'static str,
    folder: PathBuf,
    group: String,
}

impl Oci {
    pub fn new(name: &'static str, place: &Place) -> Result<Oci> {
        Ok(Oci { name, folder: place.folder(name)?, group: place.group.clone() })
    }

    fn line(&self, words: &str) -> Line {
        Line::of(self.name).with("--root").word(self.folder.join("state")).with(words)
    }

    /// Runs `true` in `root`.
    pub fn run(&self, root: &Path, limits: bool) -> Result<Line> {
        let id = if limits { "limited" } else { "free" };
        let bundle = self.bundle(id, root, &["/bin/true"], limits)?;
        Ok(self.line("run --bundle").word(bundle).with(id))
    }

    /// Runs `true` for the first time.
    ///
    /// # Errors
    /// When that does not work here.
    pub fn try_once(&self, root: &Path, place: &Place) -> Result<()> {
        let bundle = self.bundle("try", root, &["/bin/true"], false)?;
        self.line("run --bundle").word(bundle).with("try").timed(&place.words()).map(drop)
    }

    /// Starts a container that lives on, with this id.
    pub fn live(&self, root: &Path, id: &str) -> Result<Line> {
        let bundle = self.bundle(id, root, &["/bin/sleep", "100000"], false)?;
        Ok(self.line("run --detach --bundle").word(bundle).with(id))
    }

    pub fn exec(&self, id: &str) -> Line {
        self.line(&format!("exec {id} /bin/true"))
    }

    /// By force: it ends what runs.
    pub fn delete(&self, id: &str) -> Line {
        self.line(&format!("delete --force {id}"))
    }

    /// The runtime's own default configuration, without a terminal.
    fn bundle(&self, id: &str, root: &Path, command: &[&str], limits: bool) -> Result<PathBuf> {
        let folder = self.folder.join(id);
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        said(Command::new(self.name).arg("spec").current_dir(&folder))?;
        let file = folder.join("config.json");
        let text = fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
        let mut config: Value = serde_json::from_str(&text).context("read config.json")?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(command);
        config["root"] = json!({"path": root, "readonly": false});
        config["linux"]["cgroupsPath"] = json!(format!("/{}/{}-{id}", self.group, self.name));
        if limits {
            let memory = json!({"limit": 64 << 20, "swap": 128 << 20});
            config["linux"]["resources"] = json!({"memory": memory, "pids": {"limit": 50}});
        }
        fs::write(&file, config.to_string()).with_context(|| format!("write {}", file.display()))?;
        Ok(folder)
    }
}

impl Drop for Oci {
    fn drop(&mut self) {
        let Ok(states) = fs::read_dir(self.folder.join("state")) else { return };
        for state in states.flatten() {
            if let Err(error) = self.delete(&state.file_name().to_string_lossy()).command().status() {
                eprintln!("xtask: {error:#}");
            }
        }
    }
}
