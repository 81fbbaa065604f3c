//! JUnit's XML: a suite for each step, points and section as properties of the case.

use std::time::Duration;

use anyhow::Result;
use quick_junit::{NonSuccessKind, Report as Xml, TestCase, TestCaseStatus, TestSuite, XmlString};

use super::{Entry, Report};
use crate::check::Outcome;

pub(super) fn render(report: &Report) -> Result<String> {
    let mut xml = Xml::new(format!("grade step{:02}", report.step));
    xml.set_time(Duration::from_millis(report.millis));
    for group in report.entries.chunk_by(|one, next| one.step == next.step) {
        let mut suite = TestSuite::new(group[0].group());
        suite.set_time(Duration::from_millis(group.iter().map(|entry| entry.millis).sum()));
        suite.add_properties([
            ("grade.version", report.version.as_str()),
            ("grade.subject", &report.subject),
            ("machine.kernel", &report.machine.kernel),
            ("machine.user", &report.machine.user),
            ("machine.cgroups", &report.machine.cgroups),
        ]);
        if let Some(lack) = report.lack() {
            suite.add_property(("machine.cannot-run", lack.as_str()));
        }
        suite.add_test_cases(group.iter().map(case));
        xml.add_test_suite(suite);
    }
    Ok(xml.to_string()?)
}

fn case(entry: &Entry) -> TestCase {
    let mut case = TestCase::new(entry.id.as_str(), status(entry));
    case.set_classname(format!("grade.{}", entry.group()));
    case.set_time(Duration::from_millis(entry.millis));
    case.add_property(("title", entry.title.as_str()));
    case.add_property(("points", entry.points.to_string().as_str()));
    case.add_property(("score", entry.score().to_string().as_str()));
    if let Some(section) = &entry.section {
        case.add_property(("section", section.as_str()));
    }
    case
}

fn status(entry: &Entry) -> TestCaseStatus {
    let mut status = match entry.outcome {
        Outcome::Pass => return TestCaseStatus::success(),
        Outcome::Skipped { .. } => TestCaseStatus::skipped(),
        Outcome::Fail { .. } | Outcome::Blocked { .. } => {
            TestCaseStatus::non_success(NonSuccessKind::Failure)
        }
    };
    let reason = entry.reason().unwrap_or_default();
    // A reader of XML makes spaces of the line breaks in an attribute: there goes the first line, and all of it below.
    status.set_message(XmlString::new(reason.lines().next().unwrap_or_default()));
    status.set_type(entry.outcome.word());
    status.set_description(entry.explanation());
    status
}
