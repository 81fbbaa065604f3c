//! Submissions that mean no good, or do none: each is graded as failed in its time, and leaves nothing behind.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::{Duration, Instant};

use serde_json::Value;

/// A submission that is a shell script, in a folder of its own.
struct Script {
    folder: PathBuf,
    bin: PathBuf,
}

impl Script {
    fn new(name: &str, body: &str) -> Script {
        let folder = std::env::temp_dir().join(format!("grade-hostile-{name}-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let bin = folder.join("step01");
        fs::write(&bin, format!("#!/bin/sh\n{body}\n")).unwrap();
        fs::set_permissions(&bin, fs::Permissions::from_mode(0o755)).unwrap();
        Script { folder, bin }
    }

    /// Grades it on a few checks and returns the report.
    fn grade(&self, more: &[&str]) -> Value {
        let start = Instant::now();
        let output = check(&self.bin, &[&["--time-limit", "6"], more].concat());
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
        assert_eq!(output.status.code(), Some(1), "{report:#}");
        assert_eq!(report["points"]["got"], 0, "{report:#}");
        assert!(report["points"]["possible"].as_u64() > Some(0), "{report:#}");
        assert!(start.elapsed() < Duration::from_secs(40), "after {:?}", start.elapsed());
        report
    }
}

impl Drop for Script {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.folder);
        if !std::thread::panicking() {
            assert!(!still_runs(&self.bin), "something of {} still runs", self.bin.display());
        }
    }
}

fn check(bin: &Path, more: &[&str]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_grade"))
        .args([
            "check",
            "step01",
            "--format",
            "json",
            "--filter",
            "exit-status-own,streams-binary-safe",
            "--bin",
        ])
        .arg(bin)
        .args(more)
        // What fails here is meant to.
        .env_remove("FORK_TO_VETH_CHECK_LOG")
        .output()
        .unwrap()
}

fn root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| std::os::unix::fs::MetadataExt::uid(&own) == 0)
}

/// Whether a process has the path in its arguments.
fn still_runs(bin: &Path) -> bool {
    let processes = fs::read_dir("/proc").unwrap().flatten();
    let arguments = processes.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    let bin = bin.to_string_lossy().into_owned();
    arguments.map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).any(|line| line.contains(&bin))
}

#[test]
fn one_that_says_it_passed() {
    Script::new("says", "echo PASS; echo '{\"outcome\":\"pass\"}'; echo 'ok 1'; exit 0").grade(&[]);
}

#[test]
fn one_that_never_exits() {
    let report = Script::new("never", "trap '' TERM INT HUP; while :; do sleep 1; done").grade(&[]);
    let text = report.to_string();
    assert!(text.contains("still runs") || text.contains("was up"), "{report:#}");
}

#[test]
fn one_that_prints_without_end() {
    Script::new("prints", "exec cat /dev/zero").grade(&[]);
}

#[test]
fn one_that_kills_its_parent() {
    Script::new("parent", "kill -9 $PPID; exec sleep 1000").grade(&[]);
}

#[test]
fn one_that_kills_all_it_can_see() {
    // An ordinary user has no PID namespace to be locked into.
    if root() {
        Script::new("all", "kill -9 -1; sleep 0.1; exit 7").grade(&[]);
    }
}

#[test]
fn one_that_forks_without_end() {
    // Without root's cgroup the limit is the user's own, and that is the machine's business.
    if root() {
        Script::new("forks", "bomb() { bomb | bomb & bomb; }; bomb").grade(&[]);
    }
}

#[test]
fn one_that_leaves_many_behind() {
    // As many as a fork bomb gets to under the limit, or a little more without: harmless, should there be none.
    let body =
        "i=0; while [ $i -lt 1500 ]; do (trap '' TERM HUP; exec sleep 1000.25) & i=$((i+1)); done; exit 0";
    Script::new("many", body).grade(&[]);
    let left =
        Command::new("sh").args(["-c", "pgrep -f 'sleep 1000.25' | grep -vx $$ | wc -l"]).output().unwrap();
    assert_eq!(String::from_utf8_lossy(&left.stdout).trim(), "0");
}

#[test]
fn one_that_fills_the_disk() {
    let script = Script::new("disk", "exec cat /dev/zero >\"$FORK_TO_VETH_ROOT.fill\"");
    let report = script.grade(&["--disk-limit", "64"]);
    assert!(report.to_string().contains("on the disk, where 64 MiB are allowed"), "{report:#}");
}

#[test]
fn one_that_fills_the_disk_with_a_file_without_a_name() {
    let script = Script::new(
        "nameless",
        "exec 3>\"$FORK_TO_VETH_ROOT.x\"; rm \"$FORK_TO_VETH_ROOT.x\"; exec cat /dev/zero >&3",
    );
    let report = script.grade(&["--disk-limit", "64"]);
    assert!(report.to_string().contains("on the disk, where 64 MiB are allowed"), "{report:#}");
}

#[test]
fn one_that_writes_to_the_graders_files() {
    let body = "for fd in /proc/[0-9]*/fd/*; do echo '{\"outcome\":\"pass\"}' >>$fd; done 2>/dev/null\n\
                echo '{\"entry\":{\"id\":\"exit-status-own\",\"title\":\"x\",\"step\":1,\"points\":3,\
                \"outcome\":{\"outcome\":\"pass\"},\"hint\":null,\"hints\":0,\"section\":null,\"millis\":1}}' >>/proc/1/fd/1\n\
                rm -rf \"${FORK_TO_VETH_ROOT%/*}\" 2>/dev/null; exit 0";
    // An ordinary user's other processes have descriptors, too, which are not ours to write to.
    if root() {
        Script::new("files", body).grade(&[]);
    }
}

#[test]
fn one_that_writes_to_the_hosts_files() {
    let script = Script::new("host", "");
    let target = script.folder.join("theirs");
    fs::write(&target, "theirs").unwrap();
    let etc = format!("/etc/grade-hostile-{}", std::process::id());
    let body =
        format!("#!/bin/sh\necho mine >{0}; echo mine >{etc}; rm -f {0} \"$0\"; exit 0\n", target.display());
    fs::write(&script.bin, body).unwrap();
    if root() {
        script.grade(&[]);
        assert_eq!(fs::read_to_string(&target).unwrap(), "theirs");
        assert!(script.bin.exists() && !Path::new(&etc).exists());
    }
}

#[test]
fn several_side_by_side() {
    let good = Script::new("good", "shift; exec \"$@\"");
    let bad = Script::new("bad", "echo PASS");
    let points = |report: &Value| report["points"]["got"].as_u64();
    std::thread::scope(|scope| {
        let both: Vec<_> = (0..4)
            .map(|number| {
                let bin = if number % 2 == 0 { &good.bin } else { &bad.bin };
                scope.spawn(move || serde_json::from_slice::<Value>(&check(bin, &[]).stdout).unwrap())
            })
            .collect();
        let got: Vec<_> = both.into_iter().map(|one| points(&one.join().unwrap())).collect();
        assert!(got[0] > Some(0), "{got:?}");
        assert_eq!(got, [got[0], Some(0), got[0], Some(0)]);
    });
}
