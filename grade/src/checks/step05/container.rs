//! Containers that have a name, and the configuration of their images.

use std::collections::BTreeSet;
use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, anyhow, bail};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::own::{Own, small_layer};
use crate::archive::image::Image;
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

const CONTAINER: Check = Check {
    step: 5,
    behaviours: &[30],
    points: 1,
    section: "05-aufs-overlay.html#container",
    after: &["import-run"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "container-kept",
        title: "a container with a name is kept when it has ended; with --rm it is not, whatever its exit status",
        hints: &["What is kept is its folder: the writable layer, and what it was run with."],
        run: kept,
        ..CONTAINER
    },
    Check {
        id: "container-thrown-away",
        title: "a container without a name leaves nothing, however it ends",
        points: 2,
        hints: &["What a killed runtime left, the next command removes: its lock is free."],
        exceptions: &[(7, "from here on a container is kept until `rm`"), (8, "as in step 07")],
        run: thrown_away,
        ..CONTAINER
    },
    Check {
        id: "container-killed-named",
        title: "a container with a name survives `kill -9` of its runtime, and can be committed",
        hints: &["Only what nobody could ask for again is swept away."],
        run: killed_named,
        ..CONTAINER
    },
    Check {
        id: "container-name-taken",
        title: "a name that a container has, running or kept, is one error that names it, before anything starts",
        hints: &["symlink(2) fails when the name is there: no other lock is needed."],
        run: taken,
        ..CONTAINER
    },
    Check {
        id: "container-name-refused",
        title: "a name with a slash, a space, a leading dot or dash, or nothing in it, is one error",
        hints: &["Docker's: a letter or digit, then letters, digits, `_`, `.` and `-`."],
        run: bad_names,
        ..CONTAINER
    },
    Check {
        id: "container-by-prefix",
        title: "a container is found by its name, its id and the beginning of its id, if that is of one alone",
        hints: &["A name wins over an id that begins like it."],
        run: prefix,
        ..CONTAINER
    },
    Check {
        id: "container-record-whole",
        behaviours: &[44],
        title: "whoever reads the record of a container that is being started finds none or a whole one",
        hints: &[
            "A file is there before its first byte is.",
            "Write the record under another name, and rename(2) it when all of it is there.",
        ],
        run: whole_record,
        ..CONTAINER
    },
    Check {
        id: "container-record-damaged",
        behaviours: &[30, 44],
        title: "a record that cannot be read is told of, stays, and keeps its image, and the other containers work",
        hints: &[
            "One damaged file must not stop every command.",
            "What cannot be read may use the image all the same.",
        ],
        after: &["container-kept"],
        run: damaged,
        ..CONTAINER
    },
];

fn kept(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "kept"], "echo x >/tmp/f")?;
    let output = own.launch("check/one", &["--name", "failed"], &["false-is-not-there"]).output()?;
    expect_eq!(output.code(), 127, "exit status of a command that is not there");
    let output =
        own.launch("check/one", &["--name", "three"], &["sh", "-c", "echo x >/tmp/g; exit 3"]).output()?;
    expect_eq!(output.code(), 3, "exit status of the command");
    let output = own.launch("check/one", &["--name", "gone", "--rm"], &["sh", "-c", "exit 3"]).output()?;
    expect_eq!(output.code(), 3, "exit status with --rm");
    own.ok(&["images"])?;
    let left = own.containers()?;
    expect_eq!(own.ok(&["diff", "kept"])?.out(), "C /tmp\nA /tmp/f\n", "diff of the kept one");
    let changed = own.ok(&["diff", "three"])?.out();
    expect_eq!(changed, "C /tmp\nA /tmp/g\n", "diff of the kept one whose command failed");
    own.refused(own.call(&["diff", "gone"]), "gone", "diff of the one that was run with --rm")?;
    own.sh("check/one", &["--rm", "--name", "gone"], "true")?;
    expect_eq!(own.containers()?, left, "folders of containers after another run with --rm");
    Ok(())
}

fn thrown_away(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &[], "echo x >/tmp/f")?;
    expect_eq!(own.containers()?, Vec::<String>::new(), "folders of containers after a run");
    own.launch("check/one", &[], &["no-such-command"]).output()?;
    expect_eq!(own.containers()?, Vec::<String>::new(), "folders of containers after a run that failed");
    let held = own.hold("check/one", &[])?;
    expect_eq!(own.containers()?.len(), 1, "folders of containers during a run");
    own.ok(&["images"])?;
    expect_eq!(own.containers()?.len(), 1, "folders of containers during a run, after another command");
    let mut running = held.running;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    crate::checks::common::until_gone(held.command, PATIENCE, "the end of the command")?;
    own.ok(&["images"])?;
    expect_eq!(
        own.containers()?,
        Vec::<String>::new(),
        "folders of containers after `kill -9` and a command"
    );
    Ok(())
}

fn killed_named(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let held = own.hold("check/one", &["--name", "kept"])?;
    fs::write(held.path("tmp/f"), "x")?;
    let mut running = held.running;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    crate::checks::common::until_gone(held.command, PATIENCE, "the end of the command")?;
    own.ok(&["images"])?;
    own.ok(&["commit", "kept", "check/two"])?;
    expect_eq!(own.sh("check/two", &["--rm"], "cat /tmp/f")?, "x", "the file that it wrote");
    own.ok(&["rm", "kept"])?;
    own.sh("check/one", &["--name", "kept"], "true").map(drop)
}

fn taken(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let held = own.hold("check/one", &["--name", "mine"])?;
    let again = || own.launch("check/one", &["--name", "mine"], &["echo", "started"]);
    own.refused(again(), "mine", "a run with a running container's name")?;
    held.end()?;
    own.refused(again(), "mine", "a run with a kept container's name")?;
    expect_eq!(own.containers()?.len(), 1, "folders of containers");
    own.ok(&["rm", "mine"])?;
    let output = again().output()?.success()?;
    expect_eq!(output.out(), "started\n", "stdout of a run with the name, when its container is removed");
    Ok(())
}

fn bad_names(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    for name in ["", "a/b", "../a", ".", "..", ".a", "-a", "_a", "a b", "a\nb", "ä"] {
        let option = format!("--name={name}");
        let launch = own.launch("check/one", &[&option], &["echo", "started"]);
        own.refused(launch, "", &format!("a run with the name {name:?}"))?;
    }
    expect_eq!(own.containers()?, Vec::<String>::new(), "folders of containers");
    own.sh("check/one", &["--name", "0A_b.c-d"], "true").map(drop)
}

fn prefix(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "first"], "echo x >/tmp/first")?;
    let id = own.containers()?.remove(0);
    for asked in ["first", &id, &id[..id.len() / 2], &id[..6]] {
        expect_eq!(own.ok(&["diff", asked])?.out(), "C /tmp\nA /tmp/first\n", "diff of {asked}");
    }
    for asked in ["", "none", &format!("{id}0"), "firs"] {
        own.refused(own.call(&["diff", asked]), asked, &format!("diff of {asked:?} beside one container"))?;
    }
    // A name that begins like the id of another container is still a name.
    own.sh("check/one", &["--name", &id[..6]], "echo x >/tmp/second")?;
    expect_eq!(own.ok(&["diff", &id[..6]])?.out(), "C /tmp\nA /tmp/second\n", "diff of a name like an id");
    let digit = ambiguous_digit(&own)?;
    own.refused(own.call(&["diff", &digit]), &digit, "diff of the first digit of two ids")
}

/// Runs containers until the ids of two begin with the same digit, of which there are sixteen.
fn ambiguous_digit(own: &Own) -> Result<String> {
    for number in 0..17 {
        let mut firsts: Vec<_> = own.containers()?.iter().map(|id| id[..1].to_string()).collect();
        firsts.sort();
        if let Some(pair) = firsts.windows(2).find(|pair| pair[0] == pair[1]) {
            return Ok(pair[0].clone());
        }
        own.sh("check/one", &["--name", &format!("x{number}")], "true")?;
    }
    bail!("of seventeen ids no two begin with the same digit");
}

fn damaged(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "lost"], "true")?;
    let [id] = own.containers()?.try_into().map_err(|all| anyhow!("one container, not {all:?}"))?;
    let record = own.data.join(format!("step{:02}/containers/{id}/container.json", subject.step));
    let whole = fs::read(&record)?;
    for text in ["", "{\"id\": \""] {
        fs::write(&record, text)?;
        own.sh("check/one", &["--name", "kept"], "echo x >/tmp/f")?;
        let output = own.call(&["diff", "kept"]).output()?.success()?;
        expect_eq!(output.out(), "C /tmp\nA /tmp/f\n", "diff of another container");
        let told = output.err();
        expect!(told.lines().count() == 1 && told.contains(&id), "one line about {id}", "{told:?}");
        own.refused(own.call(&["rmi", "check/one"]), &id, "rmi of the image that it may use")?;
        own.ok(&["rm", "kept"])?;
        expect_eq!(own.containers()?, [id.as_str()], "folders of containers in the end");
        expect_eq!(fs::read_to_string(&record)?, text, "the record in the end");
    }
    fs::write(&record, whole)?;
    own.ok(&["rm", "lost"])?;
    own.ok(&["rmi", "check/one"])?;
    Ok(())
}

fn whole_record(subject: &Subject) -> Verdict {
    const ROUNDS: usize = 6;
    let own = Own::new(subject);
    // What the image says is part of the record: of this one, the record is so long that its writing takes a while.
    let config = json!({ "Cmd": ["true"], "Labels": { "long": "x".repeat(1 << 20) } });
    own.load_images(&[Image { config, ..Image::new("check/one:latest", vec![small_layer()?]) }])?;
    let end = AtomicBool::new(false);
    let (looked, worked) = std::thread::scope(|scope| {
        let reader = scope.spawn(|| look_at_records(&own, &end));
        let rounds = || {
            (0..ROUNDS).try_for_each(|_| {
                own.launch("check/one", &["--name", "box"], &[]).output()?.success()?;
                own.ok(&["rm", "box"]).map(drop)
            })
        };
        let worked = rounds();
        end.store(true, Ordering::Relaxed);
        (reader.join(), worked)
    });
    worked?;
    let count = looked.map_err(|_| anyhow!("the reader panicked"))??;
    expect!(count > ROUNDS / 2, "more than half of the records read", "{count} of {ROUNDS}");
    Ok(())
}

/// Reads each container's record as soon as there is one, until the end; returns how many there were.
fn look_at_records(own: &Own, end: &AtomicBool) -> Result<usize> {
    let mut seen = BTreeSet::new();
    while !end.load(Ordering::Relaxed) {
        for id in own.containers()?.into_iter().filter(|id| !seen.contains(id)).collect::<Vec<_>>() {
            let record = format!("step{:02}/containers/{id}/container.json", own.subject.step);
            let Ok(text) = fs::read(own.data.join(record)) else { continue };
            serde_json::from_slice::<Value>(&text)
                .with_context(|| format!("read a record of {} bytes", text.len()))?;
            seen.insert(id);
        }
    }
    Ok(seen.len())
}
