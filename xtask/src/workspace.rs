//! A copy of one step in a workspace of its own, beneath the target folder, for building it otherwise than it is.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use crate::steps;

/// A folder in cargo's target folder. With `CARGO_TARGET_DIR` it lies in that one, so that two runs with folders of
/// their own do not meet.
pub fn beneath_target(folder: &str) -> PathBuf {
    let target = std::env::var_os("CARGO_TARGET_DIR").map(PathBuf::from);
    // Cargo takes a relative one from where it was started.
    let target = target.map(|folder| std::path::absolute(&folder).unwrap_or(folder));
    target.unwrap_or_else(|| steps::root().join("target")).join(folder)
}

/// Lays out a fresh copy of the step at `source` as `workspace/step`, with the same versions of everything.
///
/// # Errors
/// When a file cannot be read or written, or a manifest is not one.
pub fn lay_out(source: &Path, workspace: &Path) -> Result<()> {
    let crate_folder = workspace.join("step");
    if crate_folder.exists() {
        fs::remove_dir_all(&crate_folder).with_context(|| format!("remove {}", crate_folder.display()))?;
    }
    copy_tree(&source.join("src"), &crate_folder.join("src"))?;
    let mut manifest = read(&source.join("Cargo.toml"))?;
    // The tests stay behind: grade runs them.
    manifest.remove("dev-dependencies");
    manifest.remove("test");
    fs::write(crate_folder.join("Cargo.toml"), manifest.to_string())?;
    let mut root = read(&steps::root().join("Cargo.toml"))?;
    let table = root.get_mut("workspace").and_then(toml::Value::as_table_mut).context("no [workspace]")?;
    table.insert("members".to_owned(), vec!["step"].into());
    fs::write(workspace.join("Cargo.toml"), root.to_string())?;
    fs::copy(steps::root().join("Cargo.lock"), workspace.join("Cargo.lock"))?;
    Ok(())
}

/// Applies a patch to the copy that was laid out.
///
/// # Errors
/// When it does not apply: what git has to say.
pub fn apply(workspace: &Path, patch: &Path) -> Result<()> {
    let mut git = Command::new("git");
    git.current_dir(workspace.join("step")).arg("apply").arg(patch);
    // Outside of any repository, so that paths are taken from here.
    let output = git.env("GIT_CEILING_DIRECTORIES", workspace).output().context("start git")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{} does not apply any more: {}", patch.display(), complaint.trim());
    Ok(())
}

fn read(path: &Path) -> Result<toml::Table> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    text.parse().with_context(|| format!("read {}", path.display()))
}

fn copy_tree(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).with_context(|| format!("make {}", to.display()))?;
    for entry in fs::read_dir(from).with_context(|| format!("list {}", from.display()))? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_tree(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), &target).with_context(|| format!("copy {}", entry.path().display()))?;
        }
    }
    Ok(())
}
