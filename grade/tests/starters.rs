//! What a student begins with: each starter compiles by itself, and the checks of its step fail for want of what is to be
//! written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

/// A step, its checks that hold before anything of it is written (they are about what the starter has already), and those
/// that fail without the words of a `todo!`: they do not look at stderr, or expect an error and get this one.
const STEPS: [(&str, &[&str], &[&str]); 8] = [
    ("step01", &[], &["streams-inherited", "hygiene-umask"]),
    ("step02", &["namespaces-unknown", "hostname-impossible"], &["namespaces-list"]),
    ("step03", &[], &["limits-device-rates"]),
    ("step04", &["image-refused", "base-no-place"], &[]),
    ("step05", &[], &[]),
    ("step06", &[], &[]),
    ("step07", &[], &[]),
    ("step08", &[], &[]),
];

fn grade(words: &[&str], folder: &Path) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grade"));
    // The starters share what they depend on, and what fails here is meant to.
    let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("starters");
    command.args(words).arg(folder).env("CARGO_TARGET_DIR", target).env_remove("FORK_TO_VETH_CHECK_LOG");
    command.output().unwrap()
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn begin(step: &str, name: &str) -> Folder {
    let folder =
        Folder(Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("{name}-{}", std::process::id())));
    let output = grade(&["start", step], &folder.0);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    folder
}

#[test]
fn a_folder_with_something_in_it_is_left_alone() {
    let folder = begin("step01", "taken");
    fs::write(folder.0.join("src/main.rs"), "mine").unwrap();
    let output = grade(&["start", "step01"], &folder.0);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("not empty"));
    assert_eq!(fs::read_to_string(folder.0.join("src/main.rs")).unwrap(), "mine");
}

/// How the step's own checks end with its starter, and the one on which all build: id, outcome, reason.
fn graded(step: &str, own: &[String]) -> Vec<(String, String, String)> {
    let folder = begin(step, step);
    let filter = format!("exit-status-own,{}", own.join(","));
    let output = grade(&["check", "--format", "json", "--filter", &filter], &folder.0);
    let report: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{step}: {}", String::from_utf8_lossy(&output.stderr)));
    let word = |check: &Value, name: &str| check[name].as_str().unwrap_or_default().to_string();
    let checks = report["checks"].as_array().unwrap().iter();
    checks.map(|check| (word(check, "id"), word(check, "outcome"), word(check, "reason"))).collect()
}

fn ids_of(step: &str) -> Vec<String> {
    let output =
        Command::new(env!("CARGO_BIN_EXE_grade")).args(["list", "--format", "json"]).output().unwrap();
    let checks: Value = serde_json::from_slice(&output.stdout).unwrap();
    let own = checks.as_array().unwrap().iter().filter(|check| check["step"] == step);
    own.map(|check| check["id"].as_str().unwrap().to_string()).collect()
}

#[test]
fn the_checks_of_a_starter_s_step_fail_for_what_is_to_be_written() {
    for (step, hold, silent) in STEPS {
        let own = ids_of(step);
        let checks = graded(step, &own);
        let (build, ended) = checks.split_first().unwrap();
        assert_eq!((build.0.as_str(), build.1.as_str()), ("build", "pass"), "{step}: {}", build.2);
        let of = |wanted: &str| ended.iter().filter(|(_, outcome, _)| outcome == wanted).collect::<Vec<_>>();
        let told = |reason: &str| reason.contains("not yet implemented: ");
        for (id, ..) in of("pass") {
            let holds = hold.contains(&id.as_str()) || !own.contains(id);
            assert!(holds, "{step}: {id} passes before anything is written");
        }
        for (id, _, reason) in of("fail") {
            assert!(
                told(reason) || silent.contains(&id.as_str()),
                "{step}: {id} fails for another reason: {reason}"
            );
        }
        let fail = of("fail").len();
        println!("{step}: of {} checks {fail} fail, {} are blocked", ended.len(), of("blocked").len());
        assert!(fail > 0, "{step}: no check says what is to be written");
    }
}
