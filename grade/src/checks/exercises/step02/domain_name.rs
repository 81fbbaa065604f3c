//! `--domainname`: the other name in the UTS namespace.

use std::fs;

use super::super::super::common::expect_own_error;
use super::apart;
use crate::{Output, Subject, Verdict, expect, expect_eq};

const FILE: &str = "/proc/sys/kernel/domainname";

/// Prints the domain name inside and then the one around the runtime.
fn names(subject: &Subject, options: &[&str]) -> anyhow::Result<String> {
    let launch = subject.launch(options, &["cat", FILE]);
    let both = launch.under(&["sh", "-c", "\"$@\" && cat /proc/sys/kernel/domainname", "sh"]);
    Ok(apart(both).output()?.success()?.out())
}

pub(super) fn own(subject: &Subject) -> Verdict {
    let before = fs::read_to_string(FILE)?;
    for options in [
        &["--domainname", "example.org"][..],
        &["--domainname", "example.org", "--init"],
        &["--domainname", "example.org", "--ns", "uts", "--hostname", "box"],
    ] {
        let wanted = format!("example.org\n{before}");
        expect_eq!(names(subject, options)?, wanted, "domain name inside and outside with {options:?}");
    }
    expect_eq!(names(subject, &[])?, before.repeat(2), "domain name inside and outside without the option");
    Ok(())
}

pub(super) fn impossible(subject: &Subject) -> Verdict {
    let run = |options: &[&str]| -> anyhow::Result<Output> {
        apart(subject.launch(options, &["echo", "started"])).output()
    };
    run(&["--domainname", &"x".repeat(64)])?.success()?;
    for options in [
        &["--ns", "pid,ipc", "--domainname", "example.org"][..],
        &["--domainname", "example.org", "--ns", "net"],
        &["--domainname", &"x".repeat(65)],
    ] {
        let output = run(options)?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?}"))?;
    }
    Ok(())
}

pub(super) fn explained(subject: &Subject) -> Verdict {
    let told = |options: &[&str]| -> anyhow::Result<Vec<String>> {
        let output = apart(subject.launch(options, &["true"])).output()?.success()?;
        let lines = output.err();
        Ok(lines.lines().filter(|line| line.contains("setdomainname")).map(String::from).collect())
    };
    let lines = told(&["--explain", "--domainname", "example.org"])?;
    let right =
        |line: &String| line.starts_with("[container] setdomainname(") && line.contains("example.org");
    expect!(
        lines.len() == 1 && right(&lines[0]),
        "one line `[container] setdomainname(\"example.org\") = 0`",
        "{:?}",
        lines
    );
    let lines = told(&["--explain"])?;
    expect!(lines.is_empty(), "no such line without --domainname", "{:?}", lines);
    Ok(())
}
