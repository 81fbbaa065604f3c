//! Behaviour 37: drivers answer alike.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};

use super::own::Own;
use crate::archive::read::files;
use crate::archive::sha256;
use crate::tree::{Tree, expect_alike, of_tar};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

const DRIVER: Check = Check {
    step: 5,
    behaviours: &[37],
    points: 2,
    section: "05-aufs-overlay.html#drivers",
    after: &["import-run"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "driver-mounted",
        title: "the root of a container is an overlay with the driver overlay, and is not with vfs",
        points: 1,
        hints: &["The driver's whole job: turn layers and a writable folder into one mount."],
        needs: &[Need::Overlay],
        run: mounted,
        ..DRIVER
    },
    Check {
        id: "drivers-alike",
        title: "with overlay and with vfs the same changes give the same root, the same diff and the same commit",
        points: 3,
        hints: &["vfs has no upper folder: what changed is found by comparing with the layers."],
        needs: &[Need::Overlay],
        after: &["commit-files", "driver-mounted"],
        run: alike,
        ..DRIVER
    },
    Check {
        id: "driver-vfs-round-trip",
        title: "with the driver vfs containers leave the image alone, and a commit of one runs",
        section: "05-aufs-overlay.html#vfs",
        hints: &["A copy of the image for each container: plain, large, and it works everywhere."],
        run: vfs,
        ..DRIVER
    },
    Check {
        id: "driver-aufs-missing",
        title: "the driver aufs on a kernel without AUFS is one clear error that says so, before anything starts",
        points: 1,
        section: "05-aufs-overlay.html#aufs",
        hints: &["/proc/filesystems tells what the kernel has."],
        needs: &[Need::NoFilesystem("aufs")],
        run: aufs_missing,
        ..DRIVER
    },
    Check {
        id: "driver-aufs-alike",
        title: "with the driver aufs, where the kernel has it, changes, diff and commit are as with vfs",
        section: "05-aufs-overlay.html#aufs",
        hints: &["The branches, writable first: `br:UPPER=rw:LOWER=ro+wh`."],
        needs: &[Need::Root, Need::Filesystem("aufs")],
        run: |subject| compare(subject, "aufs"),
        ..DRIVER
    },
    Check {
        id: "driver-unknown",
        title: "a driver of another name is one error that names it",
        points: 1,
        hints: &["A value enum of clap lists what there is."],
        run: unknown,
        ..DRIVER
    },
    Check {
        id: "driver-on-overlay",
        title: "with the data folder on an overlay itself, runs work without being told a driver, and one line says why",
        hints: &["overlayfs is no upperdir for overlayfs: statfs(2) tells, and vfs needs nothing."],
        needs: &[Need::Root, Need::Overlay],
        run: on_overlay,
        ..DRIVER
    },
];

fn mounted(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    for (driver, overlay) in [("overlay", true), ("vfs", false)] {
        let held = own.hold("check/one", &["--rm", "--storage-driver", driver])?;
        let mounts = held.command.mounts()?;
        let kinds: Vec<_> =
            mounts.iter().filter(|mount| mount.point == "/").map(|m| m.fstype.clone()).collect();
        let is = kinds.last().is_some_and(|kind| kind == "overlay");
        expect_eq!(is, overlay, "whether / is an overlay with {driver}: {kinds:?}");
        held.end()?;
    }
    Ok(())
}

const CHANGES: &str = "echo new >/etc/new && echo more >>/etc/group && rm /etc/passwd && mv /home /var/home && \
    mkdir -p /var/deep/er && echo x >/var/deep/er/f && chmod 700 /root && ln -s /etc/new /tmp/l && \
    ln /etc/new /tmp/same";

/// What [`CHANGES`] leaves: the export of the container, what `diff` says, and the layer of its commit.
fn after_changes(own: &Own, driver: &str) -> Result<(Tree, String, Tree)> {
    let (global, image) = (["--storage-driver", driver], format!("check/{driver}:2"));
    own.sh("check/one", &["--name", driver, global[0], global[1]], CHANGES)?;
    let (diff, exported) = (own.ok(&["diff", driver])?.out(), own.exported(driver)?);
    own.ok(&["commit", driver, &image])?;
    let file = own.file("saved.tar", b"")?;
    own.ok(&["save", &image, "-o", &file])?;
    let files = files(&fs::read(file)?)?;
    let layers: Vec<_> = files.iter().filter_map(|(_, content)| of_tar(content).ok()).collect();
    // The layer that is not the imported one: it has the new file, and no shell.
    let is_top = |layer: &&Tree| layer.contains_key(&b"etc/new"[..]) && !layer.contains_key(&b"bin/sh"[..]);
    let top = layers.iter().find(is_top).cloned().unwrap_or_default();
    Ok((exported, diff, top))
}

fn compare(subject: &Subject, driver: &str) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let (first, second) = (after_changes(&own, "vfs")?, after_changes(&own, driver)?);
    // The two ran one behind the other: seconds may differ for what each wrote.
    let timeless = |tree: &Tree| -> Tree {
        let entries =
            tree.iter().map(|(path, node)| (path.clone(), crate::tree::Node { mtime: 0, ..node.clone() }));
        entries.collect()
    };
    expect_eq!(second.1, first.1, "diff with {driver}, as with vfs");
    expect_alike(
        &timeless(&second.0),
        &timeless(&first.0),
        &format!("the export with {driver}, as with vfs"),
    )?;
    expect!(!first.2.is_empty(), "a layer of the commit", "none");
    expect_alike(&timeless(&second.2), &timeless(&first.2), &format!("the layer with {driver}, as with vfs"))
}

fn alike(subject: &Subject) -> Verdict {
    compare(subject, "overlay")
}

fn vfs(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let id = own.import_small("check/one")?;
    let driver = ["--storage-driver", "vfs"];
    own.sh("check/one", &["--name", "kept", driver[0], driver[1]], CHANGES)?;
    own.ok(&["--storage-driver", "vfs", "commit", "kept", "check/two"])?;
    for options in [&["--rm"][..], &["--rm", driver[0], driver[1]]] {
        let seen =
            own.sh("check/two", options, "cat /etc/new /var/deep/er/f; test -e /etc/passwd || echo none")?;
        expect_eq!(seen, "new\nx\nnone\n", "the commit's files in a run with {options:?}");
    }
    let seen = own.sh(&id, &["--rm", driver[0], driver[1]], "test -e /etc/passwd && cat /etc/group")?;
    expect_eq!(seen, "root:x:0:\nstudent:x:1000:\n", "/etc/group of the image");
    let blobs = super::own::names(&own.data.join("blobs"))?;
    let content = |name: &String| fs::read(own.data.join("blobs").join(name));
    for name in &blobs {
        let bytes = content(name)?;
        expect_eq!(&sha256(&bytes), name, "the digest of the plain blob {name}");
    }
    Ok(())
}

fn aufs_missing(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let before = own.listing()?;
    let options = ["--storage-driver", "aufs"];
    let launch = own.launch("check/one", &options, &["echo", "started"]);
    let output = launch.output()?;
    crate::checks::common::expect_own_error(subject, &output, 125, "a run with the driver aufs")?;
    let text = output.err().to_lowercase();
    expect!(text.contains("aufs"), "aufs in the message", "{text:?}");
    expect_alike(&own.listing()?, &before, "the store after it")
}

fn unknown(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let launch = own.launch("base", &["--storage-driver", "zfs-of-old"], &["echo", "started"]);
    own.refused(launch, "zfs-of-old", "a run with an unknown driver")
}

fn on_overlay(subject: &Subject) -> Verdict {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let own = Own::new(subject);
    let scratch = subject.scratch();
    for name in ["lower", "upper", "work", "data"] {
        fs::create_dir(scratch.join(name))?;
    }
    std::env::set_current_dir(scratch)?;
    let options = "lowerdir=lower,upperdir=upper,workdir=work";
    mount(Some("overlay"), &own.data, Some("overlay"), MsFlags::empty(), Some(options))?;
    let looked = (|| {
        own.import_small("check/one")?;
        let output =
            own.launch("check/one", &["--name", "kept"], &["sh", "-c", "echo x >/x; echo up"]).output()?;
        let (output, lines) = (output.clone().success()?, output.err().lines().count());
        expect_eq!(
            (output.out(), lines),
            ("up\n".to_string(), 1),
            "stdout, and lines on stderr: {:?}",
            output.err()
        );
        let changed = own.ok(&["diff", "kept"])?.out();
        expect_eq!(changed, "A /x\n", "diff of a container with the data folder on an overlay");
        Ok(())
    })();
    std::env::set_current_dir("/")?;
    // The scratch folder is deleted from outside this namespace, where nothing is mounted on it.
    umount(&own.data)?;
    looked
}
