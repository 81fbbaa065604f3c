//! A step's exercises: data in `book/exercises/stepNN.toml`, shown at the end of its chapter.

use std::collections::BTreeMap;
use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail};
pub use grade::exercise::Exercise;
use grade::exercise::parse;

use super::listing::escape;
use super::markdown::Page;

/// How many exercises a step has.
const EACH: std::ops::RangeInclusive<usize> = 3..=5;

/// The exercises of every step that has some, by the step's name.
#[derive(Debug, Default)]
pub struct Exercises(pub BTreeMap<String, Vec<Exercise>>);

impl Exercises {
    /// Reads every `.toml` of a folder. Without the folder there are none.
    pub fn load(folder: &Path) -> anyhow::Result<Exercises> {
        let mut all = Exercises::default();
        if !folder.is_dir() {
            return Ok(all);
        }
        for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.extension().is_some_and(|extension| extension == "toml") {
                let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
                let step = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
                let number = grade::step_number(&step).unwrap_or_default();
                let list = parse(&text, number).with_context(|| format!("parse {}", path.display()))?;
                all.0.insert(step, list);
            }
        }
        Ok(all)
    }

    pub fn of(&self, step: &str) -> anyhow::Result<&[Exercise]> {
        match self.0.get(step) {
            Some(exercises) => Ok(exercises),
            None => bail!("there is no exercises/{step}.toml"),
        }
    }

    /// Everything that is wrong with the exercises of one step; `headings` are the ids of its chapter.
    pub fn lint(&self, step: &str, headings: &[&str]) -> Vec<String> {
        let Some(exercises) = self.0.get(step) else { return Vec::new() };
        let mut wrong = Vec::new();
        if !EACH.contains(&exercises.len()) {
            wrong.push(format!(
                "{step} has {} exercises, not {} to {}",
                exercises.len(),
                EACH.start(),
                EACH.end()
            ));
        }
        for exercise in exercises {
            let Exercise { id, text, hints, .. } = exercise;
            let mut check = |good: bool, what: &str| {
                if !good {
                    wrong.push(format!("exercise `{id}`: {what}"));
                }
            };
            let plain = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
            check(!id.is_empty() && id.chars().all(plain), "an id is of a-z, 0-9 and `-`");
            check(
                self.0.values().flatten().filter(|other| other.id == *id).count() == 1,
                "its id is not unique",
            );
            check((1..=3).contains(&exercise.level), "its level is not 1, 2 or 3");
            check(exercise.minutes > 0, "it takes no minutes");
            check(!exercise.title.trim().is_empty(), "it has no title");
            check(!exercise.text.trim().is_empty(), "it has no text");
            check(!exercise.hints.is_empty(), "it has no hint");
            check(exercise.hints.iter().all(|hint| !hint.trim().is_empty()), "a hint is empty");
            for text in hints.iter().chain([text]) {
                for wrong in fences(text) {
                    check(false, wrong);
                }
            }
            check(
                headings.contains(&exercise.section.as_str()),
                &format!("the chapter has no heading with the id `{}`", exercise.section),
            );
        }
        wrong
    }
}

/// What is wrong with the fences of a text: those that a page may have, but nothing would run these.
fn fences(text: &str) -> Vec<&'static str> {
    let mut wrong = Vec::new();
    for fence in Page::read(text).fences {
        if !fence.closed {
            wrong.push("a fence is not closed");
        }
        if fence.info.is_empty() {
            wrong.push("a fence has no language");
        }
        if fence.info.starts_with("console") || fence.body.iter().any(|line| line.starts_with("$ ")) {
            wrong.push("no transcript is run here: put commands without output in a `sh` fence, without `$`");
        }
    }
    if text.contains("{{#") {
        wrong.push("a directive is not expanded here");
    }
    wrong
}

/// How it is begun, and what checks it.
fn checked(exercise: &Exercise) -> String {
    let Exercise { id, own, checks, .. } = exercise;
    let list = |ids: &[String]| {
        ids.iter().map(|id| format!("<code>{}</code>", escape(id))).collect::<Vec<_>>().join(", ")
    };
    let mut facts = String::new();
    if !own.is_empty() {
        facts += &format!(" · <code>grade start {id}</code> · checked by {}", list(own));
    }
    if !checks.is_empty() {
        let about = if own.is_empty() { "checked by" } else { "and still by" };
        facts += &format!(" · {about} {}", list(checks));
    }
    facts
}

/// The exercises as Markdown, with HTML around the hints.
pub fn markdown(exercises: &[Exercise]) -> String {
    let mut page = String::new();
    for exercise in exercises {
        let Exercise { id, title, level, minutes, section, text, hints, .. } = exercise;
        let mut facts = format!(
            "Level {level} of 3 · about {minutes} minutes · <a href=\"#{section}\">what it builds on</a>"
        );
        facts += &checked(exercise);
        write!(
            page,
            "### {title} {{#ex-{id}}}\n\n<p class=\"exercise-facts\">{facts}</p>\n\n{}\n\n",
            text.trim()
        )
        .expect("a string takes all");
        for (number, hint) in hints.iter().enumerate() {
            let number = number + 1;
            write!(
                page,
                "<details class=\"hint\">\n<summary>Hint {number}</summary>\n\n{}\n\n</details>\n\n",
                hint.trim()
            )
            .expect("a string takes all");
        }
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    fn exercise(id: &str) -> Exercise {
        Exercise {
            id: id.into(),
            title: "T".into(),
            level: 2,
            minutes: 20,
            section: "idea".into(),
            text: "Do.".into(),
            hints: vec!["Look.".into(), "There.".into()],
            checks: vec!["01-exit".into()],
            own: vec!["a-own".into()],
            red: "not yet".into(),
            step: 1,
        }
    }

    fn lint(change: impl FnOnce(&mut Vec<Exercise>)) -> Vec<String> {
        let mut list = vec![exercise("a"), exercise("b"), exercise("c")];
        change(&mut list);
        Exercises([("step01".to_owned(), list)].into()).lint("step01", &["idea"])
    }

    #[test]
    fn good_exercises_pass() {
        assert_eq!(lint(|_| {}), Vec::<String>::new());
    }

    #[test]
    fn each_rule_can_fail() {
        assert!(lint(|list| list.truncate(2))[0].contains("not 3 to 5"));
        assert!(lint(|list| list[0].id = "b".into())[0].contains("unique"));
        assert!(lint(|list| list[0].id = "A b".into())[0].contains("a-z"));
        assert!(lint(|list| list[0].level = 4)[0].contains("level"));
        assert!(lint(|list| list[0].minutes = 0)[0].contains("minutes"));
        assert!(lint(|list| list[0].hints.clear())[0].contains("no hint"));
        assert!(lint(|list| list[0].hints[1].clear())[0].contains("empty"));
        assert!(lint(|list| list[0].section = "x".into())[0].contains("`x`"));
        assert!(lint(|list| list[0].text.clear())[0].contains("text"));
        assert!(lint(|list| list[0].text = "```\nx\n```".into())[0].contains("language"));
        assert!(
            lint(|list| list[0].hints[1] = "```console,root\n$ x\n```".into())[0].contains("no transcript")
        );
        assert!(lint(|list| list[0].text = "```sh\n$ x\n```".into())[0].contains("no transcript"));
        assert!(lint(|list| list[0].text = "{{#code step01 a.rs}}".into())[0].contains("directive"));
        assert_eq!(lint(|list| list[0].text = "```sh\nls\n```".into()), Vec::<String>::new());
    }

    #[test]
    fn hints_unfold() {
        let page = markdown(&[exercise("a")]);
        assert!(page.starts_with("### T {#ex-a}\n"));
        assert_eq!(page.matches("<details").count(), 2);
        assert!(page.contains("<code>01-exit</code>"));
        assert!(page.contains("<code>grade start a</code> · checked by <code>a-own</code> · and still by"));
        assert!(parse("[[exercise]]\nid = \"a\"\nhint = []", 1).is_err());
    }
}
