//! Behaviours 7 and 46: how long a process by `exec` lives, and what reaches it.

use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::common::{expect_own_error, send, start_cat, until_gone};
use super::bed::{Bed, SOON, until_all_gone};
use super::exec::{end, exec_cat, in_front};
use super::seat::Seat;
use crate::subject::PATIENCE;
use crate::{Check, Need, Running, Subject, Verdict, expect, expect_eq};

const LIFE: Check = Check {
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
        id: "exec-parallel",
        title: "20 at once in one container each have their own output and status",
        hints: &["Nothing of an `exec` may have a name or a place that another one wants, too."],
        run: parallel,
        ..LIFE
    },
    Check {
        id: "exec-ends-with-container",
        title: "it ends with the container, by itself, by `stop` and by `kill`, and then leaves with 137",
        points: 3,
        hints: &[
            "The kernel kills all of a PID namespace with its PID 1; without one, the group's members must be.",
        ],
        run: ends_with_container,
        ..LIFE
    },
    Check {
        id: "exec-leaves-container",
        title: "its own end, and that of what it has started, leaves the container as it was",
        points: 1,
        hints: &["Orphans go to the container's PID 1."],
        after: &["detach-returns"],
        run: leaves_container,
        ..LIFE
    },
    Check {
        id: "exec-killed",
        title: "`kill -9` of `exec` ends its command, under -u and -t, too, and nothing else of the container",
        points: 3,
        hints: &[
            "PR_SET_PDEATHSIG, and again after the change of user, which clears it.",
            "A parent that is gone already sends no signal.",
        ],
        behaviours: &[7, 46],
        run: killed,
        ..LIFE
    },
    Check {
        id: "exec-signals",
        title: "signals to `exec` reach its command, which is no PID 1 and ends by them: 128+N",
        hints: &["The same signalfd as for `run`."],
        behaviours: &[6, 46],
        run: signals,
        ..LIFE
    },
    Check {
        id: "exec-refused",
        title: "it refuses a container that has ended or never was, with one error that names it",
        hints: &["Whether it runs, the kernel knows: pidfd and start time."],
        after: &["exec-status"],
        run: refused,
        ..LIFE
    },
    Check {
        id: "exec-paused",
        title: "it refuses a paused container, whose processes it would only join in waiting",
        hints: &["A process that is put into a frozen group is frozen before it can do anything, or say so."],
        needs: &[Need::UserNamespaces, Need::CgroupController("pids")],
        run: paused,
        ..LIFE
    },
];

fn parallel(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    let start = |number: i32| -> Result<Running> {
        let script = format!("read line; echo {number} $line; exit {number}");
        let mut running = bed.call(&["exec", "-i", "box", "sh", "-c", &script]).start()?;
        running.send(format!("{}\n", number * number).as_bytes())?;
        Ok(running)
    };
    let all = (1..=20).map(start).collect::<Result<Vec<_>>>()?;
    for (mut running, number) in all.into_iter().zip(1..) {
        let output = running.wait(PATIENCE)?;
        expect_eq!(output.code(), number, "exit status of `exec` {number} (stderr {:?})", output.err());
        expect_eq!(output.out(), format!("{number} {}\n", number * number), "its output");
    }
    Ok(())
}

fn ends_with_container(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let mut ways = vec![
        (&[][..], &[][..]),
        (&["--init"], &["stop", "-t", "1", "box"]),
        (&[], &["stop", "-t", "0", "box"]),
        (&[], &["kill", "box"]),
    ];
    if Need::CgroupController("pids").missing().is_none() {
        ways.push((&["--ns", "mnt,uts,ipc"], &["stop", "-t", "1", "box"]));
    }
    for (options, words) in ways {
        let (mut first, _) = in_front(&bed, options)?;
        let (mut second, other) = exec_cat(&bed, &[])?;
        if words.is_empty() {
            first.close_stdin();
        } else {
            bed.ok(words)?;
        }
        let code = second.wait(SOON)?.code();
        expect_eq!(
            code,
            137,
            "exit status of `exec` after the end of its container {options:?} by {words:?}"
        );
        until_gone(other, SOON, "the end of the command of `exec`")?;
        first.wait(PATIENCE)?;
    }
    Ok(())
}

fn leaves_container(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--name", "box"])?;
    bed.ok(&["exec", "box", "sh", "-c", "sleep 999 >/dev/null 2>&1 & exit 0"])?;
    let members = up.members()?;
    expect_eq!(
        members.len(),
        2,
        "processes of the container: its first, and what `exec` has left ({members:?})"
    );
    let output = bed.output(&["exec", "box", "sh", "-c", "kill -9 $$"])?;
    expect_eq!(output.code(), 137, "exit status of a command that kills itself");
    // A container would not be gone at once.
    std::thread::sleep(Duration::from_millis(300));
    expect_eq!(bed.state("box")?.0, "running", "status of the container after that");
    bed.ok(&["stop", "-t", "0", "box"])?;
    until_all_gone(&members, "after `stop`")?;
    bed.expect_exited("box", 137, "after `stop`")
}

fn killed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (first, command) = in_front(&bed, &[])?;
    let mut users = vec![&[][..]];
    if Need::SubIdsOrRoot.missing().is_none() {
        users.push(&["-u", "student"]);
    }
    for options in users {
        let (second, other) = exec_cat(&bed, options)?;
        second.signal(Signal::SIGKILL)?;
        until_gone(other, Duration::from_secs(2), &format!("the end of its command {options:?}"))?;
    }
    if Need::Terminal.missing().is_none() {
        // Who ignores SIGHUP outlives the end of a terminal.
        let script = "trap '' HUP; echo up; exec sleep 1000";
        let seat = Seat::take(bed.call(&["exec", "-it", "box", "sh", "-c", script]))?;
        seat.terminal.wait_for("up")?;
        let other = seat.command()?;
        send(seat.runtime()?, Signal::SIGKILL)?;
        until_gone(other, Duration::from_secs(2), "the end of its command with -it")?;
    }
    expect!(command.alive(), "the container to go on", "{:?}", command.state());
    bed.ok(&["exec", "box", "true"])?;
    end(first)
}

fn signals(subject: &Subject) -> Verdict {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    let all = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGWINCH];
    let count = all.len().to_string();
    let mut running = bed.call(&["exec", "box", "/probe", "__probe", "catch", &count]).start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    for signal in all {
        running.signal(signal)?;
        let heard = running.read_line()?;
        expect_eq!(heard, (signal as i32).to_string(), "signal seen by the command after {signal}");
    }
    running.wait(PATIENCE)?.success()?;
    for signal in [SIGTERM, SIGINT, SIGUSR1] {
        let (mut running, _) = start_cat(|words| bed.call(&[&["exec", "-i", "box"], words].concat()))?;
        running.signal(signal)?;
        let output = running.wait(PATIENCE)?;
        expect_eq!(output.code(), 128 + signal as i32, "exit status after {signal} to `exec`");
        expect_eq!(output.err(), "", "stderr after {signal}");
    }
    expect_eq!(bed.state("box")?.0, "running", "status of the container after that");
    Ok(())
}

fn refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--name", "box"])?;
    bed.refused(&["exec", "chest", "true"], "chest")?;
    bed.refused(&["exec", "", "true"], "")?;
    bed.ok(&["exec", &up.id[..4], "true"])?;
    send(up.command, Signal::SIGKILL)?;
    bed.ok(&["wait", "box"])?;
    for options in [&[][..], &["-i"], &["-d"], &["-t"]] {
        let words = [&["exec"], options, &["box", "true"]].concat();
        bed.refused(&words, "not running")?;
    }
    Ok(())
}

fn paused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    bed.ok(&["pause", "box"])?;
    for options in [&[][..], &["-d"]] {
        let mut running = bed.call(&[&["exec"], options, &["box", "true"]].concat()).start()?;
        let output = running.wait(Duration::from_secs(3)).context("`exec` in a paused container")?;
        expect_own_error(subject, &output, 125, "`exec` in a paused container")?;
        expect!(output.err().contains("paused"), "the reason in the message", "{:?}", output.err());
    }
    bed.ok(&["unpause", "box"])?;
    bed.ok(&["exec", "box", "true"])?;
    Ok(())
}
