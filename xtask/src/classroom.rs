//! `cargo xtask classroom`: a whole class, graded in one `grade batch`.
//!
//! The submissions are planted wrong variants, as programs: the same number of each step, spread over the step's folder of
//! variants. What each has to lose is known beforehand: the checks of its header and those that `also.txt` names, and what
//! these block. All others have to pass. The host has to be as it was, and the three reports have to agree.

mod expected;
mod outcome;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::mutants::{self, Bed, Leg, Variant};
use crate::scratch::Scratch;
use crate::steps::{self, Step};
use crate::{cargo, legs};
use expected::Expected;

#[derive(clap::Args)]
pub struct Args {
    /// So many submissions
    #[arg(long, default_value_t = 40)]
    count: usize,
    /// So many at once
    #[arg(long, default_value_t = 2)]
    jobs: usize,
    /// Only these steps
    #[arg(long, value_name = "STEP", value_delimiter = ',')]
    step: Vec<String>,
    /// Grade with an optimized `grade`
    #[arg(long)]
    release: bool,
    /// Leave the submissions and the reports in this folder
    #[arg(long, value_name = "FOLDER")]
    keep: Option<PathBuf>,
}

pub fn run(args: &Args) -> Result<()> {
    ensure!(
        Leg::here() == Leg::Root,
        "needs root: what an ordinary user's gradings leave out, these variants are about"
    );
    let scratch = Scratch::new("classroom")?;
    let place = args.keep.as_deref().unwrap_or(scratch.path());
    let folder = place.join("submissions");
    fs::create_dir_all(&folder).with_context(|| format!("make {}", folder.display()))?;
    let start = Instant::now();
    let grade = grade(args.release)?;
    let expected = hand_in(args, &grade, &folder)?;
    println!("{} submissions built in {} s", expected.len(), start.elapsed().as_secs());
    let before = legs::host::state()?;
    let start = Instant::now();
    let batch = batch(&grade, args.jobs, place)?;
    println!("graded in {} s, {} at once", start.elapsed().as_secs(), args.jobs);
    let wrong = outcome::compare(&expected, &batch)?;
    outcome::agree(&expected, place)?;
    let left = legs::host::difference(&before, &legs::host::state()?);
    left.iter().for_each(|line| println!("{line}"));
    ensure!(left.is_empty(), "the host is not as it was before");
    ensure!(wrong == 0, "{wrong} of {} submissions have another score than they should", expected.len());
    println!("all {} have the score that they should, and the host is as it was", expected.len());
    Ok(())
}

fn grade(release: bool) -> Result<PathBuf> {
    // With the others, so that nothing is built twice with other features of what they share.
    let all = ["build", "--quiet", "--workspace", "--bins"];
    let one = ["build", "--quiet", "--release", "--package", "grade"];
    let built = cargo::build(steps::root(), if release { &one[..] } else { &all[..] })?;
    let grade = built.into_iter().find(|one| one.target == "grade" && !one.test);
    Ok(grade.context("cargo built no grade")?.path)
}

/// Builds the variants into the folder; what each has to come to, by the name of its file.
fn hand_in(args: &Args, grade: &Path, folder: &Path) -> Result<BTreeMap<String, Expected>> {
    let mut steps = steps::all();
    for name in &args.step {
        steps::find(&steps, name)?;
    }
    steps.retain(|step| args.step.is_empty() || args.step.contains(&step.name));
    let mut expected = BTreeMap::new();
    for (number, step) in steps.iter().enumerate() {
        // 10 submissions of 4 steps are 3, 3, 2 and 2.
        let each = args.count / steps.len() + usize::from(number < args.count % steps.len());
        let chosen = chosen(step, each)?;
        if chosen.is_empty() {
            continue;
        }
        let bed = Bed::with(step, grade)?;
        for variant in chosen {
            let binary = bed.build(&variant.name, &[&variant.patch])?;
            let name = format!("{}-{}", step.name, variant.name);
            fs::copy(&binary, folder.join(&name)).with_context(|| format!("hand in {name}"))?;
            expected.insert(name, Expected::of(step, &variant)?);
        }
    }
    Ok(expected)
}

/// So many of the step's variants, from the first to the last of those that root can run.
fn chosen(step: &Step, count: usize) -> Result<Vec<Variant>> {
    let mut variants = mutants::of(step)?;
    variants.retain(|variant| variant.leg == Leg::Root);
    let all = variants.len();
    let count = count.min(all);
    let places: Vec<usize> = (0..count).map(|number| number * all / count).collect();
    let numbered = variants.into_iter().enumerate().filter(|(number, _)| places.contains(number));
    Ok(numbered.map(|(_, variant)| variant).collect())
}

/// Grades the folder into three reports, and returns the one in JSON.
fn batch(grade: &Path, jobs: usize, place: &Path) -> Result<serde_json::Value> {
    let mut command = Command::new(grade);
    command.arg("batch").arg(place.join("submissions")).args(["--jobs", &jobs.to_string()]);
    for format in ["csv", "json", "html"] {
        command.args(["--format", format, "--output"]).arg(place.join(format!("report.{format}")));
    }
    // What fails here is meant to.
    let status = command.env_remove("FORK_TO_VETH_CHECK_LOG").status().context("start grade")?;
    ensure!(status.success(), "grade batch ended with {status}");
    let text = fs::read(place.join("report.json")).context("read the report")?;
    serde_json::from_slice(&text).context("read the report")
}
