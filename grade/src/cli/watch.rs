//! `grade check --watch`: checks again on save, from the first check that failed.

use std::fs;
use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, SystemTime};

use anyhow::Result;
use grade::report::text;
use grade::submission::Source;

use super::check::{Task, grade};
use super::{outputs, print};

/// Between two looks at the files.
const PAUSE: Duration = Duration::from_millis(300);

/// Runs until it is interrupted.
pub(super) fn run(task: &Task) -> Result<ExitCode> {
    let mut from = 0;
    loop {
        let before = newest(task);
        from = once(task, from)?;
        print("\nWaiting for a change; Ctrl-C ends.\n")?;
        while newest(task) == before {
            std::thread::sleep(PAUSE);
        }
        // An editor may write several files.
        std::thread::sleep(PAUSE);
        print("\n")?;
    }
}

/// Runs the checks from number `from` until one fails, whose number is returned. When that one passes now, those before
/// it are run, too: the change may have broken them.
fn once(task: &Task, from: usize) -> Result<usize> {
    let mut live = Some(text::Writer::new(outputs::color()));
    let order = from..task.checks.len();
    let order: Vec<usize> = order.chain(0..from).collect();
    let checks: Vec<_> = order.iter().map(|number| task.checks[*number]).collect();
    let report = grade(task, &checks, &mut live, |entry| {
        if entry.failed() { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    })?;
    let failed = report.entries.iter().find(|entry| entry.failed());
    match failed {
        // Nothing was checked: begin where it would have begun.
        Some(entry) if entry.step == 0 => Ok(from),
        Some(entry) => {
            let passed = report.entries.iter().filter(|entry| entry.passed() && entry.step > 0).count();
            print(&format!("\n{passed} passed before {}: grade hint {}\n", entry.id, entry.id))?;
            Ok(task.checks.iter().position(|check| check.id == entry.id).unwrap_or(0))
        }
        None => {
            if let Some(live) = &live {
                print(&live.summary(&report))?;
            }
            Ok(0)
        }
    }
}

/// When the submission was last changed, and how many files it has.
fn newest(task: &Task) -> (Option<SystemTime>, usize) {
    let files = match &task.source {
        Source::Binary(binary) => vec![binary.clone()],
        Source::Crate(one) => sources(&one.dir),
    };
    let changed = files.iter().filter_map(|file| fs::metadata(file).ok()?.modified().ok());
    (changed.max(), files.len())
}

/// Every file of the crate but those of cargo and of version control.
fn sources(dir: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![dir.to_path_buf()];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).into_iter().flatten().flatten() {
            let name = entry.file_name();
            if name == "target" || name == "Cargo.lock" || name.to_string_lossy().starts_with('.') {
                continue;
            }
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => open.push(entry.path()),
                Ok(kind) if kind.is_file() => found.push(entry.path()),
                _ => {}
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cargo_writes_is_no_change() {
        let dir = std::env::temp_dir().join(format!("grade-watch-{}", std::process::id()));
        for folder in ["src/deep", "target/debug", ".git"] {
            fs::create_dir_all(dir.join(folder)).unwrap();
        }
        for file in ["Cargo.toml", "Cargo.lock", "src/deep/a.rs", "target/debug/x", ".git/HEAD"] {
            fs::write(dir.join(file), "").unwrap();
        }
        let mut found = sources(&dir);
        found.sort();
        fs::remove_dir_all(&dir).unwrap();
        assert_eq!(found, [dir.join("Cargo.toml"), dir.join("src/deep/a.rs")]);
    }
}
