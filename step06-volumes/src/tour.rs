//! What a step shows when it is asked for nothing: a shell to look around in, or the facts side by side.

use crate::cli::{Cli, Command};
use crate::{cgroups, explain, parent};
use anyhow::{Context, Result, bail};
use clap::Parser;
use std::io::{self, IsTerminal, Write};
use std::{env, iter, process};

/// What this step changes, in one line.
const LESSON: &str = "a container can have data that outlives it";

/// The command line for a shell in a container.
const SHELL: &[&str] = &["run", "--memory", "256m", "--pids-limit", "20", "base", "sh"];

/// The same where this user may not set limits.
const UNLIMITED_SHELL: &[&str] = &["run", "base", "sh"];

/// Asked of the host's shell and of the container's in turn: one fact a line, its name, a colon, what was found.
const FACTS: &str = r#"
echo "process ID: $$"
echo "parent's process ID: $PPID"
echo "working directory: $(pwd)"
echo "file mode mask: $(umask)"
echo "environment variables: $(env | wc -l)"
echo "hostname: $(uname -n)"
echo "user ID: $(id -u)"
echo "network interfaces: $(tail -n +3 /proc/self/net/dev | cut -d: -f1 | xargs)"
for kind in pid uts ipc mnt net user cgroup; do
    echo "$kind namespace: $(readlink /proc/self/ns/$kind)"
done
echo "processes to see: $(ls /proc | grep -c '^[0-9]')"
echo "mounts: $(wc -l < /proc/self/mountinfo)"
echo "entries in /: $(ls / | wc -l)"
echo "processes out of 30: $( (for i in $(seq 30); do sleep 0.2 & echo; done) 2>/dev/null | wc -l)"
"#;

/// A shell in a terminal, the facts otherwise.
pub fn show(detail: Option<explain::Detail>) -> Result<u8> {
    let shell = cgroups::check(&["memory", "pids"]).map_or_else(without_limits, |()| SHELL);
    if io::stdin().is_terminal() {
        explain::tell(format_args!("{LESSON}. This shell runs in it; 'exit' leaves it."));
        return start(shell);
    }
    let runtime = env::current_exe().context("find this program")?;
    let host = answers(process::Command::new("sh").args(["-c", FACTS]))?;
    let narration = detail.map(explain::Detail::flag);
    let container = answers(process::Command::new(runtime).args(narration).args(shell).args(["-c", FACTS]))?;
    // A reader that has gone away, such as head(1), has seen what it wanted.
    let _ = io::stdout().write_all(table(&host, &container, shell).as_bytes());
    Ok(0)
}

/// Says why there are no limits.
fn without_limits(reason: anyhow::Error) -> &'static [&'static str] {
    explain::tell(format_args!("no limits here: {reason:#}"));
    UNLIMITED_SHELL
}

/// Runs a command line of this program in this process.
fn start(words: &[&str]) -> Result<u8> {
    match Cli::try_parse_from(iter::once(&env!("CARGO_PKG_NAME")).chain(words))?.command {
        Some(Command::Run(run)) => parent::run(&run, None),
        _ => bail!("{words:?} does not run a container"),
    }
}

/// What a shell prints when it is asked for the facts.
fn answers(shell: &mut process::Command) -> Result<String> {
    shell.stdin(process::Stdio::null()).stderr(process::Stdio::inherit());
    let program = shell.get_program().display().to_string();
    let output = shell.output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        bail!("no facts to show: {program} ended with {}", output.status);
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The two sides' answers in columns: facts pair up by line.
fn table(host: &str, container: &str, shell: &[&str]) -> String {
    let name = env!("CARGO_PKG_NAME");
    let mut text = format!("{name}: {LESSON}\n\n{:24}  {:32}  {}\n", "", "on the host", "in the container");
    for (outside, inside) in host.lines().zip(container.lines()) {
        let (fact, outside) = outside.split_once(": ").unwrap_or((outside, ""));
        let (_, inside) = inside.split_once(": ").unwrap_or(("", inside));
        text += &format!("{fact:24}  {outside:32}  {inside}\n");
    }
    text + &format!("\nA shell in it: cargo run -p {name} -- {}\n", shell.join(" "))
}
