//! Step 05: images in layers. A container writes to a layer of its own, and its image stays as it is.

mod archive;
mod attributes;
mod base_image;
mod beneath;
mod cgroups;
mod changes;
mod child;
mod cli;
mod commands;
mod container;
mod copy;
mod data;
mod draft;
mod environment;
mod exec;
mod explain;
mod failure;
mod header;
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
mod output;
mod overrides;
mod pack;
mod parent;
mod pax;
mod process;
mod root;
mod rootfs;
#[cfg(test)]
mod samples;
mod signals;
mod sparse;
mod storage;
mod table;
mod terminal;
mod tour;
mod tree;
mod unpack;
mod users;
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
        None => tour::show(cli.explain),
    });
    ExitCode::from(result.unwrap_or_else(|error| {
        explain::tell(format_args!("{error:#}"));
        failure::exit_code(&error)
    }))
}
