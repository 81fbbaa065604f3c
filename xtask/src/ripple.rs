//! Ripple: carries an edit made in one step into the steps after it, by three-way merge.
//!
//! What a step was before the edit is read from git; what it is now, from the working tree. The difference between the two
//! goes into the next step, that step's own difference into the one after it, and so on.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use anyhow::{Context, bail, ensure};

use crate::scratch::Scratch;
use crate::steps::{self, Step};

#[derive(clap::Args)]
pub struct Args {
    /// The step that was edited: step03
    step: String,
    /// What the edit is compared with
    #[arg(long, value_name = "REV", default_value = "HEAD")]
    base: String,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let outcome = ripple(steps::root(), &steps::all(), &args.step, &args.base)?;
    for line in &outcome.done {
        println!("{line}");
    }
    if let Some(step) = &outcome.stopped {
        for conflict in &outcome.conflicts {
            eprintln!("conflict: {conflict}");
        }
        bail!(
            "mend {} of {step}, then `cargo xtask ripple {step}`: nothing was written in the steps after it",
            if outcome.conflicts.len() == 1 { "this file" } else { "these files" }
        );
    }
    if outcome.done.is_empty() {
        println!("{} is as in {}, or the steps after it have its edit already", args.step, args.base);
    }
    Ok(())
}

#[derive(Debug, Default)]
struct Outcome {
    /// What was written, a line each.
    done: Vec<String>,
    /// The files that could not be merged, relative to the repository.
    conflicts: Vec<String>,
    /// The step that they are in.
    stopped: Option<String>,
}

/// A file's content, or `None` where there is no such file.
type Content = Option<Vec<u8>>;

/// Carries the edits of the step called `name` into all that follow it, up to the first that has a conflict.
fn ripple(root: &Path, steps: &[Step], name: &str, base: &str) -> anyhow::Result<Outcome> {
    steps::find(steps, name)?;
    let first = steps.iter().position(|step| step.name == name).expect("just found");
    let git = Git { root, base };
    git.check_base()?;
    let mut outcome = Outcome::default();
    for pair in steps[first..].windows(2) {
        let [from, into] = pair else { unreachable!("windows of two") };
        for (file, (before, after)) in git.edits(from)? {
            carry_into(into, &file, &before, &after, &mut outcome)?;
        }
        // The other files of this step have their edits: once it is mended, the ripple can go on from it.
        if !outcome.conflicts.is_empty() {
            outcome.stopped = Some(into.name.clone());
            break;
        }
    }
    Ok(outcome)
}

fn carry_into(
    into: &Step,
    file: &str,
    before: &Content,
    after: &Content,
    outcome: &mut Outcome,
) -> anyhow::Result<()> {
    let path = into.path.join(file);
    let ours = content(&path)?;
    let place = format!("{}/{file}", into.folder());
    match carry(before, &ours, after)? {
        Carried::Nothing => {}
        Carried::Clean(merged) => {
            write(&path, merged.as_deref())?;
            let word = match (&ours, &merged) {
                (None, _) => "added",
                (_, None) => "removed",
                _ if *before == ours => "copied",
                _ => "merged",
            };
            outcome.done.push(format!("{word} {place}"));
        }
        Carried::Conflict(marked) => {
            write(&path, Some(&marked))?;
            outcome.conflicts.push(place);
        }
        Carried::Refused(why) => outcome.conflicts.push(format!("{place}: {why}")),
    }
    Ok(())
}

#[derive(Debug, PartialEq)]
enum Carried {
    /// The step has the edit already.
    Nothing,
    Clean(Content),
    /// The merge with conflict marks.
    Conflict(Vec<u8>),
    /// There is nothing to put marks in.
    Refused(&'static str),
}

/// Merges one file's edit, `before` to `after`, into `ours`.
fn carry(before: &Content, ours: &Content, after: &Content) -> anyhow::Result<Carried> {
    if ours == after || before == after {
        return Ok(Carried::Nothing);
    }
    if ours == before {
        return Ok(Carried::Clean(after.clone()));
    }
    match (before, ours, after) {
        (_, Some(ours), Some(after)) => merge(before.as_deref().unwrap_or_default(), ours, after),
        (Some(_), None, Some(_)) => {
            Ok(Carried::Refused("the edit changes it, and this step does not have it"))
        }
        (Some(_), Some(_), None) => Ok(Carried::Refused("the edit removes it, and this step has changed it")),
        _ => unreachable!("equal contents were dealt with"),
    }
}

/// `git merge-file -p`: 0 is a clean merge, up to 127 the number of conflicts, and more an error.
fn merge(before: &[u8], ours: &[u8], after: &[u8]) -> anyhow::Result<Carried> {
    let scratch = Scratch::new("merge")?;
    let file = |name: &str, bytes: &[u8]| -> anyhow::Result<PathBuf> {
        let path = scratch.path().join(name);
        fs::write(&path, bytes).with_context(|| format!("write {}", path.display()))?;
        Ok(path)
    };
    let output = Command::new("git")
        .args(["merge-file", "-p", "-L", "this step", "-L", "before the edit", "-L", "the edit"])
        .args([file("ours", ours)?, file("before", before)?, file("after", after)?])
        .stderr(Stdio::inherit())
        .output()
        .context("run git merge-file")?;
    match output.status.code() {
        Some(0) if output.stdout == ours => Ok(Carried::Nothing),
        Some(0) => Ok(Carried::Clean(Some(output.stdout))),
        Some(1..=127) => Ok(Carried::Conflict(output.stdout)),
        _ => bail!("git merge-file: {}", output.status),
    }
}

fn content(path: &Path) -> anyhow::Result<Content> {
    match fs::read(path) {
        Ok(bytes) => Ok(Some(bytes)),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error).with_context(|| format!("read {}", path.display())),
    }
}

/// Writes a file in place, so that its mode stays; removes it when there is no content.
fn write(path: &Path, content: Option<&[u8]>) -> anyhow::Result<()> {
    let Some(bytes) = content else {
        return fs::remove_file(path).with_context(|| format!("remove {}", path.display()));
    };
    let folder = path.parent().context("a file lies in a folder")?;
    fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    let mut file = fs::File::create(path).with_context(|| format!("open {}", path.display()))?;
    file.write_all(bytes).with_context(|| format!("write {}", path.display()))
}

struct Git<'a> {
    root: &'a Path,
    base: &'a str,
}

impl Git<'_> {
    fn run(&self, arguments: &[&str]) -> anyhow::Result<Output> {
        Command::new("git")
            .arg("-C")
            .arg(self.root)
            .args(arguments)
            .output()
            .with_context(|| format!("run git {}", arguments.join(" ")))
    }

    fn check_base(&self) -> anyhow::Result<()> {
        let commit = format!("{}^{{commit}}", self.base);
        let output = self.run(&["rev-parse", "--verify", "--quiet", &commit])?;
        ensure!(output.status.success(), "git knows no commit {:?}", self.base);
        Ok(())
    }

    /// Every file of the step that differs between the base and the working tree, with both contents.
    /// The manifest is left out: it says what this step alone is.
    fn edits(&self, step: &Step) -> anyhow::Result<BTreeMap<String, (Content, Content)>> {
        let folder = step.folder();
        let mut edits = BTreeMap::new();
        let mut files = step.files()?;
        files.extend(self.committed(&folder)?);
        for file in files.into_iter().filter(|file| file != "Cargo.toml") {
            let before = self.show(&folder, &file)?;
            let after = content(&step.path.join(&file))?;
            if before != after {
                edits.insert(file, (before, after));
            }
        }
        Ok(edits)
    }

    /// The files of a folder at the base.
    fn committed(&self, folder: &str) -> anyhow::Result<Vec<String>> {
        let output =
            self.run(&["ls-tree", "-r", "-z", "--name-only", self.base, "--", &format!("{folder}/")])?;
        ensure!(output.status.success(), "git ls-tree: {}", String::from_utf8_lossy(&output.stderr).trim());
        let names = String::from_utf8(output.stdout).context("read a file's name")?;
        let prefix = format!("{folder}/");
        Ok(names.split('\0').filter_map(|name| name.strip_prefix(&prefix)).map(str::to_owned).collect())
    }

    fn show(&self, folder: &str, file: &str) -> anyhow::Result<Content> {
        let object = format!("{}:{folder}/{file}", self.base);
        let known = self.run(&["cat-file", "-e", &object])?;
        if !known.status.success() {
            return Ok(None);
        }
        let output = self.run(&["cat-file", "blob", &object])?;
        ensure!(
            output.status.success(),
            "git cat-file {object}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
        Ok(Some(output.stdout))
    }
}

#[cfg(test)]
mod tests;
