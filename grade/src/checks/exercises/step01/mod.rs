//! Exercises of step 01.

use crate::{Check, Need, Subject, Verdict};

mod tell;
mod timeout;
mod wait_all;

const TELL: &str = "01-fork.html#ex-tell-the-signal";
const TIMEOUT: &str = "01-fork.html#ex-timeout";
const WAIT_ALL: &str = "01-fork.html#ex-wait-for-all";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "signal-told",
        step: 1,
        title: "the signal that ended a command is named in one line on stderr, and the exit status is still 128+N",
        points: 2,
        hints: &[
            "The exit code alone does not say it any more: who reads `si_code`?",
            "It does not matter who sent the signal: one that came through the runtime is named as well.",
        ],
        section: TELL,
        run: tell::named,
        ..Check::NEW
    },
    Check {
        id: "signal-told-by-number",
        step: 1,
        title: "a signal without a name is told by its number",
        points: 2,
        hints: &["signal(7): real-time signals have numbers alone, and `Signal::try_from` refuses these."],
        section: TELL,
        run: tell::by_number,
        ..Check::NEW
    },
    Check {
        id: "signal-told-of-signals-alone",
        step: 1,
        title: "a command that exits by itself, whatever its code, is ended without a word; so are SIGINT and SIGPIPE",
        points: 2,
        hints: &["139 can be `exit 139`. Only waitid(2) tells it from a signal."],
        section: TELL,
        run: tell::signals_alone,
        ..Check::NEW
    },
    Check {
        id: "signal-told-of-the-command-alone",
        step: 1,
        title: "a command that is not there is one message, even when the runtime has to end its child for it",
        points: 1,
        hints: &["Who else calls `Child::wait`? Look at `Drop`."],
        section: TELL,
        needs: &[Need::Strace],
        run: tell::the_command_alone,
        ..Check::NEW
    },
    Check {
        id: "timeout-ends-command",
        step: 1,
        title: "when the time is over the command gets SIGTERM, and the exit status is 124, whatever the command's is",
        points: 3,
        hints: &[
            "`poll` returns 0 when its time is over.",
            "A command that handles SIGTERM and exits with 0 was still too slow.",
        ],
        section: TIMEOUT,
        run: timeout::ends,
        ..Check::NEW
    },
    Check {
        id: "timeout-kills",
        step: 1,
        title: "a command that goes on after SIGTERM gets SIGKILL one second later",
        points: 2,
        hints: &["After the first signal, something else is due, at another time."],
        section: TIMEOUT,
        run: timeout::kills,
        ..Check::NEW
    },
    Check {
        id: "timeout-not-restarted",
        step: 1,
        title: "signals that come in between do not start the clock anew",
        points: 2,
        hints: &["Each of them ends a `poll`. Work out the rest of the time before the next one."],
        section: TIMEOUT,
        run: timeout::not_restarted,
        ..Check::NEW
    },
    Check {
        id: "timeout-in-time",
        step: 1,
        title: "a command that ends in time keeps its exit status, a limit may be weeks long, and a wrong one is one error",
        points: 2,
        hints: &["poll(2) counts milliseconds in an `int`: that is 24 days."],
        section: TIMEOUT,
        run: timeout::in_time,
        ..Check::NEW
    },
    Check {
        id: "wait-all-orphans",
        step: 1,
        title: "with --wait-all the runtime stays until the last descendant has ended, and not without it",
        points: 3,
        hints: &[
            "A descendant whose parent has ended becomes the child of its nearest subreaper: prctl(2).",
            "One wait(2) is for one child.",
        ],
        section: WAIT_ALL,
        run: wait_all::orphans,
        ..Check::NEW
    },
    Check {
        id: "wait-all-own-status",
        step: 1,
        title: "the exit status is the command's, whatever its orphans end with",
        points: 2,
        hints: &[
            "The command ends first, or not; its status is the one to keep.",
            "`nix`'s `waitpid` gives an error for a child that a real-time signal has ended; libc's does not.",
        ],
        section: WAIT_ALL,
        run: wait_all::own_status,
        ..Check::NEW
    },
    Check {
        id: "wait-all-can-be-ended",
        step: 1,
        title: "a SIGTERM ends a runtime that has only orphans to wait for",
        points: 2,
        hints: &["`grep SigBlk /proc/PID/status` while it waits: who reads the signals that it blocks?"],
        section: WAIT_ALL,
        run: wait_all::can_be_ended,
        ..Check::NEW
    },
];

/// Fails where the options are not known yet, with what the runtime says of them.
fn expect_known(subject: &Subject, options: &[&str]) -> Verdict {
    subject.run(options, &["true"])?.success().map(drop)
}
