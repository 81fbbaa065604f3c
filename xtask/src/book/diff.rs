//! The difference between a file of one step and the same file of the step before.
//!
//! Items are matched first and lines within them, so that a new function shows as one and not as a mixture of its
//! neighbours' braces, and so that every changed line belongs to an item that a page can name.

use std::ops::Range;

use similar::{Algorithm, DiffOp, capture_diff_slices};

use super::items::{Segment, Source};

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Tag {
    Same,
    Removed,
    Added,
}

/// One line of a diff, with where it stands in each version, counted from 0.
#[derive(Clone, Debug)]
pub struct Line {
    pub tag: Tag,
    pub old: Option<usize>,
    pub new: Option<usize>,
    pub text: String,
    /// Indexes into the segments of the two versions: those that the line belongs to.
    pub old_segment: Option<usize>,
    pub new_segment: Option<usize>,
}

impl Line {
    /// A line whose loss or gain a reader must be shown. The frame of an `impl` block says nothing that its methods,
    /// each shown under its own name, do not.
    pub fn counts(&self) -> bool {
        let frame = self.text == "}" || (self.text.starts_with("impl") && self.text.ends_with('{'));
        self.tag != Tag::Same && !self.text.trim().is_empty() && !frame
    }
}

/// Two versions of a file and the lines that lead from one to the other.
pub struct Diff<'a> {
    pub old: &'a Source,
    pub new: &'a Source,
    pub lines: Vec<Line>,
}

impl<'a> Diff<'a> {
    pub fn between(old: &'a Source, new: &'a Source) -> Diff<'a> {
        let mut diff = Diff { old, new, lines: Vec::new() };
        let keys = |source: &Source| source.segments.iter().map(|s| s.key.clone()).collect::<Vec<_>>();
        for op in capture_diff_slices(Algorithm::Myers, &keys(old), &keys(new)) {
            match op {
                DiffOp::Equal { old_index, new_index, len } => {
                    for step in 0..len {
                        diff.pair(old_index + step, new_index + step);
                    }
                }
                // One function for one function in the same place: most likely a new name.
                DiffOp::Replace { old_index, old_len: 1, new_index, new_len: 1 }
                    if word(&old.segments[old_index]) == word(&new.segments[new_index]) =>
                {
                    diff.pair(old_index, new_index);
                }
                _ => {
                    op.old_range().for_each(|segment| diff.gone(segment));
                    op.new_range().for_each(|segment| diff.come(segment));
                }
            }
        }
        diff
    }

    fn pair(&mut self, old_segment: usize, new_segment: usize) {
        let old_lines = self.old.segments[old_segment].lines.clone();
        let new_lines = self.new.segments[new_segment].lines.clone();
        let ops = capture_diff_slices(
            Algorithm::Patience,
            &self.old.lines[old_lines.clone()],
            &self.new.lines[new_lines.clone()],
        );
        let first = self.lines.len();
        for op in ops {
            let old = shift(op.old_range(), old_lines.start);
            let new = shift(op.new_range(), new_lines.start);
            if let DiffOp::Equal { .. } = op {
                old.zip(new).for_each(|(old, new)| self.push(Tag::Same, Some(old), Some(new)));
            } else {
                old.for_each(|old| self.push(Tag::Removed, Some(old), None));
                new.for_each(|new| self.push(Tag::Added, None, Some(new)));
            }
        }
        for line in &mut self.lines[first..] {
            line.old_segment = Some(old_segment);
            line.new_segment = Some(new_segment);
        }
    }

    fn gone(&mut self, segment: usize) {
        for line in self.old.segments[segment].lines.clone() {
            self.push(Tag::Removed, Some(line), None);
            self.lines.last_mut().expect("just pushed").old_segment = Some(segment);
        }
    }

    fn come(&mut self, segment: usize) {
        for line in self.new.segments[segment].lines.clone() {
            self.push(Tag::Added, None, Some(line));
            self.lines.last_mut().expect("just pushed").new_segment = Some(segment);
        }
    }

    fn push(&mut self, tag: Tag, old: Option<usize>, new: Option<usize>) {
        let text = match (old, new) {
            (_, Some(new)) => self.new.lines[new].clone(),
            (Some(old), None) => self.old.lines[old].clone(),
            (None, None) => String::new(),
        };
        self.lines.push(Line { tag, old, new, text, old_segment: None, new_segment: None });
    }

    /// The segments that a line belongs to, of the new version first.
    pub fn segments_of(&self, line: &Line) -> impl Iterator<Item = &'a Segment> {
        let new = line.new_segment.map(|index| &self.new.segments[index]);
        let old = line.old_segment.map(|index| &self.old.segments[index]);
        new.into_iter().chain(old)
    }

    /// Whether the line belongs to unit tests, or to what a manifest says for the project's tools.
    pub fn is_test(&self, line: &Line) -> bool {
        self.segments_of(line).any(|segment| segment.test)
    }
}

fn word(segment: &Segment) -> &str {
    segment.key.split(' ').next().unwrap_or_default()
}

fn shift(range: Range<usize>, by: usize) -> Range<usize> {
    range.start + by..range.end + by
}

#[cfg(test)]
mod tests {
    use super::*;

    fn marked(old: &str, new: &str) -> Vec<String> {
        let (old, new) = (Source::new("a.rs", old), Source::new("a.rs", new));
        let diff = Diff::between(&old, &new);
        let mark = |line: &Line| match line.tag {
            Tag::Same => ' ',
            Tag::Removed => '-',
            Tag::Added => '+',
        };
        diff.lines.iter().map(|line| format!("{}{}", mark(line), line.text)).collect()
    }

    const OLD: &str = "use a;\n\nfn one() {\n    1;\n}\n\nfn two() {\n    2;\n}\n";

    #[test]
    fn a_new_function_is_one_block() {
        let new = "use a;\n\nfn one() {\n    1;\n}\n\nfn between() {\n    1;\n}\n\nfn two() {\n    2;\n}\n";
        let lines = marked(OLD, new);
        let added: Vec<_> = lines.iter().filter(|line| line.starts_with('+')).collect();
        assert_eq!(added, ["+", "+fn between() {", "+    1;", "+}"]);
        assert!(!lines.iter().any(|line| line.starts_with('-')));
    }

    #[test]
    fn both_versions_can_be_read_back_from_the_diff() {
        let new = "use b;\n\nfn two() {\n    3;\n}\n\nfn three() {\n    1;\n}\n";
        let lines = marked(OLD, new);
        let side = |without: char| {
            let kept = lines.iter().filter(|line| !line.starts_with(without));
            kept.map(|line| format!("{}\n", &line[1..])).collect::<String>()
        };
        assert_eq!(side('+'), OLD);
        assert_eq!(side('-'), new);
    }

    #[test]
    fn a_renamed_function_keeps_its_body() {
        let lines = marked("fn one() {\n    1;\n}\n", "fn eins() {\n    1;\n}\n");
        assert_eq!(lines, ["-fn one() {", "+fn eins() {", "     1;", " }"]);
    }
}
