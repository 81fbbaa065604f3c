//! Exercises of step 08.

mod aliases;
mod mtu;

use std::time::Duration;

use super::super::step08::host::LINKS;
use crate::Check;

const EXERCISE: Check =
    Check { step: 8, points: 2, needs: LINKS, timeout: Duration::from_secs(60), ..Check::NEW };

const ALIASES: Check = Check { section: "08-network.html#ex-aliases", ..EXERCISE };

const MTU: Check = Check { section: "08-network.html#ex-mtu", ..EXERCISE };

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "alias-found",
        title: "the containers of a network find one of them by its aliases on this network, and by no alias that it has on another",
        points: 3,
        hints: &["`Endpoint.names` belongs to one container on one network."],
        run: aliases::found,
        ..ALIASES
    },
    Check {
        id: "alias-shared",
        title: "of two containers with the same alias each is found by it, and the one that is left when the other has ended",
        points: 1,
        hints: &["Two lines of /etc/hosts may have the same name."],
        run: aliases::shared,
        ..ALIASES
    },
    Check {
        id: "alias-kept",
        title: "aliases outlive `rename` and `restart`, and go with `disconnect`",
        points: 3,
        hints: &["Who writes to `Endpoint.names` besides `plug_in`?", "`Joined` is kept in the record."],
        run: aliases::kept,
        ..ALIASES
    },
    Check {
        id: "alias-refused",
        title: "what would break /etc/hosts is no alias, and a network without names of its own has none",
        points: 1,
        hints: &["`extra_host` has the rule; clap's `value_parser` can ask for it."],
        run: aliases::refused,
        ..ALIASES
    },
    Check {
        id: "mtu-on-links",
        title: "both ends of each cable have the network's MTU, and with them the bridge; other networks have the kernel's",
        points: 3,
        hints: &["IFLA_MTU, in the message for the one end and in that for the other."],
        run: mtu::on_links,
        ..MTU
    },
    Check {
        id: "mtu-kept",
        title: "the MTU is the network's: it is there after `restart`, without the bridge that was there before, and in `inspect`",
        points: 2,
        hints: &["The network's record comes back after a reboot; the kernel's links do not."],
        run: mtu::kept,
        ..MTU
    },
    Check {
        id: "mtu-refused",
        title: "an MTU outside of 68 to 65535 is one error, and makes no network",
        points: 1,
        hints: &["`value_parser!(u32).range(…)`"],
        run: mtu::refused,
        ..MTU
    },
];
