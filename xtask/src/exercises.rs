//! `cargo xtask exercises`: proof that the exercises can be solved, and that their checks tell a solution from a wrong one.
//!
//! `grade/exercises/ID/solution.patch` is a solution, a diff of the step; every patch in `wrong/` beside it is a wrong one, a
//! diff of what the solution comes to, with a header like that of a planted variant. Where there is nothing to solve, but
//! something to try out and to take back, there is no solution, and these are diffs of the step.
//!
//! The step as it is has to fail the exercise's own checks, for the reason that the exercise states; the solution has to
//! pass all that it names; a wrong one has to lose the checks of its header, and no others.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, bail, ensure};
use grade::exercise::{Exercise, parse};

use crate::mutants::{Bed, Leg, Outcome, Variant, variants_in};
use crate::steps::{self, Step};

/// So many exercises of a step are held to checks, at least.
const EACH: usize = 3;

#[derive(clap::Args)]
pub struct Args {
    /// Steps and exercises, such as step02 and memory-reservation; all when none is named
    names: Vec<String>,
}

/// An exercise and what stands in its folder.
struct Kit {
    exercise: Exercise,
    solution: Option<PathBuf>,
    wrong: Vec<Variant>,
}

impl Kit {
    /// What `grade` is asked to check: it knows an exercise by its id if that has checks of its own, and by its step if not.
    fn assignment(&self) -> String {
        let Exercise { id, own, step, .. } = &self.exercise;
        if own.is_empty() { format!("step{step:02}") } else { id.clone() }
    }
}

#[derive(Default)]
struct Counts {
    proved: usize,
    failed: usize,
    /// Checks that were skipped here.
    skipped: usize,
}

pub fn run(args: &Args) -> Result<()> {
    let mut counts = Counts::default();
    let mut unknown: BTreeSet<&String> = args.names.iter().collect();
    for step in &steps::all() {
        let mut kits = kits(step)?;
        let enough = kits.len() >= EACH || !args.names.is_empty();
        ensure!(enough, "{}: {} of {EACH} exercises have checks that were tried", step.name, kits.len());
        unknown.retain(|name| **name != step.name && kits.iter().all(|kit| kit.exercise.id != **name));
        let named = |kit: &Kit| args.names.contains(&step.name) || args.names.contains(&kit.exercise.id);
        kits.retain(|kit| args.names.is_empty() || named(kit));
        if !kits.is_empty() {
            prove_all(step, &kits, &mut counts)?;
        }
    }
    let Counts { proved, failed, skipped } = counts;
    println!("{proved} proved, {failed} failed, {skipped} checks skipped here");
    ensure!(unknown.is_empty(), "neither a step nor an exercise that is checked: {unknown:?}");
    ensure!(failed == 0, "{failed} of these are not what the exercise says");
    ensure!(proved > 0, "not one was run: this proves nothing");
    Ok(())
}

/// The exercises of a step that are held to checks.
fn kits(step: &Step) -> Result<Vec<Kit>> {
    let file = steps::root().join(format!("book/exercises/{}.toml", step.name));
    let text = std::fs::read_to_string(&file).with_context(|| format!("read {}", file.display()))?;
    let number = grade::step_number(&step.name).context("a step without a number")?;
    let exercises = parse(&text, number).with_context(|| format!("read {}", file.display()))?;
    let mut kits = Vec::new();
    for exercise in exercises {
        let folder = steps::root().join("grade/exercises").join(&exercise.id);
        let solution = folder.join("solution.patch");
        ensure!(
            exercise.own.is_empty() != solution.is_file(),
            "{}: a solution and checks of its own come together",
            exercise.id
        );
        let wrong = variants_in(&folder.join("wrong"))?;
        if let Some(one) = wrong.iter().find(|one| !names(&exercise).contains(&one.checks[0].as_str())) {
            bail!("{}: {} is no check of {}", one.patch.display(), one.checks[0], exercise.id);
        }
        if !wrong.is_empty() {
            kits.push(Kit { solution: solution.is_file().then_some(solution), exercise, wrong });
        }
    }
    Ok(kits)
}

/// The ids of all its checks.
fn names(exercise: &Exercise) -> BTreeSet<&str> {
    exercise.own.iter().chain(&exercise.checks).map(String::as_str).collect()
}

fn prove_all(step: &Step, kits: &[Kit], counts: &mut Counts) -> Result<()> {
    let bed = Bed::prepare(step)?;
    let original = bed.build("original", &[])?;
    for kit in kits {
        let id = &kit.exercise.id;
        let mut tell = |what: &str, start: Instant, verdict: Result<usize>| {
            let seconds = start.elapsed().as_secs_f32();
            match verdict {
                Ok(skipped) => {
                    counts.proved += 1;
                    counts.skipped += skipped;
                    let skipped =
                        if skipped == 0 { String::new() } else { format!(", {skipped} skipped here") };
                    println!("{} {id}: {what}{skipped} ({seconds:.1} s)", step.name);
                }
                Err(error) => {
                    counts.failed += 1;
                    println!("{} {id}: FAILED: {what} ({seconds:.1} s)\n    {error:#}", step.name);
                }
            }
        };
        let start = Instant::now();
        tell("the step is red, and has what it is about", start, starter(&bed, &original, kit));
        if let Some(patch) = &kit.solution {
            let start = Instant::now();
            tell("the solution passes", start, solved(&bed, patch, kit));
        }
        for one in &kit.wrong {
            let start = Instant::now();
            let what = format!("{} loses {}, and nothing else", one.name, one.checks.join(", "));
            tell(&what, start, wrong(&bed, one, kit));
        }
    }
    bed.check(&original, Leg::here(), &BTreeSet::from(["exit-status-own"])).map(drop)
}

/// The step as it is: its own checks fail for the stated reason, the others pass. Says how many were skipped.
fn starter(bed: &Bed, original: &Path, kit: &Kit) -> Result<usize> {
    let Exercise { own, red, .. } = &kit.exercise;
    let outcomes = bed.check_for(&kit.assignment(), original, Leg::here(), &names(&kit.exercise))?;
    let (own, about): (Vec<_>, Vec<_>) = outcomes.iter().partition(|outcome| own.contains(&outcome.check));
    all_good(&about)?;
    let failed: Vec<_> = own.iter().filter(|outcome| outcome.outcome == "fail").collect();
    let other = failed.iter().find(|one| !one.reason.as_deref().unwrap_or_default().contains(red.as_str()));
    if let Some(other) = other {
        bail!("it does not say {red:?}: {}", other.describe());
    }
    let skipped = skipped(&outcomes);
    ensure!(
        own.is_empty() || !failed.is_empty() || skipped > 0,
        "nothing is red before the exercise is solved"
    );
    Ok(skipped)
}

fn solved(bed: &Bed, patch: &Path, kit: &Kit) -> Result<usize> {
    let id = &kit.exercise.id;
    let binary = bed.build(&format!("{id}-solution"), &[patch])?;
    let outcomes = bed.check_for(&kit.assignment(), &binary, Leg::here(), &names(&kit.exercise))?;
    all_good(&outcomes.iter().collect::<Vec<_>>())?;
    Ok(skipped(&outcomes))
}

fn wrong(bed: &Bed, one: &Variant, kit: &Kit) -> Result<usize> {
    if let Some(obstacle) = one.leg.obstacle() {
        println!("    {}: {obstacle}", one.name);
        return Ok(one.checks.len());
    }
    // What goes wrong on v1 alone loses nothing elsewhere.
    if one.needs.starts_with("cgroup v1")
        && let Some(lack) = grade::Need::CgroupV1("cpu").missing()
    {
        println!("    {}: {lack}", one.name);
        return Ok(one.checks.len());
    }
    let id = &kit.exercise.id;
    let patches: Vec<&Path> = kit.solution.as_deref().into_iter().chain([one.patch.as_path()]).collect();
    let binary = bed.build(&format!("{id}-{}", one.name), &patches)?;
    let outcomes = bed.check_for(&kit.assignment(), &binary, one.leg, &names(&kit.exercise))?;
    for outcome in &outcomes {
        let named = one.checks.contains(&outcome.check);
        match outcome.outcome.as_str() {
            "pass" => ensure!(!named, "{} passes", outcome.check),
            "fail" => ensure!(named, "it loses more than it names: {}", outcome.describe()),
            // Behind a check that it is to lose.
            "blocked" => {}
            _ => println!("    {}", outcome.describe()),
        }
    }
    Ok(skipped(&outcomes))
}

fn all_good(outcomes: &[&Outcome]) -> Result<()> {
    let wrong: Vec<_> = outcomes.iter().filter(|one| one.is_wrong()).map(|one| one.describe()).collect();
    ensure!(wrong.is_empty(), "{}", wrong.join("; "));
    Ok(())
}

fn skipped(outcomes: &[Outcome]) -> usize {
    outcomes.iter().filter(|outcome| outcome.outcome == "skipped").count()
}
