//! Step 04: a root filesystem. The container has files of its own, and the host's are out of reach.

mod base_image;
mod cgroups;
mod child;
mod cli;
mod data;
mod draft;
mod environment;
mod exec;
mod explain;
mod failure;
mod id;
mod id_map;
mod image;
mod init;
mod limits;
mod link;
mod lock;
mod loopback;
mod mount;
mod namespaces;
mod parent;
mod process;
mod root;
mod rootfs;
mod signals;
mod terminal;
mod tour;
mod users;

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
