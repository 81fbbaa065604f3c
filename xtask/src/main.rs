//! The project's own tools: what keeps the copies, the diffs, the transcripts and the checks honest.

mod bench;
mod book;
mod cargo;
mod classroom;
mod drift;
mod exercises;
mod legs;
mod manual;
mod mutants;
mod programs;
mod ripple;
mod scratch;
mod steps;
mod syscalls;
mod transcripts;
mod uml;
mod workspace;

use clap::{Parser, Subcommand};
use manual::Kind;
use std::process::ExitCode;

#[derive(Parser)]
#[command(name = "xtask", bin_name = "cargo xtask", about = "The project's own tools")]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Check that every file that two neighbouring steps share is the same in both, or is declared as changed
    Drift(drift::Args),
    /// Carry an edit made in one step into the steps after it, by three-way merge
    Ripple(ripple::Args),
    /// Build the book and check it: diffs, links, anchors, fences
    Book(book::Args),
    /// Run the console blocks of the book and compare what they print
    Transcripts(transcripts::Args),
    /// Prove of each exercise that the step lacks it, its solution has it, and each wrong one loses what it names
    Exercises(exercises::Args),
    /// Grade a class of planted wrong variants in one batch, and compare each score with what it has to be
    Classroom(classroom::Args),
    /// Prove that each planted wrong variant of a step loses the check that it names
    Mutants(mutants::Args),
    /// Run the checks on a second kernel, user-mode Linux with cgroup v2 alone
    Uml(uml::Args),
    /// Run the ordinary user's legs, count the outcomes of all legs, look for what they left on the host
    Legs(legs::Args),
    /// Measure the steps beside other runtimes: start, exec, many at once, memory, import, throughput
    Bench(bench::Args),
    /// Count the system calls of a start at every step, and compare them with the table in xtask/syscalls.toml
    Syscalls(syscalls::Args),
    /// Write a step's completions for bash, zsh and fish
    Completions(manual::Args),
    /// Write a step's man pages, one for each subcommand
    Man(manual::Args),
    /// Speak mdBook's preprocessor protocol on stdin and stdout (called by mdbook)
    #[command(hide = true)]
    Preprocess(book::PreprocessArgs),
}

fn main() -> ExitCode {
    match run(Cli::parse().command) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Drift(args) => drift::run(&args),
        Command::Ripple(args) => ripple::run(&args),
        Command::Book(args) => book::run(&args),
        Command::Transcripts(args) => transcripts::run(&args),
        Command::Exercises(args) => exercises::run(&args),
        Command::Classroom(args) => classroom::run(&args),
        Command::Mutants(args) => mutants::run(&args),
        Command::Uml(args) => uml::run(&args),
        Command::Legs(args) => legs::run(&args),
        Command::Bench(args) => bench::run(&args),
        Command::Syscalls(args) => syscalls::run(&args),
        Command::Completions(args) => manual::run(&args, Kind::Completions),
        Command::Man(args) => manual::run(&args, Kind::Man),
        Command::Preprocess(args) => book::preprocess(&args),
    }
}
