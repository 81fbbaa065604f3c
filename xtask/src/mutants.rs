//! `cargo xtask mutants stepNN`: proof that the checks can fail.
//!
//! `grade/mutants/stepNN/NAME.patch` is a planted wrong variant: the step with one thing taken out. Before the diff stand
//! `check:` (the checks that the variant has to lose), `about:` and, where an ordinary user is needed, `leg: user`.
//! Each variant is built beside the checkout and held to its checks, every one of which must fail.

mod bed;
mod variant;

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};

use crate::steps::{self, Step};
pub use bed::{Bed, Leg, Outcome};
pub use variant::{Variant, all as variants_in};

#[derive(clap::Args)]
pub struct Args {
    /// The steps, such as step02; all when none is named
    steps: Vec<String>,
    /// Only the variants with these names
    #[arg(long, value_delimiter = ',')]
    only: Vec<String>,
    /// Only the steps whose code, checks or variants differ from this revision
    #[arg(long, value_name = "REVISION")]
    changed_since: Option<String>,
    /// Start no further variant after this many seconds
    #[arg(long, value_name = "SECONDS")]
    budget: Option<u64>,
    /// Fail when a check is named by no variant
    #[arg(long)]
    require_all: bool,
}

/// How a variant ended.
enum Verdict {
    /// It lost every check that it names.
    Killed,
    /// It kept a check that it should lose, or something else went wrong: the reason.
    Survived(String),
    /// A check was skipped here, with its reason.
    NotProvable(String),
    NotRun,
}

/// The variants of a step.
pub fn of(step: &Step) -> Result<Vec<Variant>> {
    variant::all(&steps::root().join("grade/mutants").join(&step.name))
}

pub fn run(args: &Args) -> Result<()> {
    let all = steps::all();
    for name in &args.steps {
        steps::find(&all, name)?;
    }
    let deadline = args.budget.map(|seconds| Instant::now() + Duration::from_secs(seconds));
    let mut counts = [0usize; 4];
    let mut unnamed = Vec::new();
    for step in &all {
        let asked = args.steps.is_empty() || args.steps.contains(&step.name);
        if !asked || !changed(step, args.changed_since.as_deref())? {
            println!("{}: left out", step.name);
            continue;
        }
        let variants = of(step)?;
        unnamed.extend(checks_without(step, &variants));
        let wanted = variants.iter().filter(|v| args.only.is_empty() || args.only.contains(&v.name));
        prove(step, &wanted.collect::<Vec<_>>(), deadline, &mut counts)?;
    }
    let [killed, survived, not_provable, not_run] = counts;
    println!(
        "{} variants: {killed} killed, {survived} survived, {not_provable} not provable here, {not_run} not run",
        counts.iter().sum::<usize>()
    );
    if !unnamed.is_empty() {
        println!("no variant names {}", unnamed.join(", "));
    }
    ensure!(survived == 0, "{survived} wrong variants passed a check that they should lose");
    ensure!(!args.require_all || unnamed.is_empty(), "{} checks have no variant", unnamed.len());
    ensure!(killed > 0 || args.changed_since.is_some(), "not one variant was run: this proves nothing");
    Ok(())
}

/// Holds the step itself to all the checks that its variants name, and then each variant to its own.
fn prove(
    step: &Step,
    variants: &[&Variant],
    deadline: Option<Instant>,
    counts: &mut [usize; 4],
) -> Result<()> {
    if variants.is_empty() {
        return Ok(());
    }
    let bed = Bed::prepare(step)?;
    let late = || deadline.is_some_and(|deadline| Instant::now() > deadline);
    if late() {
        return variants.iter().try_for_each(|variant| {
            counts[3] += 1;
            println!("{} {} → {}: not run: no time left", step.name, variant.name, variant.checks.join(", "));
            bed.applies(variant)
        });
    }
    let original = bed.build("original", &[])?;
    for leg in [Leg::Root, Leg::User] {
        let named = variants.iter().filter(|variant| variant.leg == leg).flat_map(|variant| &variant.checks);
        let named: BTreeSet<&str> = named.map(String::as_str).collect();
        if named.is_empty() || leg.obstacle().is_some() {
            continue;
        }
        let wrong: Vec<_> =
            bed.check(&original, leg, &named)?.into_iter().filter(Outcome::is_wrong).collect();
        let list: Vec<_> = wrong.iter().map(Outcome::describe).collect();
        ensure!(wrong.is_empty(), "{} itself does not pass: {}", step.name, list.join("; "));
    }
    for variant in variants {
        let start = Instant::now();
        let verdict = if late() {
            bed.applies(variant)
                .map_or_else(|error| Verdict::Survived(format!("{error:#}")), |()| Verdict::NotRun)
        } else {
            judge(&bed, variant)
        };
        let (place, word, reason) = match verdict {
            Verdict::Killed => (0, "killed", String::new()),
            Verdict::Survived(reason) => (1, "SURVIVED", reason),
            Verdict::NotProvable(reason) => (2, "not provable here", reason),
            Verdict::NotRun => (3, "not run: no time left", String::new()),
        };
        counts[place] += 1;
        let (name, checks, seconds) =
            (&variant.name, variant.checks.join(", "), start.elapsed().as_secs_f32());
        println!("{} {name} → {checks}: {word} ({seconds:.1} s)", step.name);
        for line in reason.lines() {
            println!("    {line}");
        }
    }
    // What a variant has left, such as an empty cgroup, the next good run removes.
    bed.check(&original, Leg::here(), &BTreeSet::from(["exit-status-own"])).map(drop)
}

fn judge(bed: &Bed, variant: &Variant) -> Verdict {
    if let Some(obstacle) = variant.leg.obstacle() {
        return Verdict::NotProvable(obstacle);
    }
    let checks: BTreeSet<&str> = variant.checks.iter().map(String::as_str).collect();
    let outcomes =
        bed.build(&variant.name, &[&variant.patch]).and_then(|bin| bed.check(&bin, variant.leg, &checks));
    match outcomes {
        Err(error) => Verdict::Survived(format!("{error:#}")),
        Ok(outcomes) => {
            let skipped: Vec<_> =
                outcomes.iter().filter(|o| o.outcome == "skipped").map(Outcome::describe).collect();
            let kept: Vec<_> = outcomes
                .iter()
                .filter(|o| o.outcome != "fail" && o.outcome != "skipped")
                .map(Outcome::describe)
                .collect();
            match (kept.is_empty(), skipped.is_empty()) {
                (false, _) => Verdict::Survived(kept.join("\n")),
                (true, false) => Verdict::NotProvable(skipped.join("\n")),
                (true, true) => Verdict::Killed,
            }
        }
    }
}

/// The step's own checks that no variant names.
fn checks_without(step: &Step, variants: &[Variant]) -> Vec<String> {
    let number = step.name.trim_start_matches("step").parse().unwrap_or(0);
    let own = grade::all().into_iter().filter(|check| check.step == number).map(|check| check.id);
    own.filter(|id| !variants.iter().any(|variant| variant.checks.iter().any(|name| name == id)))
        .map(str::to_owned)
        .collect()
}

/// Whether a step's code, its checks or its variants differ from a revision.
fn changed(step: &Step, revision: Option<&str>) -> Result<bool> {
    let Some(revision) = revision else { return Ok(true) };
    let folder = step.folder();
    let mutants = format!("grade/mutants/{}", step.name);
    let paths = [folder.as_str(), "grade/src", mutants.as_str()];
    let mut git = Command::new("git");
    git.current_dir(steps::root()).args(["diff", "--quiet", revision, "--"]).args(paths.map(Path::new));
    match git.status().context("start git")?.code() {
        Some(0) => Ok(false),
        Some(1) => Ok(true),
        _ => anyhow::bail!("git does not know the revision {revision}"),
    }
}
