//! A report with everything in it that a format can trip over.

use super::{Entry, Machine, Report, Surroundings};
use crate::check::{Mismatch, Outcome};

fn entry(id: &str, step: u8, points: u8, title: &str, outcome: Outcome) -> Entry {
    Entry {
        id: id.into(),
        title: title.into(),
        step,
        points,
        outcome,
        hint: Some("Look at `waitpid(2)`: what does \"status\" hold? <WIFEXITED> & co.".into()),
        hints: usize::from(points),
        section: Some(format!("{step:02}-chapter.html#heading")),
        millis: 10 * u64::from(step) + u64::from(points),
    }
}

fn machine() -> Machine {
    Machine {
        kernel: "6.12.0".into(),
        arch: "x86_64".into(),
        user: "user".into(),
        cgroups: "v2".into(),
        lack: None,
    }
}

pub(super) fn report() -> Report {
    let mismatch = Mismatch {
        what: Some("exit status of `sh -c 'exit 7'` (stderr \"a\\tb\")".into()),
        expected: "7".into(),
        shown: "\"<0> & \\\\ ünïcode 🦀\"".into(),
    };
    let wrong = Outcome::Fail { message: mismatch.to_string(), mismatch: Some(mismatch) };
    let long = "first line: 100 % of $HOME, `x` | \"y\" # SKIP not\nsecond: C:\\dir\\ and ]]> \u{1b}[31mred\u{1b}[0m\n\n  ...\n  ---\nok 9 - fake\n\u{7}bell";
    let entries = vec![
        Entry {
            step: 0,
            hint: None,
            section: None,
            ..entry("build", 0, 0, "the crate builds", Outcome::Pass)
        },
        entry("exit-status", 1, 3, "the command's exit status is ours", Outcome::Pass),
        entry("arguments", 1, 2, "`a b`, \"\", 'c' & <d> # SKIP come through \\ as they are", wrong),
        entry("streams", 1, 1, "several lines of reason", Outcome::fail(long)),
        entry("after-that", 2, 5, "builds on one that failed", Outcome::Blocked { by: "arguments".into() }),
        entry(
            "not-here",
            2,
            4,
            "this machine cannot tell",
            Outcome::Skipped { reason: "needs root;\nno <cgroup> \"v1\" # here".into() },
        ),
    ];
    Report {
        version: "0.1.0".into(),
        step: 2,
        subject: "students/Åsa & \"Bo\" <1>".into(),
        binary: Some("students/Åsa/target/debug/step02".into()),
        machine: machine(),
        entries,
        millis: 4321,
        peak_memory: Some(12_345_678),
    }
}

pub(super) fn cannot_run() -> Report {
    let reason = "the checks could not be prepared: there is no sh in PATH".to_string();
    let skipped = || Outcome::Skipped { reason: reason.clone() };
    let entries =
        vec![entry("one", 1, 3, "one promise", skipped()), entry("two", 2, 2, "another", skipped())];
    let machine = Machine { lack: Some(reason.clone()), ..machine() };
    Report { machine, entries, peak_memory: None, ..report() }
}

pub(super) fn surroundings() -> Surroundings {
    let variable = |name: &str| {
        let value = match name {
            "CLASSROOM" => "cs-principles",
            "ASSIGNMENT" => "containers",
            "OWNER" => "asa",
            "SUBMISSION_TAG" => "submit/2026-06-01T14-32-05Z-a1b2c3d",
            "COMMIT_URL" => "https://git.example/asa/commit/a1b2c3d",
            "RELEASE_URL" => "https://git.example/asa/releases/tag/submit%2F1",
            _ => return None,
        };
        Some(value.to_string())
    };
    Surroundings { variable: Box::new(variable), now: 1_780_324_391 }
}
