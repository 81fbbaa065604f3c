//! Exercises of step 02.

use nix::sched::{CloneFlags, unshare};
use nix::unistd::geteuid;

use crate::{Check, Launch, Need, Subject, Verdict};

mod domain_name;
mod remap;
mod sharing;

const DOMAIN_NAME: &str = "02-namespaces.html#ex-domain-name";
const SHARING: &str = "02-namespaces.html#ex-share-with-the-host";
const REMAP: &str = "02-namespaces.html#ex-root-is-somebody-else";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "domainname-own",
        step: 2,
        title: "--domainname names the container's NIS domain, and the host's is as before",
        points: 2,
        hints: &["setdomainname(2) in the child, once it is in its UTS namespace."],
        section: DOMAIN_NAME,
        needs: &[Need::UserNamespaces],
        run: domain_name::own,
        ..Check::NEW
    },
    Check {
        id: "domainname-impossible",
        step: 2,
        title: "a domain name without a UTS namespace, or of more than 64 bytes, is one error",
        points: 2,
        hints: &["`Namespaces::hostname` asks the same of --hostname."],
        section: DOMAIN_NAME,
        needs: &[Need::UserNamespaces],
        run: domain_name::impossible,
        ..Check::NEW
    },
    Check {
        id: "domainname-explained",
        step: 2,
        title: "--explain tells of setdomainname when it is called, and only then",
        points: 1,
        hints: &["`explain!`, after the call has returned."],
        section: DOMAIN_NAME,
        needs: &[Need::UserNamespaces],
        run: domain_name::explained,
        ..Check::NEW
    },
    Check {
        id: "sharing-leaves-out",
        step: 2,
        title: "--pid host, --uts host, --ipc host and --network host leave out their kind of namespace, and no other",
        points: 3,
        hints: &[
            "Compare `/proc/PID/ns` of the command with that of the runtime.",
            "Two of them together leave out two kinds.",
        ],
        section: SHARING,
        needs: &[Need::UserNamespaces],
        run: sharing::leaves_out,
        ..Check::NEW
    },
    Check {
        id: "sharing-the-name",
        step: 2,
        title: "with --uts host the command has the host's name, in HOSTNAME as well, and the host keeps it",
        points: 2,
        hints: &["Who asks `has(Namespace::Uts)`? All of them must get the same answer."],
        section: SHARING,
        needs: &[Need::UserNamespaces],
        run: sharing::the_name,
        ..Check::NEW
    },
    Check {
        id: "sharing-refused",
        step: 2,
        title: "another word than `host`, an --ns with the same kind, and --hostname with --uts host are errors",
        points: 2,
        hints: &["clap knows each option alone. What two options say together, `choose` sees."],
        section: SHARING,
        needs: &[Need::UserNamespaces],
        run: sharing::refused,
        ..Check::NEW
    },
    Check {
        id: "remap-ids",
        step: 2,
        title: "with --userns-remap the host sees the command's user, group and groups in the range, by the map",
        points: 3,
        hints: &[
            "`grep -E 'Uid|Gid|Groups' /proc/PID/status`, and `cat /proc/PID/uid_map`.",
            "The map alone changes nobody: the child is still the host's root.",
        ],
        section: REMAP,
        needs: &[Need::Root, Need::UserNamespaces],
        run: remap::ids,
        ..Check::NEW
    },
    Check {
        id: "remap-root-inside",
        step: 2,
        title: "the command is root inside, with capabilities, and cannot read what only the host's root may",
        points: 2,
        hints: &["setuid(2) to 0 is meant inside: by then the map has to be there."],
        section: REMAP,
        needs: &[Need::Root, Need::UserNamespaces],
        run: remap::root_inside,
        ..Check::NEW
    },
    Check {
        id: "remap-dies-with-runtime",
        step: 2,
        title: "`kill -9` of the runtime still ends the command within a second",
        points: 1,
        hints: &["prctl(2), PR_SET_PDEATHSIG: when is the setting cleared?"],
        section: REMAP,
        needs: &[Need::Root, Need::UserNamespaces],
        run: remap::dies_with_runtime,
        ..Check::NEW
    },
    Check {
        id: "remap-refused",
        step: 2,
        title: "a value that is no range of ids is one error, and nothing is started",
        points: 2,
        hints: &["4294967295 is no id: a range may end at 4294967294."],
        section: REMAP,
        needs: &[Need::Root, Need::UserNamespaces],
        run: remap::refused,
        ..Check::NEW
    },
];

/// Root's runtime gets a UTS namespace to itself: a wrong one must not rename this host.
fn apart(launch: Launch) -> Launch {
    if !geteuid().is_root() {
        return launch;
    }
    // SAFETY: the hook makes one system call on a constant.
    unsafe { launch.hook(|| Ok(unshare(CloneFlags::CLONE_NEWUTS)?)) }
}

/// Fails where the options are not known yet, with what the runtime says of them.
fn expect_known(subject: &Subject, options: &[&str]) -> Verdict {
    apart(subject.launch(options, &["true"])).output()?.success().map(drop)
}
