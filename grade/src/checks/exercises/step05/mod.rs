//! Exercises of step 05.

mod commit_time;
mod stack;
mod tag;

use std::fs;
use std::time::Duration;

use crate::{Check, Need, Process};

const TAG: Check = Check {
    step: 5,
    section: "05-aufs-overlay.html#ex-tag-command",
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

const TIME: Check = Check {
    step: 5,
    section: "05-aufs-overlay.html#ex-same-commit",
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

const STACK: Check = Check {
    step: 5,
    section: "05-aufs-overlay.html#ex-layers-by-descriptor",
    timeout: Duration::from_secs(60),
    needs: &[Need::Overlay, Need::Kernel(6, 13)],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tag-second-name",
        title: "an image gets a second name, by its name, its id or the id's first digits, and each name goes alone",
        points: 3,
        hints: &["`Store::find` knows all three, and `Store::tag` moves a name that another image has."],
        run: tag::second_name,
        ..TAG
    },
    Check {
        id: "tag-refused",
        title: "`tag` of an image that is not there, or with a name that is none, is one error, and nothing is named",
        points: 1,
        hints: &["`with_context` turns the None of `Store::find` into the error."],
        run: tag::refused,
        ..TAG
    },
    Check {
        id: "tag-waits-for-removal",
        title: "`tag` waits for a removal that has begun, and names no image that is gone by then",
        points: 2,
        hints: &["`rmi` holds the store alone. Take the lock first, and look for the image then."],
        run: tag::waits,
        ..TAG
    },
    Check {
        id: "epoch-commit",
        title: "with SOURCE_DATE_EPOCH two commits of one container have one id, and its time; without it they have not",
        points: 3,
        hints: &["The time stands in the document twice: for the image, and in its history."],
        run: commit_time::commit,
        ..TIME
    },
    Check {
        id: "epoch-import",
        title: "with SOURCE_DATE_EPOCH two imports of one archive have one id, and its time; without it they have not",
        points: 2,
        hints: &["`import` and `commit` write their documents in the same way."],
        run: commit_time::import,
        ..TIME
    },
    Check {
        id: "epoch-refused",
        title: "a SOURCE_DATE_EPOCH that is no date is one error that names it, and nothing is in the store after it",
        points: 2,
        hints: &["Read the variable before the work begins, and hand the time on."],
        run: commit_time::refused,
        ..TIME
    },
    Check {
        id: "stack-by-descriptors",
        title: "overlayfs gets each layer by its descriptor, the top one first, and the same flags as before",
        points: 3,
        hints: &[
            "`lowerdir+` once for each layer, then `upperdir` and `workdir`: FSCONFIG_SET_FD for all three.",
        ],
        run: stack::by_descriptors,
        ..STACK
    },
    Check {
        id: "stack-on-older-kernels",
        title: "where the kernel takes no descriptors, the layers are mounted as they were before, without a word",
        points: 2,
        hints: &["`Error::downcast_ref` finds the Errno below the context that was put on it."],
        needs: &[Need::Root, Need::Overlay, Need::Kernel(6, 13)],
        run: stack::on_older_kernels,
        ..STACK
    },
];

/// Whether a process waits for a lock of flock(2) that somebody else holds: proc(5), "/proc/locks".
pub(super) fn waits_for_lock(process: Process) -> bool {
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    let pid = process.0.to_string();
    locks.lines().any(|line| line.contains("-> FLOCK") && line.split_whitespace().any(|word| word == pid))
}
