//! The command line: Docker's names for whatever Docker has a name for.

use crate::limits::Limits;
use crate::namespaces::Namespace;
use crate::storage::Kind;
use crate::{commands, explain, failure};
use clap::{Args, CommandFactory, Parser, Subcommand};
use std::env;
use std::ffi::{OsStr, OsString};
use std::path::PathBuf;
use std::process::ExitCode;

/// A container runtime in eight steps. Step 05: images in layers.
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
    /// How a container's writable layer is put on its image's; overlay where the data directory allows it
    #[arg(long, global = true, value_name = "DRIVER")]
    pub storage_driver: Option<Kind>,
}

#[derive(Subcommand)]
pub enum Command {
    Run(Box<Run>),
    #[command(flatten)]
    Store(commands::Command),
}

/// Run a command in an image, with namespaces and a cgroup of its own, and leave with its exit status
#[derive(Args)]
#[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " run --name box base sh -c 'echo hello > /greeting'"))]
#[command(override_usage = concat!(env!("CARGO_PKG_NAME"), " run [OPTIONS] IMAGE [COMMAND [ARG]...]"))]
pub struct Run {
    /// Set an environment variable; KEY alone takes the caller's value
    #[arg(short, long, value_name = "KEY[=VALUE]")]
    pub env: Vec<OsString>,
    /// Read environment variables from a file, one a line
    #[arg(long, value_name = "FILE")]
    pub env_file: Vec<PathBuf>,
    /// Start in this directory, an absolute path
    #[arg(short, long, value_name = "DIR")]
    pub workdir: Option<PathBuf>,
    /// The container's hostname; its id when this is not given
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// The namespaces to make, separated by commas; all but time, and user only when not root
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    pub ns: Option<Vec<Namespace>>,
    /// Let the container's clocks run this far ahead of the host's since boot, in a time namespace
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub boottime_offset: Option<i64>,
    /// Run a small init as PID 1 that passes signals on and reaps orphans
    #[arg(long)]
    pub init: bool,
    /// Tell at the end what the container used
    #[arg(long)]
    pub stats: bool,
    /// Run as this user of the image, by name or id
    #[arg(short, long, value_name = "USER[:GROUP]", allow_hyphen_values = true)]
    pub user: Option<String>,
    /// Keep the container under this name when its command has ended
    #[arg(long, value_name = "NAME")]
    pub name: Option<String>,
    /// Throw the container away when its command has ended, as is done without a name
    #[arg(long)]
    pub rm: bool,
    /// Run this instead of the image's entrypoint and command; an empty one for none
    #[arg(long, value_name = "COMMAND")]
    pub entrypoint: Option<OsString>,
    /// Let nothing be written to the image; /dev/shm and other mounts stay writable
    #[arg(long)]
    pub read_only: bool,
    /// Change the root with chroot(2) alone, which does not hold
    #[arg(long)]
    pub chroot: bool,
    /// The image, by its name or id: base is made from this machine's programs; a directory has a slash in it. Behind it
    /// the command and its arguments, instead of the image's
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_names = ["IMAGE", "COMMAND"])]
    words: Vec<OsString>,
    // Last, for clap puts all that follows under the limits' heading.
    #[command(flatten)]
    pub limits: Limits,
}

impl Run {
    pub fn image(&self) -> &OsStr {
        &self.words[0]
    }

    /// What stands behind the image.
    pub fn command(&self) -> &[OsString] {
        self.words.get(1..).unwrap_or_default()
    }
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
