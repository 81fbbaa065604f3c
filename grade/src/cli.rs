//! The command line.

use std::io::{self, Write};
use std::process::ExitCode;

use anyhow::Result;
use clap::{CommandFactory, FromArgMatches, Parser, Subcommand};
use grade::exercise::Assignment;

mod batch;
mod catalog;
mod check;
mod exercises;
mod outputs;
mod start;
mod watch;

/// Exit status when grade was asked for what it cannot do: usage, a file that is not there.
const USAGE: u8 = 2;

/// Checks container runtimes built along "From fork to veth".
#[derive(Parser)]
#[command(version, after_help = EXIT_STATUS)]
struct Cli {
    #[command(subcommand)]
    command: Action,
}

const EXIT_STATUS: &str = "\
Exit status: 0 all passed, 1 something failed, 2 wrong usage, 3 this machine cannot run it (nothing was judged).
With --format classroom50 it is 0 also when something failed, as Classroom 50 wants it.";

#[derive(Subcommand)]
enum Action {
    /// Make the crate that a student begins a step or an exercise with: it compiles, and something is to be written
    Start(start::Args),
    /// Build a crate and hold it to the checks of its step and of those before, or to those of its exercise
    Check(check::Args),
    /// Grade a folder of submissions, crates or binaries, into one report
    Batch(batch::Args),
    /// Say what this machine and this user can do, step by step, and what mends each lack
    ///
    /// Exits with 0 when every step can run, else with 3.
    Doctor {
        /// How to write it
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
    /// Show a hint of a check or an exercise, the first or the Nth
    ///
    /// Example: grade hint exit-status-own 2
    Hint {
        #[arg(value_name = "ID")]
        id: String,
        #[arg(default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..))]
        n: u16,
    },
    /// Say all about a check, or an exercise, but its hints
    Explain {
        #[arg(value_name = "ID")]
        id: String,
    },
    /// List the exercises: step, level, minutes, points, id, title
    Exercises,
    /// List every check: step, points, id, title
    List {
        /// How to write it
        #[arg(long, value_name = "FORMAT", default_value = "text", value_parser = ["text", "json"])]
        format: String,
    },
}

pub(crate) fn main() -> ExitCode {
    let matches = Cli::command().get_matches();
    let cli = Cli::from_arg_matches(&matches).unwrap_or_else(|error| error.exit());
    let result = match cli.command {
        Action::Start(args) => start::run(&args),
        Action::Check(args) => {
            let matches = matches.subcommand_matches("check");
            check::run(&args, &matches.map(outputs::Asked::of).unwrap_or_default())
        }
        Action::Batch(args) => batch::run(&args),
        Action::Doctor { format } => catalog::doctor(&format),
        Action::Hint { id, n } => catalog::hint(&id, n).map(|()| ExitCode::SUCCESS),
        Action::Explain { id } => catalog::explain(&id).map(|()| ExitCode::SUCCESS),
        Action::Exercises => exercises::list().map(|()| ExitCode::SUCCESS),
        Action::List { format } => catalog::list(&format).map(|()| ExitCode::SUCCESS),
    };
    result.unwrap_or_else(|error| {
        // Who closes the pipe has read enough.
        if error.chain().any(is_broken_pipe) {
            return ExitCode::SUCCESS;
        }
        eprintln!("grade: {error:#}");
        ExitCode::from(USAGE)
    })
}

fn is_broken_pipe(error: &(dyn std::error::Error + 'static)) -> bool {
    error.downcast_ref::<io::Error>().is_some_and(|error| error.kind() == io::ErrorKind::BrokenPipe)
}

/// A step or an exercise, as an argument.
fn assignment(text: &str) -> Result<Assignment, String> {
    let unknown = "the steps are step01 to step08; `grade exercises` lists the exercises that can be checked";
    Assignment::named(text).ok_or_else(|| unknown.into())
}

/// Prints, and says so when nobody reads any more.
fn print(text: &str) -> Result<()> {
    let mut out = io::stdout().lock();
    Ok(out.write_all(text.as_bytes()).and_then(|()| out.flush())?)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        use clap::CommandFactory;
        super::Cli::command().debug_assert();
    }
}
