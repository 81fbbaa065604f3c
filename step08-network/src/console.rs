//! What a container's command has as stdin, stdout and stderr.

use crate::cli::Run;
use crate::explain::{self, explain};
use crate::link::ContainerEnd;
use crate::root::Root;
use crate::tty;
use crate::users::User;
use anyhow::{Context, Result, ensure};
use nix::unistd::{Uid, dup2_stderr, dup2_stdin, dup2_stdout, pipe};
use std::fs::File;
use std::io::{IsTerminal, stdin};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};
use std::path::PathBuf;

pub enum Console {
    /// What the caller has.
    Caller,
    /// The same, but nothing to read.
    Output,
    /// A file that takes what the command writes. Without `stdin` there is nothing to read; with it there is something to
    /// wait for.
    Log { path: PathBuf, stdin: bool },
    /// A terminal of its own.
    Terminal,
}

/// A console, opened.
pub enum Streams {
    Caller,
    Output(OwnedFd),
    Log { stdin: OwnedFd, log: OwnedFd },
    Terminal(Option<OwnedFd>),
}

impl Console {
    /// What a container gets that lives on without its caller, or not.
    pub fn choose(run: &Run, detached: bool, log: PathBuf) -> Result<Console> {
        if detached {
            return Ok(Console::Log { path: log, stdin: run.interactive });
        }
        ensure!(
            !(run.tty && run.interactive) || stdin().is_terminal(),
            "-t connects a terminal with the container's, and stdin is none; leave -t out"
        );
        Ok(if run.tty { Console::Terminal } else { Console::Caller })
    }

    /// What `exec` gives its command: the caller's stdin only if it is asked for.
    pub fn for_exec(run: &Run) -> Result<Console> {
        match Console::choose(run, false, PathBuf::new())? {
            Console::Caller if !run.interactive => Ok(Console::Output),
            console => Ok(console),
        }
    }

    /// Opens what there is on the host. The container's root will cover the folder that the log is in.
    pub fn open(&self) -> Result<Streams> {
        Ok(match self {
            Console::Caller => Streams::Caller,
            Console::Output => Streams::Output(null()?),
            Console::Log { path, stdin } => {
                let log = File::options().append(true).open(path);
                let log = log.with_context(|| format!("open {}", path.display()))?.into();
                let stdin = if *stdin { never_ending()? } else { null()? };
                Streams::Log { stdin, log }
            }
            Console::Terminal => Streams::Terminal(None),
        })
    }
}

impl Streams {
    /// Makes the terminal, in the container's devpts, and hands its other side to the parent.
    pub fn make_terminal(
        &mut self,
        root: &Root<impl AsFd>,
        user: &User,
        parent: &ContainerEnd,
    ) -> Result<()> {
        if let Streams::Terminal(terminal) = self {
            let (outside, inside) = tty::pair(root, Uid::from_raw(user.uid))?;
            parent.send(&outside)?;
            *terminal = Some(inside);
        }
        Ok(())
    }

    /// What is open for them.
    pub fn descriptors(&self) -> Vec<BorrowedFd<'_>> {
        match self {
            Streams::Caller => vec![],
            Streams::Output(stdin) => vec![stdin.as_fd()],
            Streams::Log { stdin, log } => vec![stdin.as_fd(), log.as_fd()],
            Streams::Terminal(terminal) => terminal.iter().map(AsFd::as_fd).collect(),
        }
    }

    /// Makes them this process's. What the runtime has to say from here on goes where it has gone before.
    pub fn take(self) -> Result<()> {
        let (stdin, rest) = match &self {
            Streams::Caller | Streams::Terminal(None) => return Ok(()),
            Streams::Output(stdin) => return dup2_stdin(stdin).context("set stdin"),
            Streams::Log { stdin, log } => (stdin, log),
            Streams::Terminal(Some(terminal)) => {
                tty::take_control(terminal)?;
                (terminal, terminal)
            }
        };
        explain::keep_stderr()?;
        dup2_stdin(stdin)
            .and_then(|()| dup2_stdout(rest))
            .and_then(|()| dup2_stderr(rest))
            .context("set stdin, stdout and stderr")?;
        let [stdin, rest] = [stdin, rest].map(AsRawFd::as_raw_fd);
        explain!("dup2({stdin}, 0) = 0, dup2({rest}, 1) = 1, dup2({rest}, 2) = 2");
        Ok(())
    }
}

fn null() -> Result<OwnedFd> {
    Ok(File::open("/dev/null").context("open /dev/null")?.into())
}

/// A FIFO that is open for writing, too, fifo(7): reading from it waits, and never finds its end.
fn never_ending() -> Result<OwnedFd> {
    let (read_end, _) = pipe().context("make a pipe")?;
    let path = format!("/proc/self/fd/{}", read_end.as_raw_fd());
    let both = File::options().read(true).write(true).open(path).context("open a pipe on both ends")?;
    Ok(both.into())
}
