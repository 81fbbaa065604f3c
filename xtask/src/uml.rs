//! The second kernel: user-mode Linux, with the host's files over hostfs and cgroup v2 alone.
//!
//! It needs neither KVM nor root. What it runs writes into memory; the host's files stay as they are.

mod machine;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use grade::need::Need;

use crate::programs::{self, Programs};
use crate::scratch::Scratch;
use machine::{Cgroups, Machine, Stalled};

/// How much slower than the host the checks may be: every system call in there costs two switches of process here.
const TIME_FACTOR: &str = "4";

/// The step whose checks `--own` runs on the last step as well: what they promise is another on cgroup v2.
const FOR_THE_LAST: &str = "step03";

/// What `--own` leaves out. It is about files and formats, not about the kernel, and in there it takes a third of the time.
const NOT_THE_KERNELS: [&str; 4] = ["step04::base-", "step05::archive-", "step05::load-", "step05::save-"];

/// The checks' log in the exchange folder.
const LOG: &str = "checks.jsonl";

/// Where Debian's package puts the kernel's modules.
const MODULES: &str = "/usr/lib/uml/modules";

#[derive(clap::Args)]
#[command(after_help = "Examples:
  cargo xtask uml
  cargo xtask uml --step step03
  cargo xtask uml -- step03 run --memory 64m -- cat /proc/self/cgroup
  cargo xtask uml --cgroups net_cls -- step03 run --net-cls 0x10001 -- true")]
pub struct Args {
    /// Check only this step (step03); may be given more than once
    #[arg(long = "step", value_name = "STEP")]
    steps: Vec<String>,
    /// Run only the checks whose name contains this
    #[arg(long, value_name = "TEXT", conflicts_with = "command")]
    filter: Option<String>,
    /// Hold each step to its own checks and those of cgroup v2, the last one to all of cgroups; leave out files and formats
    #[arg(long, conflicts_with_all = ["filter", "command"])]
    own: bool,
    /// The cgroup file systems that the machine mounts
    #[arg(long, value_enum, default_value = "v2")]
    cgroups: Cgroups,
    /// Run COMMAND as the ordinary user, in a delegated cgroup, instead of root
    #[arg(long, requires = "command")]
    user: bool,
    /// Append the checks' log, JSON lines, to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
    /// The machine's memory
    #[arg(long, value_name = "MIB", default_value_t = 2048)]
    memory: u64,
    /// From power-on to power-off; the machine is killed when it takes longer
    #[arg(long, value_name = "SECONDS", default_value_t = 1200)]
    limit: u64,
    /// What to run in the machine instead of the checks; the steps' binaries are in its PATH
    #[arg(last = true)]
    command: Vec<String>,
}

pub fn run(args: &Args) -> Result<()> {
    installed()?;
    let programs = programs::build(&args.steps)?;
    if args.command.is_empty() {
        return check(args, &programs);
    }
    let exchange = exchange(&programs)?;
    let status = args.machine(String::new()).boot(exchange.path(), &command_job(&args.command, args.user));
    // Dropped here, for exit(3) would leave the folder behind.
    drop(exchange);
    match status? {
        0 => Ok(()),
        status => std::process::exit(status),
    }
}

impl Args {
    fn machine(&self, prefix: String) -> Machine {
        let limit = Duration::from_secs(self.limit);
        Machine { memory_mib: self.memory, cgroups: self.cgroups, limit, prefix }
    }
}

/// Runs root's and the user's leg, each on a machine of its own: one such machine has one CPU.
fn check(args: &Args, programs: &[Programs]) -> Result<()> {
    let legs = std::thread::scope(|scope| {
        let start = |user| scope.spawn(move || leg(args, programs, user));
        ["root", "user"].map(start).map(|leg| leg.join().expect("a leg does not panic"))
    });
    let [root, user] = legs;
    ensure!(root? && user?, "checks failed on the user-mode kernel");
    Ok(())
}

/// Boots, runs every step's checks as one user, and tells whether all passed.
fn leg(args: &Args, programs: &[Programs], user: &str) -> Result<bool> {
    let leg = args.cgroups.leg(user);
    let machine = args.machine(format!("{leg} | "));
    let exchange = exchange(programs)?;
    let log = exchange.path().join(LOG);
    let filters = filters(programs, args);
    let skipped = if args.own { NOT_THE_KERNELS.as_slice() } else { &[] };
    let jobs = check_jobs(programs, user, &leg, &filters, skipped);
    let mut status = machine.boot(exchange.path(), &jobs);
    if let Err(error) = &status
        && error.is::<Stalled>()
    {
        // Seen on a busy host: the kernel itself stands still, whatever it runs.
        eprintln!("xtask: {leg}: {error}; starting over");
        programs::fresh_log(&log)?;
        status = machine.boot(exchange.path(), &jobs);
    }
    // What was logged before a crash or the time limit counts, too.
    if let Some(kept) = &args.log {
        programs::keep_log(&log, kept)?;
    }
    Ok(status.context(leg)? == 0)
}

/// Checks that the machine's parts and the programs that `init.sh` calls are there.
fn installed() -> Result<()> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders: Vec<PathBuf> =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/sbin".into()]).collect();
    let has = |program: &str| folders.iter().any(|folder| folder.join(program).is_file());
    let needed = [
        ("linux.uml", "user-mode-linux"),
        ("modprobe", "kmod"),
        ("ip", "iproute2"),
        ("mkfs.ext4", "e2fsprogs"),
        ("setpriv", "util-linux"),
    ];
    let missing = needed.iter().filter(|(program, _)| !has(program)).map(|(_, package)| *package);
    let missing: Vec<&str> = missing.collect();
    ensure!(
        missing.is_empty(),
        "the second kernel needs more packages: apt-get install {}",
        missing.join(" ")
    );
    ensure!(Path::new(MODULES).is_dir(), "the second kernel's modules are not at {MODULES}");
    Ok(())
}

/// The folder that a machine shares with the host, with the programs and an empty log.
fn exchange(programs: &[Programs]) -> Result<Scratch> {
    let exchange = Scratch::new("uml")?;
    let folder = exchange.path().join("bin");
    fs::create_dir(&folder).with_context(|| format!("create {}", folder.display()))?;
    programs.iter().try_for_each(|program| program.stage(&folder))?;
    programs::fresh_log(&exchange.path().join(LOG))?;
    Ok(exchange)
}

/// What the names of the checks have to contain, for each run of each step's checks.
fn filters(programs: &[Programs], args: &Args) -> Vec<Vec<String>> {
    let runs = |(index, program): (usize, &Programs)| {
        if !args.own {
            return vec![args.filter.clone().unwrap_or_default()];
        }
        let last = index + 1 == programs.len();
        let own = format!("{}::", program.step);
        if program.step.as_str() <= FOR_THE_LAST {
            return vec![own];
        }
        let others = if last { vec![format!("{FOR_THE_LAST}::")] } else { for_v2_alone(&own) };
        others.into_iter().chain([own]).collect()
    };
    programs.iter().enumerate().map(runs).collect()
}

/// Checks of other steps that need controllers in the v2 tree: on most hosts that have UML, only the machine has them.
fn for_v2_alone(own: &str) -> Vec<String> {
    let needs_v2 = |need: &Need| matches!(need, Need::CgroupV2(_));
    let checks = grade::all().into_iter().filter(|check| check.needs.iter().any(needs_v2));
    checks.map(grade::Check::test_name).filter(|name| !name.starts_with(own)).collect()
}

/// The shell lines that run every step's checks.
fn check_jobs(
    programs: &[Programs],
    user: &str,
    leg: &str,
    filters: &[Vec<String>],
    skipped: &[&str],
) -> String {
    let mut jobs = String::from("failed=0\n");
    let skipped: String = skipped.iter().map(|names| format!(" --skip {names}")).collect();
    for (program, filters) in programs.iter().zip(filters) {
        let (step, checks) = (&program.step, program.checks());
        for filter in filters {
            jobs.push_str(&format!(
                "echo \"== {step} {filter}\"\n\
                 as_{user} FORK_TO_VETH_LEG={leg} FORK_TO_VETH_TIME_FACTOR={TIME_FACTOR} \
                 FORK_TO_VETH_CHECK_LOG=/run/exchange/{LOG} FORK_TO_VETH_BIN=/run/bin/{step} \
                 /run/bin/{checks} {}{skipped} || failed=1\n",
                quote(filter)
            ));
        }
    }
    jobs + "(exit $failed)\n"
}

fn command_job(command: &[String], user: bool) -> String {
    let words: Vec<String> = command.iter().map(|word| quote(word)).collect();
    format!("as_{} {}\n", if user { "user" } else { "root" }, words.join(" "))
}

/// One word for the shell, whatever it holds.
fn quote(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shell_gets_the_command_word_for_word() {
        let command = ["printf".to_owned(), "it's $HOME\n".to_owned()];
        let job = command_job(&command, false).replace("as_root ", "");
        let output = std::process::Command::new("/bin/sh").args(["-c", &job]).output().unwrap();
        assert_eq!(String::from_utf8_lossy(&output.stdout), "it's $HOME\n");
    }

    #[test]
    fn the_last_step_is_held_to_more_than_its_own_checks() {
        #[derive(clap::Parser)]
        struct Command {
            #[command(flatten)]
            args: Args,
        }
        let args = <Command as clap::Parser>::parse_from(["uml", "--own"]).args;
        let programs = ["step01", "step03", "step04", "step05"].map(Programs::named);
        let v2 = ["step03::limits-v2-files", "step03::cgroup-caller-unmoved", "step04::"];
        let expected = [vec!["step01::"], vec!["step03::"], v2.to_vec(), vec!["step03::", "step05::"]];
        assert_eq!(filters(&programs, &args), expected);
    }

    #[test]
    fn one_failed_step_fails_all_jobs() {
        let programs = ["step01", "step02"].map(Programs::named);
        let jobs = check_jobs(
            &programs,
            "user",
            "uml-user",
            &[vec![String::new()], vec![String::new()]],
            &["step04::base-"],
        );
        for (verdict, status) in [("true", 0), ("! echo \"$@\" | grep -q step01-c", 1)] {
            let script = format!("as_user() {{ {verdict}; }}\n{jobs}");
            let output = std::process::Command::new("/bin/sh").args(["-c", &script]).output().unwrap();
            assert_eq!(output.status.code(), Some(status));
            assert_eq!(String::from_utf8_lossy(&output.stdout).lines().count(), 2);
        }
    }
}
