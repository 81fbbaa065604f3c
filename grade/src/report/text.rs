//! For people: a line for each check, what to do about those that failed, and the sum.

use std::fmt::Write;

use super::{Entry, Points, Report, Status};
use crate::check::Outcome;

/// Of an explanation's part this many lines are shown, and of a line this many characters; JSON has the whole.
const LINES: usize = 12;
const WIDTH: usize = 400;

/// Writes a report piece by piece, as the checks end.
pub struct Writer {
    color: bool,
    step: Option<u8>,
    shown_reason: Option<String>,
}

/// The whole report at once.
#[must_use]
pub fn render(report: &Report, color: bool) -> String {
    let mut writer = Writer::new(color);
    let entries: String = report.entries.iter().map(|entry| writer.entry(entry)).collect();
    writer.head(report) + &entries + &writer.summary(report)
}

#[derive(Clone, Copy)]
enum Ink {
    Green,
    Red,
    Yellow,
    Dim,
    Bold,
}

impl Writer {
    /// With `color`, as a terminal understands it.
    #[must_use]
    pub fn new(color: bool) -> Writer {
        Writer { color, step: None, shown_reason: None }
    }

    fn ink(&self, ink: Ink, text: &str) -> String {
        let code = match ink {
            Ink::Green => 32,
            Ink::Red => 31,
            Ink::Yellow => 33,
            Ink::Dim => 2,
            Ink::Bold => 1,
        };
        if self.color { format!("\u{1b}[{code}m{text}\u{1b}[0m") } else { text.to_string() }
    }

    /// What is graded, and where.
    #[must_use]
    pub fn head(&self, report: &Report) -> String {
        let machine = &report.machine;
        let step = self.ink(Ink::Bold, &format!("step{:02}", report.step));
        format!(
            "{step}  {}  (as {}, Linux {}, cgroups {})\n",
            clean(&report.subject),
            machine.user,
            machine.kernel,
            machine.cgroups
        )
    }

    /// One check, under the heading of its step.
    #[must_use]
    pub fn entry(&mut self, entry: &Entry) -> String {
        let mut out = String::new();
        if self.step != Some(entry.step) {
            self.step = Some(entry.step);
            self.shown_reason = None;
            let _ = writeln!(out, "\n{}", self.ink(Ink::Bold, &entry.group()));
        }
        let (ink, word) = match entry.outcome {
            Outcome::Pass => (Ink::Green, "pass"),
            Outcome::Fail { .. } => (Ink::Red, "FAIL"),
            Outcome::Blocked { .. } => (Ink::Dim, "blocked"),
            Outcome::Skipped { .. } => (Ink::Yellow, "skipped"),
        };
        let points =
            if entry.points == 0 { String::new() } else { format!("{}/{}", entry.score(), entry.points) };
        let points = if entry.skipped() { format!("-/{}", entry.points) } else { points };
        let word = self.ink(ink, &format!("{word:7}"));
        let id = self.ink(Ink::Bold, &entry.id);
        let _ = writeln!(out, "  {word} {points:>3}  {id}  {}", clean(&entry.title));
        match entry.outcome {
            Outcome::Pass => {}
            Outcome::Fail { .. } => self.failure(&mut out, entry),
            Outcome::Blocked { .. } | Outcome::Skipped { .. } => self.reason(&mut out, entry),
        }
        out
    }

    /// The same reason, such as "needs root", is said once in a row.
    fn reason(&mut self, out: &mut String, entry: &Entry) {
        let reason = entry.reason();
        if reason != self.shown_reason {
            let text = indented(reason.as_deref().unwrap_or_default(), 15);
            let _ = writeln!(out, "               {}", self.ink(Ink::Dim, &text));
        }
        self.shown_reason = reason;
    }

    fn failure(&mut self, out: &mut String, entry: &Entry) {
        self.shown_reason = None;
        let mut line = |name: &str, text: &str, ink: Option<Ink>| {
            let text = indented(text, 21);
            let text = ink.map_or(text.clone(), |ink| self.ink(ink, &text));
            let _ = writeln!(out, "          {name:9}  {text}");
        };
        match entry.outcome.mismatch() {
            Some(found) => {
                if let Some(what) = &found.what {
                    line("looked at", what, None);
                }
                line("expected", &found.expected, Some(Ink::Green));
                line("showed", &found.shown, Some(Ink::Red));
            }
            None => line("found", &entry.reason().unwrap_or_default(), Some(Ink::Red)),
        }
        if let Some(hint) = &entry.hint {
            line("hint", hint, Some(Ink::Yellow));
        }
        if entry.hints > 1 {
            line("more", &format!("grade hint {} 2", entry.id), Some(Ink::Dim));
        }
        if let Some(section) = &entry.section {
            line("book", section, None);
        }
    }

    /// Points by step, and where to go on.
    #[must_use]
    pub fn summary(&self, report: &Report) -> String {
        let mut out = String::from("\n");
        for group in report.entries.chunk_by(|one, next| one.step == next.step) {
            let of = Report { entries: group.to_vec(), ..report.clone() }.points();
            if of.possible + of.not_judged > 0 {
                let passed = group.iter().filter(|entry| entry.passed()).count();
                let _ = writeln!(
                    out,
                    "{}  {passed:3} of {:3} checks  {}",
                    group[0].group(),
                    group.len(),
                    sum(of)
                );
            }
        }
        let _ =
            writeln!(out, "{}", self.ink(Ink::Bold, &format!("{:26}  {}", "together", sum(report.points()))));
        out + &self.verdict(report)
    }

    fn verdict(&self, report: &Report) -> String {
        let first = report.entries.iter().find(|entry| entry.failed());
        match (report.status(), first) {
            (Status::CannotRun, _) => {
                let lack = report.lack().unwrap_or_default();
                let words = format!("This machine cannot run it: {}", clean(&lack));
                format!(
                    "\n{}\nNothing was judged. `grade doctor` says what is missing.\n",
                    self.ink(Ink::Yellow, &words)
                )
            }
            (Status::Failed, Some(first)) if first.step == 0 => {
                format!("\n{}\n", self.ink(Ink::Red, "It does not build, so nothing could be checked."))
            }
            (Status::Failed, Some(first)) => {
                let red = if red_is_expected(report) {
                    format!("Red is expected here: nothing of step{:02} is there yet. ", report.step)
                } else {
                    String::new()
                };
                format!("\n{red}Begin with {}: grade hint {}\n", self.ink(Ink::Bold, &first.id), first.id)
            }
            _ => format!("\n{}\n", self.ink(Ink::Green, "Everything that could be checked here holds.")),
        }
    }
}

/// Whether nothing of the newest step passes yet, as when one has just begun with it.
fn red_is_expected(report: &Report) -> bool {
    let mut newest = report.entries.iter().filter(|entry| entry.step == report.step).peekable();
    newest.peek().is_some() && newest.all(|entry| !entry.passed())
}

fn sum(points: Points) -> String {
    let judged = format!("{:3} of {:3} points", points.got, points.possible);
    if points.not_judged == 0 {
        judged
    } else {
        format!("{judged}, {} more not judged here", points.not_judged)
    }
}

/// What a program printed must not steer the terminal that shows it.
fn clean(text: &str) -> String {
    let plain = |c: char| if c.is_control() && c != '\n' { char::REPLACEMENT_CHARACTER } else { c };
    text.chars().map(plain).collect()
}

/// The text with its later lines indented, and cut where it gets too long to help.
fn indented(text: &str, indent: usize) -> String {
    let text = clean(text);
    let shorten = |line: &str| match line.char_indices().nth(WIDTH) {
        Some((at, _)) => format!("{} …", &line[..at]),
        None => line.to_string(),
    };
    let mut lines: Vec<String> = text.lines().take(LINES).map(shorten).collect();
    let left = text.lines().count().saturating_sub(LINES);
    if left > 0 {
        lines.push(format!("… and {left} lines more; --format json shows all"));
    }
    let indent = format!("\n{}", " ".repeat(indent));
    lines.join(&indent).replace(&format!("{indent}\n"), "\n\n")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn control_characters_do_not_get_through() {
        let text = render(&sample::report(), false);
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(render(&sample::report(), true).contains("\u{1b}[31m"));
    }

    #[test]
    fn red_is_expected_until_something_of_the_newest_step_passes() {
        let mut report = sample::report();
        assert!(render(&report, false).contains("Red is expected here: nothing of step02"));
        report.entries[5].outcome = Outcome::Pass;
        assert!(!render(&report, false).contains("Red is expected"));
    }
}
