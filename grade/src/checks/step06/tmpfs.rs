//! Behaviours 26 and 38: filesystems in memory.

use std::fs;
use std::path::Path;

use anyhow::Result;

use super::bed::{Bed, end, itself, mount_at, names};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "tmpfs-flags",
        step: 6,
        behaviours: &[38],
        title: "--tmpfs and --mount type=tmpfs mount a new tmpfs with nosuid, nodev and noexec that all may write to",
        points: 2,
        hints: &[
            "`docker run --tmpfs /data`, and look at /proc/self/mountinfo.",
            "The kernel's own mode for the root of a tmpfs is 1777: tmpfs(5).",
        ],
        section: "06-volumes.html#tmpfs",
        after: &["root-mounts"],
        run: flags,
        ..Check::NEW
    },
    Check {
        id: "tmpfs-options",
        step: 6,
        behaviours: &[38],
        title: "size, mode, ro, exec, suid and dev do what they say, and a full tmpfs is full",
        points: 2,
        hints: &[
            "Some are flags of the mount (MOUNT_ATTR_…), some are the filesystem's own (fsconfig(2)).",
            "The last one wins: exec takes back the noexec that is there by itself.",
        ],
        section: "06-volumes.html#tmpfs",
        after: &["tmpfs-flags"],
        run: options,
        ..Check::NEW
    },
    Check {
        id: "tmpfs-refused",
        step: 6,
        behaviours: &[38],
        title: "an option that tmpfs does not have, or a value that makes no sense, is one error that names it",
        points: 1,
        hints: &[
            "Before the clone. What is passed on to the kernel unread fails late, with EINVAL and no name.",
        ],
        section: "06-volumes.html#tmpfs",
        after: &["tmpfs-options"],
        run: refused,
        ..Check::NEW
    },
    Check {
        id: "tmpfs-gone",
        step: 6,
        behaviours: &[38],
        title: "what is written to a tmpfs is neither in the host's files nor in the next container",
        points: 1,
        hints: &["It lives as long as the mount namespace."],
        section: "06-volumes.html#tmpfs",
        after: &["root-mounts"],
        run: gone,
        ..Check::NEW
    },
];

fn flags(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for options in [["--tmpfs", "/data"], ["--mount", "type=tmpfs,target=/data"], ["--tmpfs", "/new/deep"]] {
        let point = if options[1].ends_with("deep") { "/new/deep" } else { "/data" };
        let (mut running, command) = bed.up(&options)?;
        let mount = mount_at(command, point)?;
        expect_eq!(mount.fstype, "tmpfs", "the type with {options:?}");
        for flag in ["rw", "nosuid", "nodev", "noexec"] {
            expect!(itself(&mount, flag), "{flag} with {options:?}", "{:?}", mount.options);
        }
        expect!(mount.propagation.is_empty(), "a private mount", "{:?}", mount.propagation);
        end(&mut running)?;
        let script = format!("stat -c %a:%u {point}; ls -A {point}; echo x >{point}/file");
        expect_eq!(
            bed.sh(&options, &script)?.success()?.out(),
            "1777:0\n",
            "mode, owner and names with {options:?}"
        );
    }
    Ok(())
}

/// What `--tmpfs` or `--mount` gets; options of the mount or the filesystem that must be there, and that must not.
const OPTIONS: [(&str, &str, &[&str], &[&str]); 9] = [
    ("--tmpfs", "/data:size=1m", &["rw", "noexec", "size=1024k"], &[]),
    ("--tmpfs", "/data:size=1048576,mode=700", &["size=1024k", "mode=700"], &[]),
    ("--tmpfs", "/data:ro", &["ro", "noexec", "nosuid", "nodev"], &["rw"]),
    ("--tmpfs", "/data:rw,exec", &["rw", "nosuid", "nodev"], &["noexec"]),
    ("--tmpfs", "/data:suid,dev,exec", &["rw"], &["noexec", "nosuid", "nodev"]),
    ("--tmpfs", "/data:exec,noexec", &["noexec"], &[]),
    ("--tmpfs", "/data:mode=1770,nodev,size=64k", &["mode=1770", "size=64k", "nodev", "noexec"], &[]),
    (
        "--mount",
        "type=tmpfs,dst=/data,tmpfs-size=2m,tmpfs-mode=0700",
        &["size=2048k", "mode=700", "nosuid"],
        &[],
    ),
    ("--mount", "type=tmpfs,dst=/data,readonly,tmpfs-mode=1777", &["ro", "noexec"], &["rw"]),
];

fn options(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for (option, value, has, lacks) in OPTIONS {
        let (mut running, command) = bed.up(&[option, value])?;
        let mount = mount_at(command, "/data")?;
        let there = |name: &str| {
            itself(&mount, name) || (name.contains('=') && mount.super_options.iter().any(|own| own == name))
        };
        for name in has {
            expect!(there(name), "{name} with {value}", "{:?} and {:?}", mount.options, mount.super_options);
        }
        for name in lacks {
            expect!(!there(name), "no {name} with {value}", "{:?}", mount.options);
        }
        end(&mut running)?;
    }
    let script = "stat -c %a /data; dd if=/dev/zero of=/data/file bs=64k count=17 2>/dev/null || echo full
        stat -c %s /data/file";
    let output = bed.sh(&["--tmpfs", "/data:size=1m,mode=750"], script)?.success()?;
    expect_eq!(
        output.out(),
        "750\nfull\n1048576\n",
        "the mode, and what fits into a tmpfs with size=1m,mode=750"
    );
    for (value, code) in [("/data", 126), ("/data:exec", 3)] {
        let script = "printf '#!/bin/sh\\nexit 3\\n' >/data/run && chmod 755 /data/run && exec /data/run";
        expect_eq!(bed.sh(&["--tmpfs", value], script)?.code(), code, "a program in a tmpfs with {value}");
    }
    Ok(())
}

fn refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for (value, named) in [
        ("/data:bogus", "bogus"),
        ("/data:ro,bogus=1", "bogus"),
        ("/data:size=lots", "lots"),
        ("/data:size=", "size"),
        ("/data:size=-1", "-1"),
        ("/data:mode=rwx", "rwx"),
        ("/data:mode=888", "888"),
        ("/data:ro:rw", "/data:ro:rw"),
        ("", "tmpfs"),
    ] {
        bed.refused(&["--tmpfs", value], named)?;
    }
    for (value, named) in [
        ("type=tmpfs,dst=/data,tmpfs-size=lots", "lots"),
        ("type=tmpfs,dst=/data,tmpfs-mode=rwx", "rwx"),
        ("type=tmpfs,dst=/data,tmpfs-mode=99999", "99999"),
        ("type=tmpfs,dst=/data,size=1m", "size"),
        ("type=tmpfs,dst=/data,src=/tmp", ""),
    ] {
        bed.refused(&["--mount", value], named)?;
    }
    Ok(())
}

/// Whether a file of this name is anywhere below a folder.
fn holds(dir: &Path, name: &str) -> Result<bool> {
    for entry in names(dir)? {
        let path = dir.join(&entry);
        let kind = fs::symlink_metadata(&path)?.file_type();
        // overlayfs keeps folders of its own that an ordinary user may not open.
        if entry == name || (kind.is_dir() && fs::read_dir(&path).is_ok() && holds(&path, name)?) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn gone(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let mut running =
        bed.launch(&["--tmpfs", "/data"], &["sh", "-c", "echo x >/data/in-memory; echo up; cat"]).start()?;
    running.read_line()?;
    expect!(running.command()?.path("root/data/in-memory").exists(), "the file in the container", "none");
    expect!(!holds(subject.scratch(), "in-memory")?, "no such file in the host's folders", "one");
    end(&mut running)?;
    let output = bed.sh(&["--tmpfs", "/data"], "ls -A /data")?.success()?;
    expect_eq!(output.out(), "", "names in the tmpfs of the next container");
    Ok(())
}
