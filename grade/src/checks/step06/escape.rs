//! Behaviour 39: a destination stays in the container's root, whatever an image or a volume holds.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use super::super::common::start_cat;
use super::bed::{Bed, Victim, end, names, spec};
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "destination-outside",
        step: 6,
        behaviours: &[39],
        title: "a symlink of the image that leads to a folder of the host gets nothing mounted, made or copied there",
        points: 3,
        hints: &[
            "As a string, `ROOT/data` is a path of the host, and the host follows the symlink at its end.",
            "openat2(2) with RESOLVE_IN_ROOT looks it up as the container would.",
        ],
        section: "06-volumes.html#destination",
        after: &["destination-symlink"],
        timeout: Duration::from_secs(60),
        run: outside,
        ..Check::NEW
    },
    Check {
        id: "destination-kernel-files",
        step: 6,
        behaviours: &[25, 39],
        title: "a symlink of the image to /proc, /sys or / does not let a volume cover them",
        points: 2,
        hints: &[
            "Looking at the option's text is not enough: look where the descriptor has led.",
            "CVE-2019-16884: with a volume over /proc, what runc wrote to protect the container went into the volume.",
        ],
        section: "06-volumes.html#destination",
        after: &["destination-symlink", "destination-refused"],
        run: kernel_files,
        ..Check::NEW
    },
    Check {
        id: "destination-in-volume",
        step: 6,
        behaviours: &[39],
        title: "a symlink that a container left in a volume leads the next container's mounts nowhere else",
        points: 2,
        hints: &["What is inside a volume is as hostile as an image: the same look-up, in the new root."],
        section: "06-volumes.html#destination",
        after: &["destination-outside"],
        run: in_volume,
        ..Check::NEW
    },
    Check {
        id: "destination-swapped",
        step: 6,
        behaviours: &[39],
        title: "a folder that is exchanged for a symlink while the container starts does no harm",
        points: 2,
        hints: &[
            "CVE-2021-30465: between the look and the mount somebody else can write to the volume.",
            "Resolve once, to a descriptor; make and mount by that descriptor, never by the path again.",
        ],
        section: "06-volumes.html#destination",
        after: &["destination-in-volume"],
        timeout: Duration::from_secs(90),
        run: swapped,
        ..Check::NEW
    },
];

/// The runtime may follow the symlink inside, or refuse it with one error: nothing else.
fn sane(bed: &Bed, output: &crate::Output, what: &str) -> Verdict {
    match output.code() {
        0 => Ok(()),
        _ => bed.own_error(output, "", what),
    }
}

fn outside(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, image, victim) = (bed.source("source")?, subject.own_image("image")?, Victim::new(subject)?);
    let climb = format!("../../../../../../../../../../../..{}", victim.0.display());
    let next = Path::new("../victim");
    for target in [victim.0.as_path(), Path::new(&climb), next, Path::new("../../victim")] {
        symlink(target, image.join("link"))?;
        let one = spec(&source.join("file"), "/link/canary");
        for rest in [
            spec(&source, "/link"),
            spec(&source, "/link/new/deep"),
            one,
            "named:/link".into(),
            "named:/link/new".into(),
        ] {
            let what = format!("a run with -v {rest}, where /link leads to {}", target.display());
            let script = "echo x >/link/new; echo x >/link/canary; true";
            let output = bed.launch_in(&image, &["-v", &rest], &["sh", "-c", script]).output()?;
            victim.untouched(&what)?;
            sane(&bed, &output, &what)?;
            let copied = bed.content("named").join("canary");
            let text = fs::read_to_string(&copied).unwrap_or_default();
            expect!(text != "of the host", "nothing of the host in the volume after {what}", "{text:?}");
        }
        let what = format!("a run with --tmpfs /link, where it leads to {}", target.display());
        let options = ["--tmpfs", "/link/tmpfs", "--tmpfs", "/link/more/new"];
        let output = bed.launch_in(&image, &options, &["true"]).output()?;
        victim.untouched(&what)?;
        sane(&bed, &output, &what)?;
        fs::remove_file(image.join("link"))?;
    }
    expect!(!image.join("victim").exists(), "the image as before", "a folder made in it");
    Ok(())
}

fn kernel_files(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, image, victim) = (bed.source("source")?, subject.own_image("image")?, Victim::new(subject)?);
    let root = format!("/proc/self/root/../../../../../../../..{}", victim.0.display());
    let links =
        ["/proc", "/proc/self", "/sys", "/sys/kernel", "/", "../..", "/proc/1/root", "/proc/self/cwd", &root];
    for target in links {
        symlink(target, image.join("link"))?;
        for rest in ["/link", "/link/sys", "/link/proc", "/link/1", "/link/self/attr"] {
            let what = format!("a run with -v SRC:{rest}, where /link leads to {target}");
            let option = spec(&source, rest);
            let script = "cat /proc/1/comm && ls /sys/kernel >/dev/null && echo up && cat";
            let mut running = bed.launch_in(&image, &["-v", &option], &["sh", "-c", script]).start()?;
            if running.read_line().is_ok() {
                let command = running.command()?;
                for mount in command.mounts()? {
                    let point = Path::new(&mount.point);
                    let covers = point == Path::new("/proc") || point == Path::new("/sys");
                    let kinds =
                        if covers { &["proc", "sysfs"][..] } else { &["proc", "sysfs", "tmpfs", "devtmpfs"] };
                    let inside = point.starts_with("/proc") || point.starts_with("/sys");
                    let own = kinds.contains(&mount.fstype.as_str()) || mount.fstype.starts_with("cgroup");
                    expect!(!inside || own, "the kernel's own in /proc and /sys after {what}", "{mount:?}");
                }
            }
            running.close_stdin();
            let output = running.wait(PATIENCE)?;
            victim.untouched(&what)?;
            if output.code() == 0 {
                expect_eq!(output.out(), "sh\nup\n", "what {what} shows of /proc and /sys");
            }
            sane(&bed, &output, &what)?;
        }
        fs::remove_file(image.join("link"))?;
    }
    expect_eq!(names(&source)?, ["file"], "names in the source");
    Ok(())
}

fn in_volume(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, victim) = (bed.source("source")?, Victim::new(subject)?);
    let shared = bed.source("shared")?;
    let target = victim.0.display();
    let script = format!(
        "cd /v && ln -s {target} absolute && ln -s ../../../../../../../../..{target} climb && ln -s ../victim next \
         && ln -s / root && ln -s /proc proc && ln -s /v/loop loop"
    );
    for volume in ["named".to_string(), shared.display().to_string()] {
        bed.sh(&["-v", &format!("{volume}:/v")], &script)?.success()?;
        for below in ["absolute", "absolute/new", "climb/new", "next", "next/new", "loop", "root", "proc"] {
            let what = format!("a run with -v SRC:/v/{below} in {volume}");
            let options = ["-v", &format!("{volume}:/v"), "-v", &spec(&source, &format!("/v/{below}"))];
            let output = bed.launch(&options, &["true"]).output()?;
            victim.untouched(&what)?;
            if ["loop", "root", "proc"].contains(&below) {
                bed.own_error(&output, &format!("/v/{below}"), &what)?;
            }
            sane(&bed, &output, &what)?;
        }
        // On a file, with the symlink as the last part of the destination.
        bed.sh(&["-v", &format!("{volume}:/v")], &format!("ln -s {target}/canary /v/file-link"))?
            .success()?;
        let options = ["-v", &format!("{volume}:/v"), "-v", &spec(&source.join("file"), "/v/file-link")];
        let output = bed.sh(&options, "echo x >/v/file-link; true")?;
        victim.untouched("a file mounted on a symlink in a volume")?;
        sane(&bed, &output, "a file mounted on a symlink in a volume")?;
    }
    Ok(())
}

fn swapped(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, shared, victim) = (bed.source("source")?, bed.source("shared")?, Victim::new(subject)?);
    let (folder, link) = (shared.join("folder"), shared.join("link"));
    fs::create_dir(&folder)?;
    symlink(&victim.0, &link)?;
    let done = AtomicBool::new(false);
    let exchange = || -> nix::Result<()> {
        while !done.load(Ordering::Relaxed) {
            renameat2(AT_FDCWD, &folder, AT_FDCWD, &link, RenameFlags::RENAME_EXCHANGE)?;
        }
        Ok(())
    };
    // A mistake shows in some rounds alone: as many as a slow machine has time for.
    let (least, most, patience) = (10, 100, Duration::from_secs(15));
    let starts = || -> Verdict {
        let began = Instant::now();
        for round in 0..most {
            if round >= least && began.elapsed() > patience {
                break;
            }
            let inner = spec(&source, &format!("/v/folder/new-{round}/deep"));
            let options = ["-v", &spec(&shared, "/v"), "-v", &inner];
            let output = bed.launch(&options, &["true"]).output()?;
            victim.untouched(&format!("start {round} while a folder and a symlink were exchanged"))?;
            sane(&bed, &output, "a start while a folder and a symlink were exchanged")?;
        }
        Ok(())
    };
    std::thread::scope(|scope| {
        let thread = scope.spawn(exchange);
        let verdict = starts();
        done.store(true, Ordering::Relaxed);
        let exchanged = thread.join().map_err(|_| anyhow::anyhow!("the thread that exchanges panicked"))?;
        verdict.and_then(|()| exchanged.context("exchange a folder and a symlink"))
    })?;
    // Once it is still, the same works.
    let quiet = bed.source("quiet")?;
    let options = ["-v", &spec(&quiet, "/v"), "-v", &spec(&source, "/v/folder")];
    let (mut running, _) = start_cat(|words| bed.launch(&options, words))?;
    end(&mut running)?;
    expect!(quiet.join("folder").is_dir(), "a mount point made in the outer source", "none");
    Ok(())
}
