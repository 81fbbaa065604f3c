//! What a step shows when it is asked for nothing: a shell to look around in, or the facts side by side.

use crate::cli::{Cli, Command};
use crate::{explain, parent};
use anyhow::{Context, Result, bail};
use clap::Parser;
use std::io::{self, IsTerminal, Write};
use std::{env, iter, process};

/// What this step changes, in one line.
const LESSON: &str = "namespaces give the command a world of its own; its files are still the host's";

/// The command line for a shell in a container.
const SHELL: &[&str] = &["run", "sh"];

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
"#;

/// A shell in a terminal, the facts otherwise.
pub fn show(detail: Option<explain::Detail>) -> Result<u8> {
    let shell = SHELL;
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

/// Runs a command line of this program in this process.
fn start(words: &[&str]) -> Result<u8> {
    match Cli::try_parse_from(iter::once(&env!("CARGO_PKG_NAME")).chain(words))?.command {
        Some(Command::Run(run)) => parent::run(&run),
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
