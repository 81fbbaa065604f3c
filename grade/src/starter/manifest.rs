//! A Cargo.toml that needs no workspace.

use anyhow::{Context, Result};
use grade::exercise::Assignment;
use toml::{Table, Value};

use super::sources::WORKSPACE;

/// For a crate with functions that say `todo!`.
const UNWRITTEN: &str = "\n# What is not written yet is not used yet. Take this out when the last todo!() has gone.\n\
     [lints.rust]\nunused = { level = \"allow\", priority = -1 }\nunreachable_code = \"allow\"\n";

/// The manifest of a step as one that stands alone: what it takes from the workspace is written out, and the project's
/// tests are left out.
pub(super) fn text(manifest: &str, assignment: Assignment) -> Result<String> {
    let step = assignment.step();
    let step_s: Table = manifest.parse().context("read the step's Cargo.toml")?;
    let workspace: Table = WORKSPACE.parse().context("read the workspace's Cargo.toml")?;
    let shared = |path: &[&str]| {
        let root = workspace.get(path[0]);
        path[1..].iter().try_fold(root?, |table, name| table.get(name))
    };
    let edition = shared(&["workspace", "package", "edition"]).context("it has no edition")?;
    let rust = shared(&["workspace", "package", "rust-version"]).context("it has no rust-version")?;
    let stated = match assignment {
        Assignment::Step(step) => format!("step = \"step{step:02}\""),
        Assignment::Exercise(exercise) => format!("exercise = \"{}\"", exercise.id),
    };
    let mut text = format!(
        "[package]\nname = \"step{step:02}\"\nversion = \"0.1.0\"\nedition = {edition}\nrust-version = {rust}\n\
         publish = false\n\n[package.metadata.grade]\n{stated}\n\n\
         # It stands alone, whatever folder it is put into.\n[workspace]\n\n[dependencies]\n"
    );
    let dependencies =
        step_s.get("dependencies").and_then(Value::as_table).context("it has no dependencies")?;
    for (name, own) in dependencies {
        let known =
            shared(&["workspace", "dependencies", name]).with_context(|| format!("{name} has no version"))?;
        text += &format!("{name} = {}\n", merged(known, own));
    }
    if matches!(assignment, Assignment::Step(_)) {
        text += UNWRITTEN;
    }
    for (name, profile) in
        shared(&["profile", "dev", "package"]).and_then(Value::as_table).into_iter().flatten()
    {
        // zlib-rs comes with flate2.
        if dependencies.contains_key(name) || name == "zlib-rs" && dependencies.contains_key("flate2") {
            text += &format!("\n[profile.dev.package.{name}]\n{}", toml::to_string(profile)?);
        }
    }
    Ok(text)
}

/// The workspace's version and settings, with the step's own features.
fn merged(known: &Value, own: &Value) -> Value {
    let mut all = match known {
        Value::Table(table) => table.clone(),
        version => Table::from_iter([("version".to_string(), version.clone())]),
    };
    if let Some(more) = own.get("features").and_then(Value::as_array) {
        let features = all.entry("features").or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(features) = features {
            features.extend(more.iter().cloned());
        }
    }
    match &all["version"] {
        version if all.len() == 1 => version.clone(),
        _ => Value::Table(all),
    }
}
