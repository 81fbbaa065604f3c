//! Behaviour 27: --user.

use std::fs;
use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{getegid, geteuid};

use super::super::common::{expect_own_error, start_cat, until_gone};
use crate::need::sub_id_range;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "user-by-name-and-id",
        step: 4,
        behaviours: &[27],
        title: "-u takes a name, an id, or both with a group, and sets user, group and the groups of the image",
        points: 3,
        hints: &[
            "The names are those of the image's /etc/passwd and /etc/group, not the host's.",
            "Groups first: once the user is changed there is no right to change them.",
            "Docker: a name must be known, an id need not; its group is then 0.",
        ],
        section: "04-chroot-proc.html#user",
        needs: &[Need::Root],
        run: by_name_and_id,
        ..Check::NEW
    },
    Check {
        id: "user-dies-with-runtime",
        step: 4,
        behaviours: &[7, 27],
        title: "`kill -9` of the runtime ends a command under -u, too",
        points: 2,
        hints: &[
            "A change of user clears the parent death signal: prctl(2), PR_SET_PDEATHSIG. Ask again after it.",
        ],
        section: "04-chroot-proc.html#user",
        needs: &[Need::Root],
        after: &["kill-ends-command", "user-by-name-and-id"],
        run: dies_with_runtime,
        ..Check::NEW
    },
    Check {
        id: "user-powerless",
        step: 4,
        behaviours: &[27],
        title: "a command under -u that is not root has no capability in effect and HOME from the image",
        points: 2,
        hints: &["setresuid(2) from 0 clears them; what is kept before exec (ambient) would come back."],
        section: "04-chroot-proc.html#user",
        needs: &[Need::Root],
        after: &["user-by-name-and-id"],
        run: powerless,
        ..Check::NEW
    },
    Check {
        id: "user-home-asked-for",
        step: 4,
        behaviours: &[6, 27],
        title: "HOME is the home of the image's user, unless -e asks for another: then it is that one alone",
        points: 1,
        hints: &[
            "Which user it is, and so its home, is known late; what was asked for is known before, and stays.",
        ],
        section: "04-chroot-proc.html#user",
        run: home_asked_for,
        ..Check::NEW
    },
    Check {
        id: "user-unknown",
        step: 4,
        behaviours: &[27],
        title: "a user or a group that the image does not know by name is one error that names it",
        points: 1,
        hints: &["Look the name up before the clone."],
        section: "04-chroot-proc.html#user",
        run: unknown,
        ..Check::NEW
    },
    Check {
        id: "user-sub-ids",
        step: 4,
        behaviours: &[11, 27],
        title: "with sub-id ranges -u works for an ordinary user: id 1000 is the range's 1000th",
        points: 1,
        hints: &["newuidmap(1) maps id 1 and those after it to the range of /etc/subuid."],
        section: "04-chroot-proc.html#user",
        needs: &[Need::NotRoot, Need::SubIds],
        run: sub_ids,
        ..Check::NEW
    },
    Check {
        id: "user-not-mapped",
        step: 4,
        behaviours: &[27],
        title: "without sub-id ranges an ordinary user is root alone inside; -u of another is one error that names it",
        points: 1,
        hints: &["setresuid(2) fails with EINVAL for an id that no map holds: say what that means."],
        section: "04-chroot-proc.html#user",
        needs: &[Need::NotRoot, Need::NoSubIds],
        run: not_mapped,
        ..Check::NEW
    },
];

/// What `-u` takes, then user, group, and all groups.
const USERS: [(&str, u32, u32, &[u32]); 9] = [
    ("student", 1000, 1000, &[7, 44, 1000]),
    ("1000", 1000, 1000, &[7, 44, 1000]),
    ("student:disk", 1000, 7, &[7]),
    ("1000:7", 1000, 7, &[7]),
    ("student:4321", 1000, 4321, &[4321]),
    ("7777", 7777, 0, &[0]),
    ("7777:8888", 7777, 8888, &[8888]),
    ("root", 0, 0, &[0]),
    ("0:student", 0, 1000, &[1000]),
];

fn by_name_and_id(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    let groups =
        "root:x:0:\nstudent:x:1000:\ndisk:x:7:ann,student\nvideo:x:44:student\nother:x:45:students\n";
    fs::write(image.join("etc/group"), groups)?;
    for (asked, uid, gid, all) in USERS {
        let (_running, command) = start_cat(|words| subject.launch_in(&image, &["-u", asked], words))?;
        let four = |id: u32| vec![id.to_string(); 4];
        expect_eq!(command.status("Uid")?, four(uid), "the line Uid with -u {asked}");
        expect_eq!(command.status("Gid")?, four(gid), "the line Gid with -u {asked}");
        let mut found =
            command.status("Groups")?.iter().map(|id| id.parse()).collect::<Result<Vec<u32>, _>>()?;
        // The kernel keeps the command's own group apart; whether it is in this list, too, makes no difference.
        found.retain(|id| *id != gid);
        let wanted: Vec<u32> = all.iter().copied().filter(|id| *id != gid).collect();
        expect_eq!(found, wanted, "the groups besides {gid} with -u {asked}");
    }
    let (_running, command) =
        start_cat(|words| subject.launch_in(&image, &["--init", "--user=student"], words))?;
    expect_eq!(command.status("Uid")?[0], "1000", "the user of a command under --init");
    Ok(())
}

fn dies_with_runtime(subject: &Subject) -> Verdict {
    let (running, command) = start_cat(|words| subject.launch(&["-u", "1000"], words))?;
    expect_eq!(command.status("Uid")?.first().map(String::as_str), Some("1000"), "the command's user");
    running.signal(Signal::SIGKILL)?;
    until_gone(command, Duration::from_secs(1), "the end of the command after `kill -9` of the runtime")
}

fn powerless(subject: &Subject) -> Verdict {
    let image = subject.probe_image();
    let (_running, command) = start_cat(|words| subject.launch_in(&image, &["-u", "student"], words))?;
    for set in ["CapEff", "CapPrm", "CapAmb"] {
        expect_eq!(command.status(set)?, ["0000000000000000"], "{set} of a command with -u student");
    }
    let home = command.environ()?.into_iter().find(|variable| variable.starts_with("HOME="));
    expect_eq!(home.as_deref(), Some("HOME=/home"), "HOME of student");
    Ok(())
}

fn home_asked_for(subject: &Subject) -> Verdict {
    let image = subject.probe_image();
    let mut cases: Vec<(&[&str], &str)> = vec![
        (&[], "HOME=/root"),
        (&["-e", "HOME=/elsewhere"], "HOME=/elsewhere"),
        (&["-e", "HOME=", "-e", "HOMES=2"], "HOME="),
    ];
    if geteuid().is_root() {
        cases.push((&["-u", "student", "-e", "HOME=/elsewhere"], "HOME=/elsewhere"));
    }
    for (options, wanted) in cases {
        let (_running, command) = start_cat(|words| subject.launch_in(&image, options, words))?;
        let mut found = command.environ()?;
        found.retain(|variable| variable.starts_with("HOME="));
        expect_eq!(found, [wanted], "HOME in the environment with {options:?}");
    }
    Ok(())
}

fn unknown(subject: &Subject) -> Verdict {
    // A name of the host's is no better: the image is asked, and nobody else.
    for (asked, named) in
        [("nobody-knows", "nobody-knows"), ("root:no-group", "no-group"), ("daemon", "daemon")]
    {
        let output =
            subject.launch_in(subject.probe_image(), &["-u", asked], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("a run with -u {asked}"))?;
        expect!(output.err().contains(named), "{named} in the message", "{:?}", output.err());
    }
    for asked in ["", "4294967295", "-1", "99999999999"] {
        let output =
            subject.launch_in(subject.probe_image(), &["-u", asked], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("a run with -u {asked:?}"))?;
    }
    Ok(())
}

fn sub_ids(subject: &Subject) -> Verdict {
    let ids = ["/etc/subuid", "/etc/subgid"].map(sub_id_range);
    let [Some((first_uid, uids)), Some((first_gid, gids))] = ids else {
        return Err(crate::skip("the ranges are gone"));
    };
    if uids < 1000 || gids < 1000 {
        return Err(crate::skip("the ranges are too small for id 1000"));
    }
    let image = subject.probe_image();
    let (_running, command) = start_cat(|words| subject.launch_in(&image, &["-u", "student"], words))?;
    expect_eq!(
        command.status("Uid")?[0],
        (first_uid + 999).to_string(),
        "the host's number of the container's 1000"
    );
    expect_eq!(
        command.status("Gid")?[0],
        (first_gid + 999).to_string(),
        "the host's number of the group 1000"
    );
    Ok(())
}

fn not_mapped(subject: &Subject) -> Verdict {
    let image = subject.probe_image();
    for asked in ["root", "0", "0:0"] {
        let (_running, command) = start_cat(|words| subject.launch_in(&image, &["-u", asked], words))?;
        expect_eq!(command.status("Uid")?[0], geteuid().to_string(), "the host's number of -u {asked}");
        expect_eq!(
            command.status("Gid")?[0],
            getegid().to_string(),
            "the host's number of the group of -u {asked}"
        );
    }
    for asked in ["student", "1000", "0:1000"] {
        let output = subject.launch_in(&image, &["-u", asked], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("a run with -u {asked}"))?;
        expect!(
            output.err().contains("1000"),
            "the id that is not mapped in the message",
            "{:?}",
            output.err()
        );
    }
    Ok(())
}
