//! A planted wrong variant: a patch with a few lines of header.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};

use super::bed::Leg;

#[derive(Debug)]
pub struct Variant {
    /// The file's name without its ending.
    pub name: String,
    pub patch: PathBuf,
    /// What is wrong with it, in a line.
    pub about: String,
    /// The ids of the checks that it has to lose.
    pub checks: Vec<String>,
    pub leg: Leg,
    /// What the host needs, for people: the check itself knows, and is skipped.
    pub needs: String,
}

/// The variants of a folder, by name. A folder that is not there has none.
pub fn all(folder: &Path) -> Result<Vec<Variant>> {
    let mut variants = Vec::new();
    if !folder.is_dir() {
        return Ok(variants);
    }
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let path = entry?.path();
        if path.extension().is_some_and(|ending| ending == "patch") {
            let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
            variants.push(parse(&path, &text).with_context(|| format!("read {}", path.display()))?);
        }
    }
    variants.sort_by(|a, b| a.name.cmp(&b.name));
    Ok(variants)
}

fn parse(path: &Path, text: &str) -> Result<Variant> {
    let name = path.file_stem().context("a patch without a name")?.to_string_lossy().into_owned();
    let (about, checks) = (String::new(), Vec::new());
    let (patch, needs) = (path.to_owned(), String::new());
    let mut variant = Variant { name, patch, about, checks, leg: Leg::Root, needs };
    for line in text.lines().take_while(|line| !line.starts_with("--- ")) {
        let (key, value) = line.split_once(':').map(|(key, value)| (key, value.trim())).unwrap_or((line, ""));
        match key {
            "check" => variant.checks.extend(value.split(',').map(|id| id.trim().to_owned())),
            "about" => value.clone_into(&mut variant.about),
            "leg" => variant.leg = Leg::named(value)?,
            "needs" => value.clone_into(&mut variant.needs),
            "" => {}
            _ => bail!("{line:?} is none of check:, about:, leg: and needs:"),
        }
    }
    ensure!(!variant.checks.is_empty(), "no line `check: ID` before the diff");
    ensure!(!variant.about.is_empty(), "no line `about: …` before the diff");
    if let Some(unknown) = variant.checks.iter().find(|id| grade::find(id).is_none()) {
        bail!("there is no check {unknown}");
    }
    Ok(variant)
}

#[cfg(test)]
mod tests {
    use super::{Leg, parse};
    use std::path::Path;

    #[test]
    fn the_header_names_checks_and_leg() {
        let text =
            "check: exit-status-own, exit-status-signal\nabout: always 0\nleg: user\n--- a/x\n+++ b/x\n";
        let variant = parse(Path::new("m/zero.patch"), text).unwrap();
        assert_eq!((variant.name.as_str(), variant.leg), ("zero", Leg::User));
        assert_eq!(variant.checks, ["exit-status-own", "exit-status-signal"]);
        assert_eq!(variant.about, "always 0");
    }

    #[test]
    fn a_header_that_says_too_little_or_nonsense_is_refused() {
        for text in
            ["about: x\n--- a", "check: exit-status-own\n--- a", "check: no-such\nabout: x\n", "chek: x\n"]
        {
            assert!(parse(Path::new("m.patch"), text).is_err(), "{text}");
        }
    }
}
