//! What a grading came to: one value, from which every format is written.

use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::check::{Check, Outcome};

mod classroom50;
mod clock;
pub mod format;
mod github;
mod gradescope;
pub(crate) mod json;
mod junit;
mod machine;
mod tap;
pub mod text;

pub use format::{Format, Surroundings};
pub use machine::Machine;

/// The id of the entry that says whether a submitted crate could be built.
pub const BUILD: &str = "build";

/// How one check ended, with all that a reader needs to go on from there.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Entry {
    pub id: String,
    pub title: String,
    /// The step in which the promise is first kept; 0 for the build.
    pub step: u8,
    pub points: u8,
    pub outcome: Outcome,
    /// The first hint.
    pub hint: Option<String>,
    /// How many there are.
    pub hints: usize,
    /// The book's page and heading: `01-fork.html#exit-codes`.
    pub section: Option<String>,
    pub millis: u64,
}

/// How a grading ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Status {
    /// Every check that this machine can run passed.
    Passed,
    /// One failed at least, or the crate could not be built.
    Failed,
    /// Nothing could be judged, which says nothing about the submission.
    CannotRun,
}

/// Points got, points that could be got, points of checks that this machine cannot run.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Points {
    pub got: u32,
    pub possible: u32,
    pub not_judged: u32,
}

/// A whole grading.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Report {
    /// The version of this tool.
    pub version: String,
    pub step: u8,
    /// What was handed in: a folder or a binary.
    pub subject: String,
    /// The binary that was checked; none when it could not be built.
    pub binary: Option<String>,
    pub machine: Machine,
    pub entries: Vec<Entry>,
    pub millis: u64,
    /// The most memory, in bytes, that the grading used at once, where the kernel could tell.
    pub peak_memory: Option<u64>,
}

impl Entry {
    /// The entry of a check.
    #[must_use]
    pub fn of(check: &Check, outcome: Outcome, millis: u64) -> Entry {
        Entry {
            id: check.id.into(),
            title: check.title.into(),
            step: check.step,
            points: check.points,
            outcome,
            hint: check.hints.first().map(ToString::to_string),
            hints: check.hints.len(),
            section: Some(check.section.to_string()),
            millis,
        }
    }

    /// The entry that says how the build went.
    #[must_use]
    pub fn build(outcome: Outcome, millis: u64) -> Entry {
        let title = "the crate builds".to_string();
        Entry {
            id: BUILD.into(),
            title,
            step: 0,
            points: 0,
            outcome,
            hint: None,
            hints: 0,
            section: None,
            millis,
        }
    }

    #[must_use]
    pub fn passed(&self) -> bool {
        self.outcome == Outcome::Pass
    }

    /// Whether this machine could not run it.
    #[must_use]
    pub fn skipped(&self) -> bool {
        matches!(self.outcome, Outcome::Skipped { .. })
    }

    /// Whether it failed, or was blocked by one that did.
    #[must_use]
    pub fn failed(&self) -> bool {
        matches!(self.outcome, Outcome::Fail { .. } | Outcome::Blocked { .. })
    }

    /// Its points when it passed, else none.
    #[must_use]
    pub fn score(&self) -> u8 {
        if self.passed() { self.points } else { 0 }
    }

    /// Why it did not pass, in words that stand alone.
    #[must_use]
    pub fn reason(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Blocked { by } => Some(format!("not tried: `{by}` has to pass first")),
            outcome => outcome.reason().map(String::from),
        }
    }

    /// `step03`, or `build`.
    #[must_use]
    pub fn group(&self) -> String {
        if self.step == 0 { BUILD.into() } else { format!("step{:02}", self.step) }
    }

    /// What a person is told about a check that did not pass, as lines of text.
    #[must_use]
    pub fn explanation(&self) -> String {
        let mut lines = Vec::new();
        match self.outcome.mismatch() {
            Some(found) => {
                lines.extend(found.what.as_ref().map(|what| format!("looked at: {what}")));
                lines.push(format!("expected: {}", found.expected));
                lines.push(format!("the kernel showed: {}", found.shown));
            }
            None => lines.extend(self.reason()),
        }
        if self.failed() {
            lines.extend(self.hint.as_ref().map(|hint| format!("hint: {hint}")));
            lines.extend(self.section.as_ref().map(|section| format!("book: {section}")));
        }
        lines.join("\n")
    }
}

impl Report {
    /// A report without entries, of what is graded on this machine.
    #[must_use]
    pub fn new(step: u8, subject: &Path) -> Report {
        Report {
            version: env!("CARGO_PKG_VERSION").into(),
            step,
            subject: subject.display().to_string(),
            binary: None,
            machine: Machine::this(),
            entries: Vec::new(),
            millis: 0,
            peak_memory: None,
        }
    }

    #[must_use]
    pub fn status(&self) -> Status {
        let judged = |entry: &&Entry| entry.id != BUILD && !entry.skipped();
        if self.machine.lack.is_some() {
            Status::CannotRun
        } else if self.entries.iter().any(Entry::failed) {
            Status::Failed
        } else if self.entries.iter().any(|entry| judged(&entry)) {
            Status::Passed
        } else {
            Status::CannotRun
        }
    }

    /// Why nothing could be judged; `None` when something was.
    #[must_use]
    pub fn lack(&self) -> Option<String> {
        if self.status() != Status::CannotRun {
            return None;
        }
        let skipped = self.entries.iter().find(|entry| entry.skipped()).and_then(Entry::reason);
        let reason = self.machine.lack.clone().or(skipped);
        Some(reason.unwrap_or_else(|| "there was no check to run".into()))
    }

    #[must_use]
    pub fn points(&self) -> Points {
        let mut points = Points::default();
        for entry in &self.entries {
            let worth = u32::from(entry.points);
            if entry.skipped() {
                points.not_judged += worth;
            } else {
                points.possible += worth;
                points.got += u32::from(entry.score());
            }
        }
        points
    }

    /// Exit status 0: all passed; 1: something failed; 3: this machine cannot run it.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        match self.status() {
            Status::Passed => 0,
            Status::Failed => 1,
            Status::CannotRun => 3,
        }
    }
}

#[cfg(test)]
mod sample;
