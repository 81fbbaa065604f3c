//! What a variant's grading has to come to.

use std::collections::BTreeSet;

use anyhow::{Context, Result, ensure};
use grade::Check;

use crate::mutants::Variant;
use crate::steps::Step;

/// Checks that a variant loses beside those that it is made for: `STEP/NAME: ID, ID`.
const ALSO: &str = include_str!("also.txt");

/// The checks of a variant's step, by what has to become of them.
pub struct Expected {
    /// These fail, unless one that they build on does.
    pub lost: BTreeSet<String>,
    /// These are blocked.
    pub blocked: BTreeSet<String>,
    /// These end as it happens.
    pub either: BTreeSet<String>,
}

impl Expected {
    pub fn of(step: &Step, variant: &Variant) -> Result<Expected> {
        let number = grade::step_number(&step.name).context("a step without a number")?;
        let checks: Vec<_> = grade::all().into_iter().filter(|check| check.applies_to(number)).collect();
        let (also, either) = also(ALSO, &format!("{}/{}", step.name, variant.name))?;
        let lost: BTreeSet<String> = variant.checks.iter().cloned().chain(also).collect();
        let blocked = blocked(&checks, &lost);
        Ok(Expected { lost, blocked, either })
    }

    /// What is wrong with how a check ended, if anything is. One that the machine cannot run says nothing.
    pub fn objection(&self, check: &str, outcome: &str) -> Option<String> {
        let wanted = if self.blocked.contains(check) {
            "blocked"
        } else if self.lost.contains(check) {
            "fail"
        } else {
            "pass"
        };
        let fine = outcome == wanted || outcome == "skipped" || self.either.contains(check);
        (!fine).then(|| format!("{check}: {outcome}, not {wanted}"))
    }
}

/// The checks of the variant in the list: those that it loses, too, and, with a `?` behind, those that it may lose.
fn also(list: &str, variant: &str) -> Result<(BTreeSet<String>, BTreeSet<String>)> {
    let lines = list.lines().filter(|line| !line.starts_with('#'));
    let mut found = lines.filter_map(|line| line.split_once(": ")).filter(|(name, _)| *name == variant);
    let ids = found.next().map_or("", |(_, ids)| ids);
    ensure!(found.next().is_none(), "{variant} stands twice in also.txt");
    let ids = ids.split(", ").filter(|id| !id.is_empty());
    let (may, has): (Vec<_>, Vec<_>) = ids.partition(|id| id.ends_with('?'));
    let may: BTreeSet<String> = may.into_iter().map(|id| id.trim_end_matches('?').to_owned()).collect();
    let has: BTreeSet<String> = has.into_iter().map(str::to_owned).collect();
    for id in may.union(&has) {
        ensure!(grade::find(id).is_some(), "{variant} in also.txt: there is no check {id}");
    }
    Ok((has, may))
}

/// Those that build on a lost one, or on one that is blocked itself. Each check stands behind those that it builds on.
fn blocked(checks: &[&Check], lost: &BTreeSet<String>) -> BTreeSet<String> {
    let mut blocked = BTreeSet::new();
    for check in checks {
        if check.after.iter().any(|id| lost.contains(*id) || blocked.contains(*id)) {
            blocked.insert(check.id.to_owned());
        }
    }
    blocked
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(ids: &[&str]) -> BTreeSet<String> {
        ids.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn what_builds_on_a_lost_check_is_blocked() {
        let (one, two) = (grade::all(), grade::all());
        let after = one.iter().find(|check| !check.after.is_empty()).expect("some check builds on another");
        let found = blocked(&two, &set(&after.after[..1]));
        assert!(found.contains(after.id) && !found.contains(after.after[0]));
        assert!(blocked(&two, &set(&[])).is_empty());
    }

    #[test]
    fn an_outcome_that_was_not_foreseen_is_objected_to() {
        let expected = Expected { lost: set(&["a"]), blocked: set(&["b"]), either: set(&["c"]) };
        let objects = |check, outcome| expected.objection(check, outcome).is_some();
        assert!(objects("a", "pass") && objects("a", "blocked") && !objects("a", "fail"));
        assert!(objects("b", "fail") && objects("b", "pass") && !objects("b", "blocked"));
        assert!(!objects("c", "fail") && !objects("c", "pass"));
        assert!(objects("d", "fail") && !objects("d", "pass") && !objects("d", "skipped"));
    }

    #[test]
    fn the_list_names_checks_that_there_are() {
        let list =
            "# words\nstep01/x: exit-status-own, tour-without-terminal?\nstep02/x: exit-status-signal\n";
        let (has, may) = also(list, "step01/x").unwrap();
        assert_eq!((has, may), (set(&["exit-status-own"]), set(&["tour-without-terminal"])));
        assert_eq!(also(list, "step03/x").unwrap(), (set(&[]), set(&[])));
        assert!(also("step01/x: no-such", "step01/x").is_err());
        assert!(also("step01/x: exit-status-own\nstep01/x: exit-status-own\n", "step01/x").is_err());
    }
}
