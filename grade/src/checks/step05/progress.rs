//! Behaviour 36: import tells how far it is, to people alone.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use super::own::{Own, id_in, small_root};
use crate::archive::{Entry, tar};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Terminal, Verdict, expect, expect_eq, until};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "import-progress",
        step: 5,
        behaviours: &[36],
        title: "import shows on a terminal how far it is while it goes on, and prints the id alone on stdout",
        points: 2,
        hints: &["stderr is for people: write there, with `\\r`, when it is a terminal (isatty(3))."],
        section: "05-aufs-overlay.html#unpack",
        needs: &[Need::Terminal],
        after: &["import-run"],
        timeout: Duration::from_secs(60),
        run: shown,
        ..Check::NEW
    },
    Check {
        id: "import-quiet",
        step: 5,
        behaviours: &[36],
        title: "import, load, commit and save say nothing on stderr when it is no terminal",
        points: 1,
        hints: &["A log full of percents helps nobody."],
        section: "05-aufs-overlay.html#unpack",
        needs: &[Need::Terminal],
        after: &["import-run"],
        timeout: Duration::from_secs(60),
        run: quiet,
        ..Check::NEW
    },
];

/// The side of the terminal at which a program is.
fn side(terminal: &Terminal) -> anyhow::Result<File> {
    // O_NOCTTY: the check must not take the terminal for itself.
    Ok(File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(terminal.name())?)
}

fn shown(subject: &Subject) -> Verdict {
    let (own, terminal) = (Own::new(subject), Terminal::open()?);
    let bytes = tar(small_root()?.into_iter().chain([Entry::file("big", vec![1; 16 << 20])]));
    let launch = own.call(&["import", "-", "check/shown"]).env("TERM", "xterm").env("COLUMNS", "80");
    let mut running = launch.stderr(side(&terminal)?).start()?;
    let mut pieces = bytes.chunks(1 << 20);
    for piece in pieces.by_ref().take(8) {
        running.send(piece)?;
        std::thread::sleep(Duration::from_millis(60));
    }
    let half = || Some(terminal.screen()).filter(|screen| screen.bytes().any(|byte| byte.is_ascii_digit()));
    let half = until(Duration::from_secs(5), "a number on the terminal while import has half of it", half)?;
    for piece in pieces {
        running.send(piece)?;
        std::thread::sleep(Duration::from_millis(60));
    }
    running.close_stdin();
    let output = running.wait(PATIENCE)?.success()?;
    id_in(&output.out())?;
    let screen = terminal.screen();
    expect!(screen.len() > half.len(), "more on the terminal after the second half", "{:?}", screen);
    // A terminal turns a newline into `\r\n`: another `\r` is one that goes back to draw over a line.
    let drawn = screen.replace("\r\n", "").contains('\r') || screen.contains("\x1b[");
    expect!(drawn, "one line that is drawn over", "{:?}", screen);
    Ok(())
}

fn quiet(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let path = own.file("root.tar", &tar(small_root()?))?;
    let saved = own.file("saved.tar", b"")?;
    let lines: [&[&str]; 4] = [
        &["import", &path, "check/quiet"],
        &["save", "check/quiet", "-o", &saved],
        &["load", &saved],
        &["commit", "kept", "check/two"],
    ];
    for words in lines {
        if words[0] == "commit" {
            own.sh("check/quiet", &["--name", "kept"], "true")?;
        }
        let output = own.ok(words)?;
        expect_eq!(output.err(), "", "stderr of {}", words[0]);
    }
    // With stdout alone on a terminal it is still not people who read stderr.
    let terminal = Terminal::open()?;
    let launch = own.call(&["import", &path, "check/again"]).env("TERM", "xterm").stdout(side(&terminal)?);
    let output = launch.output()?.success()?;
    expect_eq!(output.err(), "", "stderr of import with stdout alone on a terminal");
    terminal.wait_for("\r\n")?;
    id_in(&terminal.screen().replace("\r\n", "\n")).map(drop)
}
