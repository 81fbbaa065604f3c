//! The crate that a student begins with: a step's own sources, in which the functions that the step is about have no bodies.
//!
//! Which functions these are, and what there is to do in each, stands in `grade/cuts/stepNN.toml`. The sources themselves
//! are read by readers and know nothing of it: starter and solution are one file, and whoever renames a function that is
//! cut out hears of it from the tests.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result};
use grade::exercise::Assignment;

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

/// The text of every file of the crate for a step or an exercise, by its path in the crate. An exercise begins with the
/// whole step.
///
/// # Errors
/// When the plan does not fit the step's sources.
pub fn files(assignment: Assignment) -> Result<BTreeMap<PathBuf, String>> {
    let step = assignment.step();
    let source = sources::of(step)?;
    let mut files = source.files()?;
    let readme = match assignment {
        Assignment::Step(_) => {
            let cuts = cuts(step)?;
            cut_out(&mut files, &cuts, source.page).with_context(|| format!("step{step:02}"))?;
            readme::of_step(step, source.page, &cuts)
        }
        Assignment::Exercise(exercise) => readme::of_exercise(exercise, source.page),
    };
    files.insert("README.md".into(), readme);
    files.insert("Cargo.toml".into(), manifest::text(source.manifest, assignment)?);
    files.insert("Cargo.lock".into(), sources::LOCK.into());
    files.insert("rustfmt.toml".into(), sources::FORMAT.into());
    files.insert(".gitignore".into(), "/target\n".into());
    Ok(files)
}

fn cut_out(files: &mut BTreeMap<PathBuf, String>, cuts: &[Cut], page: &str) -> Result<()> {
    for cut in cuts {
        let text = files.get_mut(&PathBuf::from(&cut.file));
        let text = text.with_context(|| format!("there is no {}", cut.file))?;
        *text = cut::out(text, cut, page).with_context(|| format!("cut in {}", cut.file))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::path::Path;

    use super::*;

    #[test]
    fn every_cut_fits_its_step() {
        for step in 1..=8 {
            let (files, cuts) = (files(Assignment::Step(step)).unwrap(), cuts(step).unwrap());
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
            let manifest = files(Assignment::Step(step)).unwrap()[Path::new("Cargo.toml")].clone();
            let table: toml::Table = manifest.parse().unwrap();
            assert!(!manifest.contains("workspace = true") && !manifest.contains("path ="), "{manifest}");
            assert!(table["workspace"].as_table().unwrap().is_empty(), "{manifest}");
            let step = format!("step{step:02}");
            assert_eq!(table["package"]["metadata"]["grade"]["step"].as_str(), Some(step.as_str()));
        }
    }
}
