//! Behaviour 45: `logs` loses nothing, follows, and ends with the container.

use std::fs::{self, File};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, bind};
use crate::kernel::patient;
use crate::subject::{PATIENCE, write_file};
use crate::{Check, Running, Subject, Verdict, expect, expect_eq};

const LOGS: Check = Check {
    step: 7,
    behaviours: &[45],
    points: 2,
    section: "07-detach.html#logs",
    after: &["detach-log-direct"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "logs-every-byte",
        title: "`logs` prints what the command has written to stdout and stderr, byte for byte",
        hints: &["Bytes, not text and not lines: NUL, 0xff and a last line without its newline."],
        run: every_byte,
        ..LOGS
    },
    Check {
        id: "logs-follow-all",
        title: "10 MB that are written while `logs -f` reads come through once, in order, and then it ends",
        points: 3,
        hints: &[
            "Ask whether the container lives before you read to the end, not after.",
            "inotify(7) tells that the file has grown; read until there is no more.",
        ],
        after: &["logs-every-byte"],
        run: follow_all,
        ..LOGS
    },
    Check {
        id: "logs-follow-ends",
        title: "`logs -f` shows a line as soon as it is written, waits, and ends with the container, however that ends",
        hints: &["poll(2) for the container's pidfd and for inotify(7): no busy loop, no interval."],
        after: &["logs-every-byte"],
        run: follow_ends,
        ..LOGS
    },
    Check {
        id: "logs-tail",
        title: "`--tail N` begins with the last N lines, of none and of more than there are, too",
        hints: &["A last line without a newline is a line.", "Look for newlines from the end of the file."],
        after: &["logs-every-byte"],
        run: tail,
        ..LOGS
    },
    Check {
        id: "logs-stopped",
        title: "a container's log is there after its end, grows with its next run, and goes with it",
        hints: &["Open it for appending when the command is started again."],
        after: &["logs-every-byte"],
        run: stopped,
        ..LOGS
    },
];

/// Bytes of every value, without a pattern that repeats; the last one is no newline.
fn noise(length: usize, seed: u64) -> Vec<u8> {
    let mut state = seed;
    let next = |_| {
        // The generator of Knuth's MMIX: its upper bits are good enough to tell one place from another.
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        state.to_be_bytes()[0]
    };
    let mut bytes: Vec<u8> = (0..length).map(next).collect();
    bytes.push(b'.');
    bytes
}

fn every_byte(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let bytes = [b"first\n\0\0\n\r\n\xff\xfe".to_vec(), noise(70_000, 1)].concat();
    write_file(&source.join("bytes"), &bytes, 0o644)?;
    let script = "cat /in/bytes; printf 'to stderr' >&2; printf '\\000end'";
    let options = ["-d", "--name", "box", "-v", &bind(&source, "/in")];
    bed.launch(&options, &["sh", "-c", script]).output()?.success()?;
    bed.ok(&["wait", "box"])?;
    let wanted = [bytes, b"to stderr\0end".to_vec()].concat();
    let output = bed.output(&["logs", "box"])?.success()?;
    expect!(output.stdout == wanted, "every byte as written", "{}", describe(&wanted, &output.stdout));
    bed.refused(&["logs", "no-such"], "no-such")
}

/// Where two pieces of output begin to differ.
fn describe(wanted: &[u8], got: &[u8]) -> String {
    let same = wanted.iter().zip(got).take_while(|(one, other)| one == other).count();
    format!("{} bytes instead of {}, the same up to {same}", got.len(), wanted.len())
}

/// `logs ARGS` that writes to a file of the check's.
fn logs_to(bed: &Bed, args: &[&str], name: &str) -> Result<(Running, PathBuf)> {
    let path = bed.subject.scratch().join(name);
    let file = File::create(&path)?;
    Ok((bed.call(&[&["logs"], args].concat()).stdout(file).start()?, path))
}

fn follow_all(subject: &Subject) -> Verdict {
    const PIECES: usize = 40;
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let mut wanted = Vec::new();
    for piece in 0..PIECES {
        let bytes = noise(256 << 10, piece as u64);
        write_file(&source.join(format!("{piece}")), &bytes, 0o644)?;
        wanted.extend(bytes);
    }
    let script = format!(
        "until [ -e /in/go ]; do sleep 0.01; done; i=0
        while [ $i -lt {PIECES} ]; do cat /in/$i; i=$((i + 1)); done"
    );
    let up = bed.up(&["--name", "box", "-v", &bind(&source, "/in")], &["sh", "-c", &script])?;
    let mut readers = (0..2)
        .map(|number| logs_to(&bed, &["-f", "box"], &format!("log-{number}")))
        .collect::<Result<Vec<_>>>()?;
    write_file(&source.join("go"), "", 0o644)?;
    // One more that begins in the middle of it.
    readers.push(logs_to(&bed, &["--follow", &up.id], "log-late")?);
    for (reader, path) in &mut readers {
        reader.wait(Duration::from_secs(30))?.success()?;
        let got = fs::read(&path)?;
        expect!(got == wanted, "every byte once and in order", "{}", describe(&wanted, &got));
    }
    Ok(())
}

fn follow_ends(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let script = "trap 'echo bye; exit 0' TERM; echo ready
        until [ -e /in/go ]; do sleep 0.01; done; echo one; while :; do sleep 0.05; done";
    for ending in ["stop", "kill", "supervisor"] {
        let up = bed.script(&["-v", &bind(&source, "/in")], script)?;
        let mut follower = bed.call(&["logs", "-f", &up.id]).start()?;
        expect_eq!(follower.read_line()?, "ready", "the first line of `logs -f`");
        std::thread::sleep(Duration::from_millis(100));
        expect!(follower.runtime().alive(), "`logs -f` to wait", "its end");
        expect_eq!(follower.stdout_now(), "ready\n", "what it has printed");
        write_file(&source.join("go"), "", 0o644)?;
        expect_eq!(follower.read_line()?, "one", "the next line of `logs -f`");
        match ending {
            "stop" => drop(bed.ok(&["stop", "-t", "5", &up.id])?),
            "kill" => drop(bed.ok(&["kill", &up.id])?),
            _ => send(up.runtime, Signal::SIGKILL)?,
        }
        let output = follower.wait(Duration::from_secs(3))?.success()?;
        let wanted = if ending == "stop" { "ready\none\nbye\n" } else { "ready\none\n" };
        expect_eq!(output.out(), wanted, "all that `logs -f` has printed until the {ending}");
        fs::remove_file(source.join("go"))?;
    }
    // A wait that asks again and again would use the CPU.
    let up = bed.script(&[], "echo ready; exec sleep 1000")?;
    let mut follower = bed.call(&["logs", "-f", &up.id]).start()?;
    follower.read_line()?;
    std::thread::sleep(Duration::from_millis(500));
    let ticks = super::bed::stat(follower.runtime(), 14)? + super::bed::stat(follower.runtime(), 15)?;
    let most = patient(Duration::from_millis(100));
    expect!(
        ticks * 10 <= i64::try_from(most.as_millis())?,
        "at most {most:?} of CPU time for waiting",
        "{ticks} hundredths of a second"
    );
    follower.signal(Signal::SIGTERM)?;
    follower.wait(PATIENCE)?;
    expect!(up.command.alive(), "the container to outlive who reads its log", "its end");
    Ok(())
}

fn tail(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let long = "x".repeat(200_000);
    let source = subject.scratch().join("source");
    fs::create_dir_all(&source)?;
    let texts = [
        ("lines", "one\ntwo\n\nfour\nfive\n".to_owned()),
        ("cut", "one\ntwo\nthree".to_owned()),
        ("long", format!("{long}\n{long}\nlast\n")),
        ("newlines", "\n\n\n".to_owned()),
        ("none", String::new()),
    ];
    for (name, text) in &texts {
        write_file(&source.join("text"), text, 0o644)?;
        let options = ["-d", "--name", name, "-v", &bind(&source, "/in")];
        bed.launch(&options, &["cat", "/in/text"]).output()?.success()?;
        bed.ok(&["wait", name])?;
        let lines: Vec<&str> = text.split_inclusive('\n').collect();
        for count in [0, 1, 2, 3, 5, 6, 1000] {
            let wanted = lines[lines.len().saturating_sub(count)..].concat();
            let number = count.to_string();
            let got = bed.ok(&["logs", "--tail", &number, name])?;
            let (want, have) = (wanted.len(), got.len());
            expect!(
                got == wanted,
                "{want} bytes from `logs --tail {count} {name}`",
                "{have}: {:?}",
                &got[..have.min(40)]
            );
        }
    }
    expect_eq!(bed.ok(&["logs", "-n", "1", "lines"])?, "five\n", "`logs -n 1`");
    for wrong in ["-1", "x", "1.5", ""] {
        let output = bed.output(&["logs", &format!("--tail={wrong}"), "lines"])?;
        bed.own_error(&output, 125, "tail", &format!("`logs --tail={wrong}`"))?;
    }
    // With -f the last lines, and then what comes.
    let up = bed.script(
        &["-v", &bind(&source, "/in")],
        "echo one; echo ready; until [ -e /in/go ]; do sleep 0.01; done; echo three",
    )?;
    let mut follower = bed.call(&["logs", "-f", "--tail", "1", &up.id]).start()?;
    expect_eq!(follower.read_line()?, "ready", "the first line of `logs -f --tail 1`");
    write_file(&source.join("go"), "", 0o644)?;
    expect_eq!(follower.wait(PATIENCE)?.success()?.out(), "ready\nthree\n", "all of `logs -f --tail 1`");
    Ok(())
}

fn stopped(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.launch(&["-d", "--name", "box"], &["sh", "-c", "echo run; echo $$ >&2"]).output()?.success()?;
    bed.ok(&["wait", "box"])?;
    for runs in 1..=2 {
        expect_eq!(bed.ok(&["logs", "box"])?, "run\n1\n".repeat(runs), "the log after {runs} runs");
        let before = Instant::now();
        expect_eq!(
            bed.ok(&["logs", "-f", "box"])?,
            "run\n1\n".repeat(runs),
            "`logs -f` of one that has ended"
        );
        expect!(
            before.elapsed() < Duration::from_secs(3),
            "`logs -f` of it to end at once",
            "{:?}",
            before.elapsed()
        );
        bed.ok(&["start", "box"])?;
        bed.ok(&["wait", "box"])?;
    }
    bed.ok(&["rm", "box"])?;
    bed.refused(&["logs", "box"], "box")
}
