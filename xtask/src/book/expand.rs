//! Puts code, diffs, exercises and plans in the place of a page's directives, and notes which changed lines were shown.

use std::collections::BTreeSet;
use std::fmt;
use std::fs;
use std::path::Path;

use anyhow::{Context, bail, ensure};

use crate::steps::{self, Step};

use super::diff::{Diff, Tag};
use super::directive::{self, Directive};
use super::exercises::{self, Exercises};
use super::items::Source;
use super::listing::{self, Style};
use super::markdown::{Page, closes, opens};
use super::measured;
use super::mistakes;
use super::plan::Plans;
use super::select;
use super::verbatim;

/// Something wrong, with the page and the line (from 1) that say it.
#[derive(Debug, PartialEq)]
pub struct Problem {
    pub page: String,
    pub line: usize,
    pub message: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}:{}: {}", self.page, self.line, self.message)
    }
}

/// A changed line: the file, which version it is in, and its number there from 0.
pub type Changed = (String, Tag, usize);

/// The steps and exercises that the pages are made of.
pub struct Workshop {
    pub steps: Vec<Step>,
    pub exercises: Exercises,
    plans: Plans,
}

#[derive(Debug, Default)]
pub struct Expanded {
    pub text: String,
    pub problems: Vec<Problem>,
    /// What the page's `{{#diff}}`s of its own step showed.
    pub shown: BTreeSet<Changed>,
    /// Whether the page shows its step's exercises.
    pub exercises: bool,
}

/// `step02` for `02-namespaces.md`; other pages belong to no step.
pub fn step_of(page: &str) -> Option<String> {
    let digits = page.split_once('-')?.0;
    (digits.len() == 2 && digits.bytes().all(|byte| byte.is_ascii_digit())).then(|| format!("step{digits}"))
}

impl Workshop {
    pub fn open(book: &Path, steps: Vec<Step>) -> anyhow::Result<Workshop> {
        let exercises = Exercises::load(&book.join("exercises"))?;
        Ok(Workshop { steps, exercises, plans: Plans::load(&book.join("plans.toml"))? })
    }

    /// Expands every directive of a page. All that is wrong is noted; the text is only good if nothing is.
    pub fn expand(&self, page: &str, text: &str) -> Expanded {
        let mut out = Expanded::default();
        let mut fence: Option<String> = None;
        for (index, line) in text.lines().enumerate() {
            let inside = fence.is_some();
            match (&fence, opens(line)) {
                (Some(marks), _) if closes(line, marks) => fence = None,
                (None, Some((marks, _))) => fence = Some(marks),
                _ => {}
            }
            let expanded = if inside && line.contains("{{#") {
                Err(anyhow::anyhow!("a directive inside a fence"))
            } else {
                self.line(page, text, line, &mut out)
            };
            match expanded {
                Ok(Some(html)) => out.text.push_str(&html),
                Ok(None) => out.text.push_str(line),
                Err(error) => {
                    let message = format!("{}: {error:#}", line.trim());
                    out.problems.push(Problem { page: page.to_owned(), line: index + 1, message });
                }
            }
            out.text.push('\n');
        }
        out
    }

    fn line(&self, page: &str, text: &str, line: &str, out: &mut Expanded) -> anyhow::Result<Option<String>> {
        let Some(directive) = directive::parse(line)? else { return Ok(None) };
        match directive {
            Directive::Diff { step, file, anchors } => {
                let (html, shown) = self.diff(&step, &file, &anchors)?;
                if step_of(page).as_deref() == Some(step.as_str()) {
                    out.shown.extend(shown);
                }
                Ok(Some(html))
            }
            Directive::Code { step, file, anchors } => self.code(&step, &file, &anchors).map(Some),
            Directive::Exercises { step } => {
                ensure!(
                    step_of(page).as_deref() == Some(step.as_str()),
                    "exercises stand in their step's own chapter"
                );
                ensure!(!out.exercises, "the exercises stand here twice");
                let list = self.exercises.of(&step)?;
                let headings = Page::read(text);
                let wrong = self.exercises.lint(&step, &headings.fragments().collect::<Vec<_>>());
                ensure!(wrong.is_empty(), "{}", wrong.join("; "));
                out.exercises = true;
                Ok(Some(exercises::markdown(list)))
            }
            Directive::Plan { id } => self.plans.markdown(&id, &self.exercises, &self.steps).map(Some),
            Directive::File { file } => verbatim::markdown(steps::root(), &file).map(Some),
            Directive::Bench { part } => measured::markdown(steps::root(), &part).map(Some),
            Directive::Mistakes { step } => mistakes::markdown(steps::find(&self.steps, &step)?.0).map(Some),
        }
    }

    fn diff(&self, step: &str, file: &str, anchors: &[String]) -> anyhow::Result<(String, Vec<Changed>)> {
        let (step, before) = steps::find(&self.steps, step)?;
        let new = source(step, file)?;
        let old = before.filter(|before| before.path.join(file).is_file());
        let path = format!("{}/{file}", step.folder());
        let note = |what: &str| if anchors.is_empty() { format!("{path} ({what})") } else { path.clone() };
        let Some(old) = old else {
            let (rows, lines) = select::from_source(&new, anchors)?;
            let shown = lines.into_iter().map(|line| (file.to_owned(), Tag::Added, line)).collect();
            return Ok((listing::html(file, &note("new"), &rows, Style::Plain), shown));
        };
        let old = source(old, file)?;
        let diff = Diff::between(&old, &new);
        let picked = select::from_diff(&diff, anchors)?;
        let shown = picked.changed.iter().map(|&at| changed(file, &diff, at)).collect();
        Ok((listing::html(file, &note("changes"), &picked.rows, Style::Diff), shown))
    }

    fn code(&self, step: &str, file: &str, anchors: &[String]) -> anyhow::Result<String> {
        let (step, _) = steps::find(&self.steps, step)?;
        let (rows, _) = select::from_source(&source(step, file)?, anchors)?;
        Ok(listing::html(file, &format!("{}/{file}", step.folder()), &rows, Style::Plain))
    }

    /// What of a step's changes the pages have not shown, file by file.
    pub fn uncovered(&self, step: &str, shown: &BTreeSet<Changed>) -> anyhow::Result<Vec<String>> {
        let (step, before) = steps::find(&self.steps, step)?;
        let mut files = step.files()?;
        if let Some(before) = before {
            files.extend(before.files()?);
        }
        let mut missing = Vec::new();
        for file in files {
            if !(file == "Cargo.toml" || (file.starts_with("src/") && file.ends_with(".rs")))
                || is_for_tests(step, &file)
            {
                continue;
            }
            let old =
                before.map_or_else(|| Ok(Source::default()), |before| source_or_empty(before, &file))?;
            let new = source_or_empty(step, &file)?;
            let diff = Diff::between(&old, &new);
            let left: Vec<Changed> = (0..diff.lines.len())
                .filter(|&at| diff.lines[at].counts() && !diff.is_test(&diff.lines[at]))
                .map(|at| changed(&file, &diff, at))
                .filter(|line| !shown.contains(line))
                .collect();
            missing.extend(describe(&step.folder(), &file, &left, &diff));
        }
        Ok(missing)
    }
}

/// Whether a file is a module that its parent declares for unit tests only.
fn is_for_tests(step: &Step, file: &str) -> bool {
    let path = Path::new(file);
    let (Some(folder), Some(name)) = (path.parent(), path.file_stem().and_then(|stem| stem.to_str())) else {
        return false;
    };
    let parent =
        if folder == Path::new("src") { folder.join("main.rs") } else { folder.with_extension("rs") };
    let Ok(parent) = std::fs::read_to_string(step.path.join(parent)) else { return false };
    parent.contains(&format!("#[cfg(test)]\nmod {name};"))
}

fn changed(file: &str, diff: &Diff, at: usize) -> Changed {
    let line = &diff.lines[at];
    (file.to_owned(), line.tag, line.new.or(line.old).unwrap_or_default())
}

/// `step02-x/src/a.rs: shown by no {{#diff}}: fn a (+3-9, -4), fn b (+12)`, with - for removed lines.
fn describe(folder: &str, file: &str, left: &[Changed], diff: &Diff) -> Option<String> {
    let mut items: Vec<(String, Vec<String>)> = Vec::new();
    for run in left.chunk_by(|one, next| one.1 == next.1 && one.2 + 1 == next.2) {
        let (_, tag, first) = &run[0];
        let last = run[run.len() - 1].2 + 1;
        let (mark, source) = if *tag == Tag::Removed { ('-', diff.old) } else { ('+', diff.new) };
        let segment = source.segment_of(*first).and_then(|segment| segment.anchors.first());
        let item = segment.map_or("lines", String::as_str);
        let range =
            if first + 1 == last { format!("{mark}{last}") } else { format!("{mark}{}-{last}", first + 1) };
        match items.last_mut() {
            Some((name, ranges)) if name == item => ranges.push(range),
            _ => items.push((item.to_owned(), vec![range])),
        }
    }
    let items: Vec<String> =
        items.iter().map(|(name, ranges)| format!("{name} ({})", ranges.join(", "))).collect();
    (!items.is_empty()).then(|| format!("{folder}/{file}: shown by no {{{{#diff}}}}: {}", items.join(", ")))
}

fn source(step: &Step, file: &str) -> anyhow::Result<Source> {
    let path = step.path.join(file);
    let inside = Path::new(file).components().all(|part| matches!(part, std::path::Component::Normal(_)));
    if !inside || !path.is_file() {
        bail!("there is no {file} in {}", step.folder());
    }
    let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
    Ok(Source::new(file, &text))
}

fn source_or_empty(step: &Step, file: &str) -> anyhow::Result<Source> {
    if step.path.join(file).is_file() { source(step, file) } else { Ok(Source::default()) }
}

#[cfg(test)]
mod tests;
