//! What a student hands in: a crate, or a binary.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use serde::Deserialize;

use crate::check::Outcome;
use crate::exercise::Assignment;
use crate::report::Entry;
use crate::warden::{self, Limits, Said, Work};

mod cargo;

pub(crate) use cargo::build_inside;
use cargo::caches;
pub use cargo::{Build, Built};

/// Bytes of a Cargo.toml. It is read before anything limits who reads it.
const LONGEST_MANIFEST: u64 = 1 << 20;

/// A submission in either shape.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Source {
    /// A program that is there already.
    Binary(PathBuf),
    Crate(Crate),
}

impl Source {
    /// What it is an answer to, where it says so itself: a crate by its metadata or name, a binary by its name.
    #[must_use]
    pub fn assignment(&self) -> Option<Assignment> {
        match self {
            Source::Binary(path) => step_in(&path.file_name()?.to_string_lossy()),
            Source::Crate(one) => one.assignment,
        }
    }

    /// The folder of the crate, or the binary.
    #[must_use]
    pub fn path(&self) -> &Path {
        match self {
            Source::Binary(path) => path,
            Source::Crate(one) => &one.dir,
        }
    }
}

/// How a crate was built.
#[derive(Clone, Debug)]
pub struct Attempt {
    /// What the report says of it.
    pub entry: Entry,
    /// The binary, when it went well.
    pub binary: Option<PathBuf>,
    /// Bytes of memory that the build used at the most, where the kernel could tell.
    pub peak_memory: Option<u64>,
}

/// A crate to be built.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Crate {
    /// Its folder.
    pub dir: PathBuf,
    /// What it is an answer to: from its metadata, else from its name.
    pub assignment: Option<Assignment>,
    /// The target that is checked.
    target: Option<String>,
    /// The workspace's folder, for its lock file, and where it is built.
    workspace: Option<(PathBuf, PathBuf)>,
}

#[derive(Deserialize)]
struct Manifests {
    packages: Vec<Package>,
    workspace_root: PathBuf,
    target_directory: PathBuf,
}

#[derive(Deserialize)]
struct Package {
    name: String,
    manifest_path: PathBuf,
    metadata: Option<serde_json::Value>,
    default_run: Option<String>,
    targets: Vec<Target>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
    kind: Vec<String>,
}

impl Crate {
    /// What cargo knows of the crate in `dir`. One whose manifest is broken has a folder and nothing else, and will fail
    /// to build.
    ///
    /// # Errors
    /// When there is no crate, or cargo cannot be started.
    pub fn in_folder(dir: &Path) -> Result<Crate> {
        let dir = fs::canonicalize(dir).with_context(|| format!("find the folder {}", dir.display()))?;
        let manifest = dir.join("Cargo.toml");
        ensure!(manifest.is_file(), "{} has no Cargo.toml: hand in a crate, or --bin PATH", dir.display());
        let size = fs::metadata(&manifest)?.len();
        ensure!(
            size <= LONGEST_MANIFEST,
            "a Cargo.toml of {size} bytes, where {LONGEST_MANIFEST} are allowed"
        );
        let Ok(found) = serde_json::from_slice::<Manifests>(&cargo::metadata(&manifest)?) else {
            return Ok(Crate { dir, assignment: None, target: None, workspace: None });
        };
        let workspace = Some((found.workspace_root, found.target_directory));
        let package = found.packages.into_iter().find(|package| package.manifest_path == manifest);
        let assignment = package.as_ref().and_then(assignment_of);
        Ok(Crate { dir, assignment, target: package.and_then(target_of), workspace })
    }

    /// The same, built in a folder of its own: a binary must not be overwritten by the next crate of its name.
    #[must_use]
    pub fn built_apart(mut self) -> Crate {
        let own = self.dir.join("target");
        let inside = |root: PathBuf| if root.starts_with(&self.dir) { root } else { self.dir.clone() };
        self.workspace = self.workspace.map(|(root, _)| (inside(root), own));
        self
    }

    /// Why it is not built at all: what it is built in can be written to, and a symlink could lead to anybody's files.
    fn refusal(&self) -> Option<String> {
        let (_, target) = self.workspace.as_ref()?;
        target.is_symlink().then(|| format!("{} is a symlink: nothing is built there", target.display()))
    }

    fn work(&self) -> Result<Build> {
        let mut arguments: Vec<String> = Vec::new();
        if let Some(target) = &self.target {
            arguments.extend(["--bin".into(), target.clone()]);
        }
        let mut writable = vec![self.dir.clone()];
        if let Some((root, target)) = &self.workspace {
            arguments.extend(["--target-dir".into(), target.to_string_lossy().into_owned()]);
            fs::create_dir_all(target).with_context(|| format!("make {}", target.display()))?;
            writable.extend([root.clone(), target.clone()]);
        }
        writable.extend(caches());
        writable.sort();
        writable.dedup();
        Ok(Build { dir: self.dir.clone(), arguments, writable })
    }

    /// Builds it under a warden.
    ///
    /// # Errors
    /// When this machine cannot build anything.
    pub fn build(&self, limits: Limits) -> Result<Attempt> {
        if let Some(words) = self.refusal() {
            let entry = Entry::build(Outcome::fail(words), 0);
            return Ok(Attempt { entry, binary: None, peak_memory: None });
        }
        let start = Instant::now();
        let (mut built, mut lack) = (None, None);
        let end = warden::run(&Work::Build(self.work()?), limits, &mut |said| {
            match said {
                Said::Built(word) => built = Some(word),
                Said::Lack(reason) => lack = Some(reason),
                Said::Entry(_) => {}
            }
            ControlFlow::Continue(())
        })?;
        if let Some(reason) = built.as_ref().and_then(Built::lack).map(String::from).or(lack) {
            bail!("{reason}");
        }
        let (outcome, binary) = match built {
            None if end.time_is_up => {
                let limit = Duration::from_secs(limits.seconds);
                (Outcome::fail(format!("cargo build was not done after {limit:?}")), None)
            }
            None => (Outcome::fail("cargo build was killed"), None),
            Some(built) => self.judge(built),
        };
        let millis = u64::try_from(start.elapsed().as_millis()).unwrap_or(u64::MAX);
        Ok(Attempt { entry: Entry::build(outcome, millis), binary, peak_memory: end.peak_memory })
    }

    fn judge(&self, built: Built) -> (Outcome, Option<PathBuf>) {
        if let Some(words) = built.failure {
            return (Outcome::fail(words), None);
        }
        match self.choose(&built.executables) {
            Some(binary) => (Outcome::Pass, Some(binary)),
            None => {
                (Outcome::fail(format!("cargo built no one program to check: {:?}", built.executables)), None)
            }
        }
    }

    fn choose(&self, executables: &[(String, PathBuf)]) -> Option<PathBuf> {
        let named = executables.iter().find(|(name, _)| Some(name) == self.target.as_ref());
        let only = if executables.len() == 1 { executables.first() } else { None };
        named.or(only).map(|(_, path)| path.clone())
    }
}

/// `exercise = "whose-path"` or `step = "step03"` under `[package.metadata.grade]`, else a name that holds `step03`.
fn assignment_of(package: &Package) -> Option<Assignment> {
    let stated = |key: &str| package.metadata.as_ref()?.pointer(key)?.as_str();
    match (stated("/grade/exercise"), stated("/grade/step")) {
        (Some(exercise), _) => Assignment::named(exercise),
        (None, step) => step_in(step.unwrap_or(&package.name)),
    }
}

fn step_in(name: &str) -> Option<Assignment> {
    name.split(['-', '_', '.']).find_map(crate::step_number).map(Assignment::Step)
}

/// The package's only program, else the one that `cargo run` would run, or that has the package's name.
fn target_of(package: Package) -> Option<String> {
    let programs = package.targets.into_iter().filter(|target| target.kind.iter().any(|kind| kind == "bin"));
    let names: Vec<String> = programs.map(|target| target.name).collect();
    match &names[..] {
        [only] => Some(only.clone()),
        _ => package.default_run.or_else(|| names.into_iter().find(|name| *name == package.name)),
    }
}

#[cfg(test)]
mod tests;
