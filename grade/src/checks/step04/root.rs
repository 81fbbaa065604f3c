//! Behaviour 23: the container's root holds.

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use anyhow::Result;

use super::super::common::{plain, start_cat};
use crate::subject::{PATIENCE, write_file};
use crate::{Check, Launch, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "root-mounts",
        step: 4,
        behaviours: &[23],
        title: "the command's mount table has its root, /proc, /sys and /dev, and not one mount of the host",
        points: 3,
        hints: &[
            "`cat /proc/PID/mountinfo` of the command: whatever is listed is still reachable by somebody.",
            "pivot_root(2) stacks the old root somewhere. Who unmounts it?",
            "`pivot_root(\".\", \".\")`, then `umount2(\".\", MNT_DETACH)`. Look at both results.",
        ],
        section: "04-chroot-proc.html#pivot-root",
        run: mounts,
        ..Check::NEW
    },
    Check {
        id: "root-is-image",
        step: 4,
        behaviours: &[23],
        title: "the command's root is the image, not the host's root",
        points: 1,
        hints: &["/proc/PID/root leads to it: compare its device and inode numbers with the folder's."],
        section: "04-chroot-proc.html#image",
        // From step 05 on the image lies below a layer for writing.
        exceptions: &[
            (5, "the root is an overlay with the image as its lower layer"),
            (6, "the root is an overlay with the image as its lower layer"),
            (7, "the root is an overlay with the image as its lower layer"),
            (8, "the root is an overlay with the image as its lower layer"),
        ],
        run: is_image,
        ..Check::NEW
    },
    Check {
        id: "root-no-way-out",
        step: 4,
        behaviours: &[23],
        title: "no `..`, /proc/PID/root, working directory or descriptor leads to a file of the host",
        points: 3,
        hints: &[
            "`..` of the root is the root itself, if the root is the one of the mount namespace.",
            "/proc/1/root is somebody's root. In a PID namespace and a /proc of one's own, whose?",
            "A descriptor of a folder outlives pivot_root: close_range(2).",
        ],
        section: "04-chroot-proc.html#pivot-root",
        after: &["root-mounts"],
        run: no_way_out,
        ..Check::NEW
    },
    Check {
        id: "root-workdir-descriptor",
        step: 4,
        behaviours: &[23],
        title: "a working directory such as /proc/self/fd/7 does not lead the command out either",
        points: 2,
        hints: &[
            "The runtime's own descriptors are open while it changes the directory: a group's folder, for one.",
            "This hole was CVE-2024-21626 in runc.",
            "Close them before, or see afterwards that getcwd(2) does not answer `(unreachable)`.",
        ],
        section: "04-chroot-proc.html#pivot-root",
        after: &["root-no-way-out"],
        run: workdir_descriptor,
        ..Check::NEW
    },
    Check {
        id: "root-chroot-escape",
        step: 4,
        behaviours: &[23],
        title: "the classic chroot escape works with --chroot, and fails without",
        points: 3,
        hints: &[
            "chroot(2) moves the root and leaves the working directory where it is.",
            "Once the working directory is above the root, nothing stops `..`.",
            "After pivot_root and the unmount there is nothing above.",
        ],
        section: "04-chroot-proc.html#chroot-escape",
        run: chroot_escape,
        ..Check::NEW
    },
];

fn mounts(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"], &["--read-only"]] {
        let (_running, command) = start_cat(plain(subject, options))?;
        let (own, host) = (command.mounts()?, Process::this().mounts()?);
        let roots = own.iter().filter(|mount| mount.point == "/").count();
        expect_eq!(roots, 1, "mounts on / {options:?}");
        for mount in &own {
            let point = &mount.point;
            let under = |top: &str| point == top || point.starts_with(&format!("{top}/"));
            let files = ["/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
            let usual = point == "/" || ["/proc", "/sys", "/dev"].iter().any(|top| under(top));
            let usual = usual || (subject.step >= 8 && files.contains(&point.as_str()));
            expect!(usual, "mounts on /, /proc, /sys, /dev and below {options:?}", "{mount:?}");
            let fresh = !host.iter().any(|other| other.id == mount.id);
            expect!(fresh, "mounts that the host does not have {options:?}", "{mount:?}");
            let private = mount.propagation.is_empty();
            expect!(private, "private mounts {options:?}", "{mount:?}");
        }
    }
    Ok(())
}

fn is_image(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(|words| subject.launch_in(subject.probe_image(), &[], words))?;
    let (root, image) = (fs::metadata(command.path("root/."))?, fs::metadata(subject.probe_image())?);
    expect_eq!((root.dev(), root.ino()), (image.dev(), image.ino()), "device and inode of /proc/PID/root");
    Ok(())
}

/// A file of the host outside every image.
fn canary(subject: &Subject) -> Result<PathBuf> {
    let canary = subject.scratch().join("canary");
    write_file(&canary, "of the host", 0o644)?;
    Ok(canary)
}

/// Starts the probe that looks for the host's file, with the runtime's caller holding folders of the host open.
fn look(subject: &Subject, options: &[&str], canary: PathBuf) -> Result<Launch> {
    let launch = subject.probe(options, "reach", &[canary])?.cwd(subject.scratch());
    // SAFETY: open and fcntl are system calls on plain numbers and a string constant.
    Ok(unsafe {
        launch.hook(|| {
            for number in [3, 9, 100] {
                let dir = libc::open(c"/".as_ptr(), libc::O_RDONLY | libc::O_DIRECTORY);
                if dir < 0 || libc::dup2(dir, number) < 0 {
                    return Err(std::io::Error::last_os_error());
                }
            }
            Ok(())
        })
    })
}

fn no_way_out(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"]] {
        let mut running = look(subject, options, canary(subject)?)?.start()?;
        expect_eq!(running.read_line()?, "end", "ways to a file of the host {options:?}");
        // The probe can only try what it can see; the kernel knows all that is open.
        for process in running.runtime().contained() {
            let mut open = process.descriptors()?;
            // An init may hold a signalfd or the like, which leads nowhere.
            open.retain(|number, target| *number > 2 && target.starts_with('/'));
            expect!(open.is_empty(), "no file or folder open but 0, 1 and 2 {options:?}", "{open:?}");
            let host = fs::metadata("/proc/self/root/.")?;
            for link in ["root/.", "cwd/."] {
                let there = fs::metadata(process.path(link))?;
                let apart = (there.dev(), there.ino()) != (host.dev(), host.ino());
                expect!(apart, "a root of its own for process {process:?}", "the host's, through {link}");
            }
        }
        running.close_stdin();
        running.wait(PATIENCE)?.success()?;
    }
    Ok(())
}

fn workdir_descriptor(subject: &Subject) -> Verdict {
    let canary = canary(subject)?;
    // Docker makes a missing working directory, which nobody can below /proc: an error is an answer, too.
    for number in (3..=20).chain([100]) {
        let workdir = format!("/proc/self/fd/{number}");
        let mut running = look(subject, &["-w", &workdir], canary.clone())?.start()?;
        if running.read_line().is_ok_and(|line| line != "end") {
            anyhow::bail!(
                "expected no way to a file of the host from {workdir}, got {}",
                running.stdout_now()
            );
        }
        if let Some(command) = running.runtime().contained().last()
            && let Ok(cwd) = fs::read_link(command.path("cwd"))
            && running.stdout_now().contains("end")
        {
            let image = fs::metadata(command.path("root/."))?;
            let there = fs::metadata(command.path("cwd/."))?;
            let inside =
                there.dev() == image.dev() || there.dev() == fs::metadata(command.path("root/proc"))?.dev();
            expect!(inside, "a working directory inside the container with -w {workdir}", "{cwd:?}");
        }
        running.close_stdin();
        let code = running.wait(PATIENCE)?.code();
        expect!(code == 0 || code == 125, "0 or 125 with -w {workdir}", "{code}");
    }
    Ok(())
}

fn chroot_escape(subject: &Subject) -> Verdict {
    let canary: OsString = canary(subject)?.into();
    let out = subject.run_probe(&["--chroot"], "escape", std::slice::from_ref(&canary))?.success()?;
    expect_eq!(out.out(), "out\n", "where the escape leads with --chroot");
    let held = subject.run_probe(&[], "escape", std::slice::from_ref(&canary))?.success()?;
    expect_eq!(held.out(), "in\n", "where the escape leads without --chroot");
    Ok(())
}
