//! Behaviours 10, 29 and 38: mounts below a source, and mounts that come later.

use std::path::Path;

use anyhow::{Context, Result};

use super::bed::{Bed, end, expect_mounted, host_tmpfs, mount_apart, mount_at, names, spec};
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "bind-submounts",
        step: 6,
        behaviours: &[38],
        title: "what is mounted below a source on the host is mounted below the destination",
        points: 1,
        hints: &[
            "MS_BIND|MS_REC, or open_tree(2) with AT_RECURSIVE. Without it a user namespace gets EINVAL.",
        ],
        section: "06-volumes.html#source",
        after: &["bind-folder"],
        run: submounts,
        ..Check::NEW
    },
    Check {
        id: "bind-propagation",
        step: 6,
        behaviours: &[10, 38],
        title: "a mount made on either side while the container runs does not appear on the other",
        points: 2,
        hints: &[
            "A copy of a shared mount is shared, too: it is in the same peer group. mount_namespaces(7).",
            "Private, not slave: a slave still receives.",
        ],
        section: "06-volumes.html#source",
        needs: &[Need::Root],
        after: &["bind-folder"],
        run: propagation,
        ..Check::NEW
    },
    Check {
        id: "volume-host-mounts-same",
        step: 6,
        behaviours: &[29, 38],
        title: "the caller's mount table is byte for byte the same before, during and after a run with volumes",
        points: 2,
        hints: &["Every mount is made in the container's mount namespace, a volume's as well."],
        section: "06-volumes.html#outside",
        after: &["bind-folder", "host-mounts-same"],
        run: table_same,
        ..Check::NEW
    },
    Check {
        id: "volume-host-mounts-shared",
        step: 6,
        behaviours: &[10, 29, 38],
        title: "it is the same, too, where every mount is shared",
        points: 2,
        hints: &[
            "A source below a shared mount passes on what is mounted on it, unless the copy is made private first.",
        ],
        section: "06-volumes.html#outside",
        needs: &[Need::Root],
        after: &["volume-host-mounts-same", "host-mounts-shared"],
        run: table_shared,
        ..Check::NEW
    },
];

/// A folder that every host has mounts below, and those mounts relative to it.
pub(super) fn crowded() -> Result<(&'static str, Vec<String>)> {
    let mounts = Process::this().mounts()?;
    let below = |top: &str| -> Vec<String> {
        let points = mounts.iter().filter_map(|mount| mount.point.strip_prefix(&format!("{top}/")));
        points.map(String::from).collect()
    };
    let found =
        ["/dev", "/sys"].into_iter().map(|top| (top, below(top))).find(|(_, below)| !below.is_empty());
    found.ok_or_else(|| crate::skip("nothing is mounted below /dev and /sys"))
}

fn submounts(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (top, below) = crowded()?;
    let (mut running, command) = bed.up(&["-v", &spec(Path::new(top), "/host")])?;
    let inside: Vec<String> = command.mounts()?.into_iter().map(|mount| mount.point).collect();
    for name in below {
        let point = format!("/host/{name}");
        expect!(inside.contains(&point), "a mount on {point} with -v {top}:/host", "{inside:?}");
    }
    end(&mut running)?;
    Ok(())
}

fn propagation(subject: &Subject) -> Verdict {
    mount_apart(true)?;
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    host_tmpfs(&source.join("before"))?;
    std::fs::create_dir(source.join("later"))?;
    std::fs::create_dir(source.join("inside"))?;
    let mut words = subject.probe_argv("tmpfs")?;
    words.push("/data/inside".into());
    let mut running = bed.launch(&["-v", &spec(&source, "/data")], &words).start()?;
    expect_eq!(running.read_line()?, "ready", "the probe, after it mounted a tmpfs in the volume");
    let command = running.command()?;
    mount_at(command, "/data/inside")?;
    expect_eq!(names(&source.join("inside"))?, Vec::<String>::new(), "names on the host where it mounted");
    host_tmpfs(&source.join("later"))?;
    host_tmpfs(&source.join("before/later"))?;
    let inside = command.mounts()?;
    for point in ["/data", "/data/before"] {
        let mount = inside.iter().find(|mount| mount.point == point).context("no mount")?;
        expect!(mount.propagation.is_empty(), "a private mount on {point}", "{:?}", mount.propagation);
    }
    let late = inside.iter().find(|mount| mount.point.ends_with("/later"));
    expect!(late.is_none(), "no mount that the host made later", "{late:?}");
    end(&mut running)?;
    Ok(())
}

fn watch(subject: &Subject) -> Verdict {
    let table = || Process::this().text("mountinfo");
    let before = table()?;
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let (folder, file) = (spec(&source, "/data/made"), spec(&source.join("file"), "/data/made/file:ro"));
    let options = ["-v", &folder, "-v", &file, "-v", "named:/var", "--tmpfs", "/run", "--rm"];
    for more in [&[][..], &["--read-only"], &["--init"], &["--chroot"]] {
        let (mut running, command) = bed.up(&[more, &options].concat())?;
        expect_mounted(command, "/data/made", &source)?;
        expect_eq!(
            table()?,
            before,
            "/proc/self/mountinfo of the caller during a run with volumes, {more:?}"
        );
        end(&mut running)?;
        expect_eq!(table()?, before, "/proc/self/mountinfo of the caller after a run with volumes, {more:?}");
    }
    bed.refused(&["-v", &folder, "-v", &spec(&source, "/etc/passwd")], "/etc/passwd")?;
    expect_eq!(table()?, before, "/proc/self/mountinfo of the caller after a run that failed");
    Ok(())
}

fn table_same(subject: &Subject) -> Verdict {
    watch(subject)
}

fn table_shared(subject: &Subject) -> Verdict {
    mount_apart(true)?;
    watch(subject)
}
