//! Where images live between runs.

use anyhow::{Context, Result, anyhow};
use nix::unistd::geteuid;
use std::env;
use std::fs;
use std::path::{Path, PathBuf};

/// The data directory, made if it is not there: `FORK_TO_VETH_ROOT`, else root's below /var/lib, and another user's
/// where the XDG base directory specification says.
pub fn directory() -> Result<PathBuf> {
    let path = choose()?;
    fs::create_dir_all(&path).with_context(|| {
        format!("make the data directory {} (FORK_TO_VETH_ROOT names another)", path.display())
    })?;
    Ok(path)
}

fn choose() -> Result<PathBuf> {
    let variable = |name: &str| env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    if let Some(path) = variable("FORK_TO_VETH_ROOT") {
        return std::path::absolute(path).context("read FORK_TO_VETH_ROOT");
    }
    if geteuid().is_root() {
        return Ok("/var/lib/fork-to-veth".into());
    }
    let base = variable("XDG_DATA_HOME").filter(|path| path.is_absolute());
    let base = base.or_else(|| variable("HOME").map(|home| home.join(Path::new(".local/share"))));
    let base =
        base.ok_or_else(|| anyhow!("no data directory: HOME is not set; set it, or FORK_TO_VETH_ROOT"))?;
    Ok(base.join("fork-to-veth"))
}
