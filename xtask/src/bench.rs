//! `cargo xtask bench`: what a container costs, beside the tools that people use, on the machine at hand.
//!
//! Figures are medians, for people to read: nothing is asserted, because a busy machine is not a fault of the code.

mod about;
mod args;
mod enclose;
mod headroom;
mod interrupt;
mod leftovers;
mod line;
mod naive;
mod ours;
mod peers;
mod place;
pub mod plot;
pub mod results;
mod sections;
pub mod table;
mod targets;
mod timing;

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use anyhow::{Context, Result, ensure};

use crate::{cargo, steps};
pub use args::Args;
use naive::Naive;
use ours::Ours;
use peers::Peers;
use place::Place;
use results::{Group, Results};
use sections::{Bench, GROUPS, NETWORK, PLAIN, Section};
use timing::Measured;

/// The step whose image, a plain folder, is the root of all peers.
const ROOT: &str = "step04";

/// Where the published results are, from the checkout's root.
pub const PUBLISHED: &str = "book/bench/results.json";

pub fn run(args: &Args) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "namespaces and limits need root; run this as root");
    let wanted = args.wanted();
    let patches = if wanted.contains(&Section::Naive) { naive::all()? } else { Vec::new() };
    ensure!(!wanted.contains(&Section::Naive) || !patches.is_empty(), "there is no patch in xtask/naive");
    let built = build(&steps_for(&wanted, &patches))?;
    // From here on there is something to remove.
    interrupt::catch(true)?;
    let place = Place::new(args.data.as_deref())?;
    let real = |step: &str| built.get(step).cloned().with_context(|| format!("{step} was not built"));
    let naive = naive::build(&patches, &place, real)?;
    enclose::run(|| inside(args, &wanted, &built, naive, &place))
}

/// What is done in the namespaces.
fn inside(
    args: &Args,
    wanted: &[Section],
    built: &BTreeMap<String, PathBuf>,
    naive: Vec<Naive>,
    place: &Place,
) -> Result<()> {
    let begin = Instant::now();
    let about = about::before(place, args.quick)?;
    let mut results = Results { about, ..Results::default() };
    let ours = |(step, bin): (&String, &PathBuf)| Ours::new(step, bin.clone(), place.path(), step);
    let ours: Vec<Ours> = built.iter().map(ours).collect::<Result<_>>()?;
    ours.iter().try_for_each(Ours::prepare)?;
    let root = ours.iter().find(|ours| ours.step == ROOT).context("no step has made a root")?.root();
    let peers = Peers::find(&args.peers(), root, place)?;
    let (pace, crowd) = (args.pace(), args.crowd());
    let bench = Bench { ours, peers, naive, pace, place, crowd, quick: args.quick };
    let measured = measure(&bench, wanted, &mut results);
    about::after(&mut results.about, &bench.peers, begin.elapsed());
    // Daemons end, and what lives on is removed, before anything is told.
    results.absent.extend(bench.peers.absent.iter().cloned());
    drop(bench);
    let failed = measured?;
    results.compare();
    results.targets = targets::judge(&results);
    tell(args, &results, failed.is_empty())?;
    ensure!(failed.is_empty(), "not measured: {}", failed.join(", "));
    Ok(())
}

/// Measures section by section. One that fails does not take the results of the others with it; which did is returned.
fn measure(bench: &Bench, wanted: &[Section], results: &mut Results) -> Result<Vec<String>> {
    let (mut groups, mut failed): (BTreeMap<&str, Group>, _) = (BTreeMap::new(), Vec::new());
    for section in wanted {
        let begin = Instant::now();
        eprint!("{} … ", section.name());
        let measured = section.run(bench);
        interrupt::check()?;
        let Measured { rows, absent, warnings } = measured.unwrap_or_else(|error| {
            failed.push(section.name());
            let mut nothing = Measured::default();
            nothing.absent(&section.name(), &error);
            nothing
        });
        eprintln!("{} s", begin.elapsed().as_secs());
        for (id, row) in rows {
            groups.entry(id).or_default().rows.push(row);
        }
        results.absent.extend(absent);
        results.warnings.extend(warnings);
    }
    for (id, title) in GROUPS {
        let found = groups.remove(id);
        results.groups.extend(found.map(|group| Group {
            id: id.to_owned(),
            title: title.to_owned(),
            ..group
        }));
    }
    ensure!(groups.is_empty(), "a row is in none of the groups");
    Ok(failed)
}

/// Prints the results, and writes them where they are wanted; for the book only the `whole` of them.
fn tell(args: &Args, results: &Results, whole: bool) -> Result<()> {
    let json = serde_json::to_string_pretty(results).context("write the results as JSON")? + "\n";
    let published = (args.publish && whole).then(|| steps::root().join(PUBLISHED));
    for file in args.output.iter().chain(&published) {
        write(file, &json)?;
    }
    if let Some(file) = &args.svg {
        write(file, &plot::svg(results).context("no start was measured, so there is nothing to draw")?)?;
    }
    print!("{}", if args.json { json } else { table::text(results) });
    Ok(())
}

fn write(file: &Path, text: &str) -> Result<()> {
    if let Some(folder) = file.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        fs::create_dir_all(folder).with_context(|| format!("make {}", folder.display()))?;
    }
    fs::write(file, text).with_context(|| format!("write {}", file.display()))
}

/// The steps that these sections run, in order.
fn steps_for(wanted: &[Section], patches: &[naive::Patch]) -> Vec<String> {
    let mut names: Vec<String> = match wanted.contains(&Section::Start) {
        true => steps::all().into_iter().map(|step| step.name).collect(),
        false => [ROOT, PLAIN, NETWORK].map(str::to_owned).to_vec(),
    };
    names.extend(patches.iter().map(|patch| patch.step.clone()));
    names.sort();
    names.dedup();
    names
}

/// Release builds of these steps: each one's name and binary.
fn build(steps: &[String]) -> Result<BTreeMap<String, PathBuf>> {
    let mut arguments = vec!["build", "--release"];
    arguments.extend(steps.iter().flat_map(|step| ["--package", step]));
    let built = cargo::build(steps::root(), &arguments)?;
    let binary = |step: &String| {
        let found = built.iter().find(|one| one.target == *step && !one.test);
        found.map(|one| (step.clone(), one.path.clone())).with_context(|| format!("cargo built no {step}"))
    };
    steps.iter().map(binary).collect()
}

#[cfg(test)]
mod tests {
    use super::sections::Section;
    use super::steps_for;

    #[test]
    fn only_the_steps_that_are_run_are_built() {
        assert_eq!(steps_for(&[Section::Exec], &[]), ["step04", "step07", "step08"]);
        assert_eq!(steps_for(&[Section::Start], &[]).len(), 8);
    }
}
