//! Behaviour 40: `volume rm`.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use nix::sys::signal::Signal;

use super::super::common::until_gone;
use super::bed::{Bed, Victim, end, names};
use crate::subject::PATIENCE;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq, until};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "volume-in-use",
        step: 6,
        behaviours: &[40],
        title: "a volume that a running or a kept container has cannot be removed: one error that names the container",
        points: 2,
        hints: &[
            "What a container uses has to stand in its container.json.",
            "A kept container will want its volume again, though nothing is mounted now.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-commands"],
        run: in_use,
        ..Check::NEW
    },
    Check {
        id: "volume-removed",
        step: 6,
        behaviours: &[40],
        title: "`volume rm` takes all that a volume holds, whatever its modes, and follows no symlink",
        points: 2,
        hints: &[
            "For an ordinary user a folder with mode 000 is closed: remove it as root of a user namespace.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-in-use"],
        run: removed,
        ..Check::NEW
    },
    Check {
        id: "volume-removed-mapped",
        step: 6,
        behaviours: &[40],
        title: "an ordinary user with sub-id ranges can remove a volume with files of other users of its container",
        points: 2,
        hints: &[
            "Their owners are ids of the range: only a user namespace with the same map has power over them.",
        ],
        section: "06-volumes.html#life",
        needs: &[Need::NotRoot, Need::SubIds],
        after: &["volume-removed"],
        run: removed_mapped,
        ..Check::NEW
    },
    Check {
        id: "volume-freed-by-kill",
        step: 6,
        behaviours: &[40],
        title: "a --rm container whose runtime was killed does not keep its volume in use",
        points: 2,
        hints: &["A record says who used it; whether that one lives, a lock tells: flock(2)."],
        section: "06-volumes.html#life",
        after: &["volume-in-use", "kill-ends-command"],
        run: freed,
        ..Check::NEW
    },
];

fn in_use(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let refused = |when: &str| -> Verdict {
        let output = bed.volume(&["rm", "used"])?;
        bed.own_error(&output, "holder", &format!("volume rm of a volume that {when} container uses"))?;
        expect!(bed.content("used").join("file").exists(), "what the volume holds after {when}", "nothing");
        Ok(())
    };
    for options in [&["--name", "holder", "--rm"][..], &["--name", "holder"]] {
        let (mut running, _) = bed.up(&[options, &["-v", "used:/data:ro", "-v", "used:/again"]].concat())?;
        fs::write(bed.content("used").join("file"), "")?;
        refused("a running")?;
        end(&mut running)?;
    }
    refused("a kept")?;
    let (mut running, _) = bed.up(&["--rm", "--mount", "src=used,dst=/data"])?;
    bed.raw(&["rm", "holder"]).output()?.success()?;
    let output = bed.volume(&["rm", "used"])?;
    bed.own_error(&output, "used", "volume rm of a volume that a container without a name uses")?;
    end(&mut running)?;
    expect_eq!(bed.volume(&["rm", "used"])?.success()?.out(), "used\n", "what `volume rm` prints");
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of volumes afterwards");
    Ok(())
}

fn removed(subject: &Subject) -> Verdict {
    let (bed, victim) = (Bed::new(subject), Victim::new(subject)?);
    let mode = || -> std::io::Result<u32> { Ok(fs::metadata(&victim.0)?.permissions().mode() & 0o7777) };
    let before = mode()?;
    let script = format!(
        "cd /data && mkdir -p closed/deep read/only && touch closed/deep/file read/only/file && mknod fifo p \
         && ln -s {0} folder && ln -s {0}/canary file && ln -s ../../../../.. up && chmod 0 closed/deep closed \
         && chmod 555 read/only read && chmod 0 fifo . && touch -- ..dots -r && true",
        victim.0.display()
    );
    for name in ["first", "second", "third"] {
        bed.sh(&["-v", &format!("{name}:/data")], &script)?.success()?;
    }
    expect_eq!(bed.volume(&["rm", "first"])?.success()?.out(), "first\n", "what `volume rm first` prints");
    expect_eq!(bed.volumes()?, ["second", "third"], "volumes after `volume rm first`");
    let output = bed.volume(&["rm", "second", "third"])?.success()?;
    expect_eq!(output.out(), "second\nthird\n", "what `volume rm second third` prints");
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of volumes afterwards");
    victim.untouched("`volume rm` of volumes with symlinks to it")?;
    bed.own_error(&bed.volume(&["rm", "first"])?, "first", "a second `volume rm first`")?;
    // The name is free again, and the new volume has nothing of the old one.
    let output = bed.sh(&["-v", "first:/data"], "ls -A /data; stat -c %a /data")?.success()?;
    expect_eq!(output.out(), "755\n", "names in a new volume of the same name, and its mode");
    expect_eq!(mode()?, before, "the mode of the folder that the symlinks led to");
    Ok(())
}

fn removed_mapped(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.sh(&["-v", "others:/data"], "chmod 1777 /data")?.success()?;
    for user in ["1000", "7:8"] {
        let script =
            format!("mkdir -p /data/{user}/deep && touch /data/{user}/deep/file && chmod 700 /data/{user}");
        bed.sh(&["-u", user, "-v", "others:/data"], &script)?.success()?;
    }
    expect_eq!(names(&bed.content("others"))?, ["1000", "7:8"], "names in the volume");
    bed.volume(&["rm", "others"])?.success()?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of volumes afterwards");
    Ok(())
}

fn freed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let options = ["--rm", "--name", "holder", "-v", "used:/data", "-v", "/anonymous"];
    let (mut running, command) = bed.up(&options)?;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    until_gone(command, Duration::from_secs(5), "the end of the command after `kill -9` of the runtime")?;
    // The kernel may take a moment to let the lock go: the last descriptor of it closes with the command.
    until(Duration::from_secs(5), "`volume rm` to succeed after its container was killed", || {
        bed.volume(&["rm", "used"]).is_ok_and(|output| output.code() == 0).then_some(())
    })?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of volumes afterwards, with the anonymous one");
    Ok(())
}
