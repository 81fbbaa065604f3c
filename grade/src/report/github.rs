//! What GitHub Classroom's `autograding-grading-reporter` reads: JSON in base64, the output `result` of a step.
//!
//! It adds up the scores of the tests, and fails the run when the status is `fail` or `error`. It takes everything that
//! is not `pass` for a failure, so what this machine cannot run stands beside the tests, where the reporter does not look.

use std::fs::File;
use std::io::Write;

use anyhow::{Context, Result};
use serde::Serialize;

use super::{Entry, Report, Status, Surroundings};

#[derive(Serialize)]
struct Whole {
    version: u8,
    status: &'static str,
    max_score: u32,
    tests: Vec<Test>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    skipped: Vec<Skipped>,
}

#[derive(Serialize)]
struct Test {
    name: String,
    status: &'static str,
    score: u8,
    message: String,
    test_code: String,
    filename: String,
    line_no: u32,
    /// Milliseconds.
    duration: u64,
}

#[derive(Serialize)]
struct Skipped {
    name: String,
    message: String,
}

fn whole(report: &Report) -> Whole {
    let (skipped, judged): (Vec<_>, Vec<_>) = report.entries.iter().partition(|entry| entry.skipped());
    let mut tests: Vec<Test> = judged.into_iter().map(test).collect();
    if let Some(lack) = report.lack() {
        let message = format!("this machine cannot run the checks: {lack}");
        tests.push(Test::new("grade".into(), "error", message));
    }
    Whole {
        version: 1,
        status: match report.status() {
            Status::Passed => "pass",
            Status::Failed => "fail",
            Status::CannotRun => "error",
        },
        max_score: report.points().possible,
        tests,
        skipped: skipped
            .into_iter()
            .map(|entry| Skipped { name: name(entry), message: entry.reason().unwrap_or_default() })
            .collect(),
    }
}

impl Test {
    fn new(name: String, status: &'static str, message: String) -> Test {
        let (test_code, filename) = (String::new(), String::new());
        Test { name, status, score: 0, message, test_code, filename, line_no: 0, duration: 0 }
    }
}

fn name(entry: &Entry) -> String {
    format!("{}: {}", entry.id, entry.title)
}

fn test(entry: &Entry) -> Test {
    let status = if entry.passed() { "pass" } else { "fail" };
    let test = Test::new(name(entry), status, entry.explanation());
    Test { score: entry.score(), duration: entry.millis, ..test }
}

pub(super) fn render(report: &Report) -> Result<String> {
    Ok(serde_json::to_string_pretty(&whole(report))? + "\n")
}

/// Appends `result=BASE64` to the file that `GITHUB_OUTPUT` names: the step's output.
pub(super) fn announce(report: &Report, around: &Surroundings) -> Result<()> {
    let Some(file) = (around.variable)("GITHUB_OUTPUT") else { return Ok(()) };
    let line = format!("result={}\n", base64(serde_json::to_string(&whole(report))?.as_bytes()));
    let output = File::options().append(true).create(true).open(&file);
    output
        .and_then(|mut output| output.write_all(line.as_bytes()))
        .with_context(|| format!("write the step's output to {file}"))
}

/// RFC 4648, section 4.
fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = LETTERS[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at > group.len() { '=' } else { char::from(letter) });
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    #[test]
    fn base64_as_in_the_rfc() {
        let vectors = ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| base64(text.as_bytes()));
        assert_eq!(vectors, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
        assert_eq!(base64(b"\xfb\xff\xfe"), "+//+");
    }

    #[test]
    fn the_steps_output_is_appended() {
        let file = std::env::temp_dir().join(format!("grade-github-output-{}", std::process::id()));
        std::fs::write(&file, "other=1\n").unwrap();
        let name = file.display().to_string();
        let variable = move |asked: &str| (asked == "GITHUB_OUTPUT").then(|| name.clone());
        announce(&sample::report(), &Surroundings { variable: Box::new(variable), now: 0 }).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::remove_file(&file).unwrap();
        let value = text.strip_prefix("other=1\nresult=").unwrap().strip_suffix('\n').unwrap();
        assert!(value.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"+/=".contains(&byte)), "{value}");
    }
}
