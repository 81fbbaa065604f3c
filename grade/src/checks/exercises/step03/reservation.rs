//! The exercise memory-reservation.

use super::super::super::common::expect_own_error;
use super::super::super::step03::group::{Group, hold, release};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const SECTION: &str = "03-cgroups.html#ex-memory-reservation";

pub(super) const IN_FILE: Check = Check {
    id: "reservation-in-file",
    step: 3,
    title: "--memory-reservation is in the file of the container's group, and the limit is what it was",
    points: 3,
    hints: &["memory.soft_limit_in_bytes on v1, memory.low on v2."],
    section: SECTION,
    needs: &[Need::CgroupController("memory")],
    run: reservation,
    ..Check::NEW
};

pub(super) const WITHIN_LIMIT: Check = Check {
    id: "reservation-within-limit",
    step: 3,
    title: "a reservation above --memory is one message that names it, and nothing is started; an equal one is taken",
    points: 2,
    hints: &["`Limits::swap` compares two options, too."],
    section: SECTION,
    needs: &[Need::CgroupController("memory")],
    run: reservation_within,
    ..Check::NEW
};

fn reservation(subject: &Subject) -> Verdict {
    for options in [&["--memory-reservation", "32m"][..], &["--memory", "64m", "--memory-reservation", "32m"]]
    {
        let (mut running, command) = hold(subject, options)?;
        let group = Group::of(command, "memory")?;
        let (soft, hard) = (
            group.file("memory.soft_limit_in_bytes", "memory.low"),
            group.file("memory.limit_in_bytes", "memory.max"),
        );
        expect_eq!(group.text(soft)?, "33554432", "{soft} with {options:?}");
        let limit = group.text(hard)?;
        let as_asked = (limit == "67108864") == (options.len() > 2);
        expect!(as_asked, "{hard} only by --memory, with {options:?}", "{limit}");
        release(&mut running)?;
    }
    Ok(())
}

fn reservation_within(subject: &Subject) -> Verdict {
    let (mut running, _) = hold(subject, &["--memory", "64m", "--memory-reservation", "64m"])?;
    release(&mut running)?;
    for reservation in ["65m", "128m", "64"] {
        let options = ["--memory", "64m", "--memory-reservation", reservation];
        let output = subject.run(&options, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("a run with {options:?}"))?;
        expect!(
            output.err().contains("memory-reservation"),
            "the option in the message",
            "{:?}",
            output.err()
        );
    }
    Ok(())
}
