//! Behaviour 2: arguments are an array of byte strings from end to end.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

use super::super::common::{plain, start_cat};
use crate::{Check, Subject, Verdict, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "arguments-verbatim",
        step: 1,
        behaviours: &[2],
        title: "every argument reaches the command byte for byte: spaces, quotes, empty, newlines, not UTF-8, dashes",
        points: 3,
        hints: &[
            "Is there a moment at which your arguments are one string?",
            "`String` cannot hold every argument: take `OsString` from the command line.",
            "clap: `trailing_var_arg = true` on a `Vec<OsString>` leaves options after the command alone.",
        ],
        section: "01-fork.html#arguments",
        run: verbatim,
        ..Check::NEW
    },
    Check {
        id: "arguments-name",
        step: 1,
        behaviours: &[2],
        title: "the command's own name (argv[0]) is what the user typed, not the path that was found",
        points: 1,
        hints: &[
            "Look at `tr '\\0' ' ' </proc/PID/cmdline` of a command that was found in PATH.",
            "execve(2) takes the path and the argv apart: the first argument need not be the path. busybox lives by it.",
        ],
        section: "01-fork.html#arguments",
        run: own_name,
        ..Check::NEW
    },
    Check {
        id: "arguments-double-dash",
        step: 1,
        behaviours: &[2],
        title: "`--` ends the runtime's options; a second one belongs to the command",
        points: 1,
        hints: &[
            "Compare `env -- echo -- x` in a shell.",
            "clap takes the first `--` away when it parses positional arguments; see that it leaves the second.",
        ],
        section: "01-fork.html#arguments",
        after: &["arguments-verbatim"],
        run: double_dash,
        ..Check::NEW
    },
];

fn netstrings<A: AsRef<OsStr>>(arguments: &[A]) -> String {
    let mut all = Vec::new();
    for argument in arguments {
        let bytes = argument.as_ref().as_bytes();
        all.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
        all.extend_from_slice(bytes);
        all.push(b',');
    }
    all.escape_ascii().to_string()
}

fn verbatim(subject: &Subject) -> Verdict {
    let long = "x".repeat(100_000);
    let mut arguments: Vec<OsString> = [
        "",
        "two words",
        " leading",
        "trailing ",
        "\t",
        "new\nline",
        "'single'",
        "\"double\"",
        "back\\slash",
        "$HOME",
        "*",
        "`id`",
        "-x",
        "--help",
        "--explain",
        "-e",
        "--",
        "a=b",
        "é",
        "",
        &long,
        "",
    ]
    .map(OsString::from)
    .to_vec();
    arguments.push(OsStr::from_bytes(b"\xff\xfe not UTF-8 \x80").to_owned());
    arguments.push(OsStr::from_bytes(&(1..=255).collect::<Vec<u8>>()).to_owned());
    let output = subject.run_probe(&[], "argv", &arguments)?.success()?;
    expect_eq!(
        output.stdout.escape_ascii().to_string(),
        netstrings(&arguments),
        "the arguments of the command"
    );
    Ok(())
}

fn own_name(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    expect_eq!(command.argv()?, [b"cat".to_vec()], "/proc/PID/cmdline of `cat`");
    Ok(())
}

fn double_dash(subject: &Subject) -> Verdict {
    let mut words: Vec<OsString> = vec!["run".into(), "--".into()];
    if subject.has_images() {
        words.push(subject.probe_image().into());
    }
    words.extend(subject.probe_argv("argv")?);
    let arguments = ["--", "-x", "--"];
    words.extend(arguments.map(Into::into));
    let output = subject.raw(&words).output()?.success()?;
    expect_eq!(output.out(), netstrings(&arguments), "the arguments of a command behind `--`");
    Ok(())
}
