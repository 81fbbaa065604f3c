//! Which lines of a diff or a file a directive asks for, and how much around them a reader needs.

use std::collections::BTreeSet;

use anyhow::{bail, ensure};

use super::diff::{Diff, Line, Tag};
use super::items::{Segment, Source};

/// Unchanged lines shown above and below a change.
const CONTEXT: usize = 3;

/// A row of a listing.
#[derive(Clone, Debug, PartialEq)]
pub enum Row {
    Line {
        tag: Tag,
        text: String,
    },
    /// Lines were left out here.
    Gap,
}

/// What a `{{#diff}}` shows.
pub struct Shown {
    pub rows: Vec<Row>,
    /// Indexes of the diff's changed lines that are among the rows.
    pub changed: BTreeSet<usize>,
}

/// The lines of `diff` that the anchors name, or all of them when none is given.
///
/// An anchor that names nothing, that names two different things, or in which nothing changed, is an error.
pub fn from_diff(diff: &Diff, anchors: &[String]) -> anyhow::Result<Shown> {
    for anchor in anchors {
        known(anchor, &[diff.new, diff.old])?;
        let changes = |line: &&Line| line.counts() && diff.segments_of(line).any(|s| means(anchor, s));
        ensure!(diff.lines.iter().any(|line| changes(&line)), "nothing changes in `{anchor}`");
    }
    let wanted: Vec<bool> = diff.lines.iter().map(|line| is_wanted(diff, line, anchors)).collect();
    let changed: BTreeSet<usize> =
        (0..diff.lines.len()).filter(|&at| wanted[at] && diff.lines[at].tag != Tag::Same).collect();
    ensure!(
        changed.iter().any(|&at| diff.lines[at].counts()),
        "the diff is empty: the file is as it was in the step before"
    );
    let visible = with_context(diff, &wanted, &changed);
    Ok(Shown { rows: rows(&diff.lines, &visible), changed })
}

/// The lines of a file, or of the items in it, without marks.
pub fn from_source(source: &Source, anchors: &[String]) -> anyhow::Result<(Vec<Row>, BTreeSet<usize>)> {
    for anchor in anchors {
        known(anchor, &[source])?;
    }
    let wanted: BTreeSet<usize> = source
        .segments
        .iter()
        .filter(|segment| asked_for(segment, anchors))
        .flat_map(|segment| segment.lines.clone())
        .collect();
    let lines: Vec<Line> = source
        .lines
        .iter()
        .map(|text| Line {
            tag: Tag::Same,
            old: None,
            new: None,
            text: text.clone(),
            old_segment: None,
            new_segment: None,
        })
        .collect();
    Ok((rows(&lines, &wanted), wanted))
}

fn means(anchor: &str, segment: &Segment) -> bool {
    segment.anchors.iter().any(|known| known == anchor)
}

/// Without anchors everything is asked for but unit tests; an anchor asks for those too.
fn asked_for(segment: &Segment, anchors: &[String]) -> bool {
    if anchors.is_empty() { !segment.test } else { anchors.iter().any(|anchor| means(anchor, segment)) }
}

fn is_wanted(diff: &Diff, line: &Line, anchors: &[String]) -> bool {
    if anchors.is_empty() {
        !diff.is_test(line)
    } else {
        diff.segments_of(line).any(|segment| asked_for(segment, anchors))
    }
}

/// Fails when no version has the anchor, or when it means methods of several types.
fn known(anchor: &str, versions: &[&Source]) -> anyhow::Result<()> {
    let mut exact: BTreeSet<&str> = BTreeSet::new();
    let mut any = false;
    for segment in versions.iter().flat_map(|source| &source.segments) {
        if let Some(place) = segment.anchors.iter().position(|known| known == anchor) {
            any = true;
            // A method's own name comes second, behind the one that has its type.
            if place == 1 && segment.anchors[0].ends_with(&format!("::{}", bare(anchor))) {
                exact.insert(&segment.anchors[0]);
            }
        }
    }
    if !any {
        let mut all: Vec<&str> = versions
            .iter()
            .flat_map(|source| &source.segments)
            .filter_map(|segment| segment.anchors.first().map(String::as_str))
            .collect();
        all.dedup();
        bail!("there is no `{anchor}` in it; there are: {}", all.join(", "));
    }
    let several: Vec<&str> = exact.into_iter().collect();
    ensure!(several.len() < 2, "`{anchor}` means several: {}", several.join(", "));
    Ok(())
}

fn bare(anchor: &str) -> &str {
    anchor.split_once(' ').map_or(anchor, |(_, name)| name)
}

/// The changed lines, some unchanged ones around them, and the first and last line of each item that has changes.
fn with_context(diff: &Diff, wanted: &[bool], changed: &BTreeSet<usize>) -> BTreeSet<usize> {
    let mut visible = changed.clone();
    for &at in changed {
        // What stands around the item tells nothing about the change in it.
        let item = |near: &usize| {
            let (one, other) = (&diff.lines[*near], &diff.lines[at]);
            wanted[*near] && (one.new_segment, one.old_segment) == (other.new_segment, other.old_segment)
        };
        let above = (0..at).rev().take_while(item).take(CONTEXT);
        let below = (at + 1..wanted.len()).take_while(item).take(CONTEXT);
        visible.extend(above.chain(below).filter(|&near| diff.lines[near].tag == Tag::Same));
    }
    let segments: BTreeSet<usize> = changed.iter().filter_map(|&at| diff.lines[at].new_segment).collect();
    let ends: BTreeSet<usize> = segments
        .iter()
        .map(|&at| &diff.new.segments[at])
        .filter(|segment| !segment.anchors.iter().any(|anchor| anchor == "use"))
        .flat_map(|segment| [segment.signature, segment.lines.end - 1])
        .collect();
    for (at, line) in diff.lines.iter().enumerate() {
        if wanted[at] && line.new.is_some_and(|new| ends.contains(&new)) {
            visible.insert(at);
        }
    }
    // A gap of one or two lines costs more than the lines.
    let shown: Vec<usize> = visible.iter().copied().collect();
    for pair in shown.windows(2) {
        let between = pair[0] + 1..pair[1];
        if between.len() <= 2 && between.clone().all(|at| wanted[at]) {
            visible.extend(between);
        }
    }
    visible
}

/// Turns the visible lines into rows; blank lines at the ends of a run are left out.
fn rows(lines: &[Line], visible: &BTreeSet<usize>) -> Vec<Row> {
    let shown: Vec<usize> = visible.iter().copied().collect();
    let mut rows: Vec<Row> = Vec::new();
    for run in shown.chunk_by(|one, next| one + 1 == *next) {
        let blank = |at: &&usize| lines[**at].text.trim().is_empty();
        let start = run.iter().take_while(blank).count();
        let stop = run.len() - run.iter().rev().take_while(blank).count();
        if start >= stop {
            continue;
        }
        if !rows.is_empty() {
            rows.push(Row::Gap);
        }
        let kept = run[start..stop].iter().map(|&at| &lines[at]);
        rows.extend(kept.map(|line| Row::Line { tag: line.tag, text: line.text.clone() }));
    }
    rows
}

#[cfg(test)]
mod tests {
    use super::*;

    const OLD: &str = "use a;\n\nfn one() {\n    1;\n    2;\n    3;\n    4;\n    5;\n    6;\n    7;\n    8;\n}\n\n\
        impl A {\n    fn go() {\n        1;\n    }\n}\n\nimpl B {\n    fn go() {}\n}\n";

    fn show(new: &str, anchors: &[&str]) -> anyhow::Result<Vec<String>> {
        let (old, new) = (Source::new("a.rs", OLD), Source::new("a.rs", new));
        let anchors: Vec<String> = anchors.iter().map(|anchor| (*anchor).to_owned()).collect();
        let shown = from_diff(&Diff::between(&old, &new), &anchors)?;
        Ok(shown.rows.iter().map(plain).collect())
    }

    fn plain(row: &Row) -> String {
        match row {
            Row::Gap => "...".into(),
            Row::Line { tag: Tag::Same, text } => format!(" {text}"),
            Row::Line { tag: Tag::Added, text } => format!("+{text}"),
            Row::Line { tag: Tag::Removed, text } => format!("-{text}"),
        }
    }

    #[test]
    fn an_anchor_shows_its_item_alone() {
        let new = OLD.replace("use a;", "use b;").replace("    8;", "    eight;");
        let rows = show(&new, &["fn one"]).unwrap();
        assert_eq!(
            rows,
            [" fn one() {", "...", "     5;", "     6;", "     7;", "-    8;", "+    eight;", " }"]
        );
        assert!(show(&new, &["use"]).unwrap().contains(&"+use b;".to_owned()));
        assert_eq!(show(&new, &[]).unwrap().iter().filter(|row| row.starts_with('+')).count(), 2);
    }

    #[test]
    fn anchors_that_cannot_be_shown_are_errors() {
        let new = OLD.replace("use a;", "use b;");
        assert!(show(&new, &["fn none"]).unwrap_err().to_string().contains("no `fn none`"));
        assert!(show(&new, &["fn one"]).unwrap_err().to_string().contains("nothing changes"));
        let error = show(&new, &["fn go"]).unwrap_err().to_string();
        assert!(error.contains("fn A::go, fn B::go"), "{error}");
        assert!(show(OLD, &[]).unwrap_err().to_string().contains("empty"));
    }

    #[test]
    fn a_removed_item_is_found_by_its_old_name() {
        let new = OLD.replace("impl A {\n    fn go() {\n        1;\n    }\n}\n\n", "");
        let rows = show(&new, &["impl A"]).unwrap();
        assert!(rows.contains(&"-        1;".to_owned()), "{rows:?}");
        assert!(rows.iter().all(|row| !row.contains("impl B")));
    }

    #[test]
    fn unit_tests_are_shown_only_when_asked_for() {
        let new = format!("{}\n#[cfg(test)]\nmod tests {{\n    fn t() {{}}\n}}\n", OLD.replace("8;", "9;"));
        assert!(!show(&new, &[]).unwrap().join("\n").contains("mod tests"));
        assert!(show(&new, &["mod tests"]).unwrap().contains(&"+mod tests {".to_owned()));
    }

    #[test]
    fn items_can_be_shown_as_they_stand() {
        let source = Source::new("a.rs", OLD);
        let (rows, _) = from_source(&source, &["fn A::go".into(), "use".into()]).unwrap();
        let rows: Vec<String> = rows.iter().map(plain).collect();
        assert_eq!(rows, [" use a;", "...", "     fn go() {", "         1;", "     }"]);
        assert!(from_source(&source, &["struct X".into()]).is_err());
    }
}
