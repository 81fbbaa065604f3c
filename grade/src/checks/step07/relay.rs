//! Behaviour 43: what passes between the two terminals, and that nothing of it can hold the runtime up.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, stat};
use super::seat::Seat;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const RELAY: Check = Check {
    step: 7,
    behaviours: &[43],
    points: 2,
    section: "07-detach.html#relay",
    needs: &[Need::UserNamespaces, Need::Terminal],
    after: &["tty-own"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tty-bytes",
        title: "every byte from 0 to 255 passes as it is, in both directions",
        hints: &["Bytes, not text; and a terminal in raw mode on the way, which keeps none for itself."],
        run: bytes,
        ..RELAY
    },
    Check {
        id: "tty-flood",
        title: "1 MB of output comes complete and in order, and so does what a command writes just before its end",
        points: 3,
        hints: &[
            "The end of the command is not the end of what it has written: read until there is nothing more.",
            "write(2) may take less than it was given.",
        ],
        run: flood,
        ..RELAY
    },
    Check {
        id: "tty-unread-input",
        title: "keys that the command does not read hold up neither its output nor a signal nor its end",
        points: 3,
        hints: &[
            "A terminal's queue is finite: a write(2) into a full one waits for the command, and the command may wait for us.",
            "O_NONBLOCK, and POLLOUT for what is left over.",
        ],
        run: unread,
        ..RELAY
    },
    Check {
        id: "tty-closed-inside",
        title: "a command that closes its terminal goes on, costs the runtime no CPU time, and may open it again",
        hints: &[
            "Reading then fails with EIO, and poll(2) says POLLHUP, at once and every time.",
            "That is no end: /dev/tty can be opened later.",
        ],
        run: closed,
        ..RELAY
    },
];

fn bytes(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let mut seat = Seat::script(&bed, &["-it"], "stty raw -echo; echo up; head -c 512; sleep 0.1")?;
    let all: Vec<u8> = (0..=255).chain((0..=255).rev()).collect();
    seat.terminal.send(&all)?;
    seat.expect_code(0, "`head`")?;
    let shown = seat.terminal.bytes();
    let passed = shown.strip_prefix(b"up\n").unwrap_or(&shown);
    let passed = &passed[..passed.len().min(512)];
    let wrong = passed.iter().zip(&all).find(|(got, sent)| got != sent);
    expect_eq!(wrong, None, "the first byte that came back as another, and the one that was typed");
    expect_eq!(passed.len(), 512, "bytes that came back");
    Ok(())
}

fn flood(subject: &Subject) -> Verdict {
    const LINES: usize = 16384;
    let bed = Bed::new(subject);
    // From a file, as fast as can be: when `cat` has ended, the last of it is still on its way.
    let script = format!(
        "i=0; while [ $i -lt {LINES} ]; do printf '%062d\\n' $i; i=$((i+1)); done >/tmp/all; \
         printf '%s' end >>/tmp/all; cat /tmp/all; exit 5"
    );
    for _ in 0..3 {
        let seat = Seat::take(bed.launch(&["--rm", "-it"], &["sh", "-c", &script]))?;
        seat.expect_code(5, "a command that writes 1 MB")?;
        let shown = seat.shown();
        for (number, line) in shown.split_terminator("\r\n").take(LINES).enumerate() {
            expect_eq!(line, format!("{number:062}"), "line {number} of the output");
        }
        expect_eq!(shown.len(), LINES * 64 + 3, "bytes of output, of which the last are {:?}", tail(&shown));
        expect!(shown.ends_with("end"), "the last word of the command", "{:?}", tail(&shown));
    }
    Ok(())
}

fn tail(text: &str) -> &str {
    &text[text.len().saturating_sub(80)..]
}

fn unread(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let pasted = || vec![b'x'; 200_000];
    let lines = "i=0; while [ $i -lt 4000 ]; do printf '%063d\\n' $i; i=$((i+1)); done";
    let script = format!("stty raw -echo; echo up; sleep 0.3; {lines}; head -c 200000 | wc -c; exit 6");
    let seat = Seat::script(&bed, &["-it"], &script)?;
    seat.terminal.paste(pasted())?;
    seat.expect_code(6, "a command that writes before it reads")?;
    expect!(
        seat.shown().trim_end().ends_with("200000"),
        "all that was typed to be read",
        "{:?}",
        tail(&seat.shown())
    );

    let seat = Seat::script(&bed, &["-it"], "stty raw -echo; echo up; sleep 0.5; exit 7")?;
    seat.terminal.paste(pasted())?;
    seat.expect_code(7, "a command that never reads")?;

    let seat = Seat::script(&bed, &["-it", "--init"], "stty raw -echo; echo up; exec sleep 1000")?;
    seat.terminal.paste(pasted())?;
    std::thread::sleep(Duration::from_millis(300));
    send(seat.runtime()?, Signal::SIGTERM)?;
    seat.expect_code(143, "a command that never reads, after SIGTERM to the runtime")
}

fn closed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "echo up; exec </dev/null >/dev/null 2>&1; sleep 1.5; echo again >/dev/tty; exit 4";
    let seat = Seat::script(&bed, &["-it"], script)?;
    let runtime = seat.runtime()?;
    // Fields of /proc/PID/stat, in hundredths of a second.
    let used = || -> anyhow::Result<i64> { Ok(stat(runtime, 14)? + stat(runtime, 15)?) };
    std::thread::sleep(Duration::from_millis(200));
    let before = used()?;
    std::thread::sleep(Duration::from_millis(1000));
    let used = used()? - before;
    expect!(used <= 10, "0.10 s or less of CPU time in a second of nothing", "{used} hundredths");
    seat.expect_code(4, "a command that closes its terminal")?;
    expect_eq!(seat.shown(), "up\r\nagain\r\n", "what was shown before and after that");
    Ok(())
}
