//! What the exercises say of themselves.

use std::fmt::Write;

use anyhow::Result;
use grade::exercise::{self, Exercise};

use super::print;

pub(super) fn list() -> Result<()> {
    let width = exercise::all().iter().map(|exercise| exercise.id.len()).max().unwrap_or(0);
    let mut out = String::new();
    for exercise in exercise::all() {
        let Exercise { step, level, minutes, id, title, .. } = exercise;
        let points = match exercise.points()? {
            0 => "by hand".into(),
            points => format!("{points} points"),
        };
        writeln!(out, "step{step:02}  level {level}  {minutes:3} min  {points:8}  {id:width$}  {title}")?;
    }
    print(&out)
}

/// Where it stands in the book.
pub(super) fn section(exercise: &Exercise) -> String {
    let page = grade::all().into_iter().find(|check| check.step == exercise.step);
    let page = page.and_then(|check| check.section.split_once('#')).map_or("", |(page, _)| page);
    format!("{page}#ex-{}", exercise.id)
}

/// Its text, and how it is begun and checked.
pub(super) fn described(exercise: &Exercise) -> Result<String> {
    let Exercise { id, title, step, level, minutes, text, own, checks, hints, .. } = exercise;
    let mut out = format!(
        "{title}  (step{step:02}, level {level} of 3, about {minutes} minutes)\n\n{}\n\n",
        text.trim()
    );
    writeln!(out, "book       {}", section(exercise))?;
    if !own.is_empty() {
        writeln!(out, "points     {}", exercise.points()?)?;
        writeln!(out, "begin      grade start {id}")?;
        writeln!(out, "own checks {}", own.join(", "))?;
    }
    if !checks.is_empty() {
        writeln!(out, "holds on   {}", checks.join(", "))?;
    }
    writeln!(out, "hints      {}: grade hint {id}", hints.len())?;
    Ok(out)
}
