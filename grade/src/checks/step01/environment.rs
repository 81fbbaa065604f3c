//! Behaviour 6: the environment is what was asked for and the defaults.

use std::collections::BTreeSet;

use super::super::common::{expect_own_error, start_cat};
use crate::subject::write_file;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "environment-clean",
        step: 1,
        behaviours: &[6],
        title: "the command gets PATH, HOME, TERM and HOSTNAME, and nothing of the caller's environment",
        points: 2,
        hints: &[
            "`tr '\\0' '\\n' </proc/PID/environ` of the command: which of these did you ask for?",
            "execve(2) takes the environment as its third argument. Build it; do not pass on your own.",
        ],
        section: "01-fork.html#environment",
        run: clean,
        ..Check::NEW
    },
    Check {
        id: "environment-asked",
        step: 1,
        behaviours: &[6],
        title: "`-e NAME=VALUE` sets, `-e NAME` takes the caller's value, the last one wins, no name is there twice",
        points: 2,
        hints: &[
            "Only the first `=` separates: a value may hold more of them, and newlines, and nothing at all.",
            "Docker leaves out a `-e NAME` that the caller does not have.",
            "An environment is a list: replace an earlier entry instead of adding a second.",
        ],
        section: "01-fork.html#environment",
        after: &["environment-clean"],
        run: asked,
        ..Check::NEW
    },
    Check {
        id: "environment-file",
        step: 1,
        behaviours: &[6],
        title: "`--env-file` reads a variable a line, `#` for comments, quotes as they are; `-e` beats it",
        points: 1,
        hints: &[
            "Docker's file is no shell script: nothing is expanded, no quote is taken away.",
            "Read the files first, then -e.",
        ],
        section: "01-fork.html#environment",
        after: &["environment-asked"],
        run: from_file,
        ..Check::NEW
    },
];

/// The variables of a command started with these options under a caller with some of its own, sorted.
fn variables(subject: &Subject, options: &[&str]) -> anyhow::Result<Vec<String>> {
    let (_running, command) = start_cat(|words| {
        let launch = subject.launch(options, words).env("SECRET", "of the caller").env("LANG", "C.UTF-8");
        launch.env("LD_LIBRARY_PATH", "/nowhere").env("HOSTNAME", "of-the-caller").env("TERM", "dumb")
    })?;
    let mut all = command.environ()?;
    all.sort();
    let names: BTreeSet<&str> = all.iter().filter_map(|variable| Some(variable.split_once('=')?.0)).collect();
    expect_eq!(names.len(), all.len(), "names in the environment, each once ({all:?})");
    Ok(all)
}

fn clean(subject: &Subject) -> Verdict {
    let all = variables(subject, &[])?;
    let names: Vec<&str> = all.iter().filter_map(|variable| Some(variable.split_once('=')?.0)).collect();
    expect_eq!(names, ["HOME", "HOSTNAME", "PATH", "TERM"], "names in the environment");
    let value =
        |name: &str| all.iter().find_map(|v| v.strip_prefix(name)?.strip_prefix('=')).unwrap_or_default();
    expect_eq!(value("TERM"), "xterm", "TERM");
    expect!(value("HOME").starts_with('/'), "an absolute HOME", "{:?}", value("HOME"));
    let path: Vec<&str> = value("PATH").split(':').collect();
    let usual = ["/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin"];
    expect!(usual.iter().all(|dir| path.contains(dir)), "the usual folders in PATH", "{:?}", path);
    let name = value("HOSTNAME");
    expect!(!name.is_empty() && name != "of-the-caller", "the container's own HOSTNAME", "{:?}", name);
    Ok(())
}

fn asked(subject: &Subject) -> Verdict {
    let options = [
        "-e",
        "PLAIN=value",
        "-e",
        "SPACES= two words ",
        "-e",
        "EQUALS=a=b=c",
        "-e",
        "LINES=one\ntwo",
        "--env",
        "EMPTY=",
        "-e",
        "SECRET",
        "-e",
        "NOT_SET_OUTSIDE",
        "-e",
        "TERM=vt100",
        "-e",
        "TWICE=first",
        "--env=TWICE=second",
    ];
    let all = variables(subject, &options)?;
    let wanted = [
        "EMPTY=",
        "EQUALS=a=b=c",
        "LINES=one\ntwo",
        "PLAIN=value",
        "SECRET=of the caller",
        "SPACES= two words ",
        "TERM=vt100",
        "TWICE=second",
    ];
    let found: Vec<&String> = all
        .iter()
        .filter(|variable| !["HOME=", "HOSTNAME=", "PATH="].iter().any(|name| variable.starts_with(name)))
        .collect();
    expect_eq!(found, wanted, "the variables asked for");
    Ok(())
}

fn from_file(subject: &Subject) -> Verdict {
    let (first, second) = (subject.scratch().join("first"), subject.scratch().join("second"));
    let text = "# a comment\n\nQUOTED=\"as it is\"\nDOLLAR=$HOME\nSECRET\nBEATEN=file\nREPLACED=first\nHASH=a#b\nNOT_SET_OUTSIDE\n";
    write_file(&first, text, 0o644)?;
    write_file(&second, "REPLACED=second", 0o644)?;
    let (one, two) = (first.display().to_string(), second.display().to_string());
    let all = variables(subject, &["--env-file", &one, "-e", "BEATEN=option", "--env-file", &two])?;
    let wanted = [
        "BEATEN=option",
        "DOLLAR=$HOME",
        "HASH=a#b",
        "QUOTED=\"as it is\"",
        "REPLACED=second",
        "SECRET=of the caller",
    ];
    let defaults = ["HOME=", "HOSTNAME=", "PATH=", "TERM="];
    let found: Vec<&String> =
        all.iter().filter(|variable| !defaults.iter().any(|name| variable.starts_with(name))).collect();
    expect_eq!(found, wanted, "the variables from the files");
    write_file(&first, "two words=x\n", 0o644)?;
    let output = subject.run(&["--env-file", &one], &["true"])?;
    expect_own_error(subject, &output, 125, "an environment file with a space in a name")
}
