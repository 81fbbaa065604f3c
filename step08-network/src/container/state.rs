//! What has become of a container.

use super::Process;
use crate::image::time::Time;
use nix::libc;
use serde::{Deserialize, Serialize};

/// What a container's record says of its life, as far as a file can know. Whether it runs, the kernel is asked.
#[derive(Default, Serialize, Deserialize)]
#[serde(default)]
pub struct State {
    pub created: Time,
    /// When its command was last started, and when that ended.
    pub started: Option<Time>,
    pub finished: Option<Time>,
    /// The first process of the container, and the one that looks after it.
    pub process: Option<Process>,
    pub supervisor: Option<Process>,
    pub exit_code: Option<u8>,
    pub oom_killed: bool,
}

/// What Docker calls a container's status.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Status {
    Created,
    Running,
    Paused,
    Exited,
}

impl Status {
    pub const WORDS: [&str; 4] = ["created", "running", "paused", "exited"];

    pub fn word(self) -> &'static str {
        Status::WORDS[self as usize]
    }
}

impl State {
    /// One that has not run yet.
    pub fn new() -> State {
        State { created: Time::now(), ..State::default() }
    }

    /// Its command runs, as this process, looked after by the calling one.
    pub fn has_started(&mut self, process: Process, supervisor: Process) {
        let (process, supervisor, started) = (Some(process), Some(supervisor), Some(Time::now()));
        *self = State { created: self.created, started, process, supervisor, ..State::default() };
    }

    pub fn has_ended(&mut self, code: u8, oom_killed: bool) {
        self.finished = Some(Time::now());
        self.exit_code = Some(code);
        self.oom_killed = oom_killed;
    }

    /// Its runtime is gone, and so the kernel has killed it: `PR_SET_PDEATHSIG`.
    pub fn has_died(&mut self) {
        self.has_ended(128 + libc::SIGKILL as u8, false);
    }

    /// Whether its command has not run yet.
    pub fn is_new(&self) -> bool {
        self.started.is_none() && self.finished.is_none()
    }

    /// Whether every start has its end.
    pub fn is_complete(&self) -> bool {
        self.started.is_none() || self.finished.is_some()
    }

    pub fn is_running(&self) -> bool {
        self.finished.is_none() && self.process.as_ref().is_some_and(Process::is_alive)
    }
}
