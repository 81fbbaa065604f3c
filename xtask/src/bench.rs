//! `cargo xtask bench`: how long a container takes from start to exit, and what it costs to have many of them, beside the
//! tools that people use.
//!
//! Figures are medians, for people to read: nothing is asserted, because a busy machine is not a fault of the code.

mod crowd;
mod docker;
mod exec;
mod headroom;
mod interrupt;
mod ours;
mod place;
mod podman;
mod runc;
mod start;
mod timing;

use std::path::PathBuf;

use anyhow::{Context, Result, bail, ensure};
use clap::builder::ArgPredicate;

use crate::{cargo, steps};
use ours::Ours;
use place::Place;
use timing::Pace;

/// The first step that has an image to start, and the first whose containers live on.
const FIRST: &str = "step04";
const DETACHED: &str = "step07";

#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench step05                 start to exit, beside step 04, bubblewrap, runc, podman and Docker
  cargo xtask bench --exec step07          exec in a running container, beside runc's and Docker's
  cargo xtask bench --crowd=20 step07      20 containers at once; 500 when no number is given
  cargo xtask bench step05 --data /dev/shm --options='--storage-driver vfs'

Docker takes part when FORK_TO_VETH_DOCKER names its socket, such as unix:///tmp/docker.sock, and a daemon answers there.")]
pub struct Args {
    /// The step to measure; step07 with --exec and --crowd
    #[arg(
        default_value = FIRST,
        default_value_ifs = [
            ("exec", ArgPredicate::IsPresent, DETACHED),
            ("crowd", ArgPredicate::IsPresent, DETACHED),
        ],
        value_parser = step
    )]
    step: String,
    /// Time `exec` in a running container instead of a container's start
    #[arg(long)]
    exec: bool,
    /// Start so many containers at once, and time their start, ps, stop and rm
    #[arg(
        long,
        value_name = "N",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "500",
        conflicts_with = "exec",
        value_parser = clap::value_parser!(u32).range(1..)
    )]
    crowd: Option<u32>,
    /// How many of the crowd are started at a time
    #[arg(long, value_name = "N", default_value_t = 2, requires = "crowd", value_parser = clap::value_parser!(u32).range(1..))]
    jobs: u32,
    /// Options for the step's own `run`, such as '--network none'
    #[arg(
        long,
        value_name = "OPTIONS",
        default_value = "",
        hide_default_value = true,
        allow_hyphen_values = true
    )]
    options: String,
    /// The folder in which images and containers are kept meanwhile; the system's for temporary files when not given
    #[arg(long, value_name = "DIR")]
    data: Option<PathBuf>,
    /// How often each command is run in a round
    #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
    /// Rounds through all commands
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..))]
    rounds: u32,
}

pub fn run(args: &Args) -> Result<()> {
    ensure!(found("hyperfine"), "hyperfine is not installed; apt-get install hyperfine");
    ensure!(nix::unistd::geteuid().is_root(), "runc and the limits need root; run this as root");
    let detached = args.exec || args.crowd.is_some();
    ensure!(
        !detached || args.step.as_str() >= DETACHED,
        "{}: containers live on from {DETACHED} on; --exec and --crowd need such a step",
        args.step
    );
    let built = build(&wanted(args)?)?;
    let place = Place::new(args.data.as_deref())?;
    interrupt::catch()?;
    place.tell()?;
    let mut all = Vec::new();
    for (step, bin) in built {
        let options = if step == args.step { &args.options } else { "" };
        all.push(Ours::new(step, bin, &place, options)?);
    }
    let pace = Pace { runs: args.runs, rounds: args.rounds };
    match args.crowd {
        Some(count) => crowd::run(&all[0], count, args.jobs, &pace, &place),
        None if args.exec => exec::run(&all, &pace, &place),
        None => start::run(&all, &pace, &place),
    }
}

/// The step that was asked for first; for the start, then the step before it; step 04 last, which makes the plain folder
/// that is the peers' root.
fn wanted(args: &Args) -> Result<Vec<String>> {
    let mut wanted = vec![args.step.clone()];
    if args.crowd.is_some() {
        return Ok(wanted);
    }
    if !args.exec {
        let before = steps::find(&steps::all(), &args.step)?.1.map(|step| step.name.clone());
        wanted.extend(before.filter(|name| name.as_str() >= FIRST));
    }
    wanted.push(FIRST.to_owned());
    wanted.dedup();
    Ok(wanted)
}

/// Release builds of these steps: each one's name and binary, in their order.
fn build(steps: &[String]) -> Result<Vec<(String, PathBuf)>> {
    let mut arguments = vec!["build", "--release"];
    arguments.extend(steps.iter().flat_map(|step| ["--package", step]));
    let built = cargo::build(steps::root(), &arguments)?;
    let binary = |step: &String| {
        let found = built.iter().find(|one| one.target == *step && !one.test);
        found.map(|one| (step.clone(), one.path.clone())).with_context(|| format!("cargo built no {step}"))
    };
    steps.iter().map(binary).collect()
}

fn step(name: &str) -> Result<String> {
    steps::find(&steps::all(), name)?;
    if name < FIRST {
        bail!("a container has no image before {FIRST}");
    }
    Ok(name.to_owned())
}

fn found(program: &str) -> bool {
    grade::need::program(program).is_some()
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Args, wanted};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(words: &str) -> Option<Args> {
        Cli::try_parse_from(words.split_whitespace()).ok().map(|cli| cli.args)
    }

    #[test]
    fn the_step_that_is_not_named_fits_what_is_measured() {
        let step = |words: &str| parsed(words).unwrap().step;
        assert_eq!(step("bench"), "step04");
        assert_eq!(step("bench --exec"), "step07");
        assert_eq!(step("bench --crowd"), "step07");
        assert_eq!(step("bench --runs=1"), "step04");
    }

    #[test]
    fn the_size_of_a_crowd_stands_behind_an_equals_sign() {
        let crowd = |words: &str| parsed(words).and_then(|args| args.crowd);
        assert_eq!(crowd("bench --crowd step07"), Some(500));
        assert_eq!(crowd("bench --crowd=20 step07"), Some(20));
        assert!(parsed("bench --crowd=0 step07").is_none());
    }

    #[test]
    fn each_step_that_is_compared_is_built_once() {
        let wanted = |words: &str| wanted(&parsed(words).unwrap()).unwrap();
        assert_eq!(wanted("bench"), ["step04"]);
        assert_eq!(wanted("bench step05"), ["step05", "step04"]);
        assert_eq!(wanted("bench step06"), ["step06", "step05", "step04"]);
        assert_eq!(wanted("bench --exec step07"), ["step07", "step04"]);
        assert_eq!(wanted("bench --crowd step07"), ["step07"]);
    }

    #[test]
    fn flags_that_do_not_fit_together_are_refused() {
        for words in ["bench --exec --crowd", "bench --jobs 1", "bench step03", "bench step99"] {
            assert!(parsed(words).is_none(), "{words}");
        }
    }
}
