//! Gradescope's `results.json`. <https://gradescope-autograders.readthedocs.io/en/latest/specs/>
//!
//! A check that this machine cannot run has no score at all. When that is each of them, Gradescope finds no score
//! anywhere and shows an autograder's error, which is what it is: no student gets a zero for it.

use anyhow::Result;
use serde::Serialize;

use super::{Entry, Report};

#[derive(Serialize)]
struct Results {
    /// Seconds.
    execution_time: f64,
    output: String,
    output_format: &'static str,
    visibility: &'static str,
    stdout_visibility: &'static str,
    tests: Vec<Test>,
}

#[derive(Serialize)]
struct Test {
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_score: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<&'static str>,
    name: String,
    output: String,
    output_format: &'static str,
    tags: Vec<String>,
    visibility: &'static str,
}

pub(super) fn render(report: &Report) -> Result<String> {
    let points = report.points();
    let output = match report.lack() {
        Some(lack) => format!("This machine cannot run the checks, so nothing was judged: {lack}"),
        None if points.not_judged > 0 => format!(
            "{} of {} points; this machine cannot run checks worth {} more.",
            points.got, points.possible, points.not_judged
        ),
        None => format!("{} of {} points.", points.got, points.possible),
    };
    let results = Results {
        execution_time: std::time::Duration::from_millis(report.millis).as_secs_f64(),
        output,
        output_format: "text",
        visibility: "visible",
        stdout_visibility: "hidden",
        tests: report.entries.iter().map(test).collect(),
    };
    Ok(serde_json::to_string_pretty(&results)? + "\n")
}

fn test(entry: &Entry) -> Test {
    let judged = !entry.skipped();
    let output = match entry.explanation() {
        reason if entry.skipped() => format!("skipped: {reason}"),
        explanation => explanation,
    };
    Test {
        score: judged.then(|| entry.score()),
        max_score: judged.then_some(entry.points),
        status: judged.then_some(if entry.passed() { "passed" } else { "failed" }),
        name: format!("{}: {}", entry.id, entry.title),
        output,
        output_format: "text",
        tags: vec![entry.group()],
        visibility: "visible",
    }
}
