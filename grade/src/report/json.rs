//! Everything that is known, for scripts of one's own.

use anyhow::Result;
use serde::Serialize;

use super::{Entry, Machine, Points, Report, Status};

/// The report as it stands in JSON.
#[derive(Serialize)]
pub(crate) struct Whole<'a> {
    schema: &'static str,
    version: &'a str,
    step: String,
    subject: &'a str,
    binary: Option<&'a str>,
    status: Status,
    /// Why nothing could be judged.
    lack: Option<String>,
    machine: &'a Machine,
    points: Points,
    checks: Vec<One<'a>>,
    millis: u64,
    peak_memory_bytes: Option<u64>,
}

#[derive(Serialize)]
struct One<'a> {
    id: &'a str,
    title: &'a str,
    step: String,
    points: u8,
    score: u8,
    outcome: &'a str,
    reason: Option<String>,
    looked_at: Option<&'a str>,
    expected: Option<&'a str>,
    shown: Option<&'a str>,
    hint: Option<&'a str>,
    hints: usize,
    section: Option<&'a str>,
    millis: u64,
}

pub(super) fn render(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(&whole(report))? + "\n")
}

pub(crate) fn whole(report: &Report) -> Whole<'_> {
    Whole {
        schema: "grade/report/v1",
        version: &report.version,
        step: format!("step{:02}", report.step),
        subject: &report.subject,
        binary: report.binary.as_deref(),
        status: report.status(),
        lack: report.lack(),
        machine: &report.machine,
        points: report.points(),
        checks: report.entries.iter().map(one).collect(),
        millis: report.millis,
        peak_memory_bytes: report.peak_memory,
    }
}

fn one(entry: &Entry) -> One<'_> {
    let found = entry.outcome.mismatch();
    One {
        id: &entry.id,
        title: &entry.title,
        step: entry.group(),
        points: entry.points,
        score: entry.score(),
        outcome: entry.outcome.word(),
        reason: entry.reason(),
        looked_at: found.and_then(|found| found.what.as_deref()),
        expected: found.map(|found| found.expected.as_str()),
        shown: found.map(|found| found.shown.as_str()),
        hint: entry.hint.as_deref(),
        hints: entry.hints,
        section: entry.section.as_deref(),
        millis: entry.millis,
    }
}
