//! runc, with its containers' state in our own folder.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};

use super::found;
use super::ours::{quoted, said};
use super::place::Place;

/// The one container's id, and so its cgroup's name. A name that begins as those of the steps' groups do would not live
/// long: every step removes such groups when nobody holds their lock, with what runs in them.
const ID: &str = "xtask-bench";

/// Dropped, it removes its container.
pub struct Runc {
    folder: PathBuf,
}

impl Runc {
    /// `None` where it is not installed; a line says so.
    pub fn find(place: &Place) -> Result<Option<Runc>> {
        if !found("runc") {
            println!("runc is not installed: apt-get install runc");
            return Ok(None);
        }
        let folder = place.path().join("runc");
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        Ok(Some(Runc { folder }))
    }

    fn state(&self) -> PathBuf {
        self.folder.join("state")
    }

    /// The line that runs `true` in `root`, with the limits that ours has, if they are wanted.
    pub fn run(&self, name: &str, root: &Path, limits: bool) -> Result<String> {
        let bundle = self.bundle(name, root, &["/bin/true"], limits)?;
        Ok(format!("runc --root {} run --bundle {} {ID}", quoted(&self.state()), quoted(&bundle)))
    }

    /// Starts a container that lives on.
    pub fn live(&self, root: &Path) -> Result<()> {
        let bundle = self.bundle("live", root, &["/bin/sleep", "100000"], false)?;
        let mut command = Command::new("runc");
        command.arg("--root").arg(self.state()).args(["run", "--detach", "--bundle"]).arg(bundle).arg(ID);
        // The container keeps what it gets as its stdout: a pipe would never end.
        let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status().context("start runc")?;
        ensure!(status.success(), "runc run: {status}");
        Ok(())
    }

    pub fn exec(&self) -> String {
        format!("runc --root {} exec {ID} /bin/true", quoted(&self.state()))
    }

    /// An OCI bundle: runc's own default configuration, without a terminal.
    fn bundle(&self, name: &str, root: &Path, command: &[&str], limits: bool) -> Result<PathBuf> {
        let folder = self.folder.join(name);
        fs::create_dir(&folder).with_context(|| format!("make {}", folder.display()))?;
        said(Command::new("runc").arg("spec").current_dir(&folder))?;
        let file = folder.join("config.json");
        let mut config: Value =
            serde_json::from_str(&fs::read_to_string(&file)?).context("read runc's config.json")?;
        config["process"]["terminal"] = json!(false);
        config["process"]["args"] = json!(command);
        config["root"] = json!({"path": root, "readonly": false});
        if limits {
            let memory = json!({"limit": 64 << 20, "swap": 128 << 20});
            config["linux"]["resources"] = json!({"memory": memory, "pids": {"limit": 50}});
        }
        fs::write(&file, config.to_string()).with_context(|| format!("write {}", file.display()))?;
        Ok(folder)
    }
}

impl Drop for Runc {
    fn drop(&mut self) {
        // By force: it is no error when there is none.
        let removed =
            said(Command::new("runc").arg("--root").arg(self.state()).args(["delete", "--force", ID]));
        if let Err(error) = removed {
            eprintln!("xtask: {error:#}");
        }
    }
}
