use super::*;

const FILE: &str = r##"//! What the child does.

use std::fs;

mod inner;

/// Where `}` may hide.
const TOUR: &str = r#"
fn not_an_item() {
}
"#;

/// Enters.
#[inline]
pub(crate) unsafe fn enter(path: &str) -> Result<(), ()> {
    if path == "{" {
        return Ok(());
    }
    Ok(())
}

// A remark about Child.
pub struct Child<'a> {
    name: &'a str,
}

impl<'a> Child<'a> {
    /// Makes one.
    pub fn new() -> Self {
        todo!()
    }

    const fn size(&self) -> usize {
        1
    }
}

impl std::fmt::Display for Child<'_> {
    fn fmt(&self) {}
}

macro_rules! log {
    ($x:expr) => { $x };
}

#[cfg(test)]
mod tests {
    fn helper() {}
}
"##;

fn source() -> Source {
    Source::new("src/child.rs", FILE)
}

fn texts(anchor: &str) -> Vec<String> {
    let source = source();
    let found = source.segments.iter().filter(|segment| segment.anchors.iter().any(|a| a == anchor));
    found.map(|segment| source.lines[segment.lines.clone()].join("\n").trim_start().to_owned()).collect()
}

#[test]
fn segments_hold_every_line_once() {
    let source = source();
    let mut next = 0;
    for segment in &source.segments {
        assert_eq!(segment.lines.start, next, "{}", segment.key);
        next = segment.lines.end;
    }
    assert_eq!(next, source.lines.len());
}

#[test]
fn the_head_ends_where_the_first_item_begins() {
    assert_eq!(texts("use"), ["//! What the child does.\n\nuse std::fs;\n\nmod inner;"]);
    assert!(texts("const TOUR")[0].starts_with("/// Where"));
    assert!(texts("const TOUR")[0].ends_with("\"#;"));
    assert!(texts("fn not_an_item").is_empty());
}

#[test]
fn comments_and_attributes_belong_to_the_item_below() {
    let enter = &texts("fn enter")[0];
    assert!(enter.starts_with("/// Enters.\n#[inline]\npub(crate) unsafe fn enter"));
    assert!(enter.ends_with("    Ok(())\n}"));
    assert!(texts("struct Child")[0].starts_with("// A remark"));
    let source = source();
    let segment = source.segments.iter().find(|s| s.key == "fn enter").unwrap();
    assert!(source.lines[segment.signature].starts_with("pub(crate) unsafe fn"));
}

#[test]
fn methods_answer_to_their_own_name_and_to_their_type() {
    assert!(texts("fn new")[0].starts_with("/// Makes one."));
    assert_eq!(texts("fn new"), texts("fn Child::new"));
    assert!(texts("fn size")[0].starts_with("const fn size"));
    // The header, two methods and the closing brace; then the three pieces of the Display block.
    assert_eq!(texts("impl Child").len(), 4 + 3);
    assert_eq!(texts("impl Display for Child").len(), 3);
    assert_eq!(texts("impl std::fmt::Display for Child").len(), 3);
}

#[test]
fn unit_tests_are_one_piece_and_marked() {
    let source = source();
    let marked: Vec<_> = source.segments.iter().filter(|segment| segment.test).collect();
    assert_eq!(marked.len(), 1);
    assert_eq!(marked[0].key, "mod tests");
    assert!(texts("fn helper").is_empty());
    assert_eq!(texts("macro log").len(), 1);
}

#[test]
fn a_manifest_is_cut_at_its_tables() {
    let source = Source::new(
        "Cargo.toml",
        "[package]\nname = \"x\"\nversion = \"1\"\n\n[dependencies]\nnix = \"1\"\n\n# What changes.\n# And why.\n[package.metadata.step]\n\
            changes = [\n    \"a\",\n]\n",
    );
    let keys: Vec<_> = source.segments.iter().map(|segment| segment.key.as_str()).collect();
    assert_eq!(
        keys,
        ["[package]", "[package]/name", "[package]/rest", "[dependencies]", "[package.metadata.step]"]
    );
    assert_eq!(source.segments[4].lines, 7..13);
    let marked: Vec<bool> = source.segments.iter().map(|segment| segment.test).collect();
    assert_eq!(marked, [false, true, false, false, true]);
}

#[test]
fn broken_source_is_cut_without_a_panic() {
    for text in
        ["fn", "#[", "impl", "fn x(", "}", "#", "struct A { b: \"", "pub(", "mod x", ";", "impl A {\n fn"]
    {
        Source::new("a.rs", text);
    }
}
