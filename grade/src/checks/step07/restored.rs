//! Behaviour 43: the caller's terminal is as it was, however the runtime ends.

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, SOON};
use super::seat::Seat;
use crate::{Check, Launch, Need, Subject, Terminal, Verdict, expect_eq, terminal::Mode, until};

const RESTORED: Check = Check {
    step: 7,
    behaviours: &[43],
    points: 2,
    section: "07-detach.html#raw-mode",
    needs: &[Need::UserNamespaces, Need::Terminal],
    after: &["tty-own"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tty-restored",
        title: "the caller's terminal is raw while the command runs, and has its own mode after its end or a failed start",
        points: 3,
        hints: &[
            "tcgetattr(3) before, tcsetattr(3) with the same after; what is sane (stty sane) may not be what was.",
            "A value whose Drop does it is there on every way out but one: a process that is killed drops nothing.",
        ],
        run: restored,
        ..RESTORED
    },
    Check {
        id: "tty-restored-signal",
        title: "so it is when a signal to the runtime ends the command: TERM, HUP, INT, QUIT",
        points: 3,
        hints: &[
            "A signal that kills the runtime leaves the terminal raw. Block them all and read them: signalfd(2).",
        ],
        after: &["tty-restored"],
        run: after_signals,
        ..RESTORED
    },
    Check {
        id: "tty-restored-elsewhere",
        title: "so it is when the container is stopped, killed or removed from elsewhere, for `exec -it`, too",
        hints: &["The end of the command ends the run, whoever asked for it."],
        after: &["tty-restored"],
        run: ended_elsewhere,
        ..RESTORED
    },
];

/// A terminal in a mode that nobody would choose by himself, and that mode.
fn odd() -> Result<(Terminal, Mode)> {
    let terminal = Terminal::open()?;
    terminal.set_odd_mode()?;
    let mode = terminal.mode()?;
    Ok((terminal, mode))
}

/// Waits until the terminal is in raw mode: keys make no signals, no lines and no echo.
fn until_raw(seat: &Seat) -> Verdict {
    let lively = libc::ISIG | libc::ICANON | libc::ECHO;
    until(SOON, "raw mode of the caller's terminal", || {
        let mode = seat.terminal.mode().ok()?;
        (mode.local & lively == 0 && mode.input & libc::IXON == 0 && mode.output & libc::OPOST == 0)
            .then_some(())
    })
}

fn ends_with(
    launch: Launch,
    code: i32,
    what: &str,
    raw: bool,
    end: impl FnOnce(&mut Seat) -> Verdict,
) -> Verdict {
    let (terminal, before) = odd()?;
    let mut seat = Seat::at(terminal, launch)?;
    if raw {
        seat.terminal.wait_for("up").and_then(|()| until_raw(&seat)).with_context(|| what.to_owned())?;
    }
    end(&mut seat)?;
    seat.expect_code(code, what)?;
    expect_eq!(seat.terminal.mode()?, before, "the terminal's mode after {what}");
    Ok(())
}

fn restored(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    let wait = ["sh", "-c", "echo up; read end; exit 7"];
    let exec = |options: &[&str], words: &[&str]| bed.call(&[&["exec"], options, &["box"], words].concat());
    let typed = |seat: &mut Seat| seat.terminal.press("x\r");
    ends_with(bed.launch(&["--rm", "-it"], &wait), 7, "a command that ended", true, typed)?;
    ends_with(exec(&["-it"], &wait), 7, "`exec` of a command that ended", true, typed)?;
    // A command may leave its own terminal in any mode.
    let raw = ["sh", "-c", "stty raw -echo; echo up; head -c 1; exit 0"];
    ends_with(bed.launch(&["--rm", "-it"], &raw), 0, "a command that ended in raw mode", true, typed)?;
    for (word, code) in [("no-such-command", 127), ("/etc/passwd", 126)] {
        let what = format!("a start of {word}");
        ends_with(bed.launch(&["--rm", "-it"], &[word]), code, &what, false, |_| Ok(()))?;
        ends_with(exec(&["-it"], &[word]), code, &format!("`exec`, {what}"), false, |_| Ok(()))?;
    }
    // Without -i nothing is typed to the command, and Ctrl-C stays the caller's.
    let (terminal, before) = odd()?;
    let seat = Seat::at(terminal, bed.launch(&["--rm", "-t"], &["sh", "-c", "echo up; sleep 0.2"]))?;
    seat.terminal.wait_for("up")?;
    expect_eq!(seat.terminal.mode()?, before, "the terminal's mode while a command runs under -t alone");
    seat.expect_code(0, "a command under -t alone")
}

fn after_signals(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let sleep = ["sh", "-c", "echo up; exec sleep 1000"];
    for signal in [Signal::SIGTERM, Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT] {
        let launch = bed.launch(&["--rm", "-it", "--init"], &sleep);
        let what = format!("{signal} to the runtime");
        let once = |seat: &mut Seat| send(seat.runtime()?, signal);
        ends_with(launch, 128 + signal as i32, &what, true, once)?;
    }
    let launch = bed.launch(&["--rm", "-it"], &sleep);
    ends_with(launch, 137, "SIGTERM twice to the runtime of a PID 1", true, |seat| {
        send(seat.runtime()?, Signal::SIGTERM)?;
        seat.terminal.wait_for("PID 1")?;
        send(seat.runtime()?, Signal::SIGTERM)
    })?;
    bed.idle(&["--name", "box"])?;
    for signal in [Signal::SIGTERM, Signal::SIGHUP] {
        let launch = bed.call(&[&["exec", "-it", "box"], &sleep[..]].concat());
        let once = |seat: &mut Seat| send(seat.runtime()?, signal);
        ends_with(launch, 128 + signal as i32, &format!("{signal} to `exec`"), true, once)?;
    }
    Ok(())
}

fn ended_elsewhere(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let sleep = ["sh", "-c", "echo up; exec sleep 1000"];
    let ways: [(&[&str], i32); 4] = [
        (&["stop", "-t", "1", "box"], 143),
        (&["kill", "box"], 137),
        (&["kill", "-s", "HUP", "box"], 129),
        (&["rm", "-f", "box"], 137),
    ];
    for (words, code) in ways {
        let launch = bed.launch(&["--rm", "-it", "--init", "--name", "box"], &sleep);
        let what = words.join(" ");
        ends_with(launch, code, &format!("`{what}`"), true, |_| bed.ok(words).map(drop))?;
    }
    bed.idle(&["--name", "chest"])?;
    let launch = bed.call(&[&["exec", "-it", "chest"], &sleep[..]].concat());
    ends_with(launch, 137, "`exec` in a container that is killed", true, |_| {
        bed.ok(&["kill", "chest"]).map(drop)
    })
}
