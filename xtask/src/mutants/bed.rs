//! Where variants are built: a workspace of one step beneath `target/mutants`, and a staging folder for running them.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, anyhow, bail};
use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;

use super::variant::Variant;
use crate::scratch::Scratch;
use crate::steps::{self, Step};
use crate::{cargo, workspace};

/// Who runs the checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Leg {
    Root,
    User,
}

/// A user that no entry of /etc/passwd knows.
const NOBODY_IN_PARTICULAR: u32 = 4242;

impl Leg {
    pub fn named(name: &str) -> Result<Leg> {
        match name {
            "root" => Ok(Leg::Root),
            "user" => Ok(Leg::User),
            _ => bail!("a leg is root or user, not {name:?}"),
        }
    }

    /// The leg of this process.
    pub fn here() -> Leg {
        if nix::unistd::geteuid().is_root() { Leg::Root } else { Leg::User }
    }

    /// Why this leg cannot be run here.
    pub fn obstacle(self) -> Option<String> {
        (self == Leg::Root && Leg::here() == Leg::User)
            .then(|| "is about root, and this is an ordinary user".to_owned())
    }
}

/// How one check ended: a line of the log that `FORK_TO_VETH_CHECK_LOG` names.
#[derive(Deserialize)]
pub struct Outcome {
    pub check: String,
    pub outcome: String,
    pub reason: Option<String>,
}

impl Outcome {
    /// Neither passed nor skipped.
    pub fn is_wrong(&self) -> bool {
        self.outcome != "pass" && self.outcome != "skipped"
    }

    pub fn describe(&self) -> String {
        format!("{}: {} {}", self.check, self.outcome, self.reason.as_deref().unwrap_or_default())
    }
}

pub struct Bed {
    step: String,
    source: PathBuf,
    /// The workspace, `target/mutants/stepNN`.
    workspace: PathBuf,
    grade: PathBuf,
    /// Readable by every user, on a filesystem that executes.
    stage: Scratch,
    /// Held as long as the workspace is in use.
    _lock: Flock<File>,
}

impl Bed {
    /// Builds `grade` and makes the workspace.
    pub fn prepare(step: &Step) -> Result<Bed> {
        let grade = cargo::build(steps::root(), &["build", "--quiet", "--workspace", "--bins"])?;
        let grade = grade
            .into_iter()
            .find(|one| one.target == "grade" && !one.test)
            .context("cargo built no grade")?;
        Bed::with(step, &grade.path)
    }

    /// The same with a `grade` that is there already.
    pub fn with(step: &Step, grade: &Path) -> Result<Bed> {
        let workspace = mutants_folder().join(&step.name);
        fs::create_dir_all(&workspace).with_context(|| format!("make {}", workspace.display()))?;
        let lock = File::create(workspace.with_file_name("lock")).context("make the workspaces' lock")?;
        let lock = Flock::lock(lock, FlockArg::LockExclusiveNonblock)
            .map_err(|(_, error)| anyhow!("{}: another run is using it: {error}", workspace.display()))?;
        let stage = Scratch::new("mutants")?;
        fs::set_permissions(stage.path(), fs::Permissions::from_mode(0o755))?;
        let staged = stage.path().join("grade");
        fs::copy(grade, &staged).context("stage grade")?;
        Ok(Bed {
            step: step.name.clone(),
            source: step.path.clone(),
            workspace,
            grade: staged,
            stage,
            _lock: lock,
        })
    }

    /// Builds the step, with these patches one upon the other; returns the staged binary, which has `name` in its own.
    pub fn build(&self, name: &str, patches: &[&Path]) -> Result<PathBuf> {
        workspace::lay_out(&self.source, &self.workspace)?;
        patches.iter().try_for_each(|patch| workspace::apply(&self.workspace, patch))?;
        let target = mutants_folder().join("build");
        let target = target.to_str().context("the checkout's path is not UTF-8")?;
        let arguments =
            ["build", "--quiet", "--config", "build.rustflags=[\"-Awarnings\"]", "--target-dir", target];
        let built = cargo::build(&self.workspace, &arguments).with_context(|| format!("build {name}"))?;
        let binary =
            built.into_iter().find(|one| one.target == self.step).context("cargo built no binary")?;
        let staged = self.stage.path().join(format!("{}-{name}", self.step));
        fs::copy(&binary.path, &staged).with_context(|| format!("stage {}", binary.path.display()))?;
        Ok(staged)
    }

    /// Whether a variant's patch fits the step as it is: this much is asked of those, too, that there is no time to build.
    pub fn applies(&self, variant: &Variant) -> Result<()> {
        workspace::lay_out(&self.source, &self.workspace)?;
        workspace::apply(&self.workspace, &variant.patch)
    }

    /// Holds a binary to checks of its step, as the leg's user.
    pub fn check(&self, binary: &Path, leg: Leg, checks: &BTreeSet<&str>) -> Result<Vec<Outcome>> {
        self.check_for(&self.step, binary, leg, checks)
    }

    /// Holds a binary to checks of a step or an exercise, as the leg's user.
    pub fn check_for(
        &self,
        assignment: &str,
        binary: &Path,
        leg: Leg,
        checks: &BTreeSet<&str>,
    ) -> Result<Vec<Outcome>> {
        let scratch = Scratch::new("checks")?;
        let log = scratch.path().join("log");
        let ids: Vec<&str> = checks.iter().copied().collect();
        let mut grade = Command::new(&self.grade);
        grade.args(["check", assignment, "--bin"]).arg(binary).args(["--filter", &ids.join(",")]);
        grade.env("FORK_TO_VETH_CHECK_LOG", &log).stdout(Stdio::null()).stdin(Stdio::null());
        fs::set_permissions(scratch.path(), fs::Permissions::from_mode(0o777))?;
        if leg == Leg::User && nix::unistd::geteuid().is_root() {
            grade.uid(NOBODY_IN_PARTICULAR).gid(NOBODY_IN_PARTICULAR).env("HOME", scratch.path());
        }
        grade.status().context("start grade")?;
        let lines = fs::read_to_string(&log).context("read the checks' log")?;
        let outcomes =
            lines.lines().map(|line| serde_json::from_str::<Outcome>(line).context("read the checks' log"));
        let outcomes: Vec<Outcome> = outcomes.collect::<Result<_>>()?;
        let mut named = Vec::new();
        for id in ids {
            let is_it = |outcome: &&Outcome| outcome.check == id;
            let found = outcomes.iter().find(is_it).with_context(|| format!("{id} was not run"))?;
            named.push(Outcome {
                check: id.to_owned(),
                outcome: found.outcome.clone(),
                reason: found.reason.clone(),
            });
        }
        Ok(named)
    }
}

/// Where the workspaces are, and what is built of them.
fn mutants_folder() -> PathBuf {
    workspace::beneath_target("mutants")
}
