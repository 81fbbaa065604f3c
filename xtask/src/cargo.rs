//! What cargo built: the executables of packages, found in cargo's own messages.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

/// One executable that cargo built, or found up to date.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Executable {
    /// The target's name: `step03` for the binary, `conformance` for `tests/conformance.rs`.
    pub target: String,
    /// Whether it is a test harness: the same target can be built as both.
    pub test: bool,
    /// The manifest of its package: every step has a `conformance`.
    pub manifest: PathBuf,
    pub path: PathBuf,
}

#[derive(Deserialize)]
struct Message {
    reason: String,
    manifest_path: Option<PathBuf>,
    target: Option<Target>,
    profile: Option<Profile>,
    executable: Option<PathBuf>,
}

#[derive(Deserialize)]
struct Target {
    name: String,
}

#[derive(Deserialize)]
struct Profile {
    test: bool,
}

/// Runs `cargo ARGUMENTS --message-format=json` in `folder`, which must be a build, and lists its executables.
///
/// # Errors
/// When cargo does not start or the build fails; the compiler's words are on stderr by then.
pub fn build(folder: &Path, arguments: &[&str]) -> Result<Vec<Executable>> {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(folder).args(arguments).arg("--message-format=json-render-diagnostics");
    let output = command.stderr(Stdio::inherit()).output().context("start cargo")?;
    ensure!(
        output.status.success(),
        "cargo {} in {}: {}",
        arguments.join(" "),
        folder.display(),
        output.status
    );
    executables(&String::from_utf8_lossy(&output.stdout))
}

fn executables(messages: &str) -> Result<Vec<Executable>> {
    let mut found = Vec::new();
    for line in messages.lines().filter(|line| line.starts_with('{')) {
        let message: Message = serde_json::from_str(line).with_context(|| format!("cargo said {line}"))?;
        if message.reason != "compiler-artifact" {
            continue;
        }
        if let (Some(target), Some(profile), Some(manifest), Some(path)) =
            (message.target, message.profile, message.manifest_path, message.executable)
        {
            found.push(Executable { target: target.name, test: profile.test, manifest, path });
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_and_other_messages_are_passed_over() {
        let messages = concat!(
            r#"{"reason":"compiler-artifact","target":{"name":"grade"},"profile":{"test":false},"executable":null}"#,
            "\nnot json\n",
            r#"{"reason":"build-script-executed"}"#,
            "\n",
            r#"{"reason":"compiler-artifact","manifest_path":"/s/Cargo.toml","target":{"name":"conformance"},"profile":{"test":true},"executable":"/t/c-1"}"#,
        );
        let conformance = Executable {
            target: "conformance".into(),
            test: true,
            manifest: "/s/Cargo.toml".into(),
            path: "/t/c-1".into(),
        };
        assert_eq!(executables(messages).unwrap(), [conformance]);
    }
}
