//! The outcomes of all legs in one table, and the checks that no leg could run.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::steps;

/// One line of a log of checks. Step 0 stands for what is no check of a step: the formatter, the book.
#[derive(Deserialize)]
struct Line {
    leg: String,
    step: u8,
    check: String,
    outcome: Outcome,
    reason: Option<String>,
}

#[derive(Clone, Copy, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Outcome {
    Pass,
    Fail,
    Blocked,
    Skipped,
}

/// Passed, failed, blocked and skipped.
#[derive(Default, Clone, Copy, Debug, PartialEq, Eq)]
struct Tally([usize; 4]);

impl Tally {
    fn add(&mut self, outcome: Outcome) {
        self.0[outcome as usize] += 1;
    }

    /// A check that was blocked is not kept, so it counts as failed.
    fn sentence(self) -> String {
        let [passed, failed, blocked, skipped] = self.0;
        format!("{passed} passed, {} failed, {skipped} skipped", failed + blocked)
    }
}

/// Prints the table, what failed, what no leg ran, and last the sum over all legs. What may run `nowhere` is told, but
/// fails nothing.
pub fn run(logs: &[PathBuf], nowhere: &[String]) -> Result<()> {
    for name in nowhere {
        ensure!(grade::find(name).is_some(), "there is no check {name:?} that could run nowhere");
    }
    let mut lines = Vec::new();
    for log in logs {
        let text = fs::read_to_string(log).with_context(|| format!("read {}", log.display()))?;
        lines.extend(parse(&text).with_context(|| format!("read {}", log.display()))?);
    }
    let (known, promised) = promised().into_iter().partition(|(_, check)| nowhere.contains(check));
    for sentence in missing(&lines, &known) {
        println!("{sentence}, as may be");
    }
    let mut problems = missing(&lines, &promised);
    if lines.iter().all(|line| line.step == 0 || line.outcome == Outcome::Skipped) {
        problems.push("not one check ran".to_owned());
    }
    for problem in &problems {
        println!("{problem}");
    }
    let sum = print_table(&lines);
    // What failed comes last: it is what one looks for, and a leg that ended early makes a long list above.
    for line in lines.iter().filter(|line| matches!(line.outcome, Outcome::Fail | Outcome::Blocked)) {
        let word = if line.outcome == Outcome::Fail { "failed" } else { "blocked by" };
        let reason = line.reason.as_deref().unwrap_or_default().replace('\n', "\n    ");
        println!("{}, step{:02}: {} {word} {reason}", line.leg, line.step, line.check);
    }
    let [_, failed, blocked, _] = sum.0;
    // The last line, whatever the verdict: an error that main prints would come after it.
    println!("{}", sum.sentence());
    if failed + blocked + problems.len() > 0 {
        std::process::exit(1);
    }
    Ok(())
}

fn parse(text: &str) -> Result<Vec<Line>> {
    text.lines().map(|line| serde_json::from_str(line).with_context(|| format!("line {line:?}"))).collect()
}

/// Every check that each present step promises.
fn promised() -> BTreeSet<(u8, String)> {
    let numbers =
        steps::all().into_iter().filter_map(|step| step.name.strip_prefix("step")?.parse::<u8>().ok());
    let of = |step: u8| grade::all().into_iter().filter(move |check| check.applies_to(step));
    numbers.flat_map(|step| of(step).map(move |check| (step, check.id.to_owned()))).collect()
}

fn print_table(lines: &[Line]) -> Tally {
    let mut legs: BTreeMap<(&str, u8), Tally> = BTreeMap::new();
    let mut sum = Tally::default();
    for line in lines {
        legs.entry((&line.leg, line.step)).or_default().add(line.outcome);
        sum.add(line.outcome);
    }
    println!("{:20} {:8} {:>6} {:>6} {:>7} {:>7}", "leg", "step", "passed", "failed", "blocked", "skipped");
    for ((leg, step), Tally([passed, failed, blocked, skipped])) in legs {
        let step = if step == 0 { "-".to_owned() } else { format!("step{step:02}") };
        println!("{leg:20} {step:8} {passed:6} {failed:6} {blocked:7} {skipped:7}");
    }
    sum
}

/// One sentence for each check of a step that no leg could run, with the reasons.
fn missing(lines: &[Line], promised: &BTreeSet<(u8, String)>) -> Vec<String> {
    let ran = |step: u8, check: &str| {
        lines.iter().any(|line| line.step == step && line.check == check && line.outcome != Outcome::Skipped)
    };
    let missing = promised.iter().filter(|(step, check)| !ran(*step, check));
    let sentence = |(step, check): &(u8, String)| {
        let skipped = lines.iter().filter(|line| line.step == *step && line.check == *check);
        let reasons: Vec<String> =
            skipped.map(|line| format!("{}: {}", line.leg, line.reason.as_deref().unwrap_or("?"))).collect();
        let reasons = if reasons.is_empty() { "no leg has it".to_owned() } else { reasons.join("; ") };
        format!("step{step:02}: {check} ran nowhere ({reasons})")
    };
    missing.map(sentence).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const LOG: &str = concat!(
        r#"{"leg":"root","step":1,"check":"a","outcome":"pass","reason":null,"millis":1}"#,
        "\n",
        r#"{"leg":"user","step":1,"check":"a","outcome":"blocked","reason":"b","millis":0}"#,
        "\n",
        r#"{"leg":"user","step":1,"check":"b","outcome":"skipped","reason":"needs root","millis":0}"#,
        "\n",
    );

    #[test]
    fn a_blocked_check_is_no_success() {
        let sum = print_table(&parse(LOG).unwrap());
        assert_eq!(sum.sentence(), "1 passed, 1 failed, 1 skipped");
    }

    #[test]
    fn what_was_skipped_everywhere_or_never_logged_is_missing() {
        let promised = [(1, "a"), (1, "b"), (2, "a")].map(|(step, check)| (step, check.to_owned())).into();
        let missing = missing(&parse(LOG).unwrap(), &promised);
        let expected = ["step01: b ran nowhere (user: needs root)", "step02: a ran nowhere (no leg has it)"];
        assert_eq!(missing, expected);
    }

    #[test]
    fn a_broken_line_is_an_error() {
        assert!(parse("{\"leg\":\"root\"").is_err());
        assert!(parse(&LOG.replace("pass", "perhaps")).is_err());
    }

    #[test]
    fn every_present_step_promises_what_the_steps_before_it_promise() {
        let promised = promised();
        assert!(promised.contains(&(1, "exit-status-own".to_owned())));
        assert!(promised.contains(&(4, "exit-status-own".to_owned())));
    }
}
