//! Behaviour 54, `kill -9` between two steps: the record and the rules of a network or an endpoint belong together.

use std::fs;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use super::host::{Host, NEEDS, SOON, path_with};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const KILLED: Check = Check {
    step: 8,
    behaviours: &[54],
    points: 2,
    section: "08-network.html#endpoint",
    needs: NEEDS,
    after: &["traces-failed"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "killed-leaving",
        title: "a runtime that is killed before it has removed its rules leaves none for longer than the next command takes",
        hints: &["Whoever cleans up goes by the records: a record is the last thing to go."],
        needs: &[Need::Root, Need::Program("ip"), Need::Program("nsenter"), Need::Nat, Need::Strace],
        slow: true,
        run: leaving,
        ..KILLED
    },
    Check {
        id: "killed-removing",
        title: "`network rm` that is killed before it has removed the rules can be repeated",
        hints: &["While there is something of a network, there is its record."],
        run: removing,
        ..KILLED
    },
    Check {
        id: "killed-creating",
        title: "`network create` that is killed before it has made the rules leaves no network that lacks them",
        hints: &["The record can say that the network is not complete yet."],
        section: "08-network.html#which",
        run: creating,
        ..KILLED
    },
];

/// Runs a command of the runtime, and kills it in the moment in which nft would read these words from it.
fn kill_at(host: &Host, words: &str, args: &[&str]) -> Verdict {
    let script = format!(
        "text=$(cat)\ncase $text in *'{words}'*) kill -9 $PPID; exit 1;; esac\n\
         printf '%s\\n' \"$text\" | nft \"$@\""
    );
    let path = path_with(host.bed.subject, "nft", &script)?;
    let output = host.bed.call(args).env("PATH", path).output()?;
    expect_eq!(output.code(), -9, "the signal that ended `{}` at {words:?}", args.join(" "));
    Ok(())
}

fn rules(host: &Host) -> Result<String> {
    host.sh("nft list ruleset")
}

/// What a runtime does to files, to the kernel's networking, and with other programs.
const DEEDS: &str = "unlink,unlinkat,rename,renameat,renameat2,sendto,sendmsg,clone,clone3,fork,vfork";

fn leaving(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    let before = rules(&host)?;
    let file = subject.scratch().join("trace");
    let (trace, calls) = (file.display().to_string(), format!("trace={DEEDS}"));
    let run = |inject: &[&str]| {
        let front: Vec<String> = [&["strace", "-o", &trace, "-e", &calls], inject]
            .concat()
            .into_iter()
            .map(String::from)
            .collect();
        host.bed.launch(&["--rm", "-p", "8500:80"], &["sh", "-c", "echo up; sleep 0.5"]).under(&front).start()
    };
    let mut running = run(&[])?;
    expect_eq!(running.read_line()?, "up", "first line of the command");
    // What is to be done at the start is done soon; what follows on that, the end brings.
    sleep(Duration::from_millis(250));
    let deeds = || -> Result<Vec<String>> {
        let text = fs::read_to_string(&file).context("read what strace writes")?;
        Ok(text.lines().filter_map(|line| Some(line.split_once('(')?.0.to_owned())).collect())
    };
    let first = deeds()?.len();
    running.wait(SOON)?.success()?;
    let all = deeds()?;
    for (place, call) in all.iter().enumerate().skip(first).take(6) {
        let number = all[..=place].iter().filter(|other| *other == call).count();
        let killed = run(&["-e", &format!("inject={call}:signal=KILL:when={number}")])?.wait(SOON)?;
        expect_eq!(killed.code(), -9, "the signal that ended the runtime at {call} number {number}");
        host.bed.ok(&["ps"])?;
        let when = format!("after a runtime was killed at {call} number {number}, and `ps`");
        expect_eq!(rules(&host)?, before, "rules {when}");
        expect_eq!(host.leases("bridge")?, 0, "leases {when}");
    }
    Ok(())
}

fn removing(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "first"])?;
    let before = rules(&host)?;
    for options in [&["second"][..], &["--internal", "second"]] {
        host.bed.ok(&[&["network", "create"], options].concat())?;
        kill_at(&host, "delete element", &["network", "rm", "second"])?;
        host.bed.ok(&["network", "rm", "second"])?;
        expect_eq!(rules(&host)?, before, "rules after the second `network rm`");
    }
    kill_at(&host, "delete table", &["network", "rm", "first"])?;
    host.bed.ok(&["network", "rm", "first"])?;
    expect_eq!(rules(&host)?, "", "rules after the last network");
    Ok(())
}

fn creating(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let first = host.bed.ok(&["network", "create", "first"])?;
    let before = rules(&host)?;
    for options in [&["second"][..], &["--internal", "second"]] {
        kill_at(&host, "add element", &[&["network", "create"], options].concat())?;
        host.bed.ok(&["ps"])?;
        expect_eq!(host.bed.ok(&["network", "ls", "-q"])?, first, "networks after a killed `network create`");
        expect_eq!(rules(&host)?, before, "rules after a killed `network create`");
        let bridges = host.sh("ip -o link show type bridge")?;
        expect!(bridges.lines().count() == 1, "one bridge", "{bridges}");
    }
    host.bed.ok(&["network", "create", "second"]).map(drop)
}
