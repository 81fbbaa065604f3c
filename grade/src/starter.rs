//! The crate that a student begins with: a step's own sources, in which the functions that the step is about have no bodies.
//!
//! Which functions these are, and what there is to do in each, stands in `grade/cuts/stepNN.toml`. The sources themselves
//! are read by readers and know nothing of it: starter and solution are one file, and whoever renames a function that is
//! cut out hears of it from the tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};

mod cut;
mod manifest;
mod plan;
mod readme;
mod sources;

pub use plan::Cut;

/// What is cut out of a step, in the order in which it is best written.
///
/// # Errors
/// When the plan cannot be read.
pub fn cuts(step: u8) -> Result<Vec<Cut>> {
    plan::read(step)
}

/// The text of every file of the crate for a step, by its path in the crate.
///
/// # Errors
/// When the plan does not fit the step's sources.
pub fn files(step: u8) -> Result<BTreeMap<PathBuf, String>> {
    let (source, cuts) = (sources::of(step)?, cuts(step)?);
    let mut files = source.files()?;
    for cut in &cuts {
        let text = files.get_mut(&PathBuf::from(&cut.file));
        let text = text.with_context(|| format!("step{step:02} has no {}", cut.file))?;
        *text = cut::out(text, cut, source.page).with_context(|| format!("cut in {}", cut.file))?;
    }
    files.insert("Cargo.toml".into(), manifest::text(source.manifest, step)?);
    files.insert("Cargo.lock".into(), sources::LOCK.into());
    files.insert("README.md".into(), readme::text(step, source.page, &cuts));
    files.insert("rustfmt.toml".into(), sources::FORMAT.into());
    files.insert(".gitignore".into(), "/target\n".into());
    Ok(files)
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_cut_fits_its_step() {
        for step in 1..=8 {
            let (files, cuts) = (files(step).unwrap(), cuts(step).unwrap());
            let todos =
                files.iter().filter(|(path, _)| path.extension().is_some_and(|ending| ending == "rs"));
            let todos: usize = todos.map(|(_, text)| text.matches("todo!(").count()).sum();
            assert!(todos == cuts.len() && todos > 0, "step{step:02}: {todos} of {} cuts", cuts.len());
        }
    }

    #[test]
    fn every_cut_says_what_to_do_and_where_that_is_explained() {
        for step in 1..=8 {
            let page = sources::of(step).unwrap().page;
            let page = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("../book/src/{page}.md"));
            let page = fs::read_to_string(page).unwrap();
            for Cut { function, todo, text, section, .. } in cuts(step).unwrap() {
                assert!(page.contains(&format!("{{#{section}}}")), "step{step:02} {function}: {section}");
                // The words go into a macro that would take them for its own.
                assert!(!todo.is_empty() && !todo.contains(['{', '}']), "step{step:02} {function}: {todo}");
                assert!(text.len() > todo.len() / 2, "step{step:02} {function}: {text}");
            }
        }
    }

    #[test]
    fn a_starter_stands_alone() {
        for step in 1..=8 {
            let manifest = files(step).unwrap()[Path::new("Cargo.toml")].clone();
            let table: toml::Table = manifest.parse().unwrap();
            assert!(!manifest.contains("workspace = true") && !manifest.contains("path ="), "{manifest}");
            assert!(table["workspace"].as_table().unwrap().is_empty(), "{manifest}");
            let step = format!("step{step:02}");
            assert_eq!(table["package"]["metadata"]["grade"]["step"].as_str(), Some(step.as_str()));
        }
    }
}
