//! The golden reports, read by programs that others have written. Where one is missing, the test says so and ends.

use std::path::PathBuf;
use std::process::{Command, Output};

use serde_json::Value;

fn golden(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// What the program says, `None` when it is not there.
fn read_by(program: &str, arguments: &[&str], file: &str) -> Option<Output> {
    match Command::new(program).args(arguments).arg(golden(file)).output() {
        Ok(output) => Some(output),
        Err(error) => {
            println!("skipped: {program} cannot be started: {error}");
            None
        }
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Perl's Test::Harness.
#[test]
fn tap_by_prove() {
    let arguments = ["--exec", "cat"];
    let Some(output) = read_by("prove", &arguments, "report.tap") else { return };
    let all = text(&output.stdout) + &text(&output.stderr);
    for words in
        ["Failed 3/6 subtests", "less 1 skipped subtest: 2 okay", "Failed tests:  3-5", "Result: FAIL"]
    {
        assert!(all.contains(words), "{words:?} in {all}");
    }
    assert!(!all.contains("Parse errors") && output.status.code() == Some(1), "{all}");
    let output = read_by("prove", &arguments, "cannot-run.tap").expect("prove was there");
    let all = text(&output.stdout) + &text(&output.stderr);
    assert!(all.contains("Result: PASS") && !all.contains("Parse errors"), "{all}");
}

/// The parser of node-tap.
#[test]
fn tap_by_tap_parser() {
    let count = "const p = new (require('tap-parser').Parser)(r => console.log(JSON.stringify(\
                 [r.ok, r.count, r.pass, r.fail, r.skip, r.plan.end, r.failures.map(f => f.diag.message ?? f.tapError)])));\
                 p.end(require('fs').readFileSync(process.argv[1], 'utf8'));";
    let Some(output) = read_by("node", &["-e", count], "report.tap") else { return };
    if text(&output.stderr).contains("Cannot find module 'tap-parser'") {
        return println!("skipped: tap-parser is not installed where NODE_PATH leads");
    }
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(
        found.as_array().unwrap()[..6],
        serde_json::json!([false, 6, 3, 3, 1, 6]).as_array().unwrap()[..]
    );
    assert!(found[6][1].as_str().unwrap().contains("\n  ...\n  ---\nok 9 - fake\n\u{7}bell"), "{found}");
}

/// PyPI's junitparser.
#[test]
fn junit_by_junitparser() {
    let count = "import sys, json\n\
                 from junitparser import JUnitXml, Failure, Skipped\n\
                 xml = JUnitXml.fromfile(sys.argv[1])\n\
                 cases = [case for suite in xml for case in suite]\n\
                 kind = lambda case: type(case.result[0]).__name__ if case.result else 'passed'\n\
                 print(json.dumps([[xml.tests, xml.failures, xml.errors, xml.skipped], [s.name for s in xml],\
                  [[c.classname, c.name, kind(c)] for c in cases], [r.text for c in cases for r in c.result][1]]))";
    let Some(output) = read_by("python3", &["-c", count], "report.junit.xml") else { return };
    if text(&output.stderr).contains("No module named 'junitparser'") {
        return println!("skipped: python3 has no junitparser");
    }
    let found: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    assert_eq!(found[0], serde_json::json!([6, 3, 0, 1]));
    assert_eq!(found[1], serde_json::json!(["build", "step01", "step02"]));
    let kinds: Vec<_> = found[2].as_array().unwrap().iter().map(|case| case[2].as_str().unwrap()).collect();
    assert_eq!(kinds, ["passed", "passed", "Failure", "Failure", "Failure", "Skipped"]);
    assert_eq!(found[2][5], serde_json::json!(["grade.step02", "not-here", "Skipped"]));
    assert!(found[3].as_str().unwrap().contains("C:\\dir\\ and ]]>"), "{found}");
}

/// Gradescope publishes no program that reads a result, but the fields and their types. A score stands nowhere twice.
#[test]
fn gradescope_by_its_specification() {
    for file in ["report.gradescope.json", "cannot-run.gradescope.json"] {
        let whole: Value = serde_json::from_slice(&std::fs::read(golden(file)).unwrap()).unwrap();
        let (texts, numbers) =
            (["output", "output_format", "visibility", "stdout_visibility"], ["execution_time"]);
        of_the_types(&whole, &texts, &numbers, &["tests"]);
        for test in whole["tests"].as_array().unwrap() {
            let (texts, numbers) =
                (["name", "status", "output", "output_format", "visibility"], ["score", "max_score"]);
            of_the_types(test, &texts, &numbers, &["tags"]);
            assert_eq!(test.get("score").is_some(), test.get("max_score").is_some());
            assert!(test["score"].as_f64() <= test["max_score"].as_f64());
            assert!(matches!(test.get("status").and_then(Value::as_str), None | Some("passed" | "failed")));
        }
    }
}

fn of_the_types(object: &Value, texts: &[&str], numbers: &[&str], lists: &[&str]) {
    for (name, value) in object.as_object().unwrap() {
        let name = name.as_str();
        let right = (texts.contains(&name) && value.is_string())
            || (numbers.contains(&name) && value.is_number())
            || (lists.contains(&name) && value.is_array());
        assert!(right, "{name}: {value}");
        let visible = ["visible", "hidden", "after_due_date", "after_published"];
        assert!(!name.ends_with("visibility") || visible.contains(&value.as_str().unwrap()));
    }
}
