//! The command line: exit statuses, pipes that close, reports in files, crates that build and that do not.

use std::fs;
use std::io::Read;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use serde_json::Value;

fn grade(words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_grade"));
    command.args(words);
    // What a test of the tests fails on purpose is nothing for the log of the tests.
    for name in ["CLASSROOM", "GITHUB_OUTPUT", "CARGO_TARGET_DIR", "FORK_TO_VETH_CHECK_LOG"] {
        command.env_remove(name);
    }
    command
}

fn output(words: &[&str]) -> Output {
    grade(words).output().unwrap()
}

fn words(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// A folder that goes when the test ends.
struct Folder(PathBuf);

impl Folder {
    fn new(name: &str) -> Folder {
        let path = std::env::temp_dir().join(format!("grade-cli-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Folder(path)
    }

    fn script(&self, name: &str, body: &str) -> String {
        let path = self.0.join(name);
        fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path.display().to_string()
    }

    /// A crate whose only dependency is std.
    fn package(&self, name: &str, metadata: &str, main: &str) -> String {
        let path = self.0.join(name);
        fs::create_dir_all(path.join("src")).unwrap();
        let manifest = format!(
            "[package]\nname = \"{name}\"\nversion = \"0.1.0\"\nedition = \"2021\"\n{metadata}\n[workspace]\n"
        );
        fs::write(path.join("Cargo.toml"), manifest).unwrap();
        fs::write(path.join("src/main.rs"), main).unwrap();
        path.display().to_string()
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

const SHELL: &str = "shift; exec \"$@\"";
const ONE: [&str; 2] = ["--filter", "exit-status-own"];

#[test]
fn a_pipe_that_closes_is_no_error() {
    for list in [&["list"][..], &["list", "--format", "json"], &["doctor"]] {
        let mut child = grade(list).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut one = [0; 1];
        let mut stdout = child.stdout.take().unwrap();
        stdout.read_exact(&mut one).unwrap();
        drop(stdout);
        let output = child.wait_with_output().unwrap();
        assert_eq!(words(&output.stderr), "", "{list:?}");
    }
}

#[test]
fn wrong_usage_is_2() {
    let folder = Folder::new("usage");
    let script = folder.script("program", SHELL);
    let empty = folder.0.display().to_string();
    for (wrong, said) in [
        (&["check", "step09"][..], "neither a step"),
        (&["check", "step01", "--bin", "/no/such"], "/no/such"),
        (&["check", "step01", "--bin", &script, "--filter", "no-such"], "no-such"),
        (&["check", "--bin", &script], "[package.metadata.grade]"),
        (&["check", &empty], "Cargo.toml"),
        (&["check", "step01", "--bin", &script, "--format", "xml"], "classroom50"),
        (&["check", "step01", "--bin", &script, "--format", "classroom50"], "CLASSROOM"),
        (&["check", "step01", "--bin", &script, "--format", "tap", "--format", "json"], "stdout"),
        (&["hint", "exit-status"], "exit-status-own"),
        (&["hint", "exit-status-own", "99"], "hints"),
        (&["explain", "no-such"], "grade list"),
    ] {
        let output = output(wrong);
        assert_eq!(output.status.code(), Some(2), "{wrong:?}: {}", words(&output.stderr));
        assert!(words(&output.stderr).contains(said), "{wrong:?}: {}", words(&output.stderr));
        assert_eq!(words(&output.stdout), "", "{wrong:?}");
    }
}

#[test]
fn passed_is_0_and_failed_is_1() {
    let folder = Folder::new("status");
    let (good, bad) = (folder.script("good", SHELL), folder.script("bad", "exit 0"));
    let check = |bin: &str| output(&[&["check", "step01", "--bin", bin], &ONE[..]].concat());
    let passed = check(&good);
    assert_eq!(passed.status.code(), Some(0), "{}", words(&passed.stdout));
    let failed = check(&bad);
    let text = words(&failed.stdout);
    assert_eq!(failed.status.code(), Some(1), "{text}");
    for part in ["FAIL", "expected", "showed", "hint", "01-fork.html#", "Red is expected here", "grade hint"]
    {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains('\u{1b}'), "color in a pipe: {text:?}");
}

#[test]
fn a_machine_that_cannot_run_it_is_3_and_no_zero() {
    let folder = Folder::new("lack");
    let bad = folder.script("bad", "exit 0");
    // Nowhere to put what the checks need.
    let check = |format: &str| {
        let mut command = grade(&["check", "step01", "--bin", &bad, "--format", format]);
        command.args(ONE).env("TMPDIR", "/proc/no/such/folder").output().unwrap()
    };
    let json = check("json");
    assert_eq!(json.status.code(), Some(3), "{}", words(&json.stdout));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!((&report["status"], &report["points"]["possible"]), (&"cannot-run".into(), &0.into()));
    assert!(report["lack"].is_string());
    let gradescope: Value = serde_json::from_slice(&check("gradescope").stdout).unwrap();
    assert!(gradescope["tests"].as_array().unwrap().iter().all(|test| test.get("score").is_none()));
    assert!(words(&check("text").stdout).contains("This machine cannot run it"));
}

#[test]
fn several_reports_at_once_and_classroom50_exits_with_0() {
    let folder = Folder::new("several");
    let bad = folder.script("bad", "exit 0");
    let file = |name: &str| folder.0.join(name).display().to_string();
    let mut command = grade(&["check", "step01", "--bin", &bad, "--filter", "exit-status-own"]);
    command.args([
        "--format",
        "junit",
        "--output",
        &file("j.xml"),
        "--format",
        "tap",
        "--output",
        &file("t.tap"),
    ]);
    command.args(["--format", "classroom50", "--output", &file("result.json"), "--format", "github"]);
    for name in ["CLASSROOM", "ASSIGNMENT", "USERNAME", "SUBMISSION_TAG", "COMMIT_URL", "RELEASE_URL"] {
        command.env(name, "submit/x");
    }
    let output = command.env("GITHUB_OUTPUT", file("github")).output().unwrap();
    assert_eq!(output.status.code(), Some(0), "{}", words(&output.stderr));
    let github: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(github["status"], "fail");
    let read = |name: &str| fs::read_to_string(folder.0.join(name)).unwrap();
    assert!(read("github").starts_with("result=ey"));
    assert!(read("j.xml").contains("<failure") && read("t.tap").contains("not ok 1"));
    let result: Value = serde_json::from_str(&read("result.json")).unwrap();
    assert_eq!((&result["score"], &result["tests"][0]["passed"]), (&0.into(), &false.into()));
}

#[test]
fn a_crate_is_built_and_says_its_step() {
    let folder = Folder::new("crate");
    let main = "fn main() { let mut words = std::env::args_os().skip(2); let program = words.next().unwrap();\n\
                let status = std::process::Command::new(program).args(words).status().unwrap();\n\
                std::process::exit(status.code().unwrap()) }";
    let metadata = "[package.metadata.grade]\nstep = \"step01\"";
    let dir = folder.package("mine", metadata, main);
    let passed = output(&[&["check", &dir], &ONE[..]].concat());
    assert_eq!(passed.status.code(), Some(0), "{}{}", words(&passed.stdout), words(&passed.stderr));
    assert!(words(&passed.stdout).contains("the crate builds"));
    let within = grade(&["check"]).args(ONE).current_dir(&dir).output().unwrap();
    assert_eq!(within.status.code(), Some(0), "{}", words(&within.stdout));
    let from_name = folder.package("my-step01", "", main);
    assert_eq!(output(&[&["check", &from_name], &ONE[..]].concat()).status.code(), Some(0));
}

#[test]
fn a_crate_that_does_not_build_is_a_report() {
    let folder = Folder::new("broken");
    let dir = folder.package("step01", "", "fn main() { let x: u8 = \"<&>\"; }");
    let json = output(&[&["check", &dir, "--format", "json"], &ONE[..]].concat());
    assert_eq!(json.status.code(), Some(1), "{}", words(&json.stderr));
    let report: Value = serde_json::from_slice(&json.stdout).unwrap();
    assert_eq!(report["checks"][0]["id"], "build");
    assert!(report["checks"][0]["reason"].as_str().unwrap().contains("mismatched types"), "{report:#}");
    assert_eq!(report["checks"][1]["outcome"], "blocked");
    fs::write(Path::new(&dir).join("Cargo.toml"), "[package\n").unwrap();
    let text = output(&[&["check", "step01", &dir], &ONE[..]].concat());
    assert_eq!(text.status.code(), Some(1));
    assert!(words(&text.stdout).contains("It does not build"), "{}", words(&text.stdout));
}

#[test]
fn a_batch_goes_on_after_what_is_broken() {
    let folder = Folder::new("batch");
    folder.script("good", SHELL);
    folder.script("bad", "exit 0");
    folder.package("crate-that-breaks", "", "fn main() { oh no }");
    fs::write(folder.0.join("letter.txt"), "please").unwrap();
    let dir = folder.0.display().to_string();
    let batch = |format| {
        output(&[&["batch", &dir, "--step", "step01", "--jobs", "2", "--format", format], &ONE[..]].concat())
    };
    let csv = batch("csv");
    assert_eq!(csv.status.code(), Some(0), "{}", words(&csv.stderr));
    let table = words(&csv.stdout);
    let field = |name: &str, at: usize| {
        let line = table.lines().find(|line| line.starts_with(name)).unwrap();
        line.split(',').nth(at).unwrap().to_string()
    };
    assert_eq!([2, 3].map(|at| field("good", at)), ["passed", "2"]);
    assert_eq!([2, 3].map(|at| field("bad", at)), ["failed", "0"]);
    assert_eq!(field("crate-that-breaks", 2), "does not build");
    assert_eq!(field("letter.txt", 2), "not graded");
    assert!(words(&batch("html").stdout).starts_with("<!DOCTYPE html>"));
    assert_eq!(words(&csv.stderr), "", "a bar, where stderr is no terminal");
}
