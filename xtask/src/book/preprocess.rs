//! mdBook's side of the directives: a book comes in as JSON, and goes out with its pages expanded.

use std::io;

use anyhow::{Context, bail};
use mdbook_preprocessor::book::{Book, BookItem};
use mdbook_preprocessor::parse_input;

use crate::steps;

use super::PreprocessArgs;
use super::expand::Workshop;

/// Answers `supports RENDERER` by the exit status, and otherwise expands the book on stdin.
/// mdBook ends its build when this fails.
pub fn run(args: &PreprocessArgs) -> anyhow::Result<()> {
    match args.words.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
        [] => preprocess(),
        ["supports", "html"] => Ok(()),
        ["supports", other] => bail!("the directives are for HTML, not for {other}"),
        _ => bail!("`preprocess` takes nothing, or `supports RENDERER`"),
    }
}

fn preprocess() -> anyhow::Result<()> {
    let (context, mut book) = parse_input(io::stdin()).context("read the book from mdbook")?;
    let workshop = Workshop::open(&context.root, steps::all())?;
    let problems = expand(&workshop, &mut book)?;
    if !problems.is_empty() {
        bail!("the book is not whole:\n  {}", problems.join("\n  "));
    }
    serde_json::to_writer(io::stdout(), &book).context("write the book to mdbook")
}

/// Expands every page of the book in place; returns all that is wrong.
fn expand(workshop: &Workshop, book: &mut Book) -> anyhow::Result<Vec<String>> {
    let mut problems = Vec::new();
    let mut result = Ok(());
    book.for_each_mut(|item| {
        if let BookItem::Chapter(chapter) = item
            && let Some(path) = &chapter.path
        {
            let page = path.display().to_string();
            let expanded = workshop.expand(&page, &chapter.content);
            problems.extend(expanded.problems.iter().map(ToString::to_string));
            match super::uncovered(workshop, &page, &expanded) {
                Ok(missing) => problems.extend(missing),
                Err(error) => result = Err(error),
            }
            chapter.content = expanded.text;
        }
    });
    result.map(|()| problems)
}
