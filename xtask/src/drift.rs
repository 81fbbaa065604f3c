//! Drift: a file that two neighbouring steps share is the same in both, or is declared as changed.

use std::collections::BTreeSet;

use anyhow::{Context, ensure};
use similar::{Algorithm, ChangeTag, TextDiff};

use crate::book::items::Source;
use crate::steps::{self, Step};

/// Lines of a step's diff to existing files beyond which its seam is in the wrong place.
const LONG_DIFF: usize = 150;
const LONG_FILE: usize = 250;
const LONG_FUNCTION: usize = 50;

#[derive(clap::Args)]
pub struct Args {}

pub fn run(_args: &Args) -> anyhow::Result<()> {
    let steps = steps::all();
    ensure!(!steps.is_empty(), "there is no step in {}", steps::root().display());
    let report = check(&steps)?;
    for line in &report.summary {
        println!("{line}");
    }
    for warning in &report.warnings {
        println!("warning: {warning}");
    }
    for error in &report.errors {
        eprintln!("error: {error}");
    }
    ensure!(report.errors.is_empty(), "the steps have drifted apart in {} places", report.errors.len());
    Ok(())
}

#[derive(Debug, Default)]
struct Report {
    errors: Vec<String>,
    warnings: Vec<String>,
    summary: Vec<String>,
}

fn check(steps: &[Step]) -> anyhow::Result<Report> {
    let mut report = Report::default();
    for (index, step) in steps.iter().enumerate() {
        sizes(step, &mut report)?;
        match index.checked_sub(1) {
            Some(before) => compare(&steps[before], step, &mut report)?,
            None => first(step, &mut report)?,
        }
    }
    Ok(report)
}

fn first(step: &Step, report: &mut Report) -> anyhow::Result<()> {
    let changes = step.metadata()?.changes;
    if !changes.is_empty() {
        report.errors.push(format!("{}: it has no step before it to change", step.folder()));
    }
    report.summary.push(format!("{}: {} files", step.folder(), step.files()?.len()));
    Ok(())
}

/// Compares a step with the one before it.
fn compare(before: &Step, step: &Step, report: &mut Report) -> anyhow::Result<()> {
    let (old, new) = (before.files()?, step.files()?);
    let folder = step.folder();
    let listed = step.metadata()?.changes;
    let declared: BTreeSet<String> = listed.iter().cloned().collect();
    if declared.len() < listed.len() {
        report.errors.push(format!("{folder}/Cargo.toml: `changes` lists a file twice"));
    }
    for file in declared.difference(&old) {
        report.errors.push(format!(
            "{folder}/{file} is declared as changed, but {} has no such file",
            before.folder()
        ));
    }
    for file in old.difference(&new) {
        report.errors.push(format!("{folder}/{file} is missing: {} has it", before.folder()));
    }
    let (mut same, mut changed, mut added, mut removed) = (0, 0, 0, 0);
    for file in old.intersection(&new) {
        let (one, other) = (before.read(file)?, step.read(file)?);
        let declared = declared.contains(file);
        // What a manifest says of its own step alone is no change.
        let (one, other) = (shared_part(file, one)?, shared_part(file, other)?);
        match (one == other, declared) {
            (true, true) => {
                report
                    .errors
                    .push(format!("{folder}/{file} is declared as changed, but is the same as before"));
            }
            (true, false) => same += 1,
            (false, true) => {
                changed += 1;
                let (plus, minus) = count(&one, &other);
                added += plus;
                removed += minus;
            }
            (false, false) => report.errors.push(undeclared(before, step, file, &one, &other)),
        }
    }
    let fresh = new.difference(&old).count();
    report.summary.push(format!(
        "{folder}: {same} files shared, {changed} changed (+{added} -{removed} lines), {fresh} new"
    ));
    if added + removed > LONG_DIFF {
        report.warnings.push(format!(
            "{folder}: its diff to existing files is {} lines, over {LONG_DIFF}: is the seam in the right place?",
            added + removed
        ));
    }
    Ok(())
}

/// A file without what each step has of its own: in the manifest the package's name and `[package.metadata.step]`.
fn shared_part(file: &str, bytes: Vec<u8>) -> anyhow::Result<Vec<u8>> {
    if file != "Cargo.toml" {
        return Ok(bytes);
    }
    let source = Source::new(file, std::str::from_utf8(&bytes).context("read a manifest as text")?);
    let kept = source.segments.iter().filter(|segment| !segment.test);
    let lines: Vec<&str> =
        kept.flat_map(|segment| &source.lines[segment.lines.clone()]).map(String::as_str).collect();
    Ok(format!("{}\n", lines.join("\n").trim_end()).into_bytes())
}

fn undeclared(before: &Step, step: &Step, file: &str, one: &[u8], other: &[u8]) -> String {
    let (plus, minus) = count(one, other);
    let at = one.split(|byte| *byte == b'\n').zip(other.split(|byte| *byte == b'\n'));
    let line = at.take_while(|(a, b)| a == b).count() + 1;
    format!(
        "{}/{file} differs from {}'s (+{plus} -{minus} lines, first at line {line}) and is not declared in `changes`",
        step.folder(),
        before.folder()
    )
}

/// Lines added and removed. Blank lines count: a reader sees them.
fn count(one: &[u8], other: &[u8]) -> (usize, usize) {
    let (one, other) = (String::from_utf8_lossy(one), String::from_utf8_lossy(other));
    let diff = TextDiff::configure().algorithm(Algorithm::Patience).diff_lines(&*one, &*other);
    let changes = |tag| diff.iter_all_changes().filter(|change| change.tag() == tag).count();
    (changes(ChangeTag::Insert), changes(ChangeTag::Delete))
}

/// Warns of files and functions that are long to read aloud. Unit tests are left out of the count.
fn sizes(step: &Step, report: &mut Report) -> anyhow::Result<()> {
    for file in step.files()? {
        if !(file.starts_with("src/") && file.ends_with(".rs")) {
            continue;
        }
        let source = Source::new(&file, &String::from_utf8_lossy(&step.read(&file)?));
        let code = source.segments.iter().filter(|segment| !segment.test);
        let lines: usize = code.clone().map(|segment| segment.lines.len()).sum();
        let path = format!("{}/{file}", step.folder());
        if lines > LONG_FILE {
            report.warnings.push(format!("{path} has {lines} lines, over {LONG_FILE}"));
        }
        for segment in code {
            let length = segment.lines.end - segment.signature;
            let name = segment.anchors.first().filter(|anchor| anchor.starts_with("fn "));
            if let (Some(name), true) = (name, length > LONG_FUNCTION) {
                report.warnings.push(format!("{path}: `{name}` has {length} lines, over {LONG_FUNCTION}"));
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    /// Three steps that keep the rules; `change` breaks one. Returns what is reported.
    fn report(change: impl FnOnce(&Scratch)) -> Report {
        let scratch = Scratch::new("drift").unwrap();
        for (index, name) in ["step01-a", "step02-b", "step03-c"].into_iter().enumerate() {
            let changes = ["", "changes = [\"src/cli.rs\"]", "changes = []"][index];
            let metadata =
                if index == 0 { String::new() } else { format!("\n[package.metadata.step]\n{changes}\n") };
            scratch.write(
                &format!("{name}/Cargo.toml"),
                &format!("[package]\nname = \"{}\"\n{metadata}", &name[..6]),
            );
            scratch.write(&format!("{name}/src/main.rs"), "fn main() {}\n");
            let cli = if index == 0 { "fn cli() {}\n" } else { "fn cli() {\n    more();\n}\n" };
            scratch.write(&format!("{name}/src/cli.rs"), cli);
            scratch.write(&format!("{name}/tests/conformance.rs"), "fn t() {}\n");
        }
        scratch.write("step03-c/src/new.rs", "fn new() {}\n");
        change(&scratch);
        let steps = ["step01-a", "step02-b", "step03-c"].map(|name| Step::at(scratch.path().join(name)));
        check(&steps).unwrap()
    }

    fn manifest(changes: &str) -> String {
        format!("[package]\nname = \"step02\"\n\n[package.metadata.step]\nchanges = [{changes}]\n")
    }

    #[test]
    fn steps_that_keep_the_rules_pass() {
        let report = report(|_| {});
        assert_eq!(report.errors, Vec::<String>::new());
        assert_eq!(report.summary[1], "step02-b: 3 files shared, 1 changed (+3 -1 lines), 0 new");
        assert_eq!(report.summary[2], "step03-c: 4 files shared, 0 changed (+0 -0 lines), 1 new");
        assert_eq!(report.warnings, Vec::<String>::new());
    }

    #[test]
    fn each_rule_can_fail() {
        let dependency = format!("{}\n[dependencies]\nx = \"1\"\n", manifest("\"src/cli.rs\""));
        let cases = [
            ("step03-c/src/main.rs", "fn main() { }\n", "step03-c/src/main.rs differs from step02-b's"),
            ("step02-b/tests/conformance.rs", "x", "step02-b/tests/conformance.rs differs"),
            ("step01-a/src/gone.rs", "x", "step02-b/src/gone.rs is missing"),
            ("step02-b/src/cli.rs", "fn cli() {}\n", "is the same as before"),
            ("step02-b/Cargo.toml", &manifest("\"src/cli.rs\", \"src/no.rs\""), "has no such file"),
            ("step02-b/Cargo.toml", &manifest("\"src/cli.rs\", \"src/cli.rs\""), "twice"),
            ("step02-b/Cargo.toml", &dependency, "step02-b/Cargo.toml differs"),
            ("step01-a/Cargo.toml", &manifest("\"src/cli.rs\""), "no step before"),
        ];
        for (file, text, message) in cases {
            let errors = report(|scratch| drop(scratch.write(file, text))).errors;
            assert!(errors.iter().any(|error| error.contains(message)), "{message}: {errors:?}");
        }
    }

    #[test]
    fn long_things_are_warnings() {
        let long = format!("fn main() {{\n{}}}\n", "    x();\n".repeat(260));
        let report = report(|s| {
            for name in ["step01-a", "step02-b", "step03-c"] {
                s.write(&format!("{name}/src/main.rs"), &long);
            }
            s.write("step02-b/src/cli.rs", &"fn x() {}\n".repeat(160));
            s.write("step03-c/src/cli.rs", &"fn x() {}\n".repeat(160));
        });
        assert_eq!(report.errors, Vec::<String>::new());
        assert_eq!(report.warnings.iter().filter(|warning| warning.contains("`fn main` has 262")).count(), 3);
        assert_eq!(
            report.warnings.iter().filter(|warning| warning.contains("has 262 lines, over 250")).count(),
            3
        );
        assert!(
            report.warnings.iter().any(|warning| warning.contains("step02-b: its diff")),
            "{:?}",
            report.warnings
        );
    }

    #[test]
    fn a_misspelt_declaration_is_an_error() {
        let scratch = Scratch::new("drift").unwrap();
        scratch.write("step01-a/Cargo.toml", "[package.metadata.step]\nchange = []\n");
        assert!(check(&[Step::at(scratch.path().join("step01-a"))]).is_err());
    }
}
