//! Behaviour 46: what an `exec` is given: environment, folder, user, streams, terminal.

use anyhow::Result;

use super::bed::{Bed, SOON};
use super::seat::{Seat, identity};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq, until};

const OPTIONS: Check = Check {
    step: 7,
    behaviours: &[46],
    points: 2,
    section: "07-detach.html#exec",
    needs: &[Need::UserNamespaces],
    after: &["exec-status"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "exec-environment",
        title: "its environment is the container's, with -e on top, and holds nothing of the caller's",
        hints: &["The record of the container has what it was started with, -e of `run` included."],
        run: environment,
        ..OPTIONS
    },
    Check {
        id: "exec-workdir",
        title: "it starts in the container's working directory, or in that of -w, which has to be there",
        hints: &["A missing one is an error here; `run` alone makes what is missing, if at all."],
        run: workdir,
        ..OPTIONS
    },
    Check {
        id: "exec-user",
        title: "it is the container's user, or that of -u, by the container's own files as they are now",
        hints: &["/etc/passwd may have changed since the container was started."],
        needs: &[Need::UserNamespaces, Need::SubIdsOrRoot],
        run: user,
        ..OPTIONS
    },
    Check {
        id: "exec-stdin",
        title: "with -i it reads the caller's stdin; without, it finds the end at once and leaves the caller's alone",
        hints: &["`while read name; do … exec …; done <names` must see every name."],
        run: stdin,
        ..OPTIONS
    },
    Check {
        id: "exec-terminal",
        title: "-it gives it a terminal of the container's devpts, another for each, which it controls",
        points: 3,
        hints: &["The same as for `run`; PID 1 of the container may have one already."],
        needs: &[Need::UserNamespaces, Need::Terminal],
        after: &["exec-status", "tty-own"],
        run: terminal,
        ..OPTIONS
    },
    Check {
        id: "exec-terminal-left",
        title: "what it leaves in the background with the terminal open does not hold `exec -it` up",
        points: 1,
        hints: &["The end of the command ends it, when all that was written until then has been shown."],
        needs: &[Need::UserNamespaces, Need::Terminal],
        after: &["exec-status"],
        run: terminal_left,
        ..OPTIONS
    },
    Check {
        id: "exec-detached",
        title: "`exec -d` returns when its command runs or could not be started; what it writes goes to the log",
        points: 3,
        hints: &["The same supervisor as for `run -d`, which waits for a process more."],
        run: detached,
        ..OPTIONS
    },
];

fn environment(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let run = [
        "-e",
        "KEPT=of the container",
        "-e",
        "BOTH=of the container",
        "-e",
        "CALLERS",
        "--hostname",
        "inside",
    ];
    let launch = bed.launch(&[&["-d", "--name", "box"], &run[..]].concat(), &["sleep", "1000"]);
    launch.env("CALLERS", "at the start").output()?.success()?;
    let words = ["exec", "-e", "BOTH=of exec", "-e", "NOW", "-e", "MISSING", "box", "env"];
    let launch = bed.call(&words).env("NOW", "the caller's").env("CALLERS", "later").env("SECRET", "x");
    let output = launch.output()?.success()?;
    let mut lines: Vec<String> = output.out().lines().map(String::from).collect();
    lines.retain(|line| !line.starts_with("PATH="));
    lines.sort();
    let wanted = [
        "BOTH=of exec",
        "CALLERS=at the start",
        "HOME=/root",
        "HOSTNAME=inside",
        "KEPT=of the container",
        "NOW=the caller's",
        "TERM=xterm",
    ];
    expect_eq!(lines, wanted, "environment of `exec` beside PATH");
    Ok(())
}

fn workdir(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box", "-w", "/home"])?;
    for (options, wanted) in [(&[][..], "/home\n"), (&["-w", "/etc"], "/etc\n"), (&["-w", "/"], "/\n")] {
        let output = bed.output(&[&["exec"], options, &["box", "pwd"]].concat())?.success()?;
        expect_eq!(output.out(), wanted, "working directory of `exec` with {options:?}");
    }
    bed.refused(&["exec", "-w", "/no/such", "box", "pwd"], "/no/such")?;
    bed.refused(&["exec", "-w", "/etc/passwd", "box", "pwd"], "/etc/passwd")?;
    bed.refused(&["exec", "-w", "etc", "box", "pwd"], "etc")
}

fn user(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // Not by its processes: of one that is another user's, an ordinary user sees little.
    bed.launch(&["-d", "--name", "box", "-u", "student"], &["sleep", "1000"]).output()?.success()?;
    let script = "echo $(id -u):$(id -g) $HOME";
    let says = |options: &[&str], wanted: &str| -> Verdict {
        let output = bed.output(&[&["exec"], options, &["box", "sh", "-c", script]].concat())?.success()?;
        expect_eq!(output.out().trim_end(), wanted, "ids and home of `exec` with {options:?}");
        Ok(())
    };
    says(&[], "1000:1000 /home")?;
    says(&["-u", "0"], "0:0 /root")?;
    says(&["-u", "1000:0"], "1000:0 /home")?;
    says(&["-u", "7"], "7:0 /")?;
    bed.refused(&["exec", "-u", "guest", "box", "true"], "guest")?;
    let add = "echo guest:x:42:43::/tmp:/bin/sh >>/etc/passwd";
    bed.ok(&["exec", "-u", "0", "box", "sh", "-c", add])?;
    says(&["-u", "guest"], "42:43 /tmp")
}

fn stdin(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    let output = bed.call(&["exec", "-i", "box", "cat"]).output_for(b"all \0of it")?.success()?;
    expect_eq!(output.stdout, b"all \0of it", "what `exec -i` of `cat` passes on");
    let mut running = bed.call(&["exec", "box", "cat"]).start()?;
    let output = running.wait(PATIENCE)?.success()?;
    expect_eq!(output.out(), "", "what `exec` of `cat` finds to read");
    let shell = ["sh", "-c", "while read name; do \"$@\"; echo after $name; done", "sh"];
    let launch = bed.call(&["exec", "box", "cat"]).under(&shell);
    let output = launch.output_for(b"one\ntwo\nthree\n")?.success()?;
    expect_eq!(output.out(), "after one\nafter two\nafter three\n", "a loop that reads names around `exec`");
    Ok(())
}

fn terminal(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--name", "box"])?;
    let script = "tty; stty size; echo up >/dev/tty; read end";
    let enter = || -> Result<Seat> {
        let seat = Seat::take(bed.call(&["exec", "-it", "box", "sh", "-c", script]))?;
        seat.terminal.wait_for("up\r\n")?;
        Ok(seat)
    };
    let mut seats = [enter()?, enter()?];
    for (number, seat) in seats.iter_mut().enumerate() {
        let wanted = format!("/dev/pts/{number}\r\n33 101\r\nup\r\n");
        expect_eq!(seat.shown(), wanted, "what terminal {number} shows");
        let command = seat.command()?;
        let inside = identity(&up.command.path("root/dev/pts"))?.0;
        expect_eq!(identity(&command.path("fd/0"))?.0, inside, "the filesystem of terminal {number}");
        let numbers: Vec<i32> = command.descriptors()?.into_keys().collect();
        expect!(numbers.starts_with(&[0, 1, 2]), "descriptors 0, 1 and 2", "{numbers:?}");
        seat.terminal.resize(20, 70)?;
        seat.terminal.press("\x03")?;
        // The shell, which has no other group in front of it, is who hears Ctrl-C.
        seat.expect_code(130, "`exec -it` of a shell, after Ctrl-C")?;
    }
    expect!(up.command.alive(), "the container to go on after that", "{:?}", up.command.state());
    let output = bed.output(&["exec", "-t", "box", "sh", "-c", "tty; echo err >&2"])?.success()?;
    expect_eq!(output.out(), "/dev/pts/0\r\nerr\r\n", "what `exec -t` without a terminal passes on");
    bed.refused(&["exec", "-it", "box", "true"], "-t")?;
    bed.refused(&["exec", "-dt", "box", "true"], "tty")
}

fn terminal_left(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    for start in ["sleep 1000 &", "(trap '' HUP; exec sleep 1000) &"] {
        let script = format!("{start} echo the last word; exit 3");
        let seat = Seat::take(bed.call(&["exec", "-it", "box", "sh", "-c", &script]))?;
        seat.expect_code(3, &format!("`exec -it` of {script:?}"))?;
        expect_eq!(seat.shown(), "the last word\r\n", "what {script:?} shows");
    }
    Ok(())
}

fn detached(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], "echo ready; exec sleep 1000")?;
    let script = "echo out; echo err >&2; cat; echo end of input; exec sleep 999";
    let output = bed.output(&["exec", "-d", "box", "sh", "-c", script])?.success()?;
    expect_eq!((output.out().as_str(), output.err().as_str()), ("", ""), "what `exec -d` says");
    bed.until_logged(&up.id, "ready\nout\nerr\nend of input\n")?;
    let named = |name: &str| {
        let of = |line: &Vec<Vec<u8>>| line.last().is_some_and(|word| word == name.as_bytes());
        up.members().ok()?.into_iter().find(|it| it.argv().is_ok_and(|line| of(&line)))
    };
    let other = until(SOON, "`sleep 999` in the container", || named("999"))?;
    bed.ok(&["exec", "-d", "-i", "box", "sh", "-c", "echo waits; cat; echo end of waiting"])?;
    bed.until_logged(&up.id, "waits\n")?;
    let first = up.command;
    bed.own_error(
        &bed.output(&["exec", "-d", "box", "no-such"])?,
        127,
        "no-such",
        "`exec -d` of no command",
    )?;
    expect!(other.alive() && first.alive(), "both commands to go on", "{:?}", up.members());
    let log = bed.log(&up.id)?;
    expect!(
        log.ends_with(b"waits\n"),
        "`exec -d -i` to wait for input",
        "{:?}",
        String::from_utf8_lossy(&log)
    );
    bed.ok(&["kill", "box"])?;
    until(SOON, "the end of what `exec -d` has started", || (!other.alive()).then_some(()))
}
