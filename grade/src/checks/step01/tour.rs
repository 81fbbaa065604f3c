//! What a step shows when it is asked for nothing.

use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Subject, Terminal, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tour-without-terminal",
        step: 1,
        behaviours: &[3],
        title: "without a subcommand and a terminal the step shows itself and exits with 0, as often as one likes",
        points: 1,
        hints: &[
            "`IsTerminal` of stdin decides between shell and tour.",
            "Run the host's shell and the container's on one script.",
        ],
        section: "01-fork.html#tour",
        after: &["exit-status-own"],
        run: tour,
        ..Check::NEW
    },
    Check {
        id: "tour-on-terminal",
        step: 1,
        behaviours: &[3],
        title: "without a subcommand, on a terminal, there is a shell in the container",
        points: 1,
        hints: &["The same as `run sh` (with the image, from step 04 on)."],
        section: "01-fork.html#tour",
        needs: &[Need::Terminal],
        after: &["exit-status-own"],
        run: shell,
        ..Check::NEW
    },
];

fn tour(subject: &Subject) -> Verdict {
    for turn in ["first", "second"] {
        let output = subject.raw::<&str>(&[]).output()?.success()?;
        expect!(output.out().lines().count() >= 3, "a tour on stdout the {turn} time", "{:?}", output.out());
        // It may say what this host keeps from it, in its own name; no tool's complaint may come through.
        let prefix = format!("step{:02}: ", subject.step);
        let odd: Vec<String> =
            output.err().lines().filter(|line| !line.starts_with(&prefix)).map(String::from).collect();
        expect!(odd.is_empty(), "no foreign words on stderr of the {turn} tour", "{:?}", odd);
        expect_eq!(Process::this().children(), [], "processes left by the {turn} tour");
    }
    Ok(())
}

fn shell(subject: &Subject) -> Verdict {
    let mut terminal = Terminal::open()?;
    // As a job of a shell, the way in which a reader starts it.
    let launch = subject.raw::<&str>(&[]).under(&["sh", "-c", "set -m; \"$@\"; echo status=$?", "sh"]);
    let mut outer = launch.start_on(&terminal)?;
    terminal.press("echo $((40 + 2))-answer; exit 5\n")?;
    terminal.wait_for("42-answer")?;
    terminal.wait_for("status=")?;
    outer.wait(PATIENCE)?.success()?;
    let screen = terminal.screen();
    expect!(
        screen.contains("status=5\r"),
        "status=5 from the shell in which `exit 5` was typed",
        "{:?}",
        screen
    );
    expect!(!screen.contains("sh: "), "a shell without complaints", "{:?}", screen);
    Ok(())
}
