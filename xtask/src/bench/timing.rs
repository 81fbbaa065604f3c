//! Timing commands in turns.
//!
//! One run of each, then the next of each, so that a busy moment of the machine falls on all alike; 50 ms of rest before
//! each, because a start waits for RCU grace periods in the kernel, and a loop without gaps hides that. hyperfine cannot
//! take turns. The figures are medians over all runs.

use std::path::Path;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};

use super::interrupt;
use super::line::Line;
use super::results::{Absent, Row, Unit, quantile};

pub const GAP: Duration = Duration::from_millis(50);

/// A round is noisy when its commands took so much longer than in all rounds together.
const NOISE: f64 = 1.25;

/// One command to time.
pub struct Entry {
    /// The table that its row stands in.
    pub group: &'static str,
    /// The row; its figures come later.
    pub row: Row,
    pub line: Line,
    /// What is run before and after each, and not timed.
    pub before: Option<Line>,
    pub after: Option<Line>,
}

impl Entry {
    pub fn ours(group: &'static str, id: &str, name: &str, line: Line) -> Entry {
        let row = Row::of(id, name, Unit::Milliseconds, &[]).ours();
        Entry { group, row, line, before: None, after: None }
    }

    /// Does the same as the row `beside`.
    pub fn peer(group: &'static str, id: &str, name: &str, line: Line, beside: &str) -> Entry {
        let row = Row::of(id, name, Unit::Milliseconds, &[]).beside(beside);
        Entry { group, row, line, before: None, after: None }
    }

    pub fn before(self, line: Line) -> Entry {
        Entry { before: Some(line), ..self }
    }

    pub fn after(self, line: Line) -> Entry {
        Entry { after: Some(line), ..self }
    }

    /// In milliseconds.
    fn once(&self, words: &Path) -> Result<f64> {
        interrupt::check()?;
        if let Some(before) = &self.before {
            before.timed(words)?;
        }
        thread::sleep(GAP);
        let time = self.line.timed(words)?;
        if let Some(after) = &self.after {
            after.timed(words)?;
        }
        Ok(time.as_secs_f64() * 1000.0)
    }
}

/// How often everything is run.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    /// In a round.
    pub runs: usize,
    pub rounds: usize,
    /// Runs before, which do not count.
    pub warm_up: usize,
}

impl Pace {
    /// For what takes long.
    pub fn divided(self, by: usize) -> Pace {
        Pace { runs: self.runs.div_ceil(by), rounds: self.rounds, warm_up: self.warm_up / by }
    }
}

/// What came of a section: rows with the ids of their groups, and whoever could not take part.
#[derive(Default)]
pub struct Measured {
    pub rows: Vec<(&'static str, Row)>,
    pub absent: Vec<Absent>,
    pub warnings: Vec<String>,
}

impl Measured {
    pub fn row(&mut self, group: &'static str, row: Row) {
        self.rows.push((group, row));
    }

    pub fn absent(&mut self, name: &str, error: &anyhow::Error) {
        self.absent.push(Absent { name: name.to_owned(), why: format!("{error:#}") });
    }
}

/// Times all entries. A peer that fails is left out, with its own words for the reason.
///
/// # Errors
/// When one of ours fails.
pub fn measure(section: &str, entries: Vec<Entry>, pace: Pace, words: &Path) -> Result<Measured> {
    let mut measured = Measured::default();
    let mut entries: Vec<(Entry, Vec<f64>)> = entries.into_iter().map(|entry| (entry, Vec::new())).collect();
    for run in 0..pace.warm_up + pace.runs * pace.rounds {
        let mut failed = None;
        for (at, (entry, times)) in entries.iter_mut().enumerate() {
            match entry.once(words) {
                Ok(time) if run >= pace.warm_up => times.push(time),
                Ok(_) => {}
                Err(error) if entry.row.ours => return Err(error).with_context(|| entry.row.name.clone()),
                Err(error) => {
                    interrupt::check()?;
                    measured.absent(&entry.row.name, &error);
                    failed = Some(at);
                    break;
                }
            }
        }
        // The others go on with the next turn; one run less of some does not move their medians.
        failed.map(|at| entries.remove(at));
    }
    let times: Vec<&[f64]> = entries.iter().map(|(_, times)| &times[..]).collect();
    for (round, factor) in noisy(&times, pace.runs) {
        measured.warnings.push(format!(
            "{section}: round {} of {} took {factor:.2} times as long as the median: the machine was busy",
            round + 1,
            pace.rounds
        ));
    }
    for (entry, times) in entries {
        let figures = Row::of(&entry.row.id, &entry.row.name, Unit::Milliseconds, &times);
        measured.row(entry.group, Row { ours: entry.row.ours, beside: entry.row.beside, ..figures });
    }
    Ok(measured)
}

/// The rounds in which most commands took longer than usual, with how much longer.
fn noisy(times: &[&[f64]], runs: usize) -> Vec<(usize, f64)> {
    let rounds = times.iter().map(|times| times.len().div_ceil(runs.max(1))).min().unwrap_or(0);
    let factor = |round: usize| {
        let of = |times: &&[f64]| {
            let part = &times[round * runs..times.len().min((round + 1) * runs)];
            quantile(part, 0.5) / quantile(times, 0.5)
        };
        quantile(&times.iter().map(of).collect::<Vec<_>>(), 0.5)
    };
    (0..rounds).map(|round| (round, factor(round))).filter(|(_, factor)| *factor > NOISE).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    const PACE: Pace = Pace { runs: 1, rounds: 2, warm_up: 1 };

    #[test]
    fn a_peer_that_fails_is_left_out_with_its_reason() {
        let scratch = Scratch::new("timing").unwrap();
        let fails = Line::of("sh -c").word("echo no such thing >&2; exit 1");
        let entries = vec![
            Entry::ours("g", "a", "a", Line::of("true")),
            Entry::peer("g", "b", "b", fails, "a"),
            Entry::peer("g", "c", "c", Line::of("true"), "a"),
        ];
        let measured = measure("s", entries, PACE, &scratch.path().join("words")).unwrap();
        let rows: Vec<_> = measured.rows.iter().map(|(_, row)| (row.id.as_str(), row.runs)).collect();
        assert_eq!(rows, [("a", 2), ("c", 2)]);
        assert_eq!(measured.absent[0].name, "b");
        assert!(measured.absent[0].why.ends_with("no such thing"));
    }

    #[test]
    fn one_of_ours_that_fails_ends_the_measuring() {
        let scratch = Scratch::new("timing").unwrap();
        let entries = vec![Entry::ours("g", "a", "a", Line::of("false"))];
        assert!(measure("s", entries, PACE, &scratch.path().join("words")).is_err());
    }

    #[test]
    fn what_belongs_to_a_run_is_not_timed_with_it() {
        let scratch = Scratch::new("timing").unwrap();
        let folder = scratch.path().join("folder");
        let entry = Entry::ours("g", "a", "a", Line::of("test -d").word(&folder));
        let entry = entry.before(Line::of("mkdir").word(&folder)).after(Line::of("rmdir").word(&folder));
        let measured = measure("s", vec![entry], PACE, &scratch.path().join("words")).unwrap();
        assert_eq!(measured.rows[0].1.runs, 2);
    }

    #[test]
    fn a_round_in_which_everything_is_slow_is_noisy() {
        let steady = [1.0, 1.0, 2.0, 2.0, 1.0, 1.0];
        let other = [5.0, 5.0, 9.0, 9.0, 5.0, 5.0];
        let found: Vec<usize> = noisy(&[&steady, &other], 2).into_iter().map(|(round, _)| round).collect();
        assert_eq!(found, [1]);
        assert!(noisy(&[&other, &[1.0; 6], &[1.0; 6]], 2).is_empty());
        assert!(noisy(&[], 2).is_empty());
    }
}
