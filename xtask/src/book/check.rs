//! The checks of the book's sources: they need no mdbook.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::expand::{Problem, Workshop, step_of};
use super::markdown::Page;

/// Bytes of a line of prose beyond which it says too much at once.
const LONG: usize = 200;

#[derive(Debug, Default)]
pub struct Report {
    pub problems: Vec<String>,
    pub warnings: Vec<String>,
    pub summary: String,
}

/// The pages of a book, by their paths beneath `src`.
struct Pages(BTreeMap<String, (String, Page)>);

/// Checks every page that `src/SUMMARY.md` lists, and that it lists every page.
pub fn sources(book: &Path, workshop: &Workshop) -> anyhow::Result<Report> {
    let src = book.join("src");
    let mut report = Report::default();
    let pages = Pages::read(&src, &mut report)?;
    for (name, (text, page)) in &pages.0 {
        if name != "SUMMARY.md" {
            headings(name, page, &mut report);
            fences(name, page, &mut report);
            prose(name, page, &mut report);
            expansion(workshop, name, text, &mut report)?;
        }
    }
    let drawings = pages.links(&src, workshop, &mut report);
    for file in files_beneath(&src)? {
        if file.ends_with(".svg") && !drawings.contains(&file) {
            report.problems.push(format!("src/{file}: no page shows this drawing"));
        }
    }
    chapters(workshop, &pages, &mut report);
    checks(workshop, &pages, &mut report);
    report.summary = format!("sources: {} pages", pages.0.len() - 1);
    Ok(report)
}

impl Pages {
    fn read(src: &Path, report: &mut Report) -> anyhow::Result<Pages> {
        let read = |name: &str| {
            fs::read_to_string(src.join(name)).with_context(|| format!("read {}", src.join(name).display()))
        };
        let summary = read("SUMMARY.md")?;
        let contents = Page::read(&summary);
        let mut pages = BTreeMap::new();
        for link in contents.links.iter().filter(|link| !link.target.is_empty()) {
            if !src.join(&link.target).is_file() {
                report.problems.push(format!("SUMMARY.md:{}: there is no src/{}", link.line, link.target));
                continue;
            }
            let text = read(&link.target)?;
            pages.insert(link.target.clone(), (text.clone(), Page::read(&text)));
        }
        for file in files_beneath(src)? {
            if file.ends_with(".md") && file != "SUMMARY.md" && !pages.contains_key(&file) {
                report.problems.push(format!("src/{file}: SUMMARY.md does not list it"));
            }
        }
        pages.insert("SUMMARY.md".into(), (summary, contents));
        Ok(Pages(pages))
    }

    /// Follows every link within the book. Returns the files that pages link to or show.
    fn links(&self, src: &Path, workshop: &Workshop, report: &mut Report) -> BTreeSet<String> {
        let mut used = BTreeSet::new();
        for (name, (_, page)) in self.0.iter().filter(|(name, _)| *name != "SUMMARY.md") {
            for link in &page.links {
                let target = link.target.as_str();
                if target.contains("://") || target.starts_with("mailto:") {
                    continue;
                }
                match self.resolve(src, workshop, name, target) {
                    Ok(file) => drop(used.insert(file)),
                    Err(why) => {
                        report.problems.push(problem(name, link.line, &format!("link to `{target}`: {why}")));
                    }
                }
            }
        }
        used
    }

    fn resolve(&self, src: &Path, workshop: &Workshop, from: &str, target: &str) -> Result<String, String> {
        let (path, fragment) = target.split_once('#').unwrap_or((target, ""));
        let file = if path.is_empty() { Some(from.to_owned()) } else { join(from, path) };
        let Some(file) = file else { return Err("it leads out of the book".into()) };
        // A reader of the sources follows the .md, a reader of the page the .html: mdBook turns one into the other.
        let page = file.strip_suffix(".html").map_or_else(|| file.clone(), |stem| format!("{stem}.md"));
        let Some((_, target)) = self.0.get(&page) else {
            if !src.join(&file).is_file() {
                return Err(format!("there is no src/{file}"));
            }
            return if fragment.is_empty() { Ok(file) } else { Err("only a page has fragments".into()) };
        };
        let of_exercise = |id: &str| {
            step_of(&page)
                .and_then(|step| workshop.exercises.0.get(&step))
                .is_some_and(|list| list.iter().any(|exercise| format!("ex-{}", exercise.id) == id))
        };
        if fragment.is_empty() || target.fragments().any(|id| id == fragment) || of_exercise(fragment) {
            Ok(page)
        } else {
            Err(format!("{page} has no heading with the id `{fragment}`"))
        }
    }
}

fn problem(page: &str, line: usize, message: &str) -> String {
    Problem { page: page.to_owned(), line, message: message.to_owned() }.to_string()
}

/// Resolves a relative path against the folder of a page; `None` when it leaves the book.
pub fn join(from: &str, path: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').collect();
    parts.pop();
    for part in path.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    Some(parts.join("/"))
}

fn headings(name: &str, page: &Page, report: &mut Report) {
    let mut seen = BTreeSet::new();
    for heading in &page.headings {
        match &heading.id {
            None => {
                let message =
                    format!("the heading \"{}\" has no id: write `{{#some-id}}` behind it", heading.text);
                report.problems.push(problem(name, heading.line, &message));
            }
            Some(id) if !seen.insert(id) => {
                let message = format!("the id `{id}` stands on this page twice");
                report.problems.push(problem(name, heading.line, &message));
            }
            Some(_) => {}
        }
    }
    if page.headings.is_empty() {
        report.problems.push(problem(name, 1, "the page has no heading"));
    }
}

fn fences(name: &str, page: &Page, report: &mut Report) {
    for fence in &page.fences {
        let mut wrong = |line: usize, message: &str| report.problems.push(problem(name, line, message));
        let language = fence.info.split([',', ' ']).next().unwrap_or_default();
        if !fence.closed {
            wrong(fence.line, "the fence is not closed");
        }
        if language.is_empty() {
            wrong(fence.line, "the fence has no language (`text` for plain text)");
        }
        if language == "console" {
            if let Err(error) = crate::transcripts::block::Block::read(fence) {
                wrong(fence.line, &format!("{error:#}"));
            }
        } else if let Some(at) = fence.body.iter().position(|line| line.starts_with("$ ")) {
            wrong(fence.line + 1 + at, "a command in a fence that nothing runs: make it a `console` fence");
        }
        if language == "rust" {
            let message = "code typed into the page: can a {{#code}} or {{#diff}} show it?";
            report.warnings.push(problem(name, fence.line, message));
        }
    }
    for (line, text) in &page.prose {
        if text.trim_start_matches([' ', '>']).starts_with("```") {
            let message = "a fence inside a quotation cannot be checked";
            report.problems.push(problem(name, *line, message));
        }
    }
}

fn prose(name: &str, page: &Page, report: &mut Report) {
    for (line, text) in &page.prose {
        let is_prose = !text.starts_with('|') && !text.starts_with("{{#") && !text.starts_with('[');
        if is_prose && text.chars().count() > LONG {
            let message =
                format!("a line of {} characters: one sentence or clause group each", text.chars().count());
            report.warnings.push(problem(name, *line, &message));
        }
    }
}

/// Expands the page's directives as the build does, and looks for changes that it does not show.
fn expansion(workshop: &Workshop, name: &str, text: &str, report: &mut Report) -> anyhow::Result<()> {
    let expanded = workshop.expand(name, text);
    report.problems.extend(expanded.problems.iter().map(ToString::to_string));
    report.problems.extend(super::uncovered(workshop, name, &expanded)?);
    if let Some(step) = step_of(name)
        && !expanded.exercises
        && expanded.problems.is_empty()
    {
        report.problems.push(format!("{name}: it does not show its exercises: {{{{#exercises {step}}}}}"));
    }
    Ok(())
}

/// Every step has a chapter, and every file of exercises a step.
fn chapters(workshop: &Workshop, pages: &Pages, report: &mut Report) {
    let covered: BTreeSet<String> = pages.0.keys().filter_map(|name| step_of(name)).collect();
    for step in &workshop.steps {
        if !covered.contains(&step.name) {
            report.problems.push(format!("{} has no chapter in SUMMARY.md", step.folder()));
        }
    }
    for step in workshop.exercises.0.keys() {
        if !workshop.steps.iter().any(|known| known.name == *step) {
            report.problems.push(format!("exercises/{step}.toml: there is no such step"));
        }
    }
}

/// What the book and `grade` say of each other: a check's section is a heading of its chapter, and an exercise's checks
/// exist.
fn checks(workshop: &Workshop, pages: &Pages, report: &mut Report) {
    for check in grade::all() {
        let (file, id) = check.section.split_once(".html#").unwrap_or((check.section, ""));
        if let Some((_, page)) = pages.0.get(&format!("{file}.md"))
            && !page.headings.iter().any(|heading| heading.id.as_deref() == Some(id))
        {
            report.problems.push(format!(
                "{file}.md: no heading has the id `{id}`, and the check {} leads there",
                check.id
            ));
        }
    }
    for (step, exercises) in &workshop.exercises.0 {
        for id in
            exercises.iter().flat_map(|exercise| &exercise.checks).filter(|id| grade::find(id).is_none())
        {
            report.problems.push(format!("exercises/{step}.toml: there is no check {id}"));
        }
    }
}

/// Every file beneath a folder, relative to it and sorted.
pub fn files_beneath(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    let mut files = BTreeSet::new();
    let mut left = vec![PathBuf::new()];
    while let Some(relative) = left.pop() {
        let at = folder.join(&relative);
        for entry in fs::read_dir(&at).with_context(|| format!("list {}", at.display()))? {
            let entry = entry?;
            let path = relative.join(entry.file_name());
            if entry.file_type()?.is_dir() {
                left.push(path);
            } else {
                files.insert(path.display().to_string());
            }
        }
    }
    Ok(files)
}

#[cfg(test)]
mod tests;
