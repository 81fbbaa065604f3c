//! Runs the commands of a block in one bash and tells their outputs apart.

use std::ffi::OsString;
use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, bail};

use super::reap;

/// Bytes of output that no page would show.
const TOO_MUCH: usize = 1 << 20;

/// What makes a new network namespace a machine: its own loopback, and the setting that every machine with containers has.
const MACHINE: &str = "ip link set lo up && echo 1 > /proc/sys/net/ipv4/ip_forward || exit\n";

/// Where and as whom a bash runs.
pub struct Surroundings {
    pub directory: PathBuf,
    /// The whole environment: nothing of xtask's own comes along.
    pub environment: Vec<(&'static str, OsString)>,
    /// The user and group to become; xtask's own when none is named.
    pub uid: Option<u32>,
    /// Whether a network namespace stands in for the machine.
    pub own_network: bool,
    /// What each command may take.
    pub limit: Duration,
}

/// What became of one command.
#[derive(Debug, PartialEq)]
pub enum Outcome {
    Printed(Vec<String>),
    /// It did not end in time; this is what it had printed.
    TimedOut(Vec<String>),
    /// The bash had ended before it.
    NotReached,
}

/// Runs the commands one after the other. Whatever they started is dead when this returns.
pub fn run(commands: &[&str], surroundings: &Surroundings) -> anyhow::Result<Vec<Outcome>> {
    let mark = mark();
    let (mut reader, writer) = std::io::pipe().context("make a pipe")?;
    // A session of its own: what the block starts can be told from what xtask starts for itself.
    let mut bash = Command::new("setsid");
    let mut script = script(commands, &mark);
    if surroundings.own_network {
        bash.args(["unshare", "--net"]);
        script.insert_str(0, MACHINE);
    }
    bash.args(["bash", "--noprofile", "--norc", "-c", &script, "bash"])
        .current_dir(&surroundings.directory)
        .env_clear()
        .envs(surroundings.environment.iter().cloned())
        .stdin(Stdio::null())
        .stdout(writer.try_clone().context("copy a pipe")?)
        .stderr(writer);
    if let Some(uid) = surroundings.uid {
        // With a uid, std drops the supplementary groups as well.
        bash.uid(uid).gid(uid);
    }
    reap::adopt_orphans()?;
    let mut child = bash.spawn().context("start setsid bash")?;
    drop(bash);
    let (send, chunks) = mpsc::sync_channel(16);
    thread::spawn(move || {
        let mut buffer = [0; 8192];
        while let Ok(length @ 1..) = reader.read(&mut buffer) {
            if send.send(buffer[..length].to_vec()).is_err() {
                return;
            }
        }
    });
    let outcomes = collect(&chunks, &mark, commands.len(), surroundings.limit);
    // A reader that waits to hand on a chunk must not keep the block's pipe open.
    drop(chunks);
    end(&mut child)?;
    outcomes
}

/// A marker that no command prints by chance: the record separator, and numbers of this very run.
fn mark() -> String {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    format!("\u{1e}{}-{}:", std::process::id(), since.as_nanos())
}

/// The commands with a marker before each and behind the last.
/// Each goes through `eval`, so that a slip in one is that command's own error; `$?` is handed on.
fn script(commands: &[&str], mark: &str) -> String {
    let mut script =
        format!("__mark() {{ local status=$?; printf '%s%s\\036' '{mark}' \"$1\"; return $status; }}\n");
    for (number, command) in commands.iter().enumerate() {
        script.push_str(&format!("__mark {number}\neval '{}'\n", command.replace('\'', "'\\''")));
    }
    script.push_str(&format!("__mark {}\n", commands.len()));
    script
}

/// Reads until the last marker, the end of the output, or a command's time limit.
fn collect(
    chunks: &Receiver<Vec<u8>>,
    mark: &str,
    count: usize,
    limit: Duration,
) -> anyhow::Result<Vec<Outcome>> {
    let mut bytes = Vec::new();
    let mut reached = None;
    let mut deadline = Instant::now() + limit;
    let mut timed_out = false;
    loop {
        match chunks.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(chunk) => bytes.extend(chunk),
            Err(RecvTimeoutError::Disconnected) => break,
            Err(RecvTimeoutError::Timeout) => {
                timed_out = true;
                break;
            }
        }
        if bytes.len() > TOO_MUCH {
            bail!("a command prints more than {TOO_MUCH} bytes");
        }
        let last = split(&bytes, mark).last().map(|(number, _)| *number);
        if last == Some(count) {
            break;
        }
        if last != reached {
            (reached, deadline) = (last, Instant::now() + limit);
        }
    }
    let parts = split(&bytes, mark);
    let Some((last, _)) = parts.last() else {
        bail!("bash did not start: {}", String::from_utf8_lossy(&bytes))
    };
    let last = *last;
    let outcome = |number: usize| match parts.iter().find(|(part, _)| *part == number) {
        None => Outcome::NotReached,
        Some((_, output)) if timed_out && number == last => Outcome::TimedOut(lines(output)),
        Some((_, output)) => Outcome::Printed(lines(output)),
    };
    Ok((0..count).map(outcome).collect())
}

/// The output by the markers in it: the number that each carries, and what follows it.
fn split(bytes: &[u8], mark: &str) -> Vec<(usize, String)> {
    let text = String::from_utf8_lossy(bytes);
    let parts = text.split(mark).skip(1);
    parts
        .filter_map(|part| {
            let (number, output) = part.split_once('\u{1e}')?;
            Some((number.parse().ok()?, output.to_owned()))
        })
        .collect()
}

/// Lines without white space at their ends. bash's own errors lose the line of our script.
fn lines(output: &str) -> Vec<String> {
    output
        .lines()
        .map(|line| match line.strip_prefix("bash: line ").and_then(|rest| rest.split_once(": ")) {
            Some((number, rest)) if number.bytes().all(|byte| byte.is_ascii_digit()) => {
                format!("bash: {}", rest.trim_end())
            }
            _ => line.trim_end().to_owned(),
        })
        .collect()
}

fn end(child: &mut Child) -> anyhow::Result<()> {
    child.kill().context("kill bash")?;
    child.wait().context("wait for bash")?;
    reap::kill_block()
}

#[cfg(test)]
pub mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use std::sync::{Mutex, MutexGuard};

    /// Blocks run one at a time: each ends by killing what blocks have started.
    pub fn alone() -> MutexGuard<'static, ()> {
        static ALONE: Mutex<()> = Mutex::new(());
        ALONE.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    fn shell(commands: &[&str], limit: Duration) -> Vec<Outcome> {
        try_shell(commands, limit).unwrap()
    }

    fn try_shell(commands: &[&str], limit: Duration) -> anyhow::Result<Vec<Outcome>> {
        let _alone = alone();
        let scratch = Scratch::new("shell").unwrap();
        let environment = vec![("PATH", "/usr/bin:/bin".into())];
        let directory = scratch.path().to_owned();
        run(commands, &Surroundings { directory, environment, uid: None, own_network: false, limit })
    }

    fn printed(lines: &[&str]) -> Outcome {
        Outcome::Printed(lines.iter().map(|line| (*line).to_owned()).collect())
    }

    const LONG: Duration = Duration::from_secs(20);

    #[test]
    fn each_command_has_its_own_output_in_order() {
        let outcomes =
            shell(&["x=1; cd /", "echo $x; echo err >&2; printf end", "true", "pwd; env | grep -c ."], LONG);
        // PATH, PWD, OLDPWD, SHLVL and _ are all that there is.
        let expected = [printed(&[]), printed(&["1", "err", "end"]), printed(&[]), printed(&["/", "5"])];
        assert_eq!(outcomes, expected);
    }

    #[test]
    fn the_exit_status_is_handed_on() {
        let outcomes = shell(&["(exit 7)", "echo $?", "echo $?"], LONG);
        assert_eq!(outcomes[1..], [printed(&["7"]), printed(&["0"])]);
    }

    #[test]
    fn a_slip_is_the_commands_own() {
        let outcomes = shell(&["echo 'it'\\''s'", "if", "nosuchprogram", "cat <<E\nhere\nE"], LONG);
        assert_eq!(outcomes[0], printed(&["it's"]));
        assert!(matches!(&outcomes[1], Outcome::Printed(lines) if lines[0].contains("syntax error")));
        assert_eq!(outcomes[2], printed(&["bash: nosuchprogram: command not found"]));
        assert_eq!(outcomes[3], printed(&["here"]));
    }

    #[test]
    fn commands_behind_an_exit_are_not_reached() {
        assert_eq!(shell(&["echo a; exit 3", "echo b"], LONG), [printed(&["a"]), Outcome::NotReached]);
    }

    #[test]
    fn a_command_that_hangs_is_cut_off_and_killed() {
        let start = Instant::now();
        let outcomes = shell(&["echo a", "echo b; sleep 1000.25", "echo c"], Duration::from_millis(700));
        assert_eq!(outcomes, [printed(&["a"]), Outcome::TimedOut(vec!["b".into()]), Outcome::NotReached]);
        assert!(start.elapsed() < LONG);
        assert!(!running("1000.25"));
    }

    #[test]
    fn what_a_block_leaves_behind_is_killed() {
        shell(&["setsid sleep 1000.5 & (sleep 1000.5 &) ; sleep 0.2"], LONG);
        assert!(!running("1000.5"));
    }

    #[test]
    fn a_flood_is_stopped() {
        let start = Instant::now();
        assert!(try_shell(&["yes 1000.75"], LONG).unwrap_err().to_string().contains("more than"));
        assert!(start.elapsed() < LONG);
        assert!(!running("1000.75"));
    }

    fn running(argument: &str) -> bool {
        let pids = std::fs::read_dir("/proc").unwrap();
        let commands = pids.filter_map(|pid| std::fs::read_to_string(pid.ok()?.path().join("cmdline")).ok());
        commands.into_iter().any(|command| command.split('\0').any(|word| word == argument))
    }
}
