//! What this machine and this user can do, step by step, and what mends each lack.
//!
//! Everything is asked of [`Need`], as the checks ask: what they need and what the doctor looks for cannot part.

use std::fmt::Write;

use nix::unistd::geteuid;
use serde::Serialize;

use crate::need::{Need, settings};
use crate::report::Machine;

/// The last step.
const STEPS: u8 = 8;

/// Whether a step can run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Health {
    /// All of it.
    Ready,
    /// It runs, but for something that can be mended.
    Partly,
    /// It does not.
    CannotRun,
}

/// One need, and the steps that have it.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub need: String,
    pub there: bool,
    /// Why it is not there.
    pub lack: Option<String>,
    /// The command that mends it.
    pub mend: Option<String>,
    /// About who or where one is: nothing to mend.
    pub matter_of_place: bool,
    /// Without it, these steps do not run.
    pub essential_for: Vec<u8>,
    /// Checks of these steps are skipped without it.
    pub checked_in: Vec<u8>,
}

/// One step.
#[derive(Clone, Debug, Serialize)]
pub struct Step {
    pub step: u8,
    pub health: Health,
    pub checks: usize,
    /// So many of its checks are skipped here.
    pub skipped: usize,
    /// What it lacks.
    pub lacks: Vec<String>,
}

/// The whole examination.
#[derive(Clone, Debug, Serialize)]
pub struct Diagnosis {
    pub machine: Machine,
    pub settings: Vec<String>,
    pub findings: Vec<Finding>,
    pub steps: Vec<Step>,
}

/// Without these the step does not run, whatever its checks need.
fn essentials(step: u8) -> Vec<Need> {
    let root = geteuid().is_root();
    let mut needs = vec![Need::Kernel(5, 12)];
    if step >= 2 {
        needs.push(Need::Namespaces);
    }
    match step {
        3 => needs.extend(["memory", "pids", "cpu"].map(Need::CgroupController)),
        7 => needs.push(Need::Terminal),
        8 if root => needs.extend([Need::Bridge, Need::Nat]),
        8 => needs.extend([Need::Program("pasta"), Need::Tun]),
        _ => {}
    }
    needs
}

/// Examines the machine as this user sees it.
#[must_use]
pub fn examine() -> Diagnosis {
    let mut findings: Vec<(Need, Finding)> = Vec::new();
    let mut note = |need: Need, step: u8, essential: bool| {
        let known = findings.iter().position(|(known, _)| *known == need);
        let at = known.unwrap_or_else(|| {
            findings.push((need, finding(need)));
            findings.len() - 1
        });
        let finding = &mut findings[at].1;
        let steps = if essential { &mut finding.essential_for } else { &mut finding.checked_in };
        if !steps.contains(&step) {
            steps.push(step);
        }
    };
    for step in 1..=STEPS {
        essentials(step).into_iter().for_each(|need| note(need, step, true));
        // Not every machine has these, and every reader wonders.
        let wondered: &[Need] = match step {
            2 => &[Need::UserNamespaces, Need::SubIds],
            5 => &[Need::Overlay, Need::Filesystem("aufs")],
            _ => &[],
        };
        wondered.iter().for_each(|need| note(*need, step, false));
        for check in crate::all().iter().filter(|check| check.step == step) {
            check.needs.iter().for_each(|need| note(*need, step, false));
        }
    }
    let steps = (1..=STEPS).map(|step| health(step, &findings)).collect();
    let findings = findings.into_iter().map(|(_, finding)| finding).collect();
    Diagnosis { machine: Machine::this(), settings: settings(), findings, steps }
}

fn finding(need: Need) -> Finding {
    let lack = need.missing();
    Finding {
        need: need.name(),
        there: lack.is_none(),
        mend: lack.is_some().then(|| need.mend()),
        lack,
        matter_of_place: need.is_a_matter_of_place(),
        essential_for: Vec::new(),
        checked_in: Vec::new(),
    }
}

fn health(step: u8, findings: &[(Need, Finding)]) -> Step {
    let missing = |need: &Need| findings.iter().any(|(known, finding)| known == need && !finding.there);
    let checks: Vec<_> = crate::all().into_iter().filter(|check| check.step == step).collect();
    let skipped = checks.iter().filter(|check| check.needs.iter().any(missing)).count();
    let lacking = findings.iter().map(|(_, finding)| finding).filter(|finding| !finding.there);
    let vital: Vec<_> = lacking.clone().filter(|finding| finding.essential_for.contains(&step)).collect();
    let mendable = lacking.filter(|finding| finding.checked_in.contains(&step) && !finding.matter_of_place);
    let (health, lacks): (_, Vec<_>) = match (vital.is_empty(), mendable.collect::<Vec<_>>()) {
        (false, _) => (Health::CannotRun, vital),
        (true, mendable) if mendable.is_empty() => (Health::Ready, mendable),
        (true, mendable) => (Health::Partly, mendable),
    };
    let lacks = lacks.into_iter().map(|finding| finding.need.clone()).collect();
    Step { step, health, checks: checks.len(), skipped, lacks }
}

impl Diagnosis {
    /// 0 when every step runs, else 3: this machine cannot run it.
    #[must_use]
    pub fn exit_status(&self) -> u8 {
        if self.steps.iter().any(|step| step.health == Health::CannotRun) { 3 } else { 0 }
    }

    /// For people.
    #[must_use]
    pub fn text(&self) -> String {
        let machine = &self.machine;
        let mut out = format!(
            "Linux {} ({}), as {}, cgroups {}\n",
            machine.kernel, machine.arch, machine.user, machine.cgroups
        );
        for setting in &self.settings {
            let _ = writeln!(out, "{setting}");
        }
        out.push('\n');
        let width = self.findings.iter().map(|finding| finding.need.len()).max().unwrap_or(0);
        for finding in &self.findings {
            let (mark, words) = match (&finding.lack, finding.matter_of_place) {
                (None, _) => ("yes", String::new()),
                (Some(lack), true) => ("-", lack.clone()),
                (Some(lack), false) => ("NO", lack.clone()),
            };
            let line = format!("{mark:>4}  {:width$}  {:14}  {words}", finding.need, steps_of(finding));
            let _ = writeln!(out, "{}", line.trim_end());
            if let (Some(mend), false) = (&finding.mend, finding.matter_of_place) {
                let _ = writeln!(out, "{:width$}  mend: {mend}", "", width = width + 22);
            }
        }
        out.push('\n');
        for step in &self.steps {
            let (word, lacks) = match step.health {
                Health::Ready => ("runs", String::new()),
                Health::Partly => ("runs", format!(", more with {}", step.lacks.join(", "))),
                Health::CannotRun => ("CANNOT RUN", format!(", lacks {}", step.lacks.join(", "))),
            };
            let skipped = match (step.checks, step.skipped) {
                (0, _) => "no checks yet".into(),
                (checks, 0) => format!("all {checks} checks"),
                (checks, skipped) => format!("{} of {checks} checks", checks - skipped),
            };
            let _ = writeln!(out, "step{:02}  {word}: {skipped}{lacks}", step.step);
        }
        out
    }
}

/// `01 03 08`, all the steps that want it.
fn steps_of(finding: &Finding) -> String {
    let wanted = |step: &u8| finding.essential_for.contains(step) || finding.checked_in.contains(step);
    let steps: Vec<u8> = (1..=STEPS).filter(wanted).collect();
    match &steps[..] {
        [first, .., last] if steps.len() > 2 && usize::from(last - first) + 1 == steps.len() => {
            format!("step {first}-{last}")
        }
        steps => format!("step {}", steps.iter().map(ToString::to_string).collect::<Vec<_>>().join(",")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_need_of_every_check_is_examined() {
        let diagnosis = examine();
        for check in crate::all() {
            for need in check.needs {
                let finding = diagnosis.findings.iter().find(|finding| finding.need == need.name());
                let finding = finding.unwrap_or_else(|| panic!("{need:?} of {}", check.id));
                assert_eq!(finding.there, need.missing().is_none(), "{need:?}");
                assert!(finding.checked_in.contains(&check.step), "{need:?} of {}", check.id);
                assert_eq!(finding.mend.is_some(), finding.lack.is_some());
            }
        }
    }

    #[test]
    fn a_step_that_lacks_what_is_essential_cannot_run() {
        let lacking = |essential: Vec<u8>, checked: Vec<u8>| {
            let finding = Finding {
                need: "x".into(),
                there: false,
                lack: Some("none".into()),
                mend: Some("get it".into()),
                matter_of_place: false,
                essential_for: essential,
                checked_in: checked,
            };
            health(8, &[(Need::Strace, finding)]).health
        };
        assert_eq!(lacking(vec![8], vec![]), Health::CannotRun);
        assert_eq!(lacking(vec![], vec![8]), Health::Partly);
        assert_eq!(lacking(vec![7], vec![7]), Health::Ready);
    }
}
