//! Expected output with wildcards: `[..]` within a line, `...` alone for any number of lines.

const WITHIN: &str = "[..]";
const LINES: &str = "...";

/// Whether one line is as expected. White space at line ends does not count.
fn line_matches(expected: &str, actual: &str) -> bool {
    let (expected, actual) = (expected.trim_end(), actual.trim_end());
    let Some((start, rest)) = expected.split_once(WITHIN) else { return expected == actual };
    let Some(mut left) = actual.strip_prefix(start) else { return false };
    let mut parts: Vec<&str> = rest.split(WITHIN).collect();
    let end = parts.pop().unwrap_or_default();
    for part in parts {
        // The earliest place leaves the most for the parts behind it.
        match left.find(part) {
            Some(at) => left = &left[at + part.len()..],
            None => return false,
        }
    }
    left.len() >= end.len() && left.ends_with(end)
}

/// Whether the whole output is as expected.
pub fn matches(expected: &[String], actual: &[String]) -> bool {
    cost(expected, actual) == 0
}

/// The actual output, with every expected line kept whose wildcards still hold, and every `...`.
pub fn bless(expected: &[String], actual: &[String]) -> Vec<String> {
    let table = table(expected, actual);
    let (mut row, mut column) = (0, 0);
    let mut blessed: Vec<String> = Vec::new();
    while row < expected.len() || column < actual.len() {
        match step(&table, expected, actual, row, column) {
            Step::Keep => {
                blessed.push(expected[row].clone());
                (row, column) = (row + 1, column + 1);
            }
            Step::Swallow => column += 1,
            Step::EndLines => {
                blessed.push(expected[row].clone());
                row += 1;
            }
            Step::Replace => {
                blessed.push(actual[column].trim_end().to_owned());
                (row, column) = (row + 1, column + 1);
            }
            Step::Drop => row += 1,
            Step::Insert => {
                blessed.push(actual[column].trim_end().to_owned());
                column += 1;
            }
        }
    }
    blessed
}

/// How many lines must be dropped or put in until the output is as expected.
fn cost(expected: &[String], actual: &[String]) -> usize {
    table(expected, actual)[0][0]
}

/// The cheapest way on from a place in both texts.
#[derive(Clone, Copy)]
enum Step {
    /// The lines match.
    Keep,
    /// A `...` takes the actual line.
    Swallow,
    /// A `...` takes no more.
    EndLines,
    /// Another line stands in the expected one's place.
    Replace,
    /// The expected line is not there.
    Drop,
    /// The actual line is not expected.
    Insert,
}

impl Step {
    fn next(self, row: usize, column: usize) -> (usize, usize, usize) {
        match self {
            Step::Keep => (0, row + 1, column + 1),
            Step::Swallow => (0, row, column + 1),
            Step::EndLines => (0, row + 1, column),
            Step::Replace => (1, row + 1, column + 1),
            Step::Drop => (1, row + 1, column),
            Step::Insert => (1, row, column + 1),
        }
    }
}

/// `table[row][column]` is the cost of what is left from there.
fn table(expected: &[String], actual: &[String]) -> Vec<Vec<usize>> {
    let mut table = vec![vec![0; actual.len() + 1]; expected.len() + 1];
    for row in (0..=expected.len()).rev() {
        for column in (0..=actual.len()).rev() {
            if row < expected.len() || column < actual.len() {
                let (paid, row_on, column_on) = step(&table, expected, actual, row, column).next(row, column);
                table[row][column] = paid + table[row_on][column_on];
            }
        }
    }
    table
}

fn step(table: &[Vec<usize>], expected: &[String], actual: &[String], row: usize, column: usize) -> Step {
    let lines = expected.get(row).is_some_and(|line| line.trim_end() == LINES);
    let mut ways = Vec::new();
    if let (Some(expected), Some(actual)) = (expected.get(row), actual.get(column)) {
        if lines {
            ways.push(Step::Swallow);
        } else if line_matches(expected, actual) {
            ways.push(Step::Keep);
        } else {
            ways.push(Step::Replace);
        }
    }
    if lines {
        ways.push(Step::EndLines);
    } else if row < expected.len() {
        ways.push(Step::Drop);
    }
    if column < actual.len() {
        ways.push(Step::Insert);
    }
    let price = |way: &Step| {
        let (paid, row, column) = way.next(row, column);
        paid + table[row][column]
    };
    ways.into_iter().min_by_key(price).expect("one text is not at its end")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<String> {
        text.lines().map(str::to_owned).collect()
    }

    fn fits(expected: &str, actual: &str) -> bool {
        matches(&lines(expected), &lines(actual))
    }

    #[test]
    fn lines_match_whole() {
        assert!(fits("a\nb", "a\nb  "));
        for actual in ["a", "a\nb\nc", "b\na", "a\n\nb", ""] {
            assert!(!fits("a\nb", actual), "{actual:?}");
        }
    }

    #[test]
    fn wildcards_hold_within_a_line() {
        assert!(fits("pid [..] is [..]", "pid 4242 is 1"));
        assert!(fits("a\n[..]", "a\n\n"));
        assert!(!fits("a\n[..]", "a"));
        assert!(fits("a[..]a", "aa"));
        assert!(!fits("a[..]a", "a"));
        assert!(!fits("pid [..] is 1", "pid 4242 is 10"));
        assert!(!fits("pid [..]", "no pid 7"));
        assert!(!fits("[..]", "one\ntwo"));
        assert!(fits("[..]ab[..]b", "abab"));
    }

    #[test]
    fn dots_stand_for_lines() {
        assert!(fits("a\n...\nz", "a\nz"));
        assert!(fits("a\n...\nz", "a\n1\nz\n2\nz"));
        assert!(fits("...", ""));
        assert!(!fits("a\n...\nz", "a\n1\n2"));
        assert!(!fits("...\nb\n...", "a\nc"));
        assert!(!fits("a ...", "a b"));
    }

    #[test]
    fn blessing_keeps_wildcards_that_hold() {
        let blessed = |expected, actual| bless(&lines(expected), &lines(actual)).join("\n");
        assert_eq!(blessed("pid [..]\nold\nend", "pid 7\nnew\nend"), "pid [..]\nnew\nend");
        assert_eq!(blessed("pid [..]", "id 7"), "id 7");
        assert_eq!(blessed("a\n...\nz", "b\n1\n2\nz"), "b\n...\nz");
        assert_eq!(blessed("", "x\ny"), "x\ny");
        assert_eq!(blessed("x", ""), "");
        for (expected, actual) in [("a\n...\nz", "b\nz\nq"), ("pid [..]\nold", "1\npid 3\n2")] {
            assert!(fits(&blessed(expected, actual), actual), "{expected:?} {actual:?}");
        }
    }
}
