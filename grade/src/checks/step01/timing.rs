//! `--explain=timing`: the narration with its microseconds.

use std::collections::BTreeSet;
use std::time::Instant;

use crate::check::mismatch;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[Check {
    id: "explain-timing",
    step: 1,
    behaviours: &[3],
    title: "with `--explain=timing` each line has its microseconds, of one clock for both sides, and they add up",
    points: 2,
    hints: &[
        "`[host         1432    +412 µs] clone(SIGCHLD) = 7`: since the start, and since the same side's line before.",
        "The clock has to go on while the runtime waits, and be the same in every process: clock_gettime(2).",
        "A fork copies what the parent knows, so the child has the start and the parent's last line already.",
    ],
    section: "01-fork.html#explain",
    after: &["explain-silent-otherwise"],
    run: |subject| expect_times(subject, &[]),
    ..Check::NEW
}];

/// How long the command of [`expect_times`] sleeps, in microseconds.
const SLEEP: u64 = 300_000;

/// A line of the narration, with its times in microseconds since the start.
struct Line<'a> {
    side: &'a str,
    at: u64,
    /// When the line was told from which this one counts.
    from: u64,
    call: &'a str,
}

impl<'a> Line<'a> {
    /// Takes `[host         1432    +412 µs] clone(SIGCHLD) = 7` apart.
    fn read(line: &'a str) -> Option<Line<'a>> {
        let (label, call) = line.strip_prefix('[')?.split_once(" µs] ")?;
        let words: Vec<&str> = label.split_whitespace().collect();
        let [side, at, since] = words[..] else { return None };
        let (at, since): (u64, u64) = (at.parse().ok()?, since.strip_prefix('+')?.parse().ok()?);
        Some(Line { side, at, from: at.checked_sub(since)?, call })
    }

    fn makes_a_process(&self) -> bool {
        self.call.starts_with("clone") || self.call.starts_with("fork")
    }
}

/// Runs a command that sleeps with `--explain=timing` and `options`, and looks at its output and at the times told.
pub(crate) fn expect_times(subject: &Subject, options: &[&str]) -> Verdict {
    let options = [&["--explain=timing"], options].concat();
    let begin = Instant::now();
    let output = subject.run(&options, &["sh", "-c", "sleep 0.3; echo x; exit 3"])?;
    let whole = u64::try_from(begin.elapsed().as_micros())?;
    expect_eq!(output.code(), 3, "exit status with {options:?}");
    expect_eq!(output.out(), "x\n", "stdout with {options:?}");
    let text = output.err();
    let lines: Result<Vec<Line>, _> = text
        .lines()
        .map(|line| {
            Line::read(line).ok_or_else(|| mismatch("`[SIDE AT +SINCE µs] CALL`", format!("{line:?}")))
        })
        .collect();
    add_up(&lines?, whole)
}

/// Whether each side counts without a gap, the container from where the host was, and all within the run.
fn add_up(lines: &[Line], whole: u64) -> Verdict {
    let of = |side: &str| lines.iter().filter(|line| line.side == side).collect::<Vec<_>>();
    let (host, container) = (of("host"), of("container"));
    let ([first, .., last], [inside, .., exec]) = (&host[..], &container[..]) else {
        return Err(mismatch(
            "lines of [host] and of [container]",
            format!("{} and {}", host.len(), container.len()),
        ));
    };
    expect_eq!(first.from, 0, "where the host's first line counts from");
    for pair in host.windows(2).chain(container.windows(2)) {
        expect_eq!(
            pair[1].from,
            pair[0].at,
            "where {:?} counts from, {:?} before it",
            pair[1].call,
            pair[0].call
        );
    }
    let mut told: BTreeSet<u64> = host.iter().map(|line| line.at).collect();
    if first.makes_a_process() {
        told.insert(0);
    }
    expect!(
        told.contains(&inside.from),
        "the container's first line to count from one of the host's, {told:?}",
        "{}",
        inside.from
    );
    let least = exec.at + SLEEP;
    expect!(
        (least..=whole).contains(&last.at),
        "the host's times to add up to at least {least} µs and to no more than the {whole} of the whole run",
        "{}",
        last.at
    );
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_when_it_was_told_and_from_where_it_counts() {
        let line = Line::read("[container    1502     +70 µs] chdir(\"/\") = 0").unwrap();
        assert_eq!((line.side, line.at, line.from), ("container", 1502, 1432));
        assert_eq!(line.call, "chdir(\"/\") = 0");
        let wrong = [
            "[host] x()",
            "[host 10 µs] x()",
            "[host 10 -2 µs] x()",
            "[host 10 +12 µs] x()",
            "host 10 +2 µs x()",
        ];
        for line in wrong {
            assert!(Line::read(line).is_none(), "{line}");
        }
    }

    #[test]
    fn the_times_of_both_sides_add_up() {
        let judge = |text: &str| add_up(&text.lines().filter_map(Line::read).collect::<Vec<_>>(), 310_000);
        let good = "[host 20 +20 µs] open()\n[host 90 +70 µs] clone(SIGCHLD) = 7\n[container 95 +75 µs] umask(022)\n\
                    [container 99 +4 µs] execve()\n[host 301000 +300910 µs] waitid()\n";
        judge(good).unwrap();
        let wrong = [
            ("20 +20 µs", "20 +10 µs", "host's first line"),
            ("90 +70 µs", "90 +90 µs", "clone(SIGCHLD)"),
            ("95 +75 µs", "95 +95 µs", "container's first line"),
            ("99 +4 µs] execve", "1000099 +1000004 µs] execve", "at least 1300099"),
            ("301000 +300910", "311000 +310910", "no more than the 310000"),
            ("301000 +300910", "300000 +299910", "at least 300099"),
            ("container", "init", "[container]"),
        ];
        for (from, to, reason) in wrong {
            let error = judge(&good.replace(from, to)).unwrap_err().to_string();
            assert!(error.contains(reason), "{to}: {error}");
        }
    }
}
