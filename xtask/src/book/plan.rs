//! Plans of workshops: data in `book/plans.toml`, shown as timetables. The minutes of exercises are those of the exercises.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};
use serde::Deserialize;

use super::exercises::{Exercise, Exercises};
use crate::steps::Step;

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Plans {
    #[serde(default)]
    plan: Vec<Plan>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Plan {
    id: String,
    /// What there is; the parts take no more.
    minutes: u16,
    part: Vec<Part>,
}

/// An exercise, or anything else that takes time.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    exercise: Option<String>,
    /// Markdown.
    text: Option<String>,
    minutes: Option<u16>,
}

impl Plans {
    /// Reads a file. Without the file there are none.
    pub fn load(file: &Path) -> anyhow::Result<Plans> {
        if !file.is_file() {
            return Ok(Plans::default());
        }
        let text = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
        toml::from_str(&text).with_context(|| format!("parse {}", file.display()))
    }

    /// A timetable as Markdown: when a part begins, how long it takes, what it is.
    pub fn markdown(&self, id: &str, exercises: &Exercises, steps: &[Step]) -> anyhow::Result<String> {
        let plan = self.plan.iter().find(|plan| plan.id == id);
        let plan = plan.with_context(|| format!("there is no plan `{id}` in plans.toml"))?;
        let mut page = String::from("| begins | minutes | |\n|---|---|---|\n");
        let mut begins = 0;
        for part in &plan.part {
            let (minutes, text) = part.shown(exercises, steps)?;
            writeln!(page, "| {}:{:02} | {minutes} | {text} |", begins / 60, begins % 60)?;
            begins += minutes;
        }
        ensure!(begins <= plan.minutes, "the parts take {begins} minutes, and there are {}", plan.minutes);
        Ok(page)
    }
}

impl Part {
    fn shown(&self, exercises: &Exercises, steps: &[Step]) -> anyhow::Result<(u16, String)> {
        match self {
            Part { exercise: None, text: Some(text), minutes: Some(minutes) } if *minutes > 0 => {
                Ok((*minutes, text.trim().to_owned()))
            }
            Part { exercise: Some(id), text: None, minutes: None } => exercise(id, exercises, steps),
            _ => bail!("a part has `text` and `minutes`, or it has `exercise` alone: {self:?}"),
        }
    }
}

fn exercise(id: &str, exercises: &Exercises, steps: &[Step]) -> anyhow::Result<(u16, String)> {
    let mut all = exercises.0.iter().flat_map(|(step, list)| list.iter().map(move |it| (step, it)));
    let (step, Exercise { title, level, minutes, .. }) = all
        .find(|(_, exercise)| exercise.id == id)
        .with_context(|| format!("there is no exercise `{id}`"))?;
    let step =
        steps.iter().find(|known| known.name == *step).with_context(|| format!("there is no {step}"))?;
    let page = step.folder().replacen("step", "", 1);
    Ok((*minutes, format!("Exercise [{title}]({page}.md#ex-{id}), level {level}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn markdown(plans: &str) -> anyhow::Result<String> {
        let exercises = "[[exercise]]\nid = 'e'\ntitle = 'T'\nlevel = 1\nminutes = 45\nsection = 's'\ntext = 'x'\n\
                         hints = []\nchecks = []\n";
        let folder = crate::scratch::Scratch::new("plan")?;
        fs::write(folder.path().join("step03.toml"), exercises)?;
        let steps = [Step::at("step03-cgroups".into())];
        toml::from_str::<Plans>(plans)?.markdown("p", &Exercises::load(folder.path())?, &steps)
    }

    #[test]
    fn each_part_begins_when_the_one_before_ends() {
        let plan = "[[plan]]\nid = 'p'\nminutes = 75\npart = [{ text = 'Talk', minutes = 30 }, { exercise = 'e' }]\n";
        let lines = "| 0:00 | 30 | Talk |\n| 0:30 | 45 | Exercise [T](03-cgroups.md#ex-e), level 1 |\n";
        assert!(markdown(plan).unwrap().ends_with(lines));
    }

    #[test]
    fn what_cannot_be_kept_is_an_error() {
        let wrong = [
            ("minutes = 40\npart = [{ exercise = 'e' }]", "take 45 minutes"),
            ("minutes = 90\npart = [{ exercise = 'f' }]", "no exercise `f`"),
            ("minutes = 90\npart = [{ exercise = 'e', minutes = 4 }]", "alone"),
            ("minutes = 90\npart = [{ text = 'Talk' }]", "alone"),
            ("minutes = 90\npart = [{ text = 'Talk', minutes = 0 }]", "alone"),
        ];
        for (plan, message) in wrong {
            let error = markdown(&format!("[[plan]]\nid = 'p'\n{plan}\n")).unwrap_err().to_string();
            assert!(error.contains(message), "{plan}: {error}");
        }
        assert!(markdown("").unwrap_err().to_string().contains("no plan `p`"));
    }
}
