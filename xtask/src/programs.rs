//! A step's programs, built and put where any user can run them.

use std::fs::{self, File, Permissions};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use crate::cargo::{self, Executable};
use crate::steps::{self, Step};

/// One step's programs: the command itself and its checks.
pub struct Programs {
    pub step: String,
    bin: PathBuf,
    conformance: PathBuf,
}

/// Builds the binary and the checks of each step that is named, or of all that are present.
///
/// # Errors
/// When there is no such step, or the build fails.
pub fn build(wanted: &[String]) -> Result<Vec<Programs>> {
    let all = steps::all();
    for name in wanted {
        steps::find(&all, name)?;
    }
    // The whole workspace, whatever is wanted: alone, a step has other features of its dependencies, and cargo would build
    // those once more.
    let built = cargo::build(steps::root(), &["test", "--quiet", "--no-run", "--workspace"])?;
    let chosen = all.iter().filter(|step| wanted.is_empty() || wanted.contains(&step.name));
    chosen.map(|step| Programs::find(step, &built)).collect()
}

impl Programs {
    fn find(step: &Step, built: &[Executable]) -> Result<Programs> {
        let manifest = step.path.join("Cargo.toml");
        let find = |target: &str, test: bool| {
            let wanted =
                |one: &&Executable| one.manifest == manifest && one.target == target && one.test == test;
            let found = built.iter().find(wanted).map(|program| program.path.clone());
            found.with_context(|| format!("{} builds no {target}", step.name))
        };
        Ok(Programs {
            step: step.name.clone(),
            bin: find(&step.name, false)?,
            conformance: find("conformance", true)?,
        })
    }

    pub fn bin(&self) -> &Path {
        &self.bin
    }

    /// Copies both into `folder`, as `step03` and `step03-conformance`.
    pub fn stage(&self, folder: &Path) -> Result<()> {
        for (from, name) in [(&self.bin, self.step.clone()), (&self.conformance, self.checks())] {
            fs::copy(from, folder.join(name)).with_context(|| format!("copy {}", from.display()))?;
        }
        Ok(())
    }

    /// The name of the staged checks.
    pub fn checks(&self) -> String {
        format!("{}-conformance", self.step)
    }

    #[cfg(test)]
    pub fn named(step: &str) -> Programs {
        Programs { step: step.to_owned(), bin: PathBuf::new(), conformance: PathBuf::new() }
    }
}

/// Makes an empty log of checks that every user can append to, where `FORK_TO_VETH_CHECK_LOG` then points.
pub fn fresh_log(log: &Path) -> Result<()> {
    let made = fs::write(log, "").and_then(|()| fs::set_permissions(log, Permissions::from_mode(0o666)));
    made.with_context(|| format!("make {}", log.display()))
}

/// Appends what was logged in `from` to `to`.
pub fn keep_log(from: &Path, to: &Path) -> Result<()> {
    let lines = fs::read(from).with_context(|| format!("read {}", from.display()))?;
    let file = File::options().append(true).create(true).open(to);
    file.and_then(|mut file| file.write_all(&lines)).with_context(|| format!("append to {}", to.display()))
}
