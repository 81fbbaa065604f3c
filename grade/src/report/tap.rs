//! The Test Anything Protocol, version 13: readers of 14 read it, too, and Perl's `prove` reads no later one. What a check
//! found stands below its line as YAML, whose double-quoted strings take everything that JSON's do.

use std::fmt::Write;

use anyhow::Result;

use super::{Entry, Report};

pub(super) fn render(report: &Report) -> Result<String> {
    let mut out = String::from("TAP version 13\n");
    if report.entries.is_empty() {
        writeln!(out, "1..0 # SKIP {}", line(&report.lack().unwrap_or_default()))?;
        return Ok(out);
    }
    writeln!(out, "1..{}", report.entries.len())?;
    let points = report.points();
    writeln!(out, "# step{:02}: {} of {} points", report.step, points.got, points.possible)?;
    if let Some(lack) = report.lack() {
        writeln!(out, "# this machine cannot run the checks: {}", one_line(&lack))?;
    }
    for (number, entry) in (1..).zip(&report.entries) {
        let ok = if entry.failed() { "not ok" } else { "ok" };
        write!(out, "{ok} {number} - {}: {}", line(&entry.id), line(&entry.title))?;
        match entry.reason() {
            Some(reason) if entry.skipped() => writeln!(out, " # SKIP {}", line(&reason))?,
            _ => diagnose(&mut out, entry)?,
        }
    }
    Ok(out)
}

fn diagnose(out: &mut String, entry: &Entry) -> Result<()> {
    writeln!(out, "\n  ---\n  points: {}\n  score: {}", entry.points, entry.score())?;
    writeln!(out, "  duration_ms: {}", entry.millis)?;
    let found = entry.outcome.mismatch();
    let fields = [
        ("message", entry.reason()),
        ("expected", found.map(|found| found.expected.clone())),
        ("actual", found.map(|found| found.shown.clone())),
        ("hint", entry.hint.clone().filter(|_| entry.failed())),
        ("section", entry.section.clone().filter(|_| entry.failed())),
    ];
    for (name, value) in fields {
        if let Some(value) = value {
            writeln!(out, "  {name}: {}", serde_json::to_string(&value)?)?;
        }
    }
    Ok(writeln!(out, "  ...")?)
}

/// The text in one line, with what would begin a directive escaped.
fn line(text: &str) -> String {
    one_line(text).replace('\\', "\\\\").replace('#', "\\#")
}

fn one_line(text: &str) -> String {
    let plain = |c: char| if c.is_control() { ' ' } else { c };
    text.chars().map(plain).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ")
}
