//! Where the items of a source file begin and end, so that a page can name one: `fn enter`, `impl Child`.
//!
//! A file is cut into segments that together hold every line, in order. Each has the anchors that mean it.

use std::ops::Range;

use super::lex::{self, Kind, Token};

/// A piece of a file: the head, an item, a method, or what an `impl` has around its methods.
#[derive(Clone, Debug, PartialEq)]
pub struct Segment {
    /// What it is, with what it stands in: `impl Child/fn enter`. Segments of two versions are matched by it.
    pub key: String,
    /// Every anchor that means this segment, the most exact one first.
    pub anchors: Vec<String>,
    /// Lines of the file, counted from 0. Comments and blank lines above an item are the item's.
    pub lines: Range<usize>,
    /// The line on which the item itself begins, below its comments and attributes.
    pub signature: usize,
    /// Compiled for unit tests only.
    pub test: bool,
}

/// A file's lines and segments.
#[derive(Debug, Default)]
pub struct Source {
    pub lines: Vec<String>,
    pub segments: Vec<Segment>,
}

impl Source {
    /// Cuts `text` by the rules of the language that the file's name tells.
    pub fn new(file: &str, text: &str) -> Source {
        let lines: Vec<String> = text.lines().map(str::to_owned).collect();
        let mut segments = if file.ends_with(".rs") {
            rust(text)
        } else if file.ends_with(".toml") {
            toml(&lines)
        } else {
            vec![Segment::whole(lines.len())]
        };
        if let Some(last) = segments.last_mut() {
            last.lines.end = lines.len();
        }
        Source { lines, segments }
    }

    /// The segment that holds a line.
    pub fn segment_of(&self, line: usize) -> Option<&Segment> {
        self.segments.iter().find(|segment| segment.lines.contains(&line))
    }
}

impl Segment {
    fn whole(lines: usize) -> Segment {
        Segment { key: String::new(), anchors: Vec::new(), lines: 0..lines, signature: 0, test: false }
    }
}

/// The tables of a TOML file, by their headings, with the comments above them.
/// A package's name and what its manifest says for the project's tools are marked like unit tests: no page need show them.
fn toml(lines: &[String]) -> Vec<Segment> {
    let mut segments: Vec<Segment> = Vec::new();
    let mut table = String::new();
    for (number, line) in lines.iter().enumerate() {
        let name = table == "[package]" && line.starts_with("name = ");
        let after_name = segments.last().is_some_and(|last| last.key.ends_with("/name"));
        let mut start = number;
        if line.starts_with('[') {
            line.trim_end().clone_into(&mut table);
            let above = lines[..number].iter().rev().take_while(|line| line.starts_with('#')).count();
            if let Some(last) = segments.last_mut() {
                start = (number - above).max(last.signature + 1);
                last.lines.end = start;
            }
        } else if !name && !after_name && !segments.is_empty() {
            segments.last_mut().expect("just looked at").lines.end = number + 1;
            continue;
        }
        let key = match () {
            () if name => format!("{table}/name"),
            () if after_name && !line.starts_with('[') => format!("{table}/rest"),
            () => table.clone(),
        };
        let test = name || table == "[package.metadata.step]";
        let lines = start..number + 1;
        segments.push(Segment { key, anchors: vec![table.clone()], lines, signature: number, test });
    }
    segments
}

fn rust(text: &str) -> Vec<Segment> {
    let tokens = lex::tokens(text);
    let mut cutter = Cutter { text, starts: line_starts(text), segments: Vec::new(), line: 0 };
    let code: Vec<&Token> = tokens.iter().filter(|token| token.kind != Kind::Comment).collect();
    let items = cutter.head(&code);
    cutter.items(&code[items..], None);
    if cutter.segments.is_empty() {
        return vec![Segment::whole(text.lines().count())];
    }
    cutter.segments
}

fn line_starts(text: &str) -> Vec<usize> {
    std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect()
}

/// What an item is, as read from its first tokens.
struct Item {
    /// `fn`, `struct`, …, or `use` for what can stand in a file's head.
    word: &'static str,
    /// Its anchors without what it stands in, the most exact first.
    names: Vec<String>,
    test: bool,
    /// Tokens of it, and where its braces hold more items, the tokens between them.
    length: usize,
    body: Option<Range<usize>>,
    /// The token at which the item itself begins, behind its attributes.
    first: usize,
}

struct Cutter<'a> {
    text: &'a str,
    starts: Vec<usize>,
    segments: Vec<Segment>,
    /// The first line that no segment holds yet.
    line: usize,
}

impl Cutter<'_> {
    fn line_of(&self, byte: usize) -> usize {
        self.starts.partition_point(|start| *start <= byte) - 1
    }

    fn push(&mut self, key: String, anchors: Vec<String>, end: usize, signature: usize, test: bool) {
        if end > self.line {
            self.segments.push(Segment { key, anchors, lines: self.line..end, signature, test });
            self.line = end;
        }
    }

    /// Takes the file's own docs and attributes and its first run of imports as one segment.
    /// Returns how many tokens that were.
    fn head(&mut self, code: &[&Token]) -> usize {
        let mut at = 0;
        while at < code.len() {
            let inner_attribute =
                self.is(code, at, "#") && self.is(code, at + 1, "!") && self.is(code, at + 2, "[");
            if code[at].kind == Kind::InnerDoc {
                at += 1;
            } else if inner_attribute {
                at += 2 + self.group(&code[at + 2..]);
            } else {
                match self.item(&code[at..]) {
                    item if item.word == "use" && !item.test => at += item.length,
                    _ => break,
                }
            }
        }
        if let Some(last) = at.checked_sub(1) {
            let end = self.line_of(code[last].span.end - 1) + 1;
            self.push("use".into(), vec!["use".into()], end, 0, false);
        }
        at
    }

    /// Cuts a run of items; `parent` is the `impl`, `trait` or `mod` that they stand in.
    fn items(&mut self, code: &[&Token], parent: Option<&Segment>) {
        let mut at = 0;
        while at < code.len() {
            let item = self.item(&code[at..]);
            let last = code[at + item.length - 1];
            let end = self.line_of(last.span.end - 1) + 1;
            let signature = self.line_of(code[at + item.first].span.start);
            let segment = name(&item, parent, self.line..end, signature);
            match item.body {
                Some(body) if !item.test && self.opens_on_own_line(&code[at..], &body) => {
                    let open = self.line_of(code[at + body.start - 1].span.start) + 1;
                    self.push(segment.key.clone(), segment.anchors.clone(), open, signature, false);
                    self.items(&code[at + body.start..at + body.end], Some(&segment));
                    let Segment { key, anchors, .. } = segment;
                    self.push(format!("{key}/}}"), anchors, end, end - 1, false);
                }
                _ => self.push(segment.key, segment.anchors, end, signature, segment.test),
            }
            at += item.length;
        }
    }

    /// Whether a body's first token stands on a line below its brace (`impl X {}` is one piece).
    fn opens_on_own_line(&self, code: &[&Token], body: &Range<usize>) -> bool {
        !body.is_empty()
            && self.line_of(code[body.start].span.start) > self.line_of(code[body.start - 1].span.start)
    }

    fn is(&self, code: &[&Token], at: usize, text: &str) -> bool {
        code.get(at).is_some_and(|token| token.kind != Kind::Text && token.text(self.text) == text)
    }

    fn word<'t>(&'t self, code: &[&Token], at: usize) -> &'t str {
        code.get(at).map_or("", |token| token.text(self.text))
    }

    /// The number of tokens of the bracketed group that `code` starts with.
    fn group(&self, code: &[&Token]) -> usize {
        let mut depth = 0usize;
        for (at, token) in code.iter().enumerate() {
            if token.kind != Kind::Punct {
                continue;
            }
            match token.text(self.text) {
                "(" | "[" | "{" => depth += 1,
                ")" | "]" | "}" => depth = depth.saturating_sub(1),
                _ => {}
            }
            if depth == 0 {
                return at + 1;
            }
        }
        code.len()
    }

    /// Reads one item from its attributes to its `;` or closing brace.
    fn item(&self, code: &[&Token]) -> Item {
        let mut first = 0;
        let mut test = false;
        while self.is(code, first, "#") {
            let open = first + 1 + usize::from(self.is(code, first + 1, "!"));
            let end = open + self.group(&code[open.min(code.len())..]);
            let attribute: String =
                code[first..end.min(code.len())].iter().map(|t| t.text(self.text)).collect();
            test |= attribute == "#[cfg(test)]" || attribute == "#[test]";
            first = end;
        }
        let first = first.min(code.len().saturating_sub(1));
        let keyword = self.keyword(code, first);
        let (word, names) = self.describe(code, keyword);
        let (length, body) = self.extent(code, keyword, word);
        let holds_items = matches!(word, "impl" | "trait" | "mod");
        Item { word, names, test, length, body: body.filter(|_| holds_items), first }
    }

    /// Steps over `pub(crate)`, `unsafe`, `extern "C"` and the like to the word that says what the item is.
    fn keyword(&self, code: &[&Token], mut at: usize) -> usize {
        loop {
            match self.word(code, at) {
                "pub" if self.is(code, at + 1, "(") => at += 1 + self.group(&code[at + 1..]),
                "pub" | "unsafe" | "async" | "default" => at += 1,
                "const" if matches!(self.word(code, at + 1), "fn" | "unsafe" | "async" | "extern") => at += 1,
                "extern" if !self.is(code, at + 1, "crate") && !self.is(code, at + 2, "{") => {
                    at += 1 + usize::from(code.get(at + 1).is_some_and(|token| token.kind == Kind::Text));
                }
                _ => return at,
            }
        }
    }

    /// What the item is and the anchors that name it.
    fn describe(&self, code: &[&Token], at: usize) -> (&'static str, Vec<String>) {
        let named = |word: &'static str, at: usize| (word, vec![format!("{word} {}", self.word(code, at))]);
        match self.word(code, at) {
            "use" => ("use", vec!["use".into()]),
            "extern" if self.is(code, at + 1, "crate") => ("use", vec!["use".into()]),
            "mod" if self.is(code, at + 2, ";") => {
                ("use", vec!["use".into(), format!("mod {}", self.word(code, at + 1))])
            }
            "fn" => named("fn", at + 1),
            "struct" => named("struct", at + 1),
            "enum" => named("enum", at + 1),
            "union" => named("union", at + 1),
            "trait" => named("trait", at + 1),
            "type" => named("type", at + 1),
            "mod" => named("mod", at + 1),
            "const" => named("const", at + 1),
            "static" => named("static", at + 1 + usize::from(self.is(code, at + 1, "mut"))),
            "macro_rules" => named("macro", at + 2),
            "impl" => ("impl", self.impl_names(code, at + 1)),
            other => ("other", vec![other.to_owned()]),
        }
    }

    /// `impl Display for Child`, `impl fmt::Display for Child` and `impl Child` of one and the same block.
    fn impl_names(&self, code: &[&Token], at: usize) -> Vec<String> {
        let mut depth = 0i32;
        let mut sides = vec![String::new()];
        for (index, token) in code[at.min(code.len())..].iter().enumerate() {
            match token.text(self.text) {
                "<" => depth += 1,
                // The `>` of `->` closes nothing.
                ">" if !(index > 0 && self.is(code, at + index - 1, "-")) => depth -= 1,
                "{" | "where" if depth == 0 => break,
                "for" if depth == 0 => sides.push(String::new()),
                other if depth == 0 => sides.last_mut().expect("never empty").push_str(other),
                _ => {}
            }
        }
        let short = |path: &str| path.rsplit("::").next().unwrap_or(path).to_owned();
        match sides.as_slice() {
            [of] => vec![format!("impl {}", short(of))],
            [of, to, ..] => vec![
                format!("impl {} for {}", short(of), short(to)),
                format!("impl {of} for {to}"),
                format!("impl {}", short(to)),
            ],
            [] => Vec::new(),
        }
    }

    /// How many tokens the item has, and which of them lie between its outermost braces.
    fn extent(&self, code: &[&Token], keyword: usize, word: &str) -> (usize, Option<Range<usize>>) {
        // A `;` ends these, and braces in them are groups like any other.
        let to_semicolon = matches!(word, "use" | "const" | "static" | "type");
        let mut at = keyword;
        while at < code.len() {
            match self.word(code, at) {
                _ if code[at].kind != Kind::Punct => at += 1,
                ";" => return (at + 1, None),
                "{" if !to_semicolon => {
                    let end = at + self.group(&code[at..]);
                    return (end, Some(at + 1..end - 1));
                }
                "(" | "[" | "{" => at += self.group(&code[at..]),
                _ => at += 1,
            }
        }
        (code.len(), None)
    }
}

/// Gives an item its key and anchors, those of what it stands in among them.
fn name(item: &Item, parent: Option<&Segment>, lines: Range<usize>, signature: usize) -> Segment {
    let own = item.names.first().cloned().unwrap_or_default();
    let mut anchors = Vec::new();
    let mut key = own.clone();
    if let Some(parent) = parent {
        // `impl Display for Child` and `mod inner` both say with their last word whose method this is.
        let owner = parent.key.rsplit('/').next().and_then(|key| key.rsplit(' ').next()).unwrap_or_default();
        if let Some((word, name)) = own.split_once(' ') {
            anchors.push(format!("{word} {owner}::{name}"));
        }
        key = format!("{}/{own}", parent.key);
    }
    anchors.extend(item.names.iter().cloned());
    anchors.extend(parent.into_iter().flat_map(|parent| parent.anchors.iter().cloned()));
    Segment { key, anchors, lines, signature, test: item.test }
}

#[cfg(test)]
mod tests;
