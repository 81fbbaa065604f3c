//! The exercise bounding-set.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};

use anyhow::{Context, Result};
use nix::sys::stat::makedev;
use nix::unistd::geteuid;

use super::super::super::common::{plain, start_cat};
use super::super::super::step03::group::release;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

const SECTION: &str = "04-chroot-proc.html#ex-bounding-set";

/// The 14 of Docker's.
const USUAL: u64 = 0xa804_25fb;

pub(super) const FOURTEEN: Check = Check {
    id: "capabilities-fourteen",
    step: 4,
    title: "the command's CapPrm, CapEff and CapBnd are 00000000a80425fb: Docker's 14 capabilities",
    points: 3,
    hints: &[
        "For a user ID 0, execve(2) fills the permitted set from the bounding set.",
        "There are more than 32 capabilities: /proc/sys/kernel/cap_last_cap.",
    ],
    section: SECTION,
    run: fourteen,
    ..Check::NEW
};

pub(super) const COVER: Check = Check {
    id: "capabilities-cover",
    step: 4,
    title: "root in the container can neither take off a cover nor make a read-only mount writable",
    points: 2,
    hints: &["umount(2) and mount(2) ask for CAP_SYS_ADMIN. What does execve(2) give to root?"],
    section: SECTION,
    needs: &[Need::Program("mount"), Need::Program("umount")],
    run: cover,
    ..Check::NEW
};

pub(super) const INIT: Check = Check {
    id: "capabilities-init",
    step: 4,
    title: "the PID 1 of --init has none but these either",
    points: 1,
    hints: &["It never executes anything, so the bounding set does nothing to it: capset(2)."],
    section: SECTION,
    run: of_init,
    ..Check::NEW
};

/// What of them a container can have: root may lack some itself.
fn usual() -> Result<u64> {
    let own = if geteuid().is_root() { Process::this().signals("CapBnd")? } else { u64::MAX };
    Ok(USUAL & own)
}

fn fourteen(subject: &Subject) -> Verdict {
    let wanted = format!("{:016x}", usual()?);
    for options in [&[][..], &["--init"], &["--chroot"], &["--read-only"], &["--user", "root"]] {
        let (mut running, command) = start_cat(plain(subject, options))?;
        for set in ["CapPrm", "CapEff", "CapBnd"] {
            expect_eq!(command.status(set)?, [wanted.as_str()], "the capabilities {set} with {options:?}");
        }
        release(&mut running)?;
    }
    Ok(())
}

const UNCOVER: &str = "umount /proc/interrupts; mount -o remount,bind,rw /proc/sys; exec cat";

fn cover(subject: &Subject) -> Verdict {
    let (mut running, command) = start_cat(|_| subject.launch(&[], &["sh", "-c", UNCOVER]))?;
    let there = fs::metadata(command.path("root/proc/interrupts"))?;
    let null = there.file_type().is_char_device() && there.rdev() == makedev(1, 3);
    expect!(
        null,
        "/dev/null on /proc/interrupts after an umount without the capabilities",
        "the kernel's file"
    );
    let mounts = command.mounts()?;
    let settings = mounts.iter().find(|mount| mount.point == "/proc/sys").context("no mount on /proc/sys")?;
    let closed = settings.options.iter().any(|option| option == "ro");
    expect!(closed, "/proc/sys read-only after a remount without the capabilities", "{settings:?}");
    release(&mut running)?;
    Ok(())
}

fn of_init(subject: &Subject) -> Verdict {
    let (mut running, _) = start_cat(plain(subject, &["--init"]))?;
    let contained = running.runtime().contained();
    let first = |process: &&Process| process.pids().is_ok_and(|pids| pids.last() == Some(&1));
    let init = contained.iter().find(first).context("no PID 1 in the container")?;
    for set in ["CapPrm", "CapEff"] {
        let more = init.signals(set)? & !USUAL;
        expect!(more == 0, "none but the 14 capabilities in {set} of init", "{more:#x} besides");
    }
    release(&mut running)?;
    Ok(())
}
