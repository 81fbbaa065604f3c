//! A function loses its body, wherever in a file it stands.

use std::ops::Range;

use anyhow::{Context, Result, bail};
use syn::{Block, ImplItem, Item, Type};

use super::plan::Cut;

/// How wide a line of a comment may be.
const WIDTH: usize = 110;

/// The text with the body of that function replaced by what there is to do.
pub(super) fn out(text: &str, cut: &Cut, page: &str) -> Result<String> {
    let file = syn::parse_file(text).context("read the file")?;
    let bodies = find(&file.items);
    let mut found = bodies.iter().filter(|(name, _)| *name == cut.function);
    let (Some((_, body)), None) = (found.next(), found.next()) else {
        bail!("there is not one function {}, but {}", cut.function, names(&bodies));
    };
    let line = text[..body.start].rfind('\n').map_or(0, |at| at + 1);
    let indent = " ".repeat(text[line..].chars().take_while(|c| *c == ' ').count());
    Ok(format!("{}\n{}{indent}{}", &text[..body.start], instead(cut, page, &indent), &text[body.end..]))
}

/// Every function in these items: its name, and where its body is, between the braces.
fn find(items: &[Item]) -> Vec<(String, Range<usize>)> {
    let mut found = Vec::new();
    let mut add = |name: String, body: &Block| {
        let braces = body.brace_token.span;
        found.push((name, braces.open().byte_range().end..braces.close().byte_range().start));
    };
    for item in items {
        match item {
            Item::Fn(function) => add(function.sig.ident.to_string(), &function.block),
            Item::Impl(block) => {
                let Type::Path(path) = &*block.self_ty else { continue };
                let Some(of) = path.path.segments.last() else { continue };
                for item in &block.items {
                    if let ImplItem::Fn(function) = item {
                        add(format!("{}::{}", of.ident, function.sig.ident), &function.block);
                    }
                }
            }
            _ => {}
        }
    }
    found
}

fn names(bodies: &[(String, Range<usize>)]) -> String {
    bodies.iter().map(|(name, _)| name.as_str()).collect::<Vec<_>>().join(", ")
}

/// The lines between the braces.
fn instead(cut: &Cut, page: &str, indent: &str) -> String {
    let mut lines = wrapped(&cut.text, WIDTH - indent.len() - 7);
    lines.push(format!("The book: {page}.html#{}", cut.section));
    let comment: String =
        lines.iter().map(|line| format!("{indent}    // {line}").trim_end().to_string() + "\n").collect();
    format!("{comment}{indent}    todo!({:?})\n", cut.todo)
}

/// The words in lines of this width; an empty line stays one.
pub(super) fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines = Vec::new();
    for paragraph in text.trim().split("\n\n") {
        if !lines.is_empty() {
            lines.push(String::new());
        }
        let mut line = String::new();
        for word in paragraph.split_whitespace() {
            if !line.is_empty() && line.chars().count() + 1 + word.chars().count() > width {
                lines.push(std::mem::take(&mut line));
            }
            if !line.is_empty() {
                line.push(' ');
            }
            line.push_str(word);
        }
        lines.push(line);
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "fn one() -> u8 {\n    1\n}\n\nimpl T {\n    /// Two.\n    fn two(&self) {\n        { 2; }\n    }\n}\n\
                        \nimpl Drop for T {\n    fn drop(&mut self) {}\n}\n";

    fn cut(function: &str) -> Result<String> {
        let part = |text: &str| text.to_string();
        let cut = Cut {
            file: part("src/a.rs"),
            function: part(function),
            todo: part("do \"it\""),
            text: part("First this.\n\nThen\nthat."),
            section: part("idea"),
        };
        out(FILE, &cut, "01-fork")
    }

    #[test]
    fn a_body_makes_room_for_what_there_is_to_do() {
        let text = cut("T::two").unwrap();
        let body = "    fn two(&self) {\n        // First this.\n        //\n        // Then that.\n        \
                    // The book: 01-fork.html#idea\n        todo!(\"do \\\"it\\\"\")\n    }\n";
        assert_eq!(text, FILE.replace("    fn two(&self) {\n        { 2; }\n    }\n", body));
        assert!(cut("T::drop").unwrap().contains("fn drop(&mut self) {\n        // First"));
        assert!(cut("one").unwrap().starts_with("fn one() -> u8 {\n    // First this.\n"));
    }

    #[test]
    fn a_function_that_is_not_there_is_missed() {
        let error = cut("two").unwrap_err().to_string();
        assert!(error.contains("two") && error.contains("T::two"), "{error}");
    }

    #[test]
    fn words_are_wrapped() {
        assert_eq!(wrapped("aa bb\ncc\n\ndd", 5), ["aa bb", "cc", "", "dd"]);
    }
}
