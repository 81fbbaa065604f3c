//! Behaviour 11: who is who in a user namespace.

use nix::unistd::{getegid, geteuid};

use super::super::common::{plain, start_cat};
use crate::need::sub_id_range;
use crate::{Check, Need, Process, Subject, Verdict, expect_eq};

const SECTION: &str = "02-namespaces.html#id-maps";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "id-map-root",
        step: 2,
        behaviours: &[11],
        title: "root in a user namespace maps every id to itself, and setgroups stays allowed",
        points: 2,
        hints: &[
            "user_namespaces(7): three numbers a line: first id inside, first id outside, how many.",
            "4294967295 ids, since the last one means `no id`.",
        ],
        section: SECTION,
        needs: &[Need::Root, Need::UserNamespaces],
        run: root,
        ..Check::NEW
    },
    Check {
        id: "id-map-root-none",
        step: 2,
        behaviours: &[11],
        title: "root without `user` in the list stays in the host's user namespace",
        points: 1,
        hints: &["Write the maps only when there is a new user namespace: the host's cannot be written."],
        section: SECTION,
        needs: &[Need::Root],
        run: root_none,
        ..Check::NEW
    },
    Check {
        id: "id-map-user",
        step: 2,
        behaviours: &[11],
        title: "a user without sub-id ranges is root inside, alone, and setgroups is denied",
        points: 2,
        hints: &[
            "The kernel lets an ordinary user map one id: the own one.",
            "gid_map is refused until `deny` is in /proc/PID/setgroups. Why? user_namespaces(7) tells.",
        ],
        section: SECTION,
        needs: &[Need::NotRoot, Need::NoSubIds, Need::UserNamespaces],
        run: user,
        ..Check::NEW
    },
    Check {
        id: "id-map-ranges",
        step: 2,
        behaviours: &[11],
        title: "a user with sub-id ranges is root inside, with the range behind it from id 1 on",
        points: 2,
        hints: &[
            "newuidmap(1) and newgidmap(1) are setuid programs that check /etc/subuid and write the map for you.",
            "newuidmap PID 0 UID 1 1 FIRST COUNT",
        ],
        section: SECTION,
        needs: &[Need::NotRoot, Need::SubIds, Need::UserNamespaces],
        run: ranges,
        ..Check::NEW
    },
];

/// The numbers of an id map, line by line.
fn map(process: Process, name: &str) -> anyhow::Result<Vec<Vec<u32>>> {
    let numbers = |line: &str| line.split_whitespace().map(|word| Ok(word.parse()?)).collect();
    process.text(name)?.lines().map(numbers).collect()
}

fn expect_maps(process: Process, uids: &[Vec<u32>], gids: &[Vec<u32>], setgroups: &str) -> Verdict {
    expect_eq!(map(process, "uid_map")?, uids, "uid_map");
    expect_eq!(map(process, "gid_map")?, gids, "gid_map");
    expect_eq!(process.text("setgroups")?.trim_end(), setgroups, "setgroups");
    Ok(())
}

/// The command's own ids as the host counts them, four of each kind.
fn expect_ids(process: Process, uid: u32, gid: u32) -> Verdict {
    expect_eq!(process.status("Uid")?, vec![uid.to_string(); 4], "Uid in /proc/PID/status");
    expect_eq!(process.status("Gid")?, vec![gid.to_string(); 4], "Gid in /proc/PID/status");
    Ok(())
}

fn root(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &["--ns", "pid,uts,ipc,mnt,net,cgroup,user"]))?;
    let all = [vec![0, 0, u32::MAX]];
    expect_maps(command, &all, &all, "allow")?;
    expect_ids(command, 0, 0)
}

fn root_none(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    expect_eq!(command.ns("user")?, Process::this().ns("user")?, "the user namespace of root's command");
    expect_ids(command, 0, 0)
}

fn user(subject: &Subject) -> Verdict {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let (_running, command) = start_cat(plain(subject, &[]))?;
    expect_maps(command, &[vec![0, uid, 1]], &[vec![0, gid, 1]], "deny")?;
    expect_ids(command, uid, gid)?;
    let output = subject.run(&[], &["sh", "-c", "id -u; id -g"])?.success()?;
    expect_eq!(output.out(), "0\n0\n", "`id -u` and `id -g` inside");
    Ok(())
}

fn ranges(subject: &Subject) -> Verdict {
    let (uid, gid) = (geteuid().as_raw(), getegid().as_raw());
    let range = |file| sub_id_range(file).map(|(first, count)| vec![1, first, count]);
    let (Some(uids), Some(gids)) = (range("/etc/subuid"), range("/etc/subgid")) else {
        anyhow::bail!("the ranges went away");
    };
    let (_running, command) = start_cat(plain(subject, &[]))?;
    expect_maps(command, &[vec![0, uid, 1], uids], &[vec![0, gid, 1], gids], "allow")?;
    expect_ids(command, uid, gid)
}
