//! Behaviour 43: what is typed at the caller's terminal is the container's terminal's to make something of.

use std::time::Duration;

use anyhow::{Context, Result};

use super::super::common::until_stopped;
use super::bed::{Bed, SOON, stat};
use super::seat::Seat;
use crate::{Check, Launch, Need, Process, Subject, Verdict, expect, expect_eq, until};

const KEYS: Check = Check {
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
        id: "tty-keys",
        title: "Ctrl-C and Ctrl-\\ are signals for who is in the foreground inside, once each, and for nobody else",
        points: 3,
        hints: &[
            "In raw mode (cfmakeraw in termios(3)) the caller's terminal makes no signal of Ctrl-C: it is a byte.",
            "The container's terminal makes one, for its own foreground group.",
        ],
        run: keys,
        ..KEYS
    },
    Check {
        id: "tty-job-control",
        title: "job control works in a shell inside: Ctrl-Z, jobs, bg, fg, with --init and in `exec -it`, too",
        points: 3,
        hints: &[
            "A shell without a controlling terminal says that job control is turned off.",
            "Ctrl-Z is not for the runtime: it must not stop.",
        ],
        run: job_control,
        ..KEYS
    },
    Check {
        id: "tty-line-mode",
        title: "echo, erase and end of file are the inner terminal's: shown once, and not at all after `stty -echo`",
        hints: &["With the echo of both terminals every letter is there twice, and passwords are seen."],
        run: line_mode,
        ..KEYS
    },
    Check {
        id: "tty-vi",
        title: "vi in a shell inside opens, follows a resize, stops and comes back, and leaves everything as it was",
        hints: &["The editor asks for the size again when it hears SIGWINCH."],
        needs: &[Need::UserNamespaces, Need::Terminal, Need::Program("vi"), Need::Program("less")],
        after: &["tty-job-control"],
        slow: true,
        run: vi,
        ..KEYS
    },
];

fn keys(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script =
        "trap : INT; set -m; /probe __probe catch 2; echo left=$?; sleep 1000; echo slept=$?; exit 3";
    for options in [&["-it"][..], &["-it", "--init"]] {
        let options = [&["--rm"], options].concat();
        let mut seat = Seat::take(bed.launch(&options, &["sh", "-c", script]))?;
        seat.terminal.wait_for("ready")?;
        seat.terminal.press("\x03")?;
        seat.terminal.wait_for("^C2\r\n")?;
        seat.terminal.press("\x1c")?;
        seat.terminal.wait_for("^\\3\r\n")?;
        seat.terminal.wait_for("left=0")?;
        inside(&seat, "sleep")?;
        seat.terminal.press("\x03")?;
        seat.terminal.wait_for("slept=130")?;
        seat.expect_code(3, "a shell whose children heard Ctrl-C")?;
        let heard = seat.shown().lines().filter(|line| line.trim_end().ends_with('2')).count();
        expect_eq!(heard, 1, "times that the command heard Ctrl-C ({:?})", seat.shown());
    }
    Ok(())
}

/// Waits for a process of this name in the container's terminal's foreground.
fn inside(seat: &Seat, name: &str) -> Result<Process> {
    let named = |it: &Process| it.text("comm").is_ok_and(|comm| comm.trim_end() == name);
    let in_front =
        |it: &Process| matches!((stat(*it, 5), stat(*it, 8)), (Ok(own), Ok(front)) if own == front);
    until(SOON, &format!("`{name}` in the foreground"), || {
        let all = seat.runtime().ok()?.contained();
        all.into_iter().find(|it| named(it) && in_front(it))
    })
    .with_context(|| format!("the screen holds {:?}", seat.terminal.screen()))
}

/// Types a line, and a second one whose answer tells that the first has been done.
fn line(seat: &mut Seat, text: &str, number: u32) -> Verdict {
    seat.terminal.press(&format!("{text}\recho mark-$(({number}+1))-\r"))?;
    seat.terminal.wait_for(&format!("mark-{}-", number + 1))
}

fn job_control(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    let starts: [Launch; 3] = [
        bed.launch(&["--rm", "-it"], &["sh"]),
        bed.launch(&["--rm", "-it", "--init"], &["sh"]),
        bed.call(&["exec", "-it", "box", "sh"]),
    ];
    for (start, what) in starts.into_iter().zip(["-it", "-it --init", "exec -it"]) {
        jobs_of_a_shell(start).with_context(|| format!("with {what}"))?;
    }
    Ok(())
}

fn jobs_of_a_shell(start: Launch) -> Verdict {
    let mut seat = Seat::take(start)?;
    line(&mut seat, "", 1)?;
    seat.terminal.press("sleep 1000\r")?;
    let sleep = inside(&seat, "sleep")?;
    seat.terminal.press("\x1a")?;
    until_stopped(sleep, true, "a stopped `sleep` after Ctrl-Z")?;
    line(&mut seat, "jobs", 2)?;
    let state = seat.runtime()?.state();
    expect!(state != Some('T'), "a runtime that goes on after Ctrl-Z", "{state:?}");
    expect!(seat.shown().contains("Stopped"), "a stopped job in the list of jobs", "{:?}", seat.shown());
    line(&mut seat, "bg", 3)?;
    until_stopped(sleep, false, "a running `sleep` after `bg`")?;
    seat.terminal.press("fg\r")?;
    expect_eq!(inside(&seat, "sleep")?, sleep, "who is in the foreground after `fg`");
    seat.terminal.press("\x03")?;
    line(&mut seat, "echo code=$?", 4)?;
    expect!(seat.shown().contains("code=130"), "130 of the job after Ctrl-C", "{:?}", seat.shown());
    seat.terminal.press("exit 5\r")?;
    seat.expect_code(5, "the shell")?;
    let complaint = seat.shown().contains("job control");
    expect!(!complaint, "no complaint about job control", "{:?}", seat.shown());
    Ok(())
}

fn line_mode(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "echo up; IFS= read -r line; echo \"got=<$line>\"; cat; stty -echo; echo hush; \
                  read -r secret; echo \"length=${#secret}\"";
    let mut seat = Seat::script(&bed, &["-it"], script)?;
    seat.terminal.press("abx\x7fc\r")?;
    seat.terminal.wait_for("got=<abc>\r\n")?;
    let echoed = "up\r\nabx\u{8} \u{8}c\r\ngot=<abc>\r\n";
    expect_eq!(seat.terminal.screen(), echoed, "what is shown of a line with an erased letter");
    seat.terminal.press("through cat\r\x04")?;
    seat.terminal.wait_for("hush")?;
    seat.terminal.press("secret\r")?;
    seat.terminal.wait_for("length=6")?;
    seat.expect_code(0, "the shell")?;
    let rest = "through cat\r\nthrough cat\r\nhush\r\nlength=6\r\n";
    expect_eq!(seat.shown(), format!("{echoed}{rest}"), "what is shown of all that was typed");
    Ok(())
}

/// Waits until nothing more is shown: an editor that has just asked for a key forgets those that came before.
fn settle(seat: &Seat) -> Verdict {
    until(SOON, "a screen that stays as it is", || {
        let before = seat.terminal.bytes().len();
        std::thread::sleep(Duration::from_millis(200));
        (seat.terminal.bytes().len() == before).then_some(())
    })
}

fn vi(subject: &Subject) -> Verdict {
    let launch = subject.launch(&["--rm", "-it"], &["sh"]);
    let mut seat = Seat::take(launch)?;
    line(&mut seat, "", 1)?;
    seat.terminal.press("vi /tmp/letter\r")?;
    inside(&seat, "vi")?;
    settle(&seat)?;
    // A return takes it past a message that asks for one; then it shows something in the last line.
    seat.terminal.press("\r")?;
    seat.terminal.wait_for("\x1b[33;1H")?;
    settle(&seat)?;
    seat.terminal.press("iDear reader")?;
    seat.terminal.wait_for("Dear reader")?;
    seat.terminal.press("\x1b")?;
    seat.terminal.resize(12, 60)?;
    settle(&seat)?;
    // The line at the bottom is where it asks what to do, until Ctrl-C.
    seat.terminal.press(":")?;
    seat.terminal.wait_for("\x1b[12;1H")?;
    seat.terminal.press("\x03")?;
    settle(&seat)?;
    seat.terminal.press("\x1a")?;
    seat.terminal.wait_for("Stopped")?;
    settle(&seat)?;
    line(&mut seat, "stty size", 2)?;
    expect!(seat.shown().contains("12 60"), "the new size in the shell", "{:?}", seat.shown());
    seat.terminal.press("fg\r")?;
    inside(&seat, "vi")?;
    settle(&seat)?;
    seat.terminal.press(":wq\r")?;
    settle(&seat)?;
    line(&mut seat, "", 3)?;
    seat.terminal.press("less /tmp/letter\r")?;
    inside(&seat, "less")?;
    settle(&seat)?;
    seat.terminal.press("q")?;
    settle(&seat)?;
    line(&mut seat, "sed 's/Dear/Dearest/' /tmp/letter", 4)?;
    let shown = seat.shown();
    expect!(shown.contains("Dearest reader"), "the letter that was written", "{shown:?}");
    let [entered, left] = ["\x1b[?1049h", "\x1b[?1049l"].map(|text| shown.matches(text).count());
    expect!(left >= entered, "a way back from each of {entered} other screens", "{left}");
    seat.terminal.press("exit 4\r")?;
    seat.expect_code(4, "the shell")
}
