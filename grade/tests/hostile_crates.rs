//! Crates that mean no good while they are built. As root a build is locked in; these are about the locks.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use serde_json::Value;

/// A crate in a folder of its own, beside which lies what it must not reach.
struct Crate(PathBuf);

impl Crate {
    /// With this as the body of its build script; `None` when this is not root.
    fn new(name: &str, build: &str) -> Option<Crate> {
        if fs::metadata("/proc/self").unwrap().uid() != 0 {
            println!("skipped: an ordinary user's builds are not locked in");
            return None;
        }
        let top = std::env::temp_dir().join(format!("grade-crate-{name}-{}", std::process::id()));
        let one = Crate(top);
        one.write("crate/src/main.rs", "fn main() {}");
        one.write("crate/Cargo.toml", "[package]\nname = \"step01\"\nedition = \"2024\"\n[workspace]\n");
        one.write("crate/build.rs", &format!("fn main() {{ {build} }}"));
        one.write("outside/file", "theirs");
        Some(one)
    }

    fn write(&self, file: &str, text: &str) {
        let path = self.0.join(file);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, text).unwrap();
    }

    fn grade(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_grade"));
        command.args(words).current_dir(self.0.join("crate"));
        // As from a shell: what cargo tells the programs that it starts would hide what rustup finds.
        for name in ["CARGO", "CARGO_TARGET_DIR", "RUSTUP_TOOLCHAIN", "FORK_TO_VETH_CHECK_LOG"] {
            command.env_remove(name);
        }
        command
    }

    /// The report of one check, taken in the crate's own folder.
    fn check(&self, limit: &str) -> Value {
        let words = ["check", "--filter", "exit-status-own", "--format", "json", "--time-limit", limit];
        let output = self.grade(&words).output().unwrap();
        serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)))
    }

    fn unharmed(&self) {
        let names: Vec<_> =
            fs::read_dir(self.0.join("outside")).unwrap().flatten().map(|e| e.file_name()).collect();
        assert_eq!(names, ["file"]);
        assert_eq!(fs::read_to_string(self.0.join("outside/file")).unwrap(), "theirs");
    }
}

impl Drop for Crate {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn build(report: &Value) -> &Value {
    assert_eq!(report["checks"][0]["id"], "build", "{report:#}");
    &report["checks"][0]
}

fn processes_with(words: &str) -> usize {
    let entries = fs::read_dir("/proc").unwrap().flatten();
    let lines = entries.filter_map(|entry| fs::read(entry.path().join("cmdline")).ok());
    lines.filter(|line| String::from_utf8_lossy(line).replace('\0', " ").contains(words)).count()
}

#[test]
fn a_build_that_never_ends() {
    let Some(one) = Crate::new("endless", "loop { std::thread::sleep(std::time::Duration::from_secs(1)) }")
    else {
        return;
    };
    let start = Instant::now();
    let report = one.check("6");
    assert!(build(&report)["reason"].as_str().unwrap().contains("was not done after 6s"), "{report:#}");
    assert!(report["peak_memory_bytes"].as_u64() > Some(1 << 20), "{report:#}");
    assert!(start.elapsed() < Duration::from_secs(60));
}

#[test]
fn a_build_that_leaves_somebody_behind() {
    let body = "std::process::Command::new(\"setsid\").args([\"sleep\", \"1000.75\"]).stdout(std::process::Stdio::null())\
                .stderr(std::process::Stdio::null()).spawn().unwrap();";
    let Some(one) = Crate::new("daemon", body) else { return };
    let report = one.check("120");
    assert_eq!(build(&report)["outcome"], "pass", "{report:#}");
    assert_eq!(processes_with("sleep 1000.75"), 0);
}

#[test]
fn a_build_that_writes_elsewhere() {
    let Some(one) = Crate::new("elsewhere", "") else { return };
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.unwrap_or_else(|| Path::new(&std::env::var_os("HOME").unwrap()).join(".cargo"));
    let left = [one.0.join("outside/mine"), home.join("bin/grade-hostile"), home.join("grade-hostile.toml")];
    let write = |path: &PathBuf| format!("let _ = std::fs::write({path:?}, \"mine\");");
    one.write("crate/build.rs", &format!("fn main() {{ {} }}", left.iter().map(write).collect::<String>()));
    assert_eq!(build(&one.check("120"))["outcome"], "pass");
    let there: Vec<_> = left.iter().filter(|path| fs::remove_file(path).is_ok()).collect();
    assert!(there.is_empty(), "{there:?}");
    one.unharmed();
}

#[test]
fn a_target_folder_that_is_somebody_elses() {
    let Some(one) = Crate::new("target", "") else { return };
    symlink(one.0.join("outside"), one.0.join("crate/target")).unwrap();
    let report = one.check("120");
    assert!(build(&report)["reason"].as_str().unwrap().contains("is a symlink"), "{report:#}");
    one.unharmed();
}

#[test]
fn settings_that_name_another_target_folder() {
    let Some(one) = Crate::new("settings", "") else { return };
    let outside = one.0.join("outside");
    let body = format!("fn main() {{ let _ = std::fs::write({:?}, \"mine\"); }}", outside.join("mine"));
    one.write("crate/build.rs", &body);
    one.write("crate/.cargo/config.toml", &format!("[build]\ntarget-dir = {outside:?}\n"));
    assert_eq!(build(&one.check("120"))["outcome"], "pass");
    one.unharmed();
}

#[test]
fn a_toolchain_of_its_own() {
    let Some(one) = Crate::new("toolchain", "") else { return };
    let (tools, marker) = (one.0.join("tools"), one.0.join("outside/mine"));
    for name in ["cargo", "rustc"] {
        one.write(&format!("tools/bin/{name}"), &format!("#!/bin/sh\necho mine > {}\n", marker.display()));
        let program = tools.join("bin").join(name);
        fs::set_permissions(program, fs::Permissions::from_mode(0o755)).unwrap();
    }
    fs::create_dir_all(tools.join("lib")).unwrap();
    one.write("crate/rust-toolchain.toml", &format!("[toolchain]\npath = {tools:?}\n"));
    let report = one.check("120");
    assert_ne!(report["status"], "passed", "{report:#}");
    one.unharmed();
}

#[test]
fn a_manifest_that_is_no_manifest() {
    let Some(one) = Crate::new("manifest", "") else { return };
    let manifest = one.0.join("crate/Cargo.toml");
    fs::File::create(&manifest).unwrap().set_len(20 << 30).unwrap();
    let output = one.grade(&["check", "step01"]).output().unwrap();
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("are allowed"), "{output:?}");
    fs::remove_file(&manifest).unwrap();
    symlink("/dev/zero", &manifest).unwrap();
    assert_eq!(one.grade(&["check", "step01"]).output().unwrap().status.code(), Some(2));
}

#[test]
fn a_name_that_is_no_text_and_two_batches_of_one_folder() {
    use std::os::unix::ffi::OsStrExt;
    let Some(one) = Crate::new("batch", "") else { return };
    let folder = one.0.join("class");
    fs::create_dir(&folder).unwrap();
    fs::rename(one.0.join("crate"), folder.join("step01-good")).unwrap();
    let odd = folder.join(std::ffi::OsStr::from_bytes(b"step01-\xff"));
    fs::create_dir_all(odd.join("src")).unwrap();
    fs::write(odd.join("src/main.rs"), "fn main() {}").unwrap();
    fs::write(odd.join("Cargo.toml"), "[package]\nname = \"step01\"\nedition = \"2024\"\n[workspace]\n")
        .unwrap();
    fs::create_dir(one.0.join("crate")).unwrap();
    let class = folder.to_str().unwrap();
    let words = ["batch", class, "--filter", "exit-status-own", "--format", "json", "--jobs", "2"];
    let both = [one.grade(&words), one.grade(&words)].map(|mut batch| {
        batch.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped()).spawn().unwrap()
    });
    for batch in both {
        let output = batch.wait_with_output().unwrap();
        let report: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
        let status = |number: usize| report["submissions"][number]["status"].as_str().unwrap_or_default();
        assert_eq!((status(0), status(1)), ("failed", "not graded"), "{report:#}");
    }
}
