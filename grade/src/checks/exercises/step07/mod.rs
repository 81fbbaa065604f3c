//! Exercises of step 07.

mod restart;
mod since;

use std::time::Duration;

use crate::Check;

const SINCE: Check =
    Check { step: 7, points: 2, section: "07-detach.html#ex-since-when", timeout: TIMEOUT, ..Check::NEW };

const RESTART: Check =
    Check { step: 7, points: 2, section: "07-detach.html#ex-restart-policy", timeout: TIMEOUT, ..Check::NEW };

const TIMEOUT: Duration = Duration::from_secs(90);

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "since-whole-runs",
        title: "`logs --since` leaves out the runs that had ended by then, and prints the others whole, the one that goes on among them",
        points: 3,
        hints: &[
            "A start is not the end of what the record knows of earlier runs.",
            "For each run that is over: when it ended, and how long the log was then.",
        ],
        run: since::whole_runs,
        ..SINCE
    },
    Check {
        id: "since-first-line",
        title: "the first line of a run belongs to it, however soon it is written",
        hints: &["When the record is told of the start, the command may have written already."],
        run: since::first_line,
        ..SINCE
    },
    Check {
        id: "since-with-tail",
        title: "`--tail` counts the last lines of what `--since` leaves, and what is no age is one error",
        points: 1,
        hints: &["Of two places to begin at, the later one."],
        run: since::with_tail,
        ..SINCE
    },
    Check {
        id: "restart-on-failure",
        title: "a detached command that fails is started again with its files and its log, N times at most, and one that leaves with 0 is not",
        points: 3,
        hints: &["The second time there is no caller, and still the output goes to the log."],
        run: restart::on_failure,
        ..RESTART
    },
    Check {
        id: "restart-waits-longer",
        title: "before it is started again there is a pause of 0.2 s, and each further one is twice as long",
        points: 1,
        hints: &["An iterator of pauses has the number of attempts, too."],
        run: restart::waits_longer,
        ..RESTART
    },
    Check {
        id: "restart-held",
        title: "between two attempts the container is somebody's: `wait` waits for the last end, `rm` is refused",
        points: 3,
        hints: &["Keep the `Running`, and with it the lock on the folder, from one attempt to the next."],
        run: restart::held,
        ..RESTART
    },
    Check {
        id: "restart-ended-for-good",
        title: "`stop`, `kill` and `rm -f` end it for good, in a run and in a pause, and after `start` it is as it was",
        points: 3,
        hints: &[
            "An exit code does not tell who wanted the end.",
            "A file in the folder, made before the signal is sent, and removed by `start`.",
        ],
        run: restart::ended_for_good,
        ..RESTART
    },
];
