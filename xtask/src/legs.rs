//! The kernel matrix around the checks: the ordinary user's legs, the count over all legs, and what they left behind.

mod count;
mod host;
mod user;

use std::path::PathBuf;

use anyhow::Result;

#[derive(clap::Args)]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(clap::Subcommand)]
enum Command {
    /// Run every step's checks as an ordinary user; root takes a uid that nobody has
    User(user::Args),
    /// Count the outcomes in logs of checks; fail when a check failed, or could run on no leg
    Count {
        /// What the checks wrote to FORK_TO_VETH_CHECK_LOG
        #[arg(required = true)]
        logs: Vec<PathBuf>,
    },
    /// Write down what a container could leave on this host: mounts, cgroups, links, processes, files
    Before { file: PathBuf },
    /// Fail when the host differs from what was written down
    After { file: PathBuf },
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::User(args) => user::run(args),
        Command::Count { logs } => count::run(logs),
        Command::Before { file } => host::before(file),
        Command::After { file } => host::after(file),
    }
}
