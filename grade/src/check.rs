//! What a check is, and how it can end.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::need::Need;
use crate::subject::Subject;

/// What a check's function returns: `Ok` for pass, an error for fail, [`skip`] for "this host cannot tell".
pub type Verdict = anyhow::Result<()>;

/// One promise of a container runtime, and the function that looks whether a binary keeps it.
///
/// Written as a constant with `..Check::NEW` for the fields that keep their defaults.
#[derive(Clone, Copy)]
pub struct Check {
    /// Unique, in kebab-case: the test's name, and what a student passes to `grade check --filter`.
    pub id: &'static str,
    /// The first step whose binary keeps this promise; every later step must keep it too.
    pub step: u8,
    /// Numbers of the behaviours (see the book's list) of which this check looks at a part.
    pub behaviours: &'static [u8],
    /// One sentence without a full stop, saying what holds.
    pub title: &'static str,
    /// What the check is worth when graded, 1 to 5.
    pub points: u8,
    /// From a nudge to nearly the answer; a reader unfolds them one at a time.
    pub hints: &'static [&'static str],
    /// The page and heading of the book that teach it: `01-fork.html#exit-codes`.
    pub section: &'static str,
    /// What the host must offer; without it the check is skipped and says why.
    pub needs: &'static [Need],
    /// Ids of checks without which this one tells nothing: when one of them fails, this one is blocked.
    pub after: &'static [&'static str],
    /// The whole check must end within this time.
    pub timeout: Duration,
    /// It takes two seconds or more, most of which it waits: begun early, it is not what all others wait for in the end.
    pub slow: bool,
    /// Later steps in which the promise does not hold, each with its reason.
    pub exceptions: &'static [(u8, &'static str)],
    /// Runs the binary and compares the kernel's records with the promise.
    pub run: fn(&Subject) -> Verdict,
}

impl Check {
    /// The defaults. The body fails, so that a check without one can never pass.
    pub const NEW: Check = Check {
        id: "",
        step: 0,
        behaviours: &[],
        title: "",
        points: 1,
        hints: &[],
        section: "",
        needs: &[],
        after: &[],
        timeout: Duration::from_secs(30),
        slow: false,
        exceptions: &[],
        run: |_| anyhow::bail!("this check has no body"),
    };

    /// Whether the binary of `step` is held to this promise.
    #[must_use]
    pub fn applies_to(&self, step: u8) -> bool {
        self.step <= step && !self.exceptions.iter().any(|(exempt, _)| *exempt == step)
    }

    /// The name under which `cargo test` lists it: `step01::exit-status-own`.
    #[must_use]
    pub fn test_name(&self) -> String {
        format!("step{:02}::{}", self.step, self.id)
    }
}

/// How a check ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "outcome", rename_all = "lowercase")]
pub enum Outcome {
    /// The promise is kept.
    Pass,
    /// It is not; the message says what was expected and what the kernel showed, the mismatch says it in parts.
    Fail {
        message: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        mismatch: Option<Mismatch>,
    },
    /// A check that this one builds on failed, so its own result would say nothing.
    Blocked { by: String },
    /// This host cannot show whether the promise is kept.
    Skipped { reason: String },
}

/// What a failed check expected and what it saw.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mismatch {
    /// What was looked at, where the check says it.
    pub what: Option<String>,
    pub expected: String,
    /// What the kernel showed.
    pub shown: String,
}

impl fmt::Display for Mismatch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(what) = &self.what {
            write!(f, "{what}: ")?;
        }
        write!(f, "expected {}, the kernel showed {}", self.expected, self.shown)
    }
}

impl std::error::Error for Mismatch {}

/// The error that ends a check with what was expected and what the kernel showed instead.
pub fn mismatch(expected: impl Into<String>, shown: impl Into<String>) -> anyhow::Error {
    Mismatch { what: None, expected: expected.into(), shown: shown.into() }.into()
}

impl Outcome {
    /// A failure that has nothing but its message.
    #[must_use]
    pub fn fail(message: impl Into<String>) -> Outcome {
        Outcome::Fail { message: message.into(), mismatch: None }
    }

    /// What was expected and what the kernel showed, for a failure that says so.
    #[must_use]
    pub fn mismatch(&self) -> Option<&Mismatch> {
        if let Outcome::Fail { mismatch, .. } = self { mismatch.as_ref() } else { None }
    }

    /// `pass`, `fail`, `blocked` or `skipped`, as in the log.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Outcome::Pass => "pass",
            Outcome::Fail { .. } => "fail",
            Outcome::Blocked { .. } => "blocked",
            Outcome::Skipped { .. } => "skipped",
        }
    }

    /// The message, the check that blocks, or the reason for the skip.
    #[must_use]
    pub fn reason(&self) -> Option<&str> {
        match self {
            Outcome::Pass => None,
            Outcome::Fail { message, .. } => Some(message),
            Outcome::Blocked { by } => Some(by),
            Outcome::Skipped { reason } => Some(reason),
        }
    }
}

impl From<Verdict> for Outcome {
    fn from(verdict: Verdict) -> Outcome {
        match verdict {
            Ok(()) => Outcome::Pass,
            Err(error) => match error.downcast_ref::<Skip>() {
                Some(Skip(reason)) => Outcome::Skipped { reason: reason.clone() },
                None => Outcome::Fail {
                    message: format!("{error:#}"),
                    mismatch: error.downcast_ref::<Mismatch>().cloned(),
                },
            },
        }
    }
}

/// The error that ends a check as skipped instead of failed.
#[derive(Debug)]
struct Skip(String);

impl fmt::Display for Skip {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "skipped: {}", self.0)
    }
}

impl std::error::Error for Skip {}

/// An error that ends the check as skipped: for a lack that only shows while the check runs.
///
/// What is known beforehand belongs in [`Check::needs`].
pub fn skip(reason: impl Into<String>) -> anyhow::Error {
    anyhow::Error::new(Skip(reason.into()))
}

/// Ends the check unless both are equal: "WHAT: expected X, the kernel showed Y".
///
/// ```ignore
/// expect_eq!(output.code(), 7, "exit status of `sh -c 'exit 7'`");
/// ```
#[macro_export]
macro_rules! expect_eq {
    ($got:expr, $want:expr, $($what:tt)+) => {
        match (&$got, &$want) {
            (got, want) => {
                if !(*got == *want) {
                    return Err($crate::check::Mismatch {
                        what: Some(format!($($what)+)),
                        expected: format!("{want:?}"),
                        shown: format!("{got:?}"),
                    }
                    .into());
                }
            }
        }
    };
}

/// Ends the check unless the condition holds: "expected X, the kernel showed Y".
///
/// ```ignore
/// expect!(peak < limit, "a peak below {limit} bytes", "{peak}");
/// ```
#[macro_export]
macro_rules! expect {
    ($condition:expr, $want:literal, $got:literal $(, $arg:expr)* $(,)?) => {{
        // Bound first: a comparison of floats must not be negated in one breath, says clippy.
        let holds: bool = $condition;
        if !holds {
            return Err($crate::check::mismatch(format!($want), format!($got $(, $arg)*)));
        }
    }};
}
