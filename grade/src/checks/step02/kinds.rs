//! Behaviours 8 and 12: which namespaces differ from the host's, and for whom.

use std::collections::BTreeSet;
use std::time::Duration;

use super::super::common::{expect_own_error, plain, start_cat, until_gone};
use crate::kernel::NAMESPACES;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "namespaces-default",
        step: 2,
        behaviours: &[8],
        title: "without --ns every namespace but time is new, and user only when not root",
        points: 2,
        hints: &[
            "Compare `ls -l /proc/self/ns` with the same of the command.",
            "clone3(2) takes all the CLONE_NEW* flags at once; an ordinary user needs CLONE_NEWUSER among them.",
            "The cgroup namespace is not in the clone: see why in cgroup_namespaces(7).",
        ],
        section: "02-namespaces.html#clone-flags",
        needs: &[Need::UserNamespaces],
        run: default,
        ..Check::NEW
    },
    Check {
        id: "namespaces-list",
        step: 2,
        behaviours: &[8],
        title: "`--ns LIST` makes the namespaces of the list, and only those",
        points: 3,
        hints: &[
            "Each word of the list is one flag.",
            "An ordinary user gets a user namespace besides; root gets one only by asking.",
            "A time namespace cannot be had from clone3(2): unshare(2) it, and the next child is in it.",
        ],
        section: "02-namespaces.html#clone-flags",
        needs: &[Need::UserNamespaces],
        run: list,
        timeout: Duration::from_secs(60),
        ..Check::NEW
    },
    Check {
        id: "namespaces-unknown",
        step: 2,
        behaviours: &[8],
        title: "an unknown name in `--ns` is an error before anything starts",
        points: 1,
        hints: &["clap's `ValueEnum` knows the names, and says them."],
        section: "02-namespaces.html#clone-flags",
        run: unknown,
        ..Check::NEW
    },
    Check {
        id: "namespaces-grandchildren",
        step: 2,
        behaviours: &[12],
        title: "the command's children and grandchildren are in its namespaces, without anything being done for them",
        points: 1,
        hints: &["namespaces(7): what does fork(2) do about namespaces?"],
        section: "02-namespaces.html#inheritance",
        needs: &[Need::UserNamespaces],
        after: &["namespaces-default"],
        run: grandchildren,
        ..Check::NEW
    },
    Check {
        id: "kill-ends-everything",
        step: 2,
        behaviours: &[7],
        title: "`kill -9` of the runtime ends every process of the container within a second",
        points: 2,
        hints: &[
            "The parent death signal is for one process alone. Which one takes all the others with it?",
            "pid_namespaces(7): when PID 1 ends, the kernel kills the rest of its namespace.",
        ],
        section: "02-namespaces.html#pid-1",
        needs: &[Need::UserNamespaces],
        after: &["kill-ends-command"],
        run: kill_runtime,
        ..Check::NEW
    },
];

/// The kinds in which the process is elsewhere than this check.
fn different(process: Process) -> anyhow::Result<BTreeSet<&'static str>> {
    let (there, here) = (process.namespaces()?, Process::this().namespaces()?);
    Ok(here.into_iter().filter(|(kind, id)| there.get(kind) != Some(id)).map(|(kind, _)| kind).collect())
}

fn with_user_unless_root<'a>(kinds: &[&'a str]) -> BTreeSet<&'a str> {
    let user = if nix::unistd::geteuid().is_root() { None } else { Some("user") };
    kinds.iter().copied().chain(user).collect()
}

fn default(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"]] {
        let (_running, command) = start_cat(plain(subject, options))?;
        let wanted = with_user_unless_root(&["cgroup", "ipc", "mnt", "net", "pid", "uts"]);
        expect_eq!(different(command)?, wanted, "namespaces that are not the host's, with {options:?}");
    }
    Ok(())
}

fn list(subject: &Subject) -> Verdict {
    // A root filesystem of its own and a new /proc need these two, in every list from step 04 on.
    let always: &[&str] = if subject.has_images() { &["mnt", "pid"] } else { &[] };
    let mut lists: Vec<Vec<&str>> =
        NAMESPACES.iter().filter(|kind| **kind != "time").map(|kind| vec![*kind]).collect();
    lists.push(vec!["uts", "ipc"]);
    lists.push(vec!["user", "net", "cgroup"]);
    lists.push(vec!["pid", "mnt", "uts", "ipc", "net", "user", "cgroup"]);
    for mut kinds in lists {
        kinds.extend(always.iter().filter(|kind| !kinds.contains(kind)).copied().collect::<Vec<_>>());
        let (_running, command) = start_cat(plain(subject, &["--ns", &kinds.join(",")]))?;
        expect_eq!(
            different(command)?,
            with_user_unless_root(&kinds),
            "new namespaces with --ns {}",
            kinds.join(",")
        );
    }
    Ok(())
}

fn unknown(subject: &Subject) -> Verdict {
    for list in ["tea", "pid,tea", "PID uts"] {
        let output = subject.run(&["--ns", list], &["true"])?;
        expect_own_error(subject, &output, 125, &format!("--ns {list:?}"))?;
    }
    Ok(())
}

/// A command with a child and a grandchild, all of them there.
const FAMILY: &str = "(sleep 1000 & sleep 1000 & wait) & sleep 1000 & echo up; cat";

fn grandchildren(subject: &Subject) -> Verdict {
    let mut running = subject.start(&[], &["sh", "-c", FAMILY])?;
    running.read_line()?;
    let command = running.command()?;
    // A shell may run the last of its commands in its own place.
    let family = crate::until(Duration::from_secs(5), "four descendants of the command", || {
        let family = command.descendants();
        (family.len() >= 4).then_some(family)
    })?;
    for relative in family {
        expect_eq!(relative.namespaces()?, command.namespaces()?, "namespaces of descendant {}", relative.0);
    }
    Ok(())
}

fn kill_runtime(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"]] {
        let mut running = subject.start(options, &["sh", "-c", FAMILY])?;
        running.read_line()?;
        let command = running.command()?;
        let mut all = command.descendants();
        expect!(all.len() >= 2, "descendants of the command", "{:?}", all);
        all.push(command);
        running.signal(nix::sys::signal::Signal::SIGKILL)?;
        for process in all {
            until_gone(
                process,
                Duration::from_secs(1),
                &format!("the end of process {} with {options:?}", process.0),
            )?;
        }
    }
    Ok(())
}
