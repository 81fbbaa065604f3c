//! `exec`: another command in a container that runs.

use crate::cli::Run;
use crate::console::Console;
use crate::container::{Container, Status};
use crate::image::store::Store;
use crate::{enter, supervisor};
use anyhow::{Result, bail};
use clap::Args;
use std::ffi::OsString;
use std::path::PathBuf;

/// Run another command in a container that runs
#[derive(Args)]
#[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " exec -it box sh"))]
#[command(override_usage = concat!(env!("CARGO_PKG_NAME"), " exec [OPTIONS] CONTAINER COMMAND [ARG]..."))]
pub struct Exec {
    /// Let the command run by itself; what it writes goes to the container's log
    #[arg(short, long, conflicts_with = "tty")]
    detach: bool,
    /// Let the command read the caller's stdin
    #[arg(short, long)]
    interactive: bool,
    /// Give the command a terminal of its own
    #[arg(short, long)]
    tty: bool,
    /// Set an environment variable; KEY alone takes the caller's value
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    env: Vec<OsString>,
    /// Start in this directory, an absolute path
    #[arg(short, long, value_name = "DIR")]
    workdir: Option<PathBuf>,
    /// Run as this user of the container, by name or id
    #[arg(short, long, value_name = "USER[:GROUP]", allow_hyphen_values = true)]
    user: Option<String>,
    /// The container, and the command with its arguments
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_names = ["CONTAINER", "COMMAND"])]
    words: Vec<OsString>,
}

impl Exec {
    /// The same in the words of `run`: the container stands where the image does.
    fn as_run(&self) -> Run {
        Run {
            env: self.env.clone(),
            workdir: self.workdir.clone(),
            user: self.user.clone(),
            tty: self.tty,
            interactive: self.interactive,
            words: self.words.clone(),
            ..Run::default()
        }
    }

    pub fn run(&self, store: &Store) -> Result<u8> {
        let name = self.words[0].to_string_lossy();
        let mut container = Container::find(store, &name)?;
        let run = self.as_run();
        if container.status()? == Status::Paused {
            bail!("container {}: it is paused; 'unpause' lets it go on", container.title());
        }
        if self.detach {
            return supervisor::detach(|caller| {
                enter::enter(&container, &run, Console::choose(&run, true, container.log())?, caller)
            });
        }
        enter::enter(&container, &run, Console::for_exec(&run)?, &mut None)
    }
}
