//! Programs that run inside the container, for what a shell cannot do or cannot show.
//!
//! `EXECUTABLE __probe NAME ARGS…`; see [`crate::Subject::probe`]. A probe says what it saw on stdout, one
//! fact a line; the check judges. Its exit status is 0 unless the probe itself could not do its work.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

/// The first argument that makes the executable a probe.
pub const PROBE: &str = "__probe";

mod kernel;
mod signals;
mod step03;
mod step04;
mod step07;
mod step08;

type Probe = fn(&[OsString]) -> Result<()>;

/// Name and function of each probe. The doc comment of the function says what it prints.
const PROBES: &[(&str, Probe)] = &[
    ("argv", argv),
    ("hold", hold),
    ("fault", signals::fault),
    ("catch", signals::catch),
    ("key", kernel::key),
    ("hostname", kernel::hostname),
    ("tmpfs", kernel::tmpfs),
    ("shm-make", kernel::shm_make),
    ("shm-find", kernel::shm_find),
    ("loopback", kernel::loopback),
    ("groups", step03::groups),
    ("hog", step03::hog),
    ("use-up", step03::use_up),
    ("burn", step03::burn),
    ("forks", step03::forks),
    ("bomb", step03::bomb),
    ("reach", step04::reach),
    ("escape", step04::escape),
    ("open-write", step04::open_write),
    ("terminal", step04::terminal),
    ("watch", step07::watch),
    ("serve", step08::serve),
    ("ask", step08::ask),
    ("insist", step08::insist),
];

pub(crate) fn main(arguments: &[OsString]) -> Result<ExitCode> {
    let (name, rest) = arguments.split_first().context("which probe?")?;
    let Some((_, probe)) = PROBES.iter().find(|(known, _)| name == known) else { bail!("no probe {name:?}") };
    probe(rest)?;
    Ok(ExitCode::SUCCESS)
}

/// Prints each argument as its length in bytes, a colon, its bytes, and a comma (a netstring).
fn argv(arguments: &[OsString]) -> Result<()> {
    let mut out = std::io::stdout().lock();
    for argument in arguments {
        write!(out, "{}:", argument.len())?;
        out.write_all(argument.as_bytes())?;
        out.write_all(b",")?;
    }
    Ok(out.flush()?)
}

/// Prints `ready` and lives until its stdin ends.
fn hold(_arguments: &[OsString]) -> Result<()> {
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    Ok(())
}
