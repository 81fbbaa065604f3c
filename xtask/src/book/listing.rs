//! Rows of code as HTML. Marks and removed lines are drawn by the style sheet, so that copying takes the new code only.

use std::fmt::Write;

use super::diff::Tag;
use super::lex::{self, Kind, Token};
use super::select::Row;

const KEYWORDS: [&str; 39] = [
    "as",
    "async",
    "await",
    "box",
    "break",
    "const",
    "continue",
    "crate",
    "dyn",
    "else",
    "enum",
    "extern",
    "fn",
    "for",
    "if",
    "impl",
    "in",
    "let",
    "loop",
    "macro_rules",
    "match",
    "mod",
    "move",
    "mut",
    "pub",
    "ref",
    "return",
    "self",
    "Self",
    "static",
    "struct",
    "super",
    "trait",
    "type",
    "union",
    "unsafe",
    "use",
    "where",
    "while",
];

/// How a listing is shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    /// Marks before changed lines, unchanged ones dimmer.
    Diff,
    /// All lines alike.
    Plain,
}

/// A figure with a caption and the code; a block of HTML as Markdown knows it, without a blank line in it.
pub fn html(file: &str, caption: &str, rows: &[Row], style: Style) -> String {
    let class = match style {
        Style::Diff => "listing listing-diff",
        Style::Plain => "listing",
    };
    let caption = escape(caption);
    let mut html = format!("<figure class=\"{class}\">\n<figcaption>{caption}</figcaption>\n");
    html.push_str("<pre tabindex=\"0\"><code class=\"nohighlight\">");
    let coloured = colour(file, rows);
    for (row, inner) in rows.iter().zip(coloured) {
        match row {
            Row::Gap => html.push_str("<span class=\"row gap\"></span>"),
            Row::Line { tag: Tag::Removed, text } => {
                write!(html, "<span class=\"row removed\" data-code=\"{}\"></span>", escape(text))
                    .expect("a string takes all");
            }
            Row::Line { tag: Tag::Added, .. } => line(&mut html, "row added", &inner),
            Row::Line { tag: Tag::Same, .. } => line(&mut html, "row", &inner),
        }
    }
    html.push_str("</code></pre>\n</figure>\n");
    html
}

fn line(html: &mut String, class: &str, inner: &str) {
    writeln!(html, "<span class=\"{class}\">{inner}</span>").expect("a string takes all");
}

/// Colours each row of Rust by itself in its run of lines, so that a comment or text over several rows stays one.
fn colour(file: &str, rows: &[Row]) -> Vec<String> {
    let text: String = rows
        .iter()
        .map(|row| match row {
            Row::Line { tag: Tag::Same | Tag::Added, text } => format!("{text}\n"),
            // Not coloured, and not to be lexed between its neighbours.
            _ => "\n".to_owned(),
        })
        .collect();
    if !file.ends_with(".rs") {
        return text.split_terminator('\n').map(escape).collect();
    }
    let mut html = String::new();
    let mut end = 0;
    let tokens = lex::tokens(&text);
    for (at, token) in tokens.iter().enumerate() {
        html.push_str(&escape(&text[end..token.span.start]));
        end = token.span.end;
        let class = class(&text, &tokens, at);
        // A span may not cross rows: each line of the token gets its own.
        for (number, part) in token.text(&text).split('\n').enumerate() {
            if number > 0 {
                html.push('\n');
            }
            match class {
                Some(class) if !part.is_empty() => {
                    write!(html, "<span class=\"hljs-{class}\">{}</span>", escape(part))
                        .expect("a string takes all");
                }
                _ => html.push_str(&escape(part)),
            }
        }
    }
    html.push_str(&escape(&text[end..]));
    html.split_terminator('\n').map(str::to_owned).collect()
}

/// The class that mdBook's themes colour a token with.
fn class(source: &str, tokens: &[Token], at: usize) -> Option<&'static str> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text(source));
    let word = text(at);
    match tokens[at].kind {
        Kind::Comment | Kind::InnerDoc => Some("comment"),
        Kind::Text => Some("string"),
        Kind::Number => Some("number"),
        Kind::Lifetime => Some("symbol"),
        Kind::Punct if word == "#" && matches!(text(at + 1), "[" | "!") => Some("meta"),
        Kind::Punct => None,
        Kind::Word if matches!(word, "true" | "false") => Some("literal"),
        Kind::Word if KEYWORDS.contains(&word) => Some("keyword"),
        Kind::Word if at > 0 && text(at - 1) == "fn" => Some("title"),
        Kind::Word if text(at + 1) == "!" && text(at + 2) != "=" => Some("built_in"),
        Kind::Word if word.starts_with(char::is_uppercase) && word.contains(char::is_lowercase) => {
            Some("type")
        }
        Kind::Word => None,
    }
}

/// Makes text safe within HTML and within a quoted attribute.
/// A brace before `#` is written as an entity too: nothing of the code may look like a directive.
pub fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
        .replace("{{#", "{&#123;#")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(tag: Tag, text: &str) -> Row {
        Row::Line { tag, text: text.into() }
    }

    #[test]
    fn removed_lines_are_no_text_of_the_page() {
        let rows =
            [row(Tag::Removed, "old(\"<a>\");"), row(Tag::Added, "new();"), Row::Gap, row(Tag::Same, "")];
        let html = html("a.rs", "step02-x/a.rs", &rows, Style::Diff);
        assert!(
            html.contains("<span class=\"row removed\" data-code=\"old(&quot;&lt;a&gt;&quot;);\"></span>")
        );
        assert!(html.contains("<span class=\"row added\">new();</span>\n"));
        assert!(!html.trim_end().contains("\n\n"), "a blank line would end the block of HTML");
    }

    #[test]
    fn a_span_ends_with_its_row() {
        let rows = [row(Tag::Same, "let x = r\"a"), row(Tag::Same, ""), row(Tag::Same, "b\";")];
        let html = html("a.rs", "", &rows, Style::Plain);
        assert!(html.contains("<span class=\"hljs-string\">r&quot;a</span></span>\n"));
        assert!(html.contains("<span class=\"row\"></span>\n"));
        assert!(html.contains("<span class=\"row\"><span class=\"hljs-string\">b&quot;</span>;</span>"));
    }

    #[test]
    fn words_are_told_apart() {
        let rows = [row(Tag::Same, "pub fn go() -> Result<u8> { if a != b { bail!(\"x\") } }")];
        let html = html("a.rs", "", &rows, Style::Plain);
        for part in ["keyword\">pub", "title\">go", "type\">Result", "built_in\">bail"] {
            assert!(html.contains(part), "{part}: {html}");
        }
        assert!(!html.contains("built_in\">a"));
    }
}
