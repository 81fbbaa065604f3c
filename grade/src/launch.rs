//! One start of the binary under test, and all that a check can adjust about it.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

use anyhow::{Context, Result};

use crate::need::search_path;
use crate::running::{Output, Running};
use crate::subject::{PATIENCE, Subject};
use crate::terminal::Terminal;

type Hook = Box<dyn FnMut() -> io::Result<()> + Send + Sync>;

/// A start of the binary, to be adjusted before it happens.
///
/// The environment is empty but for PATH, HOME (the scratch folder) and `FORK_TO_VETH_ROOT`.
pub struct Launch {
    front: Vec<OsString>,
    bin: PathBuf,
    args: Vec<OsString>,
    env: Vec<(OsString, OsString)>,
    cwd: Option<PathBuf>,
    stdin: Option<Stdio>,
    stdout: Option<Stdio>,
    stderr: Option<Stdio>,
    hooks: Vec<Hook>,
}

impl Launch {
    pub(crate) fn new(subject: &Subject, args: Vec<OsString>) -> Launch {
        let env = vec![
            ("PATH".into(), search_path().into()),
            ("HOME".into(), subject.scratch().to_path_buf().into()),
            ("FORK_TO_VETH_ROOT".into(), subject.data().into()),
        ];
        let bin = subject.bin.clone();
        let (cwd, hooks, front) = (None, Vec::new(), Vec::new());
        Launch { front, bin, args, env, cwd, stdin: None, stdout: None, stderr: None, hooks }
    }

    /// Starts `words` with the binary and its arguments behind them: `strace -f -o FILE`.
    #[must_use]
    pub fn under<A: AsRef<OsStr>>(mut self, words: &[A]) -> Launch {
        self.front = words.iter().map(|word| word.as_ref().to_owned()).collect();
        self
    }

    /// Sets a variable of the runtime's own environment.
    #[must_use]
    pub fn env(mut self, name: impl AsRef<OsStr>, value: impl AsRef<OsStr>) -> Launch {
        self.env.retain(|(old, _)| old != name.as_ref());
        self.env.push((name.as_ref().to_owned(), value.as_ref().to_owned()));
        self
    }

    /// The folder in which the runtime starts.
    #[must_use]
    pub fn cwd(mut self, dir: impl Into<PathBuf>) -> Launch {
        self.cwd = Some(dir.into());
        self
    }

    /// What the runtime gets as stdin instead of a pipe.
    #[must_use]
    pub fn stdin(mut self, stdin: impl Into<Stdio>) -> Launch {
        self.stdin = Some(stdin.into());
        self
    }

    /// What it gets as stdout instead of a captured pipe.
    #[must_use]
    pub fn stdout(mut self, stdout: impl Into<Stdio>) -> Launch {
        self.stdout = Some(stdout.into());
        self
    }

    /// What it gets as stderr instead of a captured pipe.
    #[must_use]
    pub fn stderr(mut self, stderr: impl Into<Stdio>) -> Launch {
        self.stderr = Some(stderr.into());
        self
    }

    /// Runs `hook` in the new process just before it becomes the runtime, after its stdin, stdout and
    /// stderr are in place: to close or open descriptors, ignore signals, set a umask.
    ///
    /// # Safety
    /// The hook runs between fork and exec: it may make system calls, and must not allocate, lock or panic.
    #[must_use]
    pub unsafe fn hook(mut self, hook: impl FnMut() -> io::Result<()> + Send + Sync + 'static) -> Launch {
        self.hooks.push(Box::new(hook));
        self
    }

    /// Starts it as the leader of a session with `terminal` as its controlling terminal, stdin, stdout and stderr.
    ///
    /// # Errors
    /// When the terminal's other side cannot be opened.
    pub fn start_on(self, terminal: &Terminal) -> Result<Running> {
        // O_NOCTTY: the check leads a session, too, and must not take the terminal for itself.
        let side = || -> Result<Stdio> {
            let file =
                File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(terminal.name())?;
            Ok(file.into())
        };
        let launch = self.stdin(side()?).stdout(side()?).stderr(side()?);
        // SAFETY: setsid and ioctl are single system calls on plain numbers.
        let launch = unsafe {
            launch.hook(|| {
                nix::unistd::setsid()?;
                nix::errno::Errno::result(libc::ioctl(0, libc::TIOCSCTTY, 0))?;
                Ok(())
            })
        };
        launch.spawn(false)
    }

    /// Starts it and captures what it prints, at most 1 MiB of each stream.
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start(self) -> Result<Running> {
        self.spawn(true)
    }

    /// Starts it, closes its stdin and waits for its end.
    ///
    /// # Errors
    /// When it cannot be started or is not done within [`PATIENCE`].
    pub fn output(self) -> Result<Output> {
        self.output_for(b"")
    }

    /// Starts it, gives it `input` as its whole stdin, and waits for its end.
    ///
    /// # Errors
    /// As [`Launch::output`].
    pub fn output_for(self, input: &[u8]) -> Result<Output> {
        let mut running = self.start()?;
        running.send(input)?;
        running.close_stdin();
        running.wait(PATIENCE)
    }

    fn spawn(self, own_group: bool) -> Result<Running> {
        let mut words = self.front;
        words.push(self.bin.into());
        words.extend(self.args);
        let mut command = Command::new(&words[0]);
        command.args(&words[1..]).env_clear().envs(self.env);
        command.stdin(self.stdin.unwrap_or_else(Stdio::piped));
        command.stdout(self.stdout.unwrap_or_else(Stdio::piped));
        command.stderr(self.stderr.unwrap_or_else(Stdio::piped));
        if own_group {
            // A runtime that signals its whole process group must not hit the check.
            command.process_group(0);
        }
        if let Some(dir) = &self.cwd {
            command.current_dir(dir);
        }
        for hook in self.hooks {
            // SAFETY: the caller of `hook` promised that it only makes system calls.
            unsafe { command.pre_exec(hook) };
        }
        let line = words.iter().map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ");
        let child = command.spawn().with_context(|| format!("start {line}"))?;
        Ok(Running::new(child, line))
    }
}
