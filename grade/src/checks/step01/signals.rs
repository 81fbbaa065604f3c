//! Behaviours 4 and 7: signals for the runtime are meant for the command, and its death is the command's.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::{plain, send, start_cat, until_gone, until_stopped};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Terminal, Verdict, expect, expect_eq, until};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "signals-reach-command",
        step: 1,
        behaviours: &[4],
        title: "TERM, INT, HUP, USR1, USR2, QUIT and WINCH sent to the runtime reach a command that handles them, once each",
        points: 3,
        hints: &[
            "By default most of these end the runtime. Which of its two processes should they reach?",
            "Block them before the fork, read them from a signalfd(2), send them on with kill(2).",
            "Unblock them in the child before exec, or the command never sees them.",
        ],
        section: "01-fork.html#signals",
        run: reach,
        ..Check::NEW
    },
    Check {
        id: "signals-end-command",
        step: 1,
        behaviours: &[4],
        title: "a TERM to the runtime ends a command without a handler, and the status is 143",
        points: 1,
        hints: &[
            "The runtime must outlive the signal, or nobody is left to report the command's end.",
            "From step 02 on: who hears the signal, when PID 1 is an init and the command its child?",
        ],
        section: "01-fork.html#signals",
        after: &["signals-reach-command"],
        run: end,
        ..Check::NEW
    },
    Check {
        id: "signals-stop-continue",
        step: 1,
        behaviours: &[4],
        title: "TSTP stops runtime and command, CONT lets both go on",
        points: 2,
        hints: &[
            "A shell sees that a job is stopped when its own child is: that is the runtime.",
            "Pass SIGTSTP on, then stop yourself with SIGSTOP; on SIGCONT pass that on, too.",
            "A PID 1 without a handler drops SIGTSTP. SIGSTOP from outside it cannot drop; and it needs the SIGCONT then.",
        ],
        section: "01-fork.html#signals",
        run: stop,
        ..Check::NEW
    },
    Check {
        id: "signals-job-control",
        step: 1,
        behaviours: &[4],
        title: "Ctrl-Z in a shell gives the prompt back, `fg` brings the command back, Ctrl-C is heard once",
        points: 2,
        hints: &[
            "Ctrl-Z sends SIGTSTP to the whole foreground process group: the command may have got it already.",
            "A signal from the terminal has `si_code` SI_KERNEL; pass only the others on.",
        ],
        section: "01-fork.html#signals",
        needs: &[Need::Terminal],
        after: &["signals-stop-continue"],
        run: job_control,
        ..Check::NEW
    },
    Check {
        id: "kill-ends-command",
        step: 1,
        behaviours: &[7],
        title: "`kill -9` of the runtime ends the command within a second",
        points: 2,
        hints: &[
            "Nobody can handle SIGKILL. Who is left to end the command?",
            "prctl(2): PR_SET_PDEATHSIG asks the kernel for a signal when the parent dies.",
            "The parent may be dead before the child asks: look again whether it lives, after the call.",
        ],
        section: "01-fork.html#parent-death",
        run: kill_runtime,
        ..Check::NEW
    },
];

fn reach(subject: &Subject) -> Verdict {
    use Signal::{SIGHUP, SIGINT, SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2, SIGWINCH};
    let signals = [SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGUSR2, SIGQUIT, SIGWINCH, SIGTERM, SIGINT];
    let mut running = subject.probe(&[], "catch", &[signals.len().to_string()])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    for signal in signals {
        running.signal(signal)?;
        expect_eq!(
            running.read_line()?,
            (signal as i32).to_string(),
            "signal seen by the command after {signal}"
        );
    }
    let output = running.wait(PATIENCE)?;
    expect_eq!(output.code(), 0, "exit status of a command that handled its signals");
    expect_eq!(output.out().lines().count(), 1 + signals.len(), "lines of the probe, one a signal");
    expect_eq!(output.err(), "", "stderr of the runtime while the command handled its signals");
    Ok(())
}

fn end(subject: &Subject) -> Verdict {
    // From step 02 on a PID 1 without a handler hears nothing; with --init the command is not PID 1.
    let options: &[&str] = if subject.step == 1 { &[] } else { &["--init"] };
    for signal in [Signal::SIGTERM, Signal::SIGINT, Signal::SIGHUP, Signal::SIGUSR2] {
        let (mut running, _) = start_cat(plain(subject, options))?;
        running.signal(signal)?;
        expect_eq!(
            running.wait(PATIENCE)?.code(),
            128 + signal as i32,
            "exit status after {signal} to the runtime"
        );
    }
    Ok(())
}

fn stop(subject: &Subject) -> Verdict {
    let all: [&[&str]; 2] = [&[], &["--init"]];
    for options in if subject.step == 1 { &all[..1] } else { &all[..] } {
        let (mut running, command) = start_cat(plain(subject, options))?;
        for _ in 0..2 {
            running.signal(Signal::SIGTSTP)?;
            until_stopped(command, true, &format!("a stopped command after SIGTSTP {options:?}"))?;
            until_stopped(running.runtime(), true, &format!("a stopped runtime after SIGTSTP {options:?}"))?;
            running.signal(Signal::SIGCONT)?;
            until_stopped(running.runtime(), false, &format!("a running runtime after SIGCONT {options:?}"))?;
            until_stopped(command, false, &format!("a running command after SIGCONT {options:?}"))?;
        }
        running.send(b"still here\n")?;
        expect_eq!(running.read_line()?, "still here", "what `cat` says after SIGCONT");
        running.close_stdin();
        expect_eq!(running.wait(PATIENCE)?.code(), 0, "exit status after stop and continue");
    }
    Ok(())
}

fn job_control(subject: &Subject) -> Verdict {
    let mut terminal = Terminal::open()?;
    let launch = subject.probe(&[], "catch", &["2"])?;
    // Started by name rather than as a script, so that each line that is typed is a job.
    let shell = launch.under(&[
        "sh",
        "-c",
        "set -m; \"$@\"; echo first=$?; read go; fg >/dev/null; echo last=$?",
        "sh",
    ]);
    let running = shell.start_on(&terminal)?;
    terminal.wait_for("ready")?;
    let runtime = running.runtime().children();
    expect_eq!(runtime.len(), 1, "jobs of the shell");
    terminal.press("\x1a")?;
    terminal.wait_for("first=")?;
    let command = running.command_below(runtime[0])?;
    // On a busy machine it may stop after its runtime has, and what still runs would look as if `fg` had been there.
    until_stopped(command, true, "a stopped command after Ctrl-Z")?;
    terminal.press("\n")?;
    until_stopped(command, false, "a running command after `fg`")?;
    terminal.press("\x03")?;
    let heard_int = || {
        terminal.screen().lines().any(|line| line.trim_end().trim_start_matches("^C") == "2").then_some(())
    };
    until(Duration::from_secs(5), "a 2 from the command after Ctrl-C", heard_int)?;
    // USR1 takes the way through the runtime. A Ctrl-C that the runtime passed on as well would come before it.
    send(runtime[0], Signal::SIGUSR1)?;
    terminal.wait_for("10")?;
    terminal.wait_for("last=0")?;
    let heard =
        terminal.screen().lines().filter(|line| line.trim_end().trim_start_matches("^C") == "2").count();
    expect_eq!(heard, 1, "times that the command heard Ctrl-C ({:?})", terminal.screen());
    Ok(())
}

fn kill_runtime(subject: &Subject) -> Verdict {
    let (running, command) = start_cat(plain(subject, &[]))?;
    expect!(command.alive(), "a running command", "{:?}", command.state());
    running.signal(Signal::SIGKILL)?;
    until_gone(command, Duration::from_secs(1), "the end of the command after `kill -9` of the runtime")
}
