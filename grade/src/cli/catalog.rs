//! What the checks say of themselves, and the doctor of the machine.

use std::fmt::Write;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use grade::Check;
use serde::Serialize;

use super::{exercises, print};

#[derive(Serialize)]
struct Listed {
    id: &'static str,
    step: String,
    points: u8,
    title: &'static str,
    section: &'static str,
    hints: usize,
    after: &'static [&'static str],
    /// Why this machine, or this user, cannot run it.
    lacks: Vec<String>,
}

pub(super) fn list(format: &str) -> Result<()> {
    let checks = grade::all();
    if format == "json" {
        let listed: Vec<Listed> = checks.into_iter().map(listed).collect();
        return print(&(serde_json::to_string_pretty(&listed)? + "\n"));
    }
    let width = checks.iter().map(|check| check.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for check in checks {
        writeln!(out, "step{:02}  {}  {:width$}  {}", check.step, check.points, check.id, check.title)?;
    }
    print(&out)
}

fn listed(check: &Check) -> Listed {
    Listed {
        id: check.id,
        step: format!("step{:02}", check.step),
        points: check.points,
        title: check.title,
        section: check.section,
        hints: check.hints.len(),
        after: check.after,
        lacks: check.needs.iter().filter_map(|need| need.missing()).collect(),
    }
}

fn find(id: &str) -> Result<&'static Check> {
    if let Some(check) = grade::find(id) {
        return Ok(check);
    }
    let near: Vec<&str> =
        grade::all().iter().map(|check| check.id).filter(|known| known.contains(id)).collect();
    match &near[..] {
        [] => bail!("there is no check {id}: see `grade list`"),
        near => bail!("there is no check {id}; there is {}", near.join(", ")),
    }
}

pub(super) fn hint(id: &str, n: u16) -> Result<()> {
    match grade::exercise::find(id) {
        Some(exercise) => nth_hint(id, n, &exercise.hints, &exercises::section(exercise)),
        None => find(id).and_then(|check| nth_hint(id, n, check.hints, check.section)),
    }
}

fn nth_hint(id: &str, n: u16, hints: &[impl AsRef<str>], section: &str) -> Result<()> {
    let count = hints.len();
    let hint = hints.get(usize::from(n) - 1).map(AsRef::as_ref);
    let hint = hint.with_context(|| format!("{id} has {count} hints, and this asks for number {n}"))?;
    let next = if usize::from(n) < count {
        format!("next: grade hint {id} {}\n", n + 1)
    } else {
        format!("That was the last. The book: {section}\n")
    };
    print(&format!("{id}, hint {n} of {count}\n\n{hint}\n\n{next}"))
}

pub(super) fn explain(id: &str) -> Result<()> {
    if let Some(exercise) = grade::exercise::find(id) {
        return print(&exercises::described(exercise)?);
    }
    let check = find(id)?;
    let mut out = format!("{id}  (step{:02}, {} points)\n\n{}\n\n", check.step, check.points, check.title);
    writeln!(out, "book       {}", check.section)?;
    writeln!(out, "time       at most {:?}", check.timeout)?;
    if !check.after.is_empty() {
        writeln!(out, "builds on  {}", check.after.join(", "))?;
    }
    for need in check.needs {
        match need.missing() {
            None => writeln!(out, "needs      {need:?}: there")?,
            Some(reason) => writeln!(out, "needs      {need:?}: {reason}")?,
        }
    }
    for (step, reason) in check.exceptions {
        writeln!(out, "exception  step{step:02}: {reason}")?;
    }
    writeln!(out, "hints      {}: grade hint {id}", check.hints.len())?;
    print(&out)
}

pub(super) fn doctor(format: &str) -> Result<ExitCode> {
    let diagnosis = grade::doctor::examine();
    match format {
        "json" => print(&(serde_json::to_string_pretty(&diagnosis)? + "\n"))?,
        _ => print(&diagnosis.text())?,
    }
    Ok(ExitCode::from(diagnosis.exit_status()))
}
