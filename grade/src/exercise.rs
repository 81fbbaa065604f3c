//! Exercises: what a student can do with a step that is there. Their data stands in `book/exercises/stepNN.toml`.
//!
//! Where an exercise adds something, checks of its own say when it is done; they hold for nothing else. Its solution, and
//! solutions that are wrong, stand in `grade/exercises/ID/`, and `cargo xtask exercises` holds them to the checks.

use std::fmt;
use std::sync::LazyLock;

use anyhow::{Context, Result};
use serde::Deserialize;

use crate::Check;

/// One exercise.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exercise {
    /// Unique, in kebab-case: what a student passes to `grade start` and `grade check`.
    pub id: String,
    pub title: String,
    /// 1, 2 or 3.
    pub level: u8,
    pub minutes: u16,
    /// The id of the heading in the step's chapter that it builds on.
    pub section: String,
    /// Markdown.
    pub text: String,
    /// Markdown, each shown when the reader unfolds it.
    pub hints: Vec<String>,
    /// Ids of the step's checks that it is about: they hold before it, and after it.
    pub checks: Vec<String>,
    /// Ids of the checks that say whether it is solved. Without them, a reader judges that.
    #[serde(default)]
    pub own: Vec<String>,
    /// A part of the reason with which these fail for the step as it is.
    #[serde(default)]
    pub red: String,
    /// The step that it changes.
    #[serde(skip)]
    pub step: u8,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    exercise: Vec<Exercise>,
}

impl Exercise {
    /// The checks that a solution has to pass: its own first.
    ///
    /// # Errors
    /// When there is no check with one of the ids.
    pub fn all_checks(&self) -> Result<Vec<&'static Check>> {
        let find = |id: &String| {
            crate::find(id).with_context(|| format!("exercise {}: there is no check {id}", self.id))
        };
        self.own.iter().chain(&self.checks).map(find).collect()
    }

    /// What its own checks are worth together.
    ///
    /// # Errors
    /// When there is no check with one of the ids.
    pub fn points(&self) -> Result<u32> {
        Ok(self.all_checks()?.iter().take(self.own.len()).map(|check| u32::from(check.points)).sum())
    }
}

/// The exercises of a step, from the text of its file.
///
/// # Errors
/// When the text is not such a file.
pub fn parse(text: &str, step: u8) -> Result<Vec<Exercise>> {
    let file: File = toml::from_str(text)?;
    Ok(file.exercise.into_iter().map(|exercise| Exercise { step, ..exercise }).collect())
}

const FILES: [&str; 8] = [
    include_str!("../../book/exercises/step01.toml"),
    include_str!("../../book/exercises/step02.toml"),
    include_str!("../../book/exercises/step03.toml"),
    include_str!("../../book/exercises/step04.toml"),
    include_str!("../../book/exercises/step05.toml"),
    include_str!("../../book/exercises/step06.toml"),
    include_str!("../../book/exercises/step07.toml"),
    include_str!("../../book/exercises/step08.toml"),
];

/// Every exercise, as it was when this program was built, step by step.
#[must_use]
pub fn all() -> &'static [Exercise] {
    static ALL: LazyLock<Vec<Exercise>> = LazyLock::new(|| {
        let of = |(step, text)| parse(text, step).expect("a test reads these files");
        (1..).zip(FILES).flat_map(of).collect()
    });
    &ALL
}

/// The exercise with this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Exercise> {
    all().iter().find(|exercise| exercise.id == id)
}

/// What a student works on, and is graded for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Assignment {
    /// Building this step.
    Step(u8),
    Exercise(&'static Exercise),
}

impl Assignment {
    /// From `step03`, or the id of an exercise that has checks of its own.
    #[must_use]
    pub fn named(name: &str) -> Option<Assignment> {
        let exercise = || find(name).filter(|exercise| !exercise.own.is_empty()).map(Assignment::Exercise);
        crate::step_number(name).map(Assignment::Step).or_else(exercise)
    }

    /// The step that is built, or changed.
    #[must_use]
    pub fn step(self) -> u8 {
        match self {
            Assignment::Step(step) => step,
            Assignment::Exercise(exercise) => exercise.step,
        }
    }
}

impl fmt::Display for Assignment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Assignment::Step(step) => write!(f, "step{step:02}"),
            Assignment::Exercise(exercise) => write!(f, "the exercise {}", exercise.id),
        }
    }
}
