//! One grading as its checks end, of which several run at once.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use super::OnEntry;
use crate::check::{Check, Outcome};
use crate::harness::lacking;
use crate::report::{Entry, Report};
use crate::warden::Said;

/// Hears how the checks end, in whatever order, and tells it in the order of the checks.
pub(super) struct Session<'a> {
    pub report: &'a mut Report,
    checks: &'a [&'static Check],
    on_entry: OnEntry<'a>,
    /// So many have been told.
    told: usize,
    /// Those that ended before one that stands before them.
    early: BTreeMap<usize, Entry>,
    /// The machine cannot run any.
    pub lack: Option<String>,
    /// Something else than the grader spoke in its name.
    pub forged: bool,
    /// Whoever listens has heard enough.
    stopped: bool,
}

impl<'a> Session<'a> {
    pub fn new(report: &'a mut Report, checks: &'a [&'static Check], on_entry: OnEntry<'a>) -> Session<'a> {
        let early = BTreeMap::new();
        Session { report, checks, on_entry, told: 0, early, lack: None, forged: false, stopped: false }
    }

    pub fn hear(&mut self, said: Said) -> ControlFlow<()> {
        match said {
            // What was under way ends, too.
            _ if self.stopped => ControlFlow::Break(()),
            Said::Entry(entry) => self.ended(entry),
            Said::Lack(reason) => {
                // Once a check has run, the machine can run them.
                self.lack = Some(reason).filter(|_| self.told == 0 && self.early.is_empty());
                ControlFlow::Break(())
            }
            Said::Built(_) => ControlFlow::Continue(()),
        }
    }

    fn ended(&mut self, entry: Entry) -> ControlFlow<()> {
        let number = self.checks.iter().position(|check| check.id == entry.id);
        let Some(number) = number.filter(|number| *number >= self.told && !self.early.contains_key(number))
        else {
            // One result for each check: anything else was not written by the grader.
            self.forged = true;
            return ControlFlow::Break(());
        };
        self.early.insert(number, entry);
        while let Some(entry) = self.early.remove(&self.told) {
            if self.tell(entry).is_break() {
                self.stopped = true;
                return ControlFlow::Break(());
            }
        }
        ControlFlow::Continue(())
    }

    fn tell(&mut self, entry: Entry) -> ControlFlow<()> {
        self.told += 1;
        let flow = (self.on_entry)(&entry);
        self.report.entries.push(entry);
        flow
    }

    /// What is said of the checks that did not end, and of all of them when nobody knows who has spoken.
    pub fn close(mut self, missing: &Outcome) {
        self.report.machine.lack = self.lack.take();
        if self.forged {
            self.early.clear();
            for entry in self.report.entries.iter_mut().filter(|entry| entry.step > 0) {
                entry.outcome = missing.clone();
            }
        }
        while !self.stopped && self.told < self.checks.len() {
            let check = self.checks[self.told];
            let not_run = || Entry::of(check, lacking(check).unwrap_or_else(|| missing.clone()), 0);
            let entry = self.early.remove(&self.told).unwrap_or_else(not_run);
            // There is nothing left that could be ended.
            let _ = self.tell(entry);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    /// What is told of the checks 0 to 2 when these end, in this order; the number of each, and the first letter of how it
    /// ended.
    fn told(ended: &[usize], stop_at: Option<usize>) -> (Vec<String>, bool) {
        let all = crate::all();
        let checks = &all[..3];
        let mut report = Report::new(1, Path::new("x"));
        let mut heard = Vec::new();
        let mut on_entry = |entry: &Entry| {
            let number = checks.iter().position(|check| check.id == entry.id).unwrap();
            heard.push(format!("{number}{}", &entry.outcome.word()[..1]));
            if stop_at == Some(number) { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
        };
        let mut session = Session::new(&mut report, checks, &mut on_entry);
        for number in ended {
            let _ = session.hear(Said::Entry(Entry::of(checks[*number], Outcome::Pass, 1)));
        }
        let forged = session.forged;
        session.close(&Outcome::fail("not tried"));
        (heard, forged)
    }

    #[test]
    fn what_ends_early_is_told_in_its_turn() {
        assert_eq!(told(&[0, 1, 2], None).0, ["0p", "1p", "2p"]);
        assert_eq!(told(&[2, 0, 1], None).0, ["0p", "1p", "2p"]);
    }

    #[test]
    fn what_did_not_end_is_missing() {
        assert_eq!(told(&[0, 2], None).0, ["0p", "1f", "2p"]);
    }

    #[test]
    fn who_has_heard_enough_hears_no_more() {
        assert_eq!(told(&[1, 0, 2], Some(0)).0, ["0p"]);
    }

    #[test]
    fn a_second_result_for_a_check_is_forged() {
        assert!(told(&[0, 0], None).1 && told(&[2, 2], None).1);
        assert!(!told(&[2, 1, 0], None).1);
    }
}
