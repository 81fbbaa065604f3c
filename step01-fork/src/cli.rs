//! The command line: Docker's names for whatever Docker has a name for.

use crate::{explain, failure};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::env;
use std::ffi::OsString;
use std::path::PathBuf;
use std::process::ExitCode;

/// A container runtime in eight steps. Step 01: fork, exec, wait.
///
/// Without a command it shows the step: a shell in a terminal, a short tour otherwise.
#[derive(Parser)]
#[command(name = env!("CARGO_PKG_NAME"), version)]
pub struct Cli {
    #[command(subcommand)]
    pub command: Option<Command>,
    /// Narrate every system call that matters on stderr, as it returns
    #[arg(long, global = true, value_name = "DETAIL", num_args = 0..=1, require_equals = true)]
    #[arg(default_missing_value = "calls")]
    pub explain: Option<explain::Detail>,
}

#[derive(Subcommand)]
pub enum Command {
    Run(Run),
}

/// Run a command and leave with its exit status
#[derive(Args)]
#[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " run -e COLOUR=red sh -c 'echo $COLOUR'"))]
pub struct Run {
    /// Set an environment variable; KEY alone takes the caller's value
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<OsString>,
    /// Read environment variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Start in this directory, an absolute path
    #[arg(short, long, value_name = "DIR", default_value = "/")]
    pub workdir: PathBuf,
    /// The command and its arguments
    #[arg(required = true, trailing_var_arg = true)]
    pub command: Vec<OsString>,
}

/// Prints clap's help as it is, and clap's complaints as one line of ours: usage errors leave with 125
/// like every other error of the runtime, because 2 could be the command's own status.
pub fn explain_usage(usage: &clap::Error) -> ExitCode {
    if !usage.use_stderr() {
        return match usage.print() {
            Ok(()) => ExitCode::SUCCESS,
            Err(_) => ExitCode::from(failure::RUNTIME),
        };
    }
    let text = usage.render().to_string();
    // The complaint ends at the first empty line; tips and the usage follow.
    let complaint: Vec<&str> =
        text.lines().take_while(|line| !line.is_empty()).flat_map(str::split_whitespace).collect();
    let complaint = complaint.join(" ");
    let first = env::args_os().nth(1).unwrap_or_default();
    let help = match Cli::command().find_subcommand(&first) {
        Some(command) => format!("{} --help", command.get_name()),
        None => "--help".to_owned(),
    };
    explain::tell(format_args!(
        "{}; see '{} {help}'",
        complaint.trim_start_matches("error: "),
        env!("CARGO_PKG_NAME")
    ));
    ExitCode::from(failure::RUNTIME)
}
