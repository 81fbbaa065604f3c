//! `--pid host` and its like: a kind of namespace that the container shares with the host.

use std::collections::BTreeSet;

use nix::unistd::{geteuid, gethostname};

use super::super::super::common::{expect_own_error, start_cat};
use super::{apart, expect_known};
use crate::{Output, Subject, Verdict, expect, expect_eq};

/// The kinds in which a command is elsewhere than its runtime.
fn new_namespaces(subject: &Subject, options: &[&str]) -> anyhow::Result<BTreeSet<&'static str>> {
    expect_known(subject, options)?;
    let (running, command) = start_cat(|words| apart(subject.launch(options, words)))?;
    let (inside, outside) = (command.namespaces()?, running.runtime().namespaces()?);
    Ok(outside.into_iter().filter(|(kind, id)| inside.get(kind) != Some(id)).map(|(kind, _)| kind).collect())
}

fn expect_new(subject: &Subject, options: &[&str], kinds: &[&str]) -> Verdict {
    let user = if geteuid().is_root() { None } else { Some("user") };
    let wanted: BTreeSet<&str> = kinds.iter().copied().chain(user).collect();
    expect_eq!(new_namespaces(subject, options)?, wanted, "new namespaces with {options:?}");
    Ok(())
}

pub(super) fn leaves_out(subject: &Subject) -> Verdict {
    for shared in [
        &[("--pid", "pid")][..],
        &[("--uts", "uts")],
        &[("--ipc", "ipc")],
        &[("--network", "net")],
        &[("--network", "net"), ("--pid", "pid")],
        &[("--uts", "uts"), ("--ipc", "ipc")],
        &[("--pid", "pid"), ("--uts", "uts"), ("--ipc", "ipc"), ("--network", "net")],
    ] {
        let options: Vec<&str> = shared.iter().flat_map(|(option, _)| [*option, "host"]).collect();
        let kinds = ["cgroup", "ipc", "mnt", "net", "pid", "uts"];
        let left = kinds.into_iter().filter(|kind| shared.iter().all(|(_, shared)| shared != kind));
        expect_new(subject, &options, &left.collect::<Vec<_>>())?;
    }
    Ok(())
}

pub(super) fn the_name(subject: &Subject) -> Verdict {
    let script = "cat /proc/sys/kernel/hostname; echo $HOSTNAME";
    let launch = subject.launch(&["--uts", "host"], &["sh", "-c", script]);
    let launch = launch.under(&["sh", "-c", "\"$@\" && cat /proc/sys/kernel/hostname", "sh"]);
    let output = apart(launch).output()?.success()?;
    let name = gethostname()?;
    let wanted = format!("{}\n", name.display()).repeat(3);
    expect_eq!(output.out(), wanted, "the host's name inside, in HOSTNAME, and outside afterwards");
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    // Kinds that --ns does not name anyhow.
    expect_new(subject, &["--ns", "ipc,uts", "--pid", "host", "--network", "host"], &["ipc", "uts"])?;
    let run = |options: &[&str]| -> anyhow::Result<Output> {
        let output = apart(subject.launch(options, &["echo", "started"])).output()?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?}"))?;
        Ok(output)
    };
    for (option, kind) in [("--pid", "pid"), ("--uts", "uts"), ("--ipc", "ipc"), ("--network", "net")] {
        let list = format!("mnt,{kind}");
        for options in [[option, "host", "--ns", &list], ["--ns", &list, option, "host"]] {
            let output = run(&options)?;
            expect!(output.err().contains(option), "{option} in the message", "{:?}", output.err());
        }
        for word in ["none", "container:x", ""] {
            run(&[option, word])?;
        }
    }
    run(&["--uts", "host", "--hostname", "box"]).map(drop)
}
