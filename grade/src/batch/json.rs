//! Every report in full, as `grade check --format json` writes it.

use anyhow::Result;
use serde::Serialize;

use super::{Graded, most_missed};
use crate::report::json::{Whole, whole};

#[derive(Serialize)]
struct Batch<'a> {
    schema: &'static str,
    submissions: Vec<One<'a>>,
    most_missed: Vec<Missed>,
}

#[derive(Serialize)]
struct One<'a> {
    name: &'a str,
    status: &'static str,
    /// Why there is no report.
    reason: Option<&'a str>,
    report: Option<Whole<'a>>,
}

#[derive(Serialize)]
struct Missed {
    check: &'static str,
    missed: usize,
    judged: usize,
}

/// All of it.
///
/// # Errors
/// When it cannot be written as JSON.
pub fn render(graded: &[Graded]) -> Result<String> {
    let missed = most_missed(graded).into_iter();
    let batch = Batch {
        schema: "grade/batch/v1",
        submissions: graded.iter().map(one).collect(),
        most_missed: missed
            .map(|(check, missed, judged)| Missed { check: check.id, missed, judged })
            .collect(),
    };
    Ok(serde_json::to_string_pretty(&batch)? + "\n")
}

fn one(graded: &Graded) -> One<'_> {
    let (name, result) = (graded.name.as_str(), graded.result.as_ref());
    let reason = result.err().map(String::as_str);
    One { name, status: graded.word(), reason, report: result.ok().map(whole) }
}
