//! A started runtime: its pid, its output, its end.

use std::fs;
use std::io::Write;
use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, ChildStdin, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::check::mismatch;
use crate::kernel::{Ending, Process, patient, until};

mod stream;

use stream::Stream;
pub(crate) use stream::panic_told;

/// Programs that a runtime may start for itself; none of them is the container's command. pasta(1) becomes `passt.avx2` on
/// some CPUs.
const HELPERS: [&str; 7] = ["newuidmap", "newgidmap", "nft", "pasta", "passt", "modprobe", "strace"];

/// Whether this is one of them.
pub(crate) fn is_helper(process: Process) -> bool {
    let name = process.text("comm").unwrap_or_default();
    let name = name.trim_end();
    HELPERS
        .iter()
        .any(|helper| name == *helper || name.strip_prefix(helper).is_some_and(|rest| rest.starts_with('.')))
}

/// The finished run.
#[derive(Clone, Debug)]
pub struct Output {
    /// How the runtime itself ended.
    pub status: ExitStatus,
    /// What came over its stdout.
    pub stdout: Vec<u8>,
    /// What came over its stderr.
    pub stderr: Vec<u8>,
}

impl Output {
    /// The exit status, or -N when signal N ended the runtime itself.
    #[must_use]
    pub fn code(&self) -> i32 {
        self.status.code().unwrap_or_else(|| -self.status.signal().unwrap_or(0))
    }

    /// stdout as text.
    #[must_use]
    pub fn out(&self) -> String {
        String::from_utf8_lossy(&self.stdout).into_owned()
    }

    /// stderr as text.
    #[must_use]
    pub fn err(&self) -> String {
        String::from_utf8_lossy(&self.stderr).into_owned()
    }

    /// Itself when the exit status is 0; else an error with what it said on stderr.
    ///
    /// # Errors
    /// When the exit status is not 0.
    pub fn success(self) -> Result<Output> {
        if self.code() != 0 {
            let shown = format!("{}; stderr: {}", self.code(), self.err().trim_end());
            return Err(mismatch("exit status 0", shown));
        }
        Ok(self)
    }
}

/// A runtime that was started.
pub struct Running {
    child: Child,
    line: String,
    stdin: Option<ChildStdin>,
    stdout: Stream,
    stderr: Stream,
    /// How much of stdout [`Running::read_line`] has given out.
    read: usize,
}

impl Running {
    pub(crate) fn new(mut child: Child, line: String) -> Running {
        let stdout = Stream::of(child.stdout.take());
        let stderr = Stream::of_errors(child.stderr.take());
        let stdin = child.stdin.take();
        Running { child, line, stdin, stdout, stderr, read: 0 }
    }

    /// The process that was started: the runtime, unless something was put in front with [`crate::Launch::under`].
    #[must_use]
    pub fn runtime(&self) -> Process {
        Process(self.child.id().cast_signed())
    }

    /// The container's command as the host sees it: the first descendant that executes something else than the
    /// runtime's own file. With `--init` that is a grandchild.
    ///
    /// # Errors
    /// When there is none within ten seconds.
    pub fn command(&self) -> Result<Process> {
        self.command_below(self.runtime())
    }

    /// The same below `runtime`, for a start [`crate::Launch::under`] something else.
    ///
    /// # Errors
    /// When there is none within ten seconds.
    pub fn command_below(&self, runtime: Process) -> Result<Process> {
        let image = |process: Process| {
            let file = fs::metadata(process.path("exe")).ok()?;
            Some((file.dev(), file.ino()))
        };
        // What a process runs, no one but root may know once it has hidden; its child has, too, until it is the command.
        let own = image(runtime);
        if own.is_none() && !runtime.alive() {
            bail!(self.ended_early("ended before its command was looked for"));
        }
        until(Duration::from_secs(10), "a command below the runtime", || {
            runtime
                .descendants()
                .into_iter()
                .find(|process| image(*process).is_some_and(|file| Some(file) != own) && !is_helper(*process))
        })
        .with_context(|| self.ended_early("has no command"))
    }

    /// Writes to its stdin. A runtime that no longer reads is no error here: its output will tell.
    ///
    /// # Errors
    /// When stdin is not a pipe or was closed.
    pub fn send(&mut self, bytes: &[u8]) -> Result<()> {
        if bytes.is_empty() {
            return Ok(());
        }
        let stdin = self.stdin.as_mut().context("its stdin is not a pipe of ours")?;
        match stdin.write_all(bytes).and_then(|()| stdin.flush()) {
            Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
            _ => Ok(()),
        }
    }

    /// Ends its stdin.
    pub fn close_stdin(&mut self) {
        self.stdin = None;
    }

    /// The next line of its stdout, without the newline: how a check learns that the command has come to a point.
    ///
    /// # Errors
    /// When stdout ends or ten seconds pass first.
    pub fn read_line(&mut self) -> Result<String> {
        let from = self.read;
        let line = self.stdout.wait(Duration::from_secs(10), |bytes| {
            let end = bytes.get(from..)?.iter().position(|byte| *byte == b'\n')?;
            Some(bytes[from..from + end].to_vec())
        });
        let Some(line) = line else { bail!(self.ended_early("did not print the line that was waited for")) };
        self.read += line.len() + 1;
        Ok(String::from_utf8_lossy(&line).into_owned())
    }

    /// Waits until its stderr holds `text`.
    ///
    /// # Errors
    /// When stderr ends or `limit` passes first.
    pub fn wait_stderr(&self, text: &str, limit: Duration) -> Result<()> {
        let holds = |bytes: &[u8]| String::from_utf8_lossy(bytes).contains(text).then_some(());
        match self.stderr.wait(limit, holds) {
            Some(()) => Ok(()),
            None => bail!("expected {text:?} on stderr, got {:?}", self.stderr_now()),
        }
    }

    /// What came over stderr so far.
    #[must_use]
    pub fn stderr_now(&self) -> String {
        String::from_utf8_lossy(&self.stderr.bytes()).into_owned()
    }

    /// What came over stdout so far.
    #[must_use]
    pub fn stdout_now(&self) -> String {
        String::from_utf8_lossy(&self.stdout.bytes()).into_owned()
    }

    /// Sends a signal to the runtime alone.
    ///
    /// # Errors
    /// When it is gone.
    pub fn signal(&self, signal: Signal) -> Result<()> {
        kill(Pid::from_raw(self.runtime().0), signal).with_context(|| format!("send {signal} to the runtime"))
    }

    /// Waits for the runtime's end and for the end of its output.
    ///
    /// # Errors
    /// When it still runs after `limit`.
    pub fn wait(&mut self, limit: Duration) -> Result<Output> {
        let deadline = Instant::now() + patient(limit);
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                bail!(
                    "expected `{}` to end within {limit:?}, it still runs; stderr: {}",
                    self.line,
                    self.stderr_now()
                );
            }
            Ending::of(self.runtime())?.wait(None, left);
        };
        // Something that outlives the runtime may hold the pipe: then what has come is all there is.
        let rest = Duration::from_secs(1);
        let (stdout, stderr) = (self.stdout.rest(rest), self.stderr.rest(rest));
        Ok(Output { status, stdout, stderr })
    }

    fn ended_early(&self, how: &str) -> String {
        // What it said last may still be on its way.
        self.stderr.rest(Duration::from_millis(300));
        format!("`{}` {how}; stdout {:?}, stderr {:?}", self.line, self.stdout_now(), self.stderr_now())
    }
}
