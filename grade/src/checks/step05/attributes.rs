//! Behaviour 31: what there is about files besides content survives commit and run.

use std::ffi::CString;
use std::fs::{self, File};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, PermissionsExt, symlink};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::layers::{COMMIT, one, round_trip};
use crate::archive::Entry;
use crate::{Check, Subject, Verdict, expect, expect_eq, skip};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "commit-xattrs",
        title: "extended attributes survive commit and run, whatever bytes their values hold",
        points: 2,
        hints: &[
            "`SCHILY.xattr.NAME` records of PAX. The length before a record says where it ends, not a newline.",
        ],
        after: &["commit-files"],
        run: xattrs,
        ..COMMIT
    },
    Check {
        id: "commit-modes",
        title: "setuid, setgid and sticky bits, and modes that a umask would cut, survive commit and run",
        points: 2,
        hints: &["chown(2) clears setuid and setgid: chmod after it.", "tar's header holds 12 bits of mode."],
        after: &["commit-files"],
        run: modes,
        ..COMMIT
    },
    Check {
        id: "commit-special-files",
        title: "FIFOs and symlinks of every kind survive commit and run, and do not stop the commit",
        points: 1,
        hints: &["Opening a FIFO waits for the other side: look with lstat(2) first."],
        after: &["commit-files"],
        run: special,
        ..COMMIT
    },
    Check {
        id: "commit-sparse",
        title: "a file of 64 MB that is a hole but for two bytes survives commit and run, and takes little disk in the run",
        points: 1,
        hints: &["Write zeros as holes: seek over a block of them, and set the size at the end."],
        after: &["commit-files"],
        timeout: Duration::from_secs(180),
        run: sparse,
        ..COMMIT
    },
];

fn set_xattr(path: &Path, name: &str, value: &[u8]) -> Result<(), Errno> {
    let path = CString::new(path.as_os_str().as_bytes()).map_err(|_| Errno::EINVAL)?;
    let name = CString::new(name).map_err(|_| Errno::EINVAL)?;
    // SAFETY: both strings end with a NUL, and the kernel reads as many bytes as the value has.
    let result =
        unsafe { libc::lsetxattr(path.as_ptr(), name.as_ptr(), value.as_ptr().cast(), value.len(), 0) };
    Errno::result(result).map(drop)
}

const VALUES: [(&str, &[u8]); 4] = [
    ("user.text", b"text"),
    ("user.lines", b"one\ntwo\n"),
    ("user.binary", b"\0\xff=\n12 path=evil\n"),
    ("user.empty", b""),
];

fn xattrs(subject: &Subject) -> Verdict {
    let trial = subject.scratch().join("trial");
    fs::write(&trial, "")?;
    if set_xattr(&trial, "user.trial", b"x").is_err() {
        return Err(skip("the filesystem of the temporary folder has no user xattrs"));
    }
    let lower = VALUES.iter().fold(Entry::file("var/below", "x"), |entry, (name, value)| {
        entry.pax(&format!("SCHILY.xattr.{name}"), value)
    });
    let own = one(subject, vec![lower])?;
    let tree = round_trip(&own, |held| {
        fs::write(held.path("tmp/file"), "x")?;
        fs::create_dir(held.path("tmp/dir"))?;
        for (name, value) in VALUES {
            for place in ["tmp/file", "tmp/dir"] {
                set_xattr(&held.path(place), name, value)
                    .with_context(|| format!("set {name} of {place}"))?;
            }
        }
        Ok(())
    })?;
    for place in ["tmp/file", "tmp/dir", "var/below"] {
        let found = tree.get(place.as_bytes()).map(|node| node.xattrs.clone()).unwrap_or_default();
        for (name, value) in VALUES {
            expect_eq!(found.get(name).map(Vec::as_slice), Some(value), "{name} of /{place}");
        }
    }
    Ok(())
}

fn modes(subject: &Subject) -> Verdict {
    let places =
        [("setuid", 0o4755), ("setgid", 0o2755), ("open", 0o666), ("closed", 0o000), ("dir", 0o3777)];
    let lower = places.iter().map(|(name, mode)| match *name {
        "dir" => Entry::dir("var/dir/").mode(*mode),
        _ => Entry::file(format!("var/{name}"), "x").mode(*mode),
    });
    let own = one(subject, lower.collect())?;
    let tree = round_trip(&own, |held| {
        for (name, mode) in places {
            let place = held.path(format!("tmp/{name}"));
            if name == "dir" { fs::create_dir(&place) } else { fs::write(&place, "x") }?;
            fs::set_permissions(&place, fs::Permissions::from_mode(mode))?;
        }
        Ok(())
    })?;
    for (name, mode) in places {
        for place in [format!("tmp/{name}"), format!("var/{name}")] {
            let found = tree.get(place.as_bytes()).map(|node| format!("{:o}", node.mode));
            expect_eq!(found, Some(format!("{mode:o}")), "the mode of /{place}");
        }
    }
    Ok(())
}

fn special(subject: &Subject) -> Verdict {
    let own =
        one(subject, vec![Entry::new(b'6', "var/fifo"), Entry::symlink("var/absolute", "/etc/passwd")])?;
    let tree = round_trip(&own, |held| {
        mkfifo(&held.path("tmp/fifo"), Mode::from_bits_truncate(0o622))?;
        for (name, target) in [("l1", "/no/such"), ("l2", "l1"), ("l3", "."), ("l4", &"x/".repeat(150))] {
            symlink(target, held.path(format!("tmp/{name}")))?;
        }
        Ok(())
    })?;
    let kinds = ["tmp/fifo", "var/fifo", "tmp/l4", "var/absolute"];
    let kinds = kinds.map(|path| tree.get(path.as_bytes()).map(|node| node.kind));
    expect_eq!(kinds, [Some('p'), Some('p'), Some('l'), Some('l')], "the kinds of FIFOs and symlinks");
    Ok(())
}

fn sparse(subject: &Subject) -> Verdict {
    const SIZE: u64 = 64 << 20;
    let own = one(subject, Vec::new())?;
    let held = own.hold("check/one", &["--name", "changed"])?;
    let file = File::create(held.path("tmp/sparse"))?;
    file.set_len(SIZE)?;
    file.write_all_at(b"a", SIZE / 2)?;
    file.write_all_at(b"z", SIZE - 1)?;
    drop(file);
    held.end()?;
    let mut commit = own.call(&["commit", "changed", "check/two"]).start()?;
    commit.close_stdin();
    commit.wait(Duration::from_secs(120))?.success()?;
    let held = own.hold("check/two", &["--rm"])?;
    let (metadata, file) = (fs::metadata(held.path("tmp/sparse"))?, File::open(held.path("tmp/sparse"))?);
    let mut bytes = [0; 2];
    file.read_exact_at(&mut bytes[..1], SIZE / 2)?;
    file.read_exact_at(&mut bytes[1..], SIZE - 1)?;
    expect_eq!((metadata.len(), &bytes), (SIZE, b"az"), "size and the two bytes of the file");
    let disk = metadata.blocks() * 512;
    expect!(disk < 4 << 20, "less than 4 MB on disk for the file", "{disk} bytes");
    held.end()
}
