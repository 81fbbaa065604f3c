//! `--explain` tells what happens, and strace(1) is the witness.

use std::collections::BTreeMap;

use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "explain-agrees-with-strace",
        step: 1,
        behaviours: &[3],
        title: "what `--explain` tells agrees with strace of the same run, in order, side by side",
        points: 3,
        hints: &[
            "Run `strace -f -o trace step01 run --explain true`, and read the two from top to bottom.",
            "Tell a call after it returned, with the name that strace prints: `fork` in the source is `clone` there.",
            "execve(2) does not return when it succeeds, so it alone is told before.",
        ],
        section: "01-fork.html#explain",
        needs: &[Need::Strace],
        run: agrees,
        ..Check::NEW
    },
    Check {
        id: "explain-silent-otherwise",
        step: 1,
        behaviours: &[3],
        title: "without `--explain` nothing is told, and with it stdout is still the command's alone",
        points: 1,
        hints: &["All of the runtime's own words go to stderr."],
        section: "01-fork.html#explain",
        run: silent,
        ..Check::NEW
    },
];

/// The calls of each process by name, in the order in which they began, from a trace made with `strace -f -o`.
fn traced(text: &str) -> (u32, BTreeMap<u32, Vec<String>>) {
    let mut calls: BTreeMap<u32, Vec<String>> = BTreeMap::new();
    let mut first = None;
    for line in text.lines() {
        let Some((pid, rest)) = line.split_once(' ') else { continue };
        let Ok(pid) = pid.parse() else { continue };
        first.get_or_insert(pid);
        let name = rest.trim_start().split('(').next().unwrap_or_default();
        // Signals (`---`), exits (`+++`) and the second halves of calls (`<...`) are no calls.
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            calls.entry(pid).or_default().push(name.to_string());
        }
    }
    (first.unwrap_or(0), calls)
}

/// The names told by each side: `[container] chdir("/") = 0` adds `chdir` to `container`.
fn told(text: &str) -> BTreeMap<String, Vec<String>> {
    let mut calls: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for line in text.lines() {
        let Some((side, call)) = line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) else {
            continue;
        };
        let name = call.split('(').next().unwrap_or_default();
        calls.entry(side.to_string()).or_default().push(name.to_string());
    }
    calls
}

/// The first of `part` that does not come in `whole` behind the ones before it.
fn missing<'a>(part: &'a [String], whole: &[String]) -> Option<&'a String> {
    let mut whole = whole.iter();
    part.iter().find(|name| !whole.any(|other| other == *name))
}

fn agrees(subject: &Subject) -> Verdict {
    if crate::need::sub_id_range("/etc/subuid").is_some() && !nix::unistd::geteuid().is_root() {
        return Err(crate::skip("newuidmap has no privilege under strace"));
    }
    let file = subject.scratch().join("trace");
    let words = ["strace", "-f", "-o", &file.display().to_string(), "-e", "signal=none"];
    let output = subject.launch(&["--explain"], &["true"]).under(&words).output()?;
    let output = output.success()?;
    let (host, calls) = traced(&std::fs::read_to_string(&file)?);
    let told = told(&output.err());
    for (side, must) in [("host", &["clone3", "clone", "fork"][..]), ("container", &["execve"][..])] {
        let names = told.get(side).map(Vec::as_slice).unwrap_or_default();
        expect!(
            names.iter().any(|name| must.contains(&name.as_str())),
            "{side} to tell of {must:?}",
            "{:?}",
            names
        );
    }
    for (side, names) in &told {
        // The host's side is the first process of the trace; any other must fit one process as a whole.
        let candidates = calls.iter().filter(|(pid, _)| (**pid == host) == (side == "host"));
        let mut candidates: Vec<Vec<String>> = candidates.map(|(_, calls)| calls.clone()).collect();
        if side == "worker" {
            // There is one after the other, and all of them speak under one name.
            candidates = vec![candidates.concat()];
        }
        let lacking: Vec<_> = candidates.iter().map(|calls| missing(names, calls)).collect();
        let fits = lacking.iter().any(Option::is_none);
        expect!(
            fits,
            "what [{side}] tells in strace's order ({names:?})",
            "no place for {:?} in {:?}",
            lacking,
            calls
        );
    }
    Ok(())
}

fn silent(subject: &Subject) -> Verdict {
    let output = subject.run(&[], &["echo", "x"])?.success()?;
    expect_eq!(output.err(), "", "stderr without --explain");
    let output = subject.run(&["--explain"], &["echo", "x"])?.success()?;
    expect_eq!(output.out(), "x\n", "stdout with --explain");
    let odd: Vec<String> =
        output.err().lines().filter(|line| !line.starts_with('[')).map(String::from).collect();
    expect!(odd.is_empty(), "every line told to start with its side", "{:?}", odd);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_trace_gives_each_process_its_calls_in_order() {
        let trace = "7 execve(\"/x\", 0x1 /* 3 vars */) = 0\n7 clone3({flags=0}, 88 <unfinished ...>\n\
                     8 chdir(\"/\") = 0\n7 <... clone3 resumed>) = 8\n8 +++ exited with 0 +++\n\
                     7 --- SIGCHLD {si_signo=SIGCHLD} ---\n7 exit_group(0) = ?\n";
        let (first, calls) = traced(trace);
        assert_eq!(first, 7);
        assert_eq!(calls[&7], ["execve", "clone3", "exit_group"]);
        assert_eq!(calls[&8], ["chdir"]);
    }

    #[test]
    fn what_is_told_must_come_in_order() {
        let told = told(
            "[host] clone3(X) = 8\nstep01: other words\n[container] chdir(\"/\") = 0\n[host] waitid(P_PIDFD, 3)\n",
        );
        assert_eq!(told["host"], ["clone3", "waitid"]);
        let names = |words: &[&str]| words.iter().map(ToString::to_string).collect::<Vec<_>>();
        assert_eq!(missing(&told["host"], &names(&["execve", "clone3", "poll", "waitid"])), None);
        assert_eq!(missing(&told["host"], &names(&["waitid", "clone3"])).map(String::as_str), Some("waitid"));
    }
}
