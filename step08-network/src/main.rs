//! Step 08: networks. A container has addresses and names, and talks to others.

mod archive;
mod attributes;
mod base_image;
mod beneath;
mod cgroups;
mod changes;
mod child;
mod cli;
mod commands;
mod console;
mod container;
mod copy;
mod data;
mod draft;
mod ending;
mod enter;
mod environment;
mod exec;
mod explain;
mod failure;
mod header;
mod id;
mod id_map;
mod image;
mod init;
mod life;
mod limits;
mod link;
mod lock;
mod loopback;
mod memory;
mod mount;
mod namespaces;
mod network;
mod os_text;
mod output;
mod overrides;
mod pack;
mod parent;
mod pax;
mod process;
mod raw_mode;
mod root;
mod rootfs;
#[cfg(test)]
mod samples;
mod signals;
mod sparse;
mod storage;
mod supervisor;
mod table;
mod terminal;
mod tour;
mod tree;
mod tty;
mod unpack;
mod users;
mod volumes;
mod whiteouts;
mod worker;

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
        Some(Command::Run(run)) => parent::run(run, cli.storage_driver),
        Some(Command::Store(command)) => command.run(cli.storage_driver),
        Some(Command::Life(command)) => command.run(),
        None => tour::show(cli.explain),
    });
    ExitCode::from(result.unwrap_or_else(|error| {
        explain::tell(format_args!("{error:#}"));
        failure::exit_code(&error)
    }))
}
