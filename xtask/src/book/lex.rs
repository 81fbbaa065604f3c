//! A small lexer for Rust source: enough to tell code from comments and text in quotes.
//! Items are found with it, and the listings are coloured with it.

use std::ops::Range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Word,
    Number,
    /// A string, byte string, raw string or character.
    Text,
    Lifetime,
    /// `// …`, `/* … */` and their doc forms.
    Comment,
    /// `//! …` and `/*! … */`: these document what they stand in.
    InnerDoc,
    Punct,
}

#[derive(Clone, Debug)]
pub struct Token {
    pub kind: Kind,
    /// Bytes of the source.
    pub span: Range<usize>,
}

impl Token {
    pub fn text<'a>(&self, source: &'a str) -> &'a str {
        &source[self.span.clone()]
    }
}

/// Cuts `source` into tokens; white space is left out.
/// Source that rustc would not accept gives tokens all the same: what is unclosed runs to the end.
pub fn tokens(source: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut at = 0;
    while let Some(next) = source[at..].chars().next() {
        if next.is_whitespace() {
            at += next.len_utf8();
            continue;
        }
        let (kind, length) = token(&source[at..], next);
        tokens.push(Token { kind, span: at..at + length });
        at += length;
    }
    tokens
}

fn token(rest: &str, first: char) -> (Kind, usize) {
    if rest.starts_with("//") {
        let kind = if rest.starts_with("//!") { Kind::InnerDoc } else { Kind::Comment };
        return (kind, rest.find('\n').unwrap_or(rest.len()));
    }
    if rest.starts_with("/*") {
        let kind = if rest.starts_with("/*!") { Kind::InnerDoc } else { Kind::Comment };
        return (kind, block_comment(rest));
    }
    if let Some(length) = text(rest) {
        return (Kind::Text, length);
    }
    if first == '\'' {
        return quote(rest);
    }
    if first.is_ascii_digit() {
        return (Kind::Number, number(rest));
    }
    if first == '_' || first.is_alphabetic() {
        // `r#type` is a name that happens to be a keyword.
        let raw = if rest.starts_with("r#") { 2 } else { 0 };
        return (Kind::Word, raw + word(&rest[raw..]));
    }
    (Kind::Punct, first.len_utf8())
}

fn word(rest: &str) -> usize {
    rest.find(|c: char| c != '_' && !c.is_alphanumeric()).unwrap_or(rest.len())
}

/// A number's own point is followed by a digit; in `0..n` and `1.max(2)` it is not the number's.
fn number(rest: &str) -> usize {
    let length = word(rest);
    let fraction = &rest[length..];
    match fraction.strip_prefix('.') {
        Some(digits) if digits.starts_with(|c: char| c.is_ascii_digit()) => length + 1 + word(digits),
        _ => length,
    }
}

/// Block comments nest in Rust.
fn block_comment(rest: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// The length of the string literal that `rest` starts with, its prefix (`b`, `c`, `r`, `br`) included.
fn text(rest: &str) -> Option<usize> {
    let prefix = rest.find(|c| !matches!(c, 'b' | 'c' | 'r')).unwrap_or(rest.len());
    if prefix > 2 {
        return None;
    }
    let hashes = rest[prefix..].bytes().take_while(|byte| *byte == b'#').count();
    let body = &rest[prefix + hashes..];
    if !body.starts_with('"') {
        return None;
    }
    if rest[..prefix].contains('r') {
        let end = format!("\"{}", "#".repeat(hashes));
        let length = body[1..].find(&end).map_or(body.len(), |found| 1 + found + end.len());
        return Some(prefix + hashes + length);
    }
    (hashes == 0).then(|| prefix + escaped(body, '"'))
}

/// The length of a literal in `quote` marks with backslash escapes.
fn escaped(body: &str, quote: char) -> usize {
    let mut escape = false;
    for (at, c) in body.char_indices().skip(1) {
        match c {
            _ if escape => escape = false,
            '\\' => escape = true,
            _ if c == quote => return at + 1,
            _ => {}
        }
    }
    body.len()
}

/// `'a'` is a character, `'a` a lifetime: a lifetime's name has no quote behind it.
fn quote(rest: &str) -> (Kind, usize) {
    let mut after = rest[1..].chars();
    match (after.next(), after.next()) {
        (Some('\\'), _) | (Some(_), Some('\'')) => (Kind::Text, escaped(rest, '\'')),
        (Some(c), _) if c == '_' || c.is_alphabetic() => (Kind::Lifetime, 1 + word(&rest[1..])),
        _ => (Kind::Punct, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kinds(source: &str) -> Vec<(Kind, &str)> {
        tokens(source).iter().map(|token| (token.kind, token.text(source))).collect()
    }

    #[test]
    fn quotes_hide_braces_and_comment_marks() {
        let source = "let a = r#\"} // \"x\" \"# + \"\\\"{\" + b\"/*\"; // }";
        let texts: Vec<_> = kinds(source).into_iter().filter(|(kind, _)| *kind == Kind::Text).collect();
        assert_eq!(texts.len(), 3);
        assert_eq!(texts[0].1, "r#\"} // \"x\" \"#");
        assert_eq!(kinds(source).last(), Some(&(Kind::Comment, "// }")));
    }

    #[test]
    fn a_lifetime_is_not_a_character() {
        let source = "fn f<'a>(x: &'a str) -> char { '{' }";
        let found = kinds(source);
        assert!(found.contains(&(Kind::Lifetime, "'a")));
        assert!(found.contains(&(Kind::Text, "'{'")));
        assert!(kinds("'\\''").contains(&(Kind::Text, "'\\''")));
    }

    #[test]
    fn numbers_leave_ranges_alone() {
        assert_eq!(kinds("0..16")[0], (Kind::Number, "0"));
        assert_eq!(kinds("1.5e3;")[0], (Kind::Number, "1.5e3"));
        assert_eq!(kinds("0xff_u8")[0], (Kind::Number, "0xff_u8"));
    }

    #[test]
    fn comments_nest_and_inner_docs_are_told_apart() {
        assert_eq!(kinds("/* a /* b */ c */ d").len(), 2);
        assert_eq!(kinds("//! head\nfn x() {}")[0].0, Kind::InnerDoc);
        assert_eq!(kinds("/// doc")[0].0, Kind::Comment);
    }
}
