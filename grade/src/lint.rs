//! What every check owes its readers.

use std::collections::BTreeSet;

use crate::check::Check;

/// The last behaviour whose step exists.
const LAST_BEHAVIOUR: u8 = 56;

#[test]
fn ids_are_unique_and_in_kebab_case() {
    let mut seen = BTreeSet::new();
    for check in crate::all().into_iter().chain(crate::of_exercises()) {
        assert!(seen.insert(check.id), "{} is there twice", check.id);
        let kebab = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
        assert!(!check.id.is_empty() && check.id.chars().all(kebab), "{:?} is not in kebab-case", check.id);
    }
}

#[test]
fn every_check_is_complete() {
    let of_exercises = crate::of_exercises();
    for check in crate::all().into_iter().chain(of_exercises.iter().copied()) {
        let id = check.id;
        assert!((1..=8).contains(&check.step), "{id}: step {}", check.step);
        assert!((1..=5).contains(&check.points), "{id}: {} points", check.points);
        assert!(!check.title.is_empty() && !check.title.ends_with('.'), "{id}: title {:?}", check.title);
        // In TAP that is a directive, and not every reader knows how a `#` is escaped.
        let mut after = check.title.split('#').skip(1).map(|text| text.trim_start().to_lowercase());
        let directive = after.any(|text| text.starts_with("skip") || text.starts_with("todo"));
        assert!(!directive && !check.title.contains('\n'), "{id}: title {:?}", check.title);
        assert!(!check.hints.is_empty() && check.hints.iter().all(|hint| !hint.is_empty()), "{id}: no hint");
        let of_exercise = of_exercises.iter().any(|one| one.id == id);
        assert!(of_exercise || !check.behaviours.is_empty(), "{id}: no behaviour");
        assert!(!check.timeout.is_zero(), "{id}: no time");
        assert!(check.run as usize != Check::NEW.run as usize, "{id}: no body");
        let page = format!("{:02}-", check.step);
        let section = check.section.strip_prefix(&page).and_then(|rest| rest.split_once(".html#"));
        assert!(section.is_some_and(|(_, heading)| !heading.is_empty()), "{id}: section {:?}", check.section);
    }
}

#[test]
fn every_behaviour_is_checked() {
    let checked: BTreeSet<u8> =
        crate::all().iter().flat_map(|check| check.behaviours.iter().copied()).collect();
    let missing: Vec<u8> = (1..=LAST_BEHAVIOUR).filter(|behaviour| !checked.contains(behaviour)).collect();
    assert!(missing.is_empty(), "no check looks at the behaviours {missing:?}");
}

#[test]
fn checks_stand_behind_those_they_build_on() {
    let mut seen = BTreeSet::new();
    for check in crate::all() {
        for before in check.after {
            assert!(seen.contains(before), "{} builds on {before}, which does not stand before it", check.id);
        }
        seen.insert(check.id);
    }
}

#[test]
fn exceptions_have_reasons_and_are_for_later_steps() {
    for check in crate::all() {
        for (step, reason) in check.exceptions {
            assert!(*step > check.step && *step <= 8, "{}: exception for step {step}", check.id);
            assert!(!reason.is_empty(), "{}: an exception without a reason", check.id);
        }
    }
}

#[test]
fn every_check_of_an_exercise_belongs_to_one() {
    let mut named = BTreeSet::new();
    for exercise in crate::exercise::all() {
        let checks = exercise.all_checks().unwrap();
        let (own, about) = checks.split_at(exercise.own.len());
        let number = format!("exercise {} of step{:02}", exercise.id, exercise.step);
        for check in own {
            assert!(named.insert(check.id), "{number}: {} is another's", check.id);
            assert_eq!(check.step, exercise.step, "{number}: {}", check.id);
            assert!(check.section.ends_with(&format!("#ex-{}", exercise.id)), "{number}: {}", check.section);
        }
        assert!(about.iter().all(|check| check.applies_to(exercise.step)), "{number}: a later step's check");
        assert_eq!(own.is_empty(), exercise.red.is_empty(), "{number}: `own` and `red` come together");
        assert!(
            crate::step_number(&exercise.id).is_none() && crate::find(&exercise.id).is_none(),
            "{number}"
        );
    }
    let of_exercises: BTreeSet<&str> = crate::of_exercises().iter().map(|check| check.id).collect();
    assert_eq!(of_exercises, named, "checks that no exercise names");
}
