//! `cargo xtask syscalls`: how many system calls a start makes, held to a table.
//!
//! A busy machine makes a start slower, and no start makes more calls because of it. So time is measured by
//! `cargo xtask bench`, for people to read, and calls are counted here, for CI to compare.

mod place;
mod table;
mod trace;

use anyhow::{Context, Result, ensure};
use grade::report::Machine;

use crate::programs;
use place::Place;
use table::Table;

/// The starts that are counted. Each has been done before, so that the image and the bridge are there.
const STARTS: &[(&str, &str)] = &[
    ("step01", "run true"),
    ("step02", "run true"),
    ("step03", "run true"),
    ("step04", "run base true"),
    ("step05", "run --rm base true"),
    ("step06", "run --rm base true"),
    ("step07", "run --rm base true"),
    ("step08", "run --rm --network none base true"),
    ("step08", "run --rm base true"),
    ("step08", "run --rm -p 8080:80 base true"),
];

#[derive(clap::Args)]
#[command(after_help = "Debug builds are counted, because CI has them.
A release build makes the same calls, but for fcntl(2), which is left out.")]
pub struct Args {
    /// Write the table anew from what is counted
    #[arg(long)]
    bless: bool,
    /// Print why calls cannot be counted or compared here, nothing when they can, and do nothing else
    #[arg(long, conflicts_with = "bless")]
    lack: bool,
    /// How often each start is counted; the fewest calls are taken
    #[arg(long, default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..))]
    runs: u32,
}

pub fn run(args: &Args) -> Result<()> {
    let kind = kind_of_machine();
    let expected = Table::read(&kind)?;
    if let Some(lack) = lack(args.bless || expected.is_some(), &kind) {
        ensure!(!args.bless, "{lack}");
        println!("{}{lack}", if args.lack { "" } else { "SKIPPED, nothing is compared: " });
        return Ok(());
    }
    if args.lack {
        return Ok(());
    }
    let counted = count(args.runs)?;
    match expected {
        Some(expected) if !args.bless => expected.compare(&counted),
        _ => counted.write(&kind),
    }
}

/// What the counts depend on besides the code: the calls that glibc makes, and where the cgroups are.
fn kind_of_machine() -> String {
    let machine = Machine::this();
    // SAFETY: it returns a string that is never freed.
    let glibc = unsafe { std::ffi::CStr::from_ptr(nix::libc::gnu_get_libc_version()) };
    format!("{}, glibc {}, cgroups {}", machine.arch, glibc.to_string_lossy(), machine.cgroups)
}

fn lack(has_table: bool, kind: &str) -> Option<String> {
    if !nix::unistd::geteuid().is_root() {
        return Some("needs root, whose starts are in the table".to_owned());
    }
    if grade::need::program("strace").is_none() {
        return Some("strace is not installed; apt-get install strace".to_owned());
    }
    (!has_table).then(|| format!("{} has no table for {kind}; --bless makes one", table::FILE))
}

fn count(runs: u32) -> Result<Table> {
    let programs = programs::build(&[])?;
    let place = Place::new()?;
    let mut table = Table::default();
    for (step, words) in STARTS {
        let program = programs.iter().find(|program| program.step == *step);
        let bin = program.with_context(|| format!("there is no {step}"))?.bin();
        place.start(bin, words)?;
        let runs: Result<Vec<_>> = (0..runs).map(|_| place.trace(bin, words)).collect();
        let counts = table::fewest(&runs?);
        println!("{:5} {step} {words}", counts[table::ALL]);
        table.add(format!("{step} {words}"), counts);
    }
    Ok(table)
}
