//! What is to be measured, and how often.

use std::path::PathBuf;

use clap::builder::PossibleValuesParser;

use super::peers;
use super::sections::Section;
use super::timing::Pace;

const PACE: Pace = Pace { runs: 6, rounds: 5, warm_up: 2 };
const QUICK: Pace = Pace { runs: 4, rounds: 2, warm_up: 1 };

#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask bench                        everything, in some ten minutes, and five to build the naive variants
  cargo xtask bench --quick                everything with fewer runs and a smaller archive
  cargo xtask bench start exec             these sections alone
  cargo xtask bench start --only docker    beside Docker alone
  cargo xtask bench naive                  the naive variants of xtask/naive beside the real ones
  cargo xtask bench --publish              everything, written to where the book takes it from

It needs root, and runs in namespaces of its own: processes, links and mounts of the host are not touched.
Docker's daemon is started there, unless FORK_TO_VETH_DOCKER names the socket of another one.")]
pub struct Args {
    /// What to measure; all but `naive` when nothing is named
    pub sections: Vec<Section>,
    /// The naive variants of xtask/naive, too
    #[arg(long)]
    pub naive: bool,
    /// Fewer runs, smaller crowds, a small archive
    #[arg(long)]
    pub quick: bool,
    /// Only these peers beside ours
    #[arg(long, value_name = "PEER", value_delimiter = ',', value_parser = PossibleValuesParser::new(peers::NAMES))]
    pub only: Vec<String>,
    /// How many containers there are at once, in `crowd`
    #[arg(long, value_name = "N", value_delimiter = ',', value_parser = clap::value_parser!(u32).range(1..))]
    pub crowd: Vec<u32>,
    /// The folder in which everything is kept meanwhile; the system's for temporary files when not given
    #[arg(long, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// How often each command is run in a round
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub runs: Option<u16>,
    /// Rounds through all commands
    #[arg(long, value_parser = clap::value_parser!(u16).range(1..))]
    pub rounds: Option<u16>,
    /// Print the results as JSON instead of tables
    #[arg(long)]
    pub json: bool,
    /// Write the results as JSON to this file
    #[arg(long, value_name = "FILE")]
    pub output: Option<PathBuf>,
    /// Draw the starts into this file
    #[arg(long, value_name = "FILE")]
    pub svg: Option<PathBuf>,
    /// Measure all of it, naive variants included, and write it to where the book takes it from
    #[arg(long, conflicts_with_all = ["sections", "quick", "only", "crowd", "runs", "rounds"])]
    pub publish: bool,
}

impl Args {
    pub fn wanted(&self) -> Vec<Section> {
        let mut wanted = if self.sections.is_empty() { Section::usual() } else { self.sections.clone() };
        if (self.naive || self.publish) && !wanted.contains(&Section::Naive) {
            wanted.push(Section::Naive);
        }
        wanted
    }

    pub fn peers(&self) -> Vec<&str> {
        if self.only.is_empty() {
            peers::NAMES.to_vec()
        } else {
            self.only.iter().map(String::as_str).collect()
        }
    }

    pub fn pace(&self) -> Pace {
        let pace = if self.quick { QUICK } else { PACE };
        Pace {
            runs: self.runs.map_or(pace.runs, usize::from),
            rounds: self.rounds.map_or(pace.rounds, usize::from),
            ..pace
        }
    }

    pub fn crowd(&self) -> Vec<u32> {
        match (&self.crowd[..], self.quick) {
            ([], true) => vec![1, 10, 100],
            ([], false) => vec![1, 10, 100, 500],
            (asked, _) => asked.to_vec(),
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::{Args, Section};

    #[derive(Parser)]
    struct Cli {
        #[command(flatten)]
        args: Args,
    }

    fn parsed(words: &str) -> Option<Args> {
        Cli::try_parse_from(words.split_whitespace()).ok().map(|cli| cli.args)
    }

    #[test]
    fn everything_but_the_naive_variants_is_measured_when_nothing_is_named() {
        let wanted = |words: &str| parsed(words).unwrap().wanted();
        assert!(wanted("bench").contains(&Section::Start) && !wanted("bench").contains(&Section::Naive));
        assert_eq!(wanted("bench exec crowd"), [Section::Exec, Section::Crowd]);
        assert_eq!(wanted("bench naive --naive"), [Section::Naive]);
        assert_eq!(wanted("bench --publish").len(), wanted("bench").len() + 1);
    }

    #[test]
    fn a_quick_run_has_fewer_of_everything() {
        let (quick, full) = (parsed("bench --quick").unwrap(), parsed("bench").unwrap());
        assert!(quick.pace().runs * quick.pace().rounds < full.pace().runs * full.pace().rounds);
        assert_eq!((quick.crowd().last(), full.crowd().last()), (Some(&100), Some(&500)));
        assert_eq!(parsed("bench --crowd 3,4 --runs 7").unwrap().crowd(), [3, 4]);
        assert_eq!(parsed("bench --quick --runs 7").unwrap().pace().runs, 7);
    }

    #[test]
    fn flags_that_do_not_fit_together_are_refused() {
        for words in [
            "bench --publish --quick",
            "bench --publish exec",
            "bench --only nobody",
            "bench --crowd 0",
            "bench no",
        ] {
            assert!(parsed(words).is_none(), "{words}");
        }
        assert_eq!(parsed("bench --only docker,runc").unwrap().peers(), ["docker", "runc"]);
    }
}
