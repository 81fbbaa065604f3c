//! Exercises of step 06.

mod from;
mod prune;
mod subpath;

use std::time::Duration;

use crate::Check;

const PRUNE: Check = Check { step: 6, section: "06-volumes.html#ex-volume-prune", ..Check::NEW };

const FROM: Check = Check { step: 6, section: "06-volumes.html#ex-volumes-from", ..Check::NEW };

const SUBPATH: Check = Check {
    step: 6,
    section: "06-volumes.html#ex-volume-subpath",
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "prune-anonymous",
        title: "`volume prune` removes and prints the anonymous volumes, and the named ones only with --all",
        points: 3,
        hints: &["What a name looks like tells nothing: anybody may call a volume like this."],
        run: prune::anonymous,
        ..PRUNE
    },
    Check {
        id: "prune-keeps-used",
        title: "volumes of running and of kept containers stay, with what they hold, also with --all",
        points: 2,
        hints: &["`Volume::user` answers for both kinds of container."],
        run: prune::keeps_used,
        ..PRUNE
    },
    Check {
        id: "prune-waits-for-starts",
        title: "`volume prune` waits for a start that has begun, and keeps the volume that it has chosen",
        points: 2,
        hints: &["`rm` of one volume holds the store alone. What does it look at before, and what behind?"],
        run: prune::waits,
        ..PRUNE
    },
    Check {
        id: "volumes-from-places",
        title: "--volumes-from gives the volumes and folders of a running or kept container, at the same places",
        points: 3,
        hints: &["The record has a `Spec` for each mount, with its destination."],
        run: from::places,
        ..FROM
    },
    Check {
        id: "volumes-from-read-only",
        title: "with CONTAINER:ro all of it is read-only, for this container alone; another word is one error",
        points: 2,
        hints: &["What the other container has read-only stays so in any case."],
        run: from::read_only,
        ..FROM
    },
    Check {
        id: "volumes-from-lifetime",
        title: "an anonymous volume that two containers have goes with the last of them",
        points: 2,
        hints: &["It is the same volume, so it is as anonymous as it was."],
        run: from::lifetime,
        ..FROM
    },
    Check {
        id: "subpath-mounted",
        title: "volume-subpath mounts one folder or file of a volume, and nothing else of it",
        points: 3,
        hints: &["`Mount::bind_again` takes the descriptor that a look-up has given."],
        run: subpath::mounted,
        ..SUBPATH
    },
    Check {
        id: "subpath-refused",
        title: "a volume-subpath that is not there, or is no relative path, or of another type, is one error",
        points: 1,
        hints: &["`Fields::read` knows the keys, and `mount` whether they fit together."],
        run: subpath::refused,
        ..SUBPATH
    },
    Check {
        id: "subpath-inside",
        title: "wherever links of a volume lead, also those that come and go, nothing outside of it is mounted",
        points: 3,
        hints: &["Between a look at a path and a mount by the same path, the path can change."],
        run: subpath::inside,
        ..SUBPATH
    },
];
