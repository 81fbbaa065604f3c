//! Behaviours 39 and 41: the copy takes nothing of the host, and is whole or not there, whenever it is stopped.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::bed::{Bed, Victim, names};
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "copy-up-not-outside",
        step: 6,
        behaviours: &[39, 41],
        title: "symlinks of the image are copied as symlinks, and none leads the copy to a file of the host",
        points: 2,
        hints: &["Walk by descriptors: openat(2) with O_NOFOLLOW, readlinkat(2)."],
        section: "06-volumes.html#copy-up",
        after: &["copy-up-content"],
        run: not_outside,
        ..Check::NEW
    },
    Check {
        id: "copy-up-interrupted",
        step: 6,
        behaviours: &[41],
        title: "a copy that was interrupted by `kill -9` is made anew by the next run, and nothing half is used",
        points: 2,
        hints: &[
            "A volume with half of the files looks like one that holds something.",
            "Fill a draft, and rename it when it is whole: rename(2) is all or nothing.",
        ],
        section: "06-volumes.html#copy-up",
        after: &["copy-up-content"],
        timeout: Duration::from_secs(120),
        run: interrupted,
        ..Check::NEW
    },
    Check {
        id: "copy-up-parallel",
        step: 6,
        behaviours: &[41],
        title: "of several containers that use a new volume at once each sees all of the image's content",
        points: 2,
        hints: &[
            "The second one must not start while the first still copies: flock(2), or the draft's rename.",
        ],
        section: "06-volumes.html#copy-up",
        after: &["copy-up-content"],
        timeout: Duration::from_secs(120),
        run: parallel,
        ..Check::NEW
    },
];

fn not_outside(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (image, victim) = (subject.own_image("image")?, Victim::new(subject)?);
    let data = image.join("data");
    fs::create_dir(&data)?;
    let climb = format!("../../../../../../../../../../../..{}", victim.0.display());
    let canary = victim.0.join("canary");
    for (name, target) in [
        ("folder", victim.0.as_path()),
        ("file", &canary),
        ("climb", Path::new(&climb)),
        ("up", Path::new("..")),
    ] {
        symlink(target, data.join(name))?;
    }
    bed.launch_in(&image, &["-v", "links:/data"], &["true"]).output()?.success()?;
    victim.untouched("a copy of an image's symlinks")?;
    for name in ["folder", "file", "climb", "up"] {
        let (copy, original) = (bed.content("links").join(name), data.join(name));
        let kept = fs::symlink_metadata(&copy)?.is_symlink();
        expect!(kept, "a symlink {name} in the volume", "something else");
        expect_eq!(fs::read_link(copy)?, fs::read_link(original)?, "the target of {name}");
    }
    expect_eq!(names(&bed.content("links"))?.len(), 4, "names in the volume");
    // The folders above may be symlinks, too: then the container's own is meant, and there is none.
    symlink(&victim.0, image.join("lead"))?;
    let output = bed.launch_in(&image, &["-v", "led:/lead"], &["true"]).output()?;
    victim.untouched("a copy from a symlink that leads out")?;
    if output.code() == 0 {
        expect_eq!(names(&bed.content("led"))?, Vec::<String>::new(), "names copied through a symlink");
    } else {
        bed.own_error(&output, "/lead", "a volume on a symlink that leads out")?;
    }
    Ok(())
}

/// So many that the copy takes a while.
const FILES: usize = 1000;

/// An image whose `/data` has [`FILES`] files: in ten folders, or all side by side.
fn large(subject: &Subject, name: &str, flat: bool) -> Result<PathBuf> {
    let image = subject.own_image(name)?;
    for number in 0..FILES {
        let dir = if flat { "data".into() } else { format!("data/{}", number % 10) };
        fs::create_dir_all(image.join(&dir))?;
        fs::write(image.join(dir).join(format!("file-{number}")), [b'x'; 2000])?;
    }
    Ok(image)
}

const COUNT: [&str; 3] = ["sh", "-c", "find /data -type f -size -5 -size +2 | wc -l"];

/// How many of those files are below a folder by now; what goes away meanwhile does not count.
fn copied(dir: &Path) -> usize {
    let Ok(entries) = fs::read_dir(dir) else { return 0 };
    let count = |entry: fs::DirEntry| match entry.file_type() {
        Ok(kind) if kind.is_dir() => copied(&entry.path()),
        Ok(_) => usize::from(entry.file_name().to_string_lossy().starts_with("file-")),
        Err(_) => 0,
    };
    entries.flatten().map(count).sum()
}

/// Kills a first start in the moment that `now` tells, and ends the check unless a second one finds all of the files.
fn kill_and_look(bed: &Bed, image: &Path, when: &str, now: impl Fn() -> bool) -> Verdict {
    let options = ["-v", "killed:/data"];
    let mut first = bed.launch_in(image, &options, &["true"]).start()?;
    // A copy that is over before it was seen is no failure: the next run then finds a whole volume.
    while first.runtime().alive() && !now() {
        sleep(Duration::from_micros(200));
    }
    first.signal(Signal::SIGKILL).ok();
    first.wait(PATIENCE)?;
    let output = bed.launch_in(image, &options, &COUNT).output()?.success()?;
    expect_eq!(output.out(), format!("{FILES}\n"), "files in a volume whose first copy was killed {when}");
    expect_eq!(bed.volumes()?, ["killed"], "the volumes afterwards");
    expect_eq!(bed.folders()?, ["killed"], "folders of volumes afterwards");
    expect_eq!(copied(&bed.data), FILES, "files in the data folder: nothing is left of drafts");
    bed.volume(&["rm", "killed"])?.success()?;
    Ok(())
}

fn interrupted(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (image, flat) = (large(subject, "image", false)?, large(subject, "flat", true)?);
    for part in [1, FILES / 2, FILES - 200] {
        kill_and_look(&bed, &image, &format!("after {part}"), || copied(&bed.data) >= part)?;
    }
    // Whatever was copied beside the volume, it gets there in steps, or in one.
    let content = bed.content("killed");
    let begun = || fs::read_dir(&content).is_ok_and(|mut entries| entries.next().is_some());
    kill_and_look(&bed, &flat, "when the volume itself had its first file", begun)
}

fn parallel(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let image = large(subject, "image", false)?;
    let options = ["-v", "once:/data"];
    let mut all =
        (0..4).map(|_| bed.launch_in(&image, &options, &COUNT).start()).collect::<Result<Vec<_>>>()?;
    for running in &mut all {
        running.close_stdin();
    }
    for running in &mut all {
        let output = running.wait(Duration::from_secs(60))?.success()?;
        expect_eq!(
            output.out(),
            format!("{FILES}\n"),
            "files that one of four containers sees in a new volume"
        );
    }
    expect_eq!(bed.volumes()?, ["once"], "the volumes afterwards");
    Ok(())
}
