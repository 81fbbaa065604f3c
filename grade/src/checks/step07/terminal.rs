//! Behaviour 43: `-t` gives the command a terminal of its own.

use std::fs;
use std::os::unix::fs::MetadataExt;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::bed::{Bed, SOON, stat};
use super::seat::{Seat, identity};
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq, until};

const TERMINAL: Check = Check {
    step: 7,
    behaviours: &[43],
    points: 2,
    section: "07-detach.html#terminal",
    needs: &[Need::UserNamespaces, Need::Terminal],
    after: &["tty-own"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tty-own",
        title: "`run -it` gives a terminal of the container's own devpts, for which the host's has no entry",
        points: 3,
        hints: &[
            "pty(7): open the ptmx below the container's /dev/pts, not the host's /dev/ptmx.",
            "The side that the command does not get goes to the parent, over the socket: SCM_RIGHTS in unix(7).",
            "What a pair's other side is called depends on who asks; ioctl_tty(2), TIOCGPTPEER opens it without a name.",
        ],
        after: &["exit-status-own"],
        run: own,
        ..TERMINAL
    },
    Check {
        id: "tty-streams",
        title: "stdin, stdout and stderr are this terminal, nothing else is open, and all of it arrives at the caller's stdout",
        hints: &["dup2(2) three times; the descriptor that it was received as must not stay open."],
        run: streams,
        ..TERMINAL
    },
    Check {
        id: "tty-controlling",
        title: "it is the controlling terminal of a session that the command (or its init) leads, in the foreground",
        hints: &[
            "setsid(2), then TIOCSCTTY in ioctl_tty(2). Without it /dev/tty is nothing and Ctrl-C a byte.",
            "credentials(7) has what a session and its leader are.",
        ],
        run: controlling,
        ..TERMINAL
    },
    Check {
        id: "tty-size-start",
        title: "it has the size of the caller's from the command's first instruction on",
        hints: &[
            "TIOCGWINSZ and TIOCSWINSZ. What is set after execve(2) comes too late for a command that asks at once.",
        ],
        run: size_at_start,
        ..TERMINAL
    },
    Check {
        id: "tty-size-change",
        title: "when the caller's is resized, the command's is, too, and who is in its foreground hears SIGWINCH",
        hints: &["The caller's kernel tells the runtime by SIGWINCH; TIOCSWINSZ makes it tell those inside."],
        run: size_changes,
        ..TERMINAL
    },
    Check {
        id: "tty-user",
        title: "under -u the terminal is that user's, who can open it by its name and as /dev/tty",
        hints: &["fchown(2) before the change of user: a terminal belongs to who opened it."],
        needs: &[Need::UserNamespaces, Need::Terminal, Need::SubIdsOrRoot],
        run: of_the_user,
        ..TERMINAL
    },
    Check {
        id: "tty-alone",
        title: "-t without -i works with a pipe for stdin, of which nothing is read, and one for stdout",
        hints: &["The command has a terminal all the same; only the caller's side of it is no terminal."],
        run: alone,
        ..TERMINAL
    },
    Check {
        id: "tty-refused",
        title: "-it with a stdin that is no terminal, and -t with -d, are one error of the runtime, 125",
        points: 1,
        hints: &["isatty(3), before anything is made."],
        run: refused,
        ..TERMINAL
    },
];

fn own(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for options in [&["-it"][..], &["-it", "--init"], &["-t"]] {
        let seat = Seat::script(&bed, options, "tty; echo up; sleep 1000")?;
        let (runtime, command) = (seat.runtime()?, seat.command()?);
        expect!(
            seat.shown().starts_with("/dev/pts/0\r"),
            "/dev/pts/0 as what `tty` says",
            "{:?}",
            seat.shown()
        );
        let inside = fs::metadata(command.path("root/dev/pts"))?.dev();
        let host = fs::metadata("/dev/pts")?.dev();
        expect!(inside != host, "a devpts apart from the host's {options:?}", "{inside} for both");
        let terminal = identity(&command.path("fd/0"))?;
        expect_eq!(terminal.0, inside, "the filesystem of the command's stdin {options:?}");
        let named = identity(&command.path("root/dev/pts/0"))?;
        expect_eq!(terminal, named, "device and inode of its stdin and of /dev/pts/0 {options:?}");
        let other_sides = runtime.descriptors()?.into_iter().filter(|(_, target)| target.ends_with("ptmx"));
        let other_sides: Vec<i32> = other_sides.map(|(number, _)| number).collect();
        expect_eq!(other_sides.len(), 1, "other sides of terminals that the runtime has open {options:?}");
        let (filesystem, _) = identity(&runtime.path(&format!("fd/{}", other_sides[0])))?;
        expect_eq!(filesystem, inside, "the filesystem of the runtime's side {options:?}");
    }
    Ok(())
}

fn streams(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for options in [&["-it"][..], &["-it", "--init"]] {
        let seat =
            Seat::script(&bed, options, "echo to stdout; echo to stderr >&2; echo up; exec sleep 1000")?;
        expect_eq!(seat.shown(), "to stdout\r\nto stderr\r\nup\r\n", "what the caller sees {options:?}");
        let sleep = until(SOON, "`sleep` in the container", || {
            let inside = seat.runtime().ok()?.contained();
            inside.into_iter().find(|it| it.text("comm").is_ok_and(|name| name == "sleep\n"))
        })?;
        let numbers: Vec<i32> = sleep.descriptors()?.into_keys().collect();
        expect_eq!(numbers, [0, 1, 2], "descriptors of the command {options:?}");
        let terminal = identity(&sleep.path("fd/0"))?;
        for number in 1..=2 {
            let other = identity(&sleep.path(&format!("fd/{number}")))?;
            expect_eq!(
                other,
                terminal,
                "what descriptor {number} of the command is, beside its stdin {options:?}"
            );
        }
    }
    Ok(())
}

/// Fields of /proc/PID/stat: the process's group, session, terminal, and the group in that terminal's foreground.
fn places(process: Process) -> Result<[i64; 4]> {
    Ok([stat(process, 5)?, stat(process, 6)?, stat(process, 7)?, stat(process, 8)?])
}

fn controlling(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for options in [&["-it"][..], &["-t"], &["-it", "--init"]] {
        let script = "echo through the name >/dev/tty; echo up; read end </dev/tty";
        let seat = Seat::script(&bed, options, script)?;
        expect!(
            seat.shown().contains("through the name\r"),
            "what was written to /dev/tty",
            "{:?}",
            seat.shown()
        );
        let inside = seat.runtime()?.contained();
        let leader = inside.first().map_or(0, |first| i64::from(first.0));
        let device = i64::try_from(fs::metadata(seat.command()?.path("fd/2"))?.rdev())?;
        for process in inside {
            let [group, session, terminal, foreground] = places(process)?;
            expect_eq!(session, leader, "the session of process {} {options:?}", process.0);
            expect_eq!(terminal, device, "the controlling terminal of process {} {options:?}", process.0);
            expect_eq!(foreground, group, "the group in the terminal's foreground {options:?}");
        }
    }
    Ok(())
}

fn size_at_start(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // A runtime that is late loses a race, and not every time.
    for turn in 1..=6 {
        let options = if turn % 2 == 0 { "-t" } else { "-it" };
        let seat = Seat::take(bed.launch(&["--rm", options], &["stty", "size"]))?;
        seat.expect_code(0, "`stty size`")?;
        expect_eq!(seat.shown().trim_end(), "33 101", "the size at the start with {options} ({turn})");
    }
    Ok(())
}

fn size_changes(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "trap 'stty size' WINCH; echo up; while :; do sleep 0.05; done";
    for options in [&["-it"][..], &["-t", "--init"]] {
        let seat = Seat::script(&bed, options, script)?;
        for (rows, columns) in [(10, 40), (50, 132), (1, 1)] {
            seat.terminal.resize(rows, columns)?;
            seat.terminal.wait_for(&format!("\n{rows} {columns}\r"))?;
        }
        nix::sys::signal::kill(nix::unistd::Pid::from_raw(seat.runtime()?.0), Signal::SIGKILL)?;
        seat.code()?;
    }
    Ok(())
}

fn of_the_user(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "stat -c '%u %a' $(tty); echo one >/dev/tty; echo two >$(tty); echo up; \
                  IFS= read -r line </dev/tty; echo got $line";
    for user in ["student", "1000:1000", "0"] {
        let mut seat = Seat::script(&bed, &["-it", "-u", user], script)?;
        let id = if user == "0" { 0 } else { 1000 };
        let wanted = format!("{id} 620\r\none\r\ntwo\r\nup\r\n");
        expect_eq!(seat.shown(), wanted, "owner and mode, and what was written by name, as {user}");
        seat.terminal.press("typed\r")?;
        seat.terminal.wait_for("got typed\r\n")?;
        seat.expect_code(0, &format!("a run as {user}"))?;
    }
    Ok(())
}

fn alone(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "[ -t 0 ] && [ -t 1 ] && [ -t 2 ] && tty; echo to stderr >&2; exit 7";
    let output = bed.launch(&["--rm", "-t"], &["sh", "-c", script]).output_for(b"unread\n")?;
    expect_eq!(output.code(), 7, "exit status (stderr {:?})", output.err());
    expect_eq!(output.out(), "/dev/pts/0\r\nto stderr\r\n", "stdout of the runtime");
    expect_eq!(output.err(), "", "stderr of the runtime");
    // What stands behind the runtime in a script has the input that is meant for it.
    let launch = bed.launch(&["--rm", "-t"], &["sleep", "0.2"]);
    let mut running = launch.under(&["sh", "-c", "\"$@\"; cat", "sh"]).start()?;
    running.send(b"left over\n")?;
    running.close_stdin();
    let output = running.wait(PATIENCE)?.success()?;
    expect_eq!(output.out(), "left over\n", "the input that -t without -i has left");
    Ok(())
}

fn refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let image = subject.probe_image();
    let image = image.to_string_lossy();
    bed.refused(&["run", "-it", &image, "true"], "-t")?;
    bed.refused(&["run", "-d", "-t", &image, "true"], "tty")?;
    bed.refused(&["run", "-dit", &image, "true"], "tty")?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "containers that are left of refused starts");
    Ok(())
}
