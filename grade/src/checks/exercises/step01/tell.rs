//! A command's end by a signal is told.

use nix::errno::Errno;
use nix::sys::signal::Signal;

use super::super::super::common::{plain, start_cat};
use crate::subject::PATIENCE;
use crate::{Output, Subject, Verdict, expect, expect_eq};

/// The end of a command that this signal reaches, not through the runtime.
fn ended_by(subject: &Subject, number: i32) -> anyhow::Result<Output> {
    let (mut running, command) = start_cat(plain(subject, &[]))?;
    // SAFETY: kill(2) takes two integers. The type `Signal` does not know the real-time signals.
    Errno::result(unsafe { libc::kill(command.0, number) })?;
    running.wait(PATIENCE)
}

fn expect_told(subject: &Subject, output: &Output, number: i32, name: &str) -> Verdict {
    let line = format!("step{:02}: the command was ended by {name}\n", subject.step);
    expect_eq!(output.err(), line, "stderr after a command that signal {number} ended");
    expect_eq!(output.code(), 128 + number, "exit status after signal {number}");
    Ok(())
}

/// What must be told, lest those that tell nothing pass for those that tell the right thing.
fn expect_fault_told(subject: &Subject) -> Verdict {
    let output = subject.run_probe::<&str>(&[], "fault", &[])?;
    expect_told(subject, &output, libc::SIGSEGV, "SIGSEGV")
}

pub(super) fn named(subject: &Subject) -> Verdict {
    use Signal::{SIGABRT, SIGALRM, SIGHUP, SIGKILL, SIGTERM, SIGUSR1};
    expect_fault_told(subject)?;
    for signal in [SIGKILL, SIGTERM, SIGHUP, SIGUSR1, SIGALRM, SIGABRT] {
        let output = ended_by(subject, signal as i32)?;
        expect_told(subject, &output, signal as i32, signal.as_str())?;
    }
    let (mut running, _) = start_cat(plain(subject, &[]))?;
    running.signal(SIGTERM)?;
    expect_told(subject, &running.wait(PATIENCE)?, libc::SIGTERM, "SIGTERM")
}

pub(super) fn by_number(subject: &Subject) -> Verdict {
    expect_fault_told(subject)?;
    for number in [libc::SIGRTMIN() + 3, libc::SIGRTMAX()] {
        let output = ended_by(subject, number)?;
        expect_told(subject, &output, number, &format!("signal {number}"))?;
    }
    Ok(())
}

pub(super) fn signals_alone(subject: &Subject) -> Verdict {
    expect_fault_told(subject)?;
    for code in [1, 137, 139, 143, 255] {
        let output = subject.run(&[], &["sh", "-c", &format!("exit {code}")])?;
        expect_eq!(output.err(), "", "stderr of `sh -c 'exit {code}'`");
        expect_eq!(output.code(), code, "exit status of `sh -c 'exit {code}'`");
    }
    for signal in [Signal::SIGINT, Signal::SIGPIPE] {
        let output = ended_by(subject, signal as i32)?;
        expect_eq!(output.err(), "", "stderr after a command that {signal} ended");
        expect_eq!(output.code(), 128 + signal as i32, "exit status after {signal}");
    }
    Ok(())
}

/// A child that takes its time to exit, after it has reported that there is no such command.
pub(super) fn the_command_alone(subject: &Subject) -> Verdict {
    expect_fault_told(subject)?;
    let late = "inject=exit_group:delay_enter=300000";
    let words = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "signal=none", "-e", late];
    let output = subject.launch(&[], &["no-such-command"]).under(&words).output()?;
    // strace says a word about the late one, too.
    let said: Vec<_> = output.err().lines().filter(|l| !l.starts_with("strace:")).map(String::from).collect();
    expect!(said.len() == 1, "one message for a command that is not there", "{:?}", said);
    expect_eq!(output.code(), 127, "exit status of a command that is not there");
    Ok(())
}
