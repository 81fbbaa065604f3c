//! Classroom 50's `result.json`, `classroom50/result/v1`. <https://github.com/foundation50/classroom50/wiki>
//!
//! Who handed in what stands in variables that Classroom 50's runner sets. Its tests pass or fail and nothing between,
//! so a check that this machine cannot run passes for no points and says in its name that it was skipped. A result
//! without a failed test would read as a success: where nothing could be judged, one test says so and fails, for none
//! of none points.

use anyhow::Result;
use serde::Serialize;

use super::clock::utc;
use super::{Entry, Report, Surroundings};

#[derive(Serialize)]
pub(super) struct Identity {
    classroom: String,
    assignment: String,
    assignment_type: String,
    owner: String,
    submission: String,
    commit: String,
    release: String,
    review: String,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Whole {
    schema: &'static str,
    #[serde(flatten)]
    identity: Identity,
    datetime: String,
    score: u32,
    max_score: u32,
    tests: Vec<Test>,
}

#[derive(Serialize)]
#[serde(rename_all = "kebab-case")]
struct Test {
    test_name: String,
    passed: bool,
    score: u8,
    max_score: u8,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    skipped: bool,
}

impl Identity {
    pub(super) fn of(around: &Surroundings) -> Result<Identity> {
        let classroom = around.required("CLASSROOM")?;
        let commit = around.required("COMMIT_URL")?;
        let optional = |name: &str| (around.variable)(name);
        Ok(Identity {
            classroom,
            assignment: around.required("ASSIGNMENT")?,
            assignment_type: optional("ASSIGNMENT_TYPE").unwrap_or_else(|| "individual".into()),
            owner: optional("OWNER").map_or_else(|| around.required("USERNAME"), Ok)?,
            submission: around.required("SUBMISSION_TAG")?,
            release: around.required("RELEASE_URL")?,
            // Older runners do not set it.
            review: optional("REVIEW_URL").unwrap_or_else(|| commit.clone()),
            commit,
        })
    }
}

pub(super) fn render(report: &Report, around: &Surroundings) -> Result<String> {
    let points = report.points();
    let lack = report.lack().map(|lack| Test {
        test_name: format!("this machine cannot run the checks: {lack}"),
        passed: false,
        score: 0,
        max_score: 0,
        message: None,
        skipped: true,
    });
    let whole = Whole {
        schema: "classroom50/result/v1",
        identity: Identity::of(around)?,
        datetime: utc(around.now),
        score: points.got,
        max_score: points.possible,
        tests: lack.into_iter().chain(report.entries.iter().map(test)).collect(),
    };
    Ok(serde_json::to_string_pretty(&whole)? + "\n")
}

fn test(entry: &Entry) -> Test {
    let name = format!("{}: {}", entry.id, entry.title);
    let message = Some(entry.explanation()).filter(|text| !text.is_empty());
    Test {
        test_name: if entry.skipped() { format!("{name} (skipped, not judged)") } else { name },
        passed: !entry.failed(),
        score: entry.score(),
        max_score: if entry.skipped() { 0 } else { entry.points },
        message,
        skipped: entry.skipped(),
    }
}
