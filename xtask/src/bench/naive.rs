//! Naive variants of our own code: patches in `xtask/naive`, each of a step, that take one good idea out of it.
//!
//! Before the diff stand `step:`, `about:` (what it does, in a line), `run:` (what the program is run with to be timed) and,
//! where something has to be there first, `prepare:` (what it is run with once before).

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::ours::Ours;
use super::place::Place;
use crate::steps::{self, Step};
use crate::{cargo, workspace};

/// A patch with its header.
#[derive(Debug, PartialEq)]
pub struct Patch {
    /// The file's name without its ending.
    pub name: String,
    path: PathBuf,
    pub step: String,
    pub about: String,
    pub run: String,
    pub prepare: Option<String>,
}

/// A variant that was built, and the real one to stand beside it.
pub struct Naive {
    pub name: String,
    pub about: String,
    pub run: String,
    pub prepare: Option<String>,
    pub real: Ours,
    pub naive: Ours,
}

impl Naive {
    /// The id of its row.
    pub fn row(&self) -> String {
        format!("naive-{}", self.name)
    }
}

/// All of `xtask/naive`, by name.
pub fn all() -> Result<Vec<Patch>> {
    let folder = steps::root().join("xtask/naive");
    let mut patches = Vec::new();
    if !folder.is_dir() {
        return Ok(patches);
    }
    for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry.with_context(|| format!("list {}", folder.display()))?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            patches.push(parse(&path, &text).with_context(|| format!("read {}", path.display()))?);
        }
    }
    patches.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(patches)
}

fn parse(path: &Path, text: &str) -> Result<Patch> {
    let name = path.file_stem().context("a patch without a name")?.to_string_lossy().into_owned();
    let (mut step, mut about, mut run, mut prepare) = (None, None, None, None);
    for line in text.lines().take_while(|line| !line.starts_with("--- ")) {
        let (key, value) = line.split_once(':').unwrap_or((line.trim(), ""));
        let field = match key {
            "step" => &mut step,
            "about" => &mut about,
            "run" => &mut run,
            "prepare" => &mut prepare,
            "" => continue,
            _ => bail!("{line:?} is none of step:, about:, run: and prepare:"),
        };
        ensure!(!value.trim().is_empty(), "nothing stands behind {key}:");
        *field = Some(value.trim().to_owned());
    }
    let step = step.context("no line `step: stepNN` before the diff")?;
    steps::find(&steps::all(), &step)?;
    let about = about.context("no line `about: …` before the diff")?;
    let run = run.context("no line `run: …` before the diff")?;
    Ok(Patch { name, path: path.to_owned(), step, about, run, prepare })
}

/// Builds a release of each variant; `real` finds the step's own release.
pub fn build(patches: &[Patch], place: &Place, real: impl Fn(&str) -> Result<PathBuf>) -> Result<Vec<Naive>> {
    let all = steps::all();
    let built = |patch: &Patch| -> Result<Naive> {
        let binary = compile(steps::find(&all, &patch.step)?.0, patch)?;
        let (folder, name) = (place.folder("naive")?, &patch.name);
        let staged = folder.join(format!("bin-{name}"));
        fs::copy(&binary, &staged).with_context(|| format!("copy {}", binary.display()))?;
        Ok(Naive {
            name: name.clone(),
            about: patch.about.clone(),
            run: patch.run.clone(),
            prepare: patch.prepare.clone(),
            real: Ours::new(&patch.step, real(&patch.step)?, &folder, &format!("{name}-real"))?,
            naive: Ours::new(&patch.step, staged, &folder, name)?,
        })
    };
    patches.iter().map(built).collect()
}

fn compile(step: &Step, patch: &Patch) -> Result<PathBuf> {
    let beside = workspace::beneath_target("naive");
    let folder = beside.join(&step.name);
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    workspace::lay_out(&step.path, &folder)?;
    workspace::apply(&folder, &patch.path)?;
    let target = beside.join("build");
    let target = target.to_str().context("the checkout's path is not UTF-8")?;
    let allow = "build.rustflags=[\"-Awarnings\"]";
    let arguments = ["build", "--quiet", "--release", "--config", allow, "--target-dir", target];
    let built = cargo::build(&folder, &arguments).with_context(|| format!("build {}", patch.name))?;
    let binary = built.into_iter().find(|one| one.target == step.name);
    Ok(binary.context("cargo built no binary")?.path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> Result<Patch> {
        parse(Path::new("naive/slow.patch"), text)
    }

    #[test]
    fn the_header_says_what_is_timed() {
        let patch =
            parsed("step: step08\nabout: a: b\nrun: run --rm base true\n\n--- a/x\n+++ b/x\n").unwrap();
        assert_eq!((patch.name.as_str(), patch.step.as_str()), ("slow", "step08"));
        assert_eq!((patch.about.as_str(), patch.run.as_str()), ("a: b", "run --rm base true"));
        assert_eq!(patch.prepare, None);
        let patch =
            parsed("step: step08\nabout: x\nprepare: run -d base sleep 9\nrun: ps\n--- a/x\n").unwrap();
        assert_eq!(patch.prepare.as_deref(), Some("run -d base sleep 9"));
    }

    #[test]
    fn a_header_that_says_too_little_or_nonsense_is_refused() {
        for text in [
            "about: x\nrun: ps\n--- a",
            "step: step08\nrun: ps\n--- a",
            "step: step08\nabout: x\n--- a",
            "step: step08\nabout: x\nrun:\n--- a",
            "step: step99\nabout: x\nrun: ps\n--- a",
            "step: step08\nabout: x\nrun: ps\nchek: y\n--- a",
        ] {
            assert!(parsed(text).is_err(), "{text}");
        }
    }

    #[test]
    fn every_patch_can_be_read_and_still_applies() {
        let all_steps = steps::all();
        for patch in all().unwrap() {
            let scratch = crate::scratch::Scratch::new("naive").unwrap();
            let step = steps::find(&all_steps, &patch.step).unwrap().0;
            workspace::lay_out(&step.path, scratch.path()).unwrap();
            workspace::apply(scratch.path(), &patch.path).unwrap();
        }
    }
}
