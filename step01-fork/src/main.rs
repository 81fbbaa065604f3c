//! Step 01: fork, exec, wait. A process is the raw material that every container is made of.

mod child;
mod cli;
mod environment;
mod exec;
mod explain;
mod failure;
mod link;
mod parent;
mod process;
mod signals;
mod tour;

use clap::Parser;
use cli::{Cli, Command};
use std::process::ExitCode;

fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(usage) => return cli::explain_usage(&usage),
    };
    explain::enable(cli.explain.is_some());
    explain::time(cli.explain == Some(explain::Detail::Timing));
    let result = signals::keep_exit_statuses().and_then(|()| match &cli.command {
        Some(Command::Run(run)) => parent::run(run),
        None => tour::show(cli.explain),
    });
    ExitCode::from(result.unwrap_or_else(|error| {
        explain::tell(format_args!("{error:#}"));
        failure::exit_code(&error)
    }))
}
