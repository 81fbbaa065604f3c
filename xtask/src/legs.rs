//! The kernel matrix around the checks: the ordinary user's legs, the count over all legs, and what they left behind.

mod count;
mod docker;
pub mod host;
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
    /// Run the checks that need a Docker daemon, with one that is started for them
    Docker(docker::Args),
    /// Count the outcomes in logs of checks; fail when a check failed, or could run on no leg
    Count {
        /// What the checks wrote to FORK_TO_VETH_CHECK_LOG
        #[arg(required = true)]
        logs: Vec<PathBuf>,
        /// A check that no leg has to be able to run; may be given more than once
        #[arg(long = "nowhere", value_name = "CHECK")]
        nowhere: Vec<String>,
    },
    /// Write down what a container could leave on this host: mounts, cgroups, links, processes, files
    Before { file: PathBuf },
    /// Fail when the host differs from what was written down
    After { file: PathBuf },
}

pub fn run(args: &Args) -> Result<()> {
    match &args.command {
        Command::User(args) => user::run(args),
        Command::Docker(args) => docker::run(args),
        Command::Count { logs, nowhere } => count::run(logs, nowhere),
        Command::Before { file } => host::before(file),
        Command::After { file } => host::after(file),
    }
}
