//! Behaviour 47: `kill`, `rm` and `wait`, and commands on several containers.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::Value;

use super::bed::{Bed, SOON, bind, holds};
use super::ending::STUBBORN;
use crate::subject::write_file;
use crate::{Check, Subject, Verdict, expect, expect_eq, until};

const ENDING: Check = Check {
    step: 7,
    behaviours: &[47],
    points: 2,
    section: "07-detach.html#stop",
    after: &["state-exit-codes"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "kill-any-signal",
        title: "`kill -s` sends any signal by name or number, and the container lives on if it wants to",
        hints: &["HUP, SIGHUP, hup and 1 are one."],
        run: any_signal,
        ..ENDING
    },
    Check {
        id: "rm-refuses-running",
        title: "`rm` refuses a container that runs; with -f it ends it, and nothing is left",
        points: 3,
        hints: &["Kill, wait for the supervisor to have put everything away, then remove."],
        run: rm_running,
        ..ENDING
    },
    Check {
        id: "wait-exit-codes",
        title: "`wait` waits for each container's end and prints their exit codes, of throwaway ones, too",
        hints: &["Open what holds the exit code before you wait: the folder may go."],
        run: waits,
        ..ENDING
    },
    Check {
        id: "several-containers",
        title: "a command on several containers does its work on each, also when one of them is not there",
        hints: &["An error with one decides the exit status, not what becomes of the others."],
        after: &["stop-asks-first"],
        section: "07-detach.html#commands",
        run: several,
        ..ENDING
    },
    Check {
        id: "several-asked-at-once",
        title: "`stop` of several asks all before it waits for any, and they have their time together",
        hints: &["Send every signal first, and then wait until one common moment."],
        after: &["several-containers"],
        run: asked_at_once,
        ..ENDING
    },
];

fn any_signal(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "trap 'echo hup' HUP; trap 'echo usr1' USR1; trap 'echo term' TERM
        echo ready; while :; do sleep 0.02; done";
    let up = bed.script(&["--name", "box"], script)?;
    let mut wanted = "ready\n".to_owned();
    for (signal, line) in
        [("HUP", "hup"), ("SIGHUP", "hup"), ("hup", "hup"), ("1", "hup"), ("USR1", "usr1"), ("15", "term")]
    {
        expect_eq!(bed.ok(&["kill", "-s", signal, "box"])?, "box\n", "stdout of `kill -s {signal}`");
        wanted += &format!("{line}\n");
        bed.until_logged(&up.id, &wanted).with_context(|| format!("after `kill -s {signal}`"))?;
    }
    bed.ok(&["kill", "--signal", "USR1", "box"])?;
    bed.until_logged(&up.id, &(wanted.clone() + "usr1\n"))?;
    for wrong in ["NOSUCH", "0", "65", "-1", ""] {
        let output = bed.output(&["kill", &format!("--signal={wrong}"), "box"])?;
        bed.own_error(&output, 125, wrong, &format!("`kill --signal={wrong}`"))?;
    }
    expect!(up.command.alive(), "the command to go on", "its end");
    bed.ok(&["kill", "box"])?;
    expect_eq!(bed.ok(&["wait", "box"])?, "137\n", "exit code after `kill`");
    Ok(())
}

fn rm_running(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], STUBBORN)?;
    let groups = up.groups()?;
    bed.refused(&["rm", "box"], "box")?;
    expect!(up.command.alive() && up.runtime.alive(), "the container to go on after `rm`", "its end");
    expect_eq!(bed.state("box")?.0, "running", "status after `rm`");
    expect_eq!(bed.ok(&["rm", "-f", "box"])?, "box\n", "stdout of `rm -f`");
    expect!(!up.command.alive(), "no command after `rm -f`", "it runs");
    bed.expect_nothing(&groups, "after `rm -f`")?;
    bed.refused(&["rm", "-f", "box"], "box")?;
    // What throws itself away is thrown away once.
    for options in [&[][..], &["--rm"], &["--init"], &["--rm", "--init"]] {
        let all = (0..3).map(|_| bed.idle(options)).collect::<Result<Vec<_>>>()?;
        let ids: Vec<&str> = all.iter().map(|up| up.id.as_str()).collect();
        bed.ok(&[&["rm", "-f"], &ids[..]].concat())?;
        bed.expect_nothing(&groups, &format!("after `rm -f` of three with {options:?}"))?;
    }
    // One that ends by itself meanwhile, and one that has ended.
    for _ in 0..5 {
        let output = bed.launch(&["-d"], &["sleep", "0.03"]).output()?.success()?;
        bed.ok(&["rm", "-f", output.out().trim_end()])?;
    }
    bed.launch(&["--name", "ended"], &["true"]).output()?.success()?;
    bed.ok(&["rm", "ended"])?;
    bed.expect_nothing(&groups, "after the last `rm`")
}

fn waits(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let mount = bind(&source, "/in");
    let script = |code: u8| format!("until [ -e /in/go{code} ]; do sleep 0.01; done; exit {code}");
    for (name, code, rm) in [("one", 1, false), ("two", 2, true), ("three", 3, false)] {
        let options = [&["-d", "--name", name, "-v", &mount][..], if rm { &["--rm"] } else { &[] }].concat();
        bed.launch(&options, &["sh", "-c", &script(code)]).output()?.success()?;
    }
    let mut both = bed.call(&["wait", "one", "two"]).start()?;
    let mut all = bed.call(&["wait", "three", "one"]).start()?;
    std::thread::sleep(Duration::from_millis(300));
    expect!(both.runtime().alive() && all.runtime().alive(), "`wait` to wait", "its end");
    write_file(&source.join("go1"), "", 0o644)?;
    expect_eq!(both.read_line()?, "1", "the first line of `wait one two`");
    expect!(all.runtime().alive(), "`wait` to wait for the first of its words", "its end");
    write_file(&source.join("go3"), "", 0o644)?;
    expect_eq!(all.wait(SOON)?.success()?.out(), "3\n1\n", "stdout of `wait three one`");
    // Of a throwaway container the exit code is known only to who waits for it while it runs.
    let mut throwaway = bed.call(&["wait", "two"]).start()?;
    let two = bed.inspect("two")?["id"].as_str().unwrap_or_default().to_owned();
    let kept = bed.folder(&two).join("exit-code");
    let opened = || holds(throwaway.runtime(), &kept).is_ok_and(|it| it).then_some(());
    until(SOON, "`wait` to have opened what it reads", opened)?;
    write_file(&source.join("go2"), "", 0o644)?;
    expect_eq!(throwaway.wait(SOON)?.success()?.out(), "2\n", "stdout of `wait` for a throwaway one");
    let left = both.wait(SOON)?;
    let told = left.out() == "1\n2\n" || left.code() == 125;
    expect!(told, "`wait` to tell the second exit code, or that it came too late", "{:?}", left.out());
    expect_eq!(bed.ok(&["wait", "one", "three", "one"])?, "1\n3\n1\n", "`wait` for what has ended");
    bed.refused(&["wait", "two"], "two")
}

fn several(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let one = bed.script(&["--name", "one"], STUBBORN)?;
    let two = bed.script(&["--name", "two"], STUBBORN)?;
    let words: [&[&str]; 5] =
        [&["kill", "-s", "HUP"], &["stop", "-t", "0"], &["start"], &["kill"], &["rm", "-f"]];
    for words in words {
        let output = bed.output(&[words, &["one", "no-such", &two.id]].concat())?;
        let what = format!("`{} one no-such {}`", words.join(" "), two.id);
        expect_eq!(output.code(), 125, "exit status of {what}");
        expect_eq!(output.out(), format!("one\n{}\n", two.id), "stdout of {what}");
        let (err, start) = (output.err(), format!("step{:02}: ", subject.step));
        let one_line = err.lines().count() == 1 && err.starts_with(&start) && err.contains("no-such");
        expect!(one_line, "one line about no-such on stderr of {what}", "{err:?}");
        let wanted = match words[0] {
            "stop" => Some("exited"),
            "start" => Some("running"),
            "rm" => None,
            _ => continue,
        };
        for name in ["one", "two"] {
            let is = bed.state(name).ok().map(|state| state.0);
            expect_eq!(is.as_deref(), wanted, "status of {name} after {what}");
        }
    }
    bed.expect_nothing(&one.groups().unwrap_or_default(), "after `rm -f` of all")?;
    // Those that only tell.
    bed.launch(&["--name", "one"], &["sh", "-c", "exit 1"]).output()?;
    bed.launch(&["--name", "two"], &["sh", "-c", "exit 2"]).output()?;
    let output = bed.output(&["wait", "one", "no-such", "two"])?;
    expect_eq!((output.code(), output.out()), (125, "1\n2\n".to_owned()), "`wait one no-such two`");
    let output = bed.output(&["inspect", "no-such", "two"])?;
    let documents: Vec<Value> = serde_json::from_str(&output.out()).unwrap_or_default();
    expect_eq!((output.code(), documents.len()), (125, 1), "`inspect no-such two`");
    expect_eq!(output.err().lines().count(), 1, "lines on its stderr: {:?}", output.err());
    Ok(())
}

fn asked_at_once(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let shared = subject.scratch().join("shared");
    fs::create_dir(&shared)?;
    let bound = bind(&shared, "/mnt");
    let up = |name, handler| {
        let script = format!("trap '{handler}; exit 3' TERM; echo ready; while :; do sleep 0.02; done");
        bed.script(&["--name", name, "-v", &bound], &script)
    };
    // Each ends when the other one has been asked, too.
    up("one", "touch /mnt/one; until [ -e /mnt/two ]; do sleep 0.02; done")?;
    up("two", "touch /mnt/two; until [ -e /mnt/one ]; do sleep 0.02; done")?;
    expect_eq!(bed.ok(&["stop", "-t", "10", "one", "two"])?, "one\ntwo\n", "what `stop` prints");
    expect_eq!(bed.ok(&["wait", "one", "two"])?, "3\n3\n", "exit codes");
    Ok(())
}
