//! Behaviour 41: what a new named volume starts with.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::Path;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::bed::{Bed, names, spec};
use crate::subject::write_file;
use crate::{Check, Need, Subject, Verdict, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "copy-up-content",
        step: 6,
        behaviours: &[41],
        title: "a new named volume starts with what the image has at its destination: files of every kind, and modes",
        points: 3,
        hints: &[
            "The folder itself has a mode, too: that of the volume.",
            "Do not open what you copy before you know what it is: a FIFO waits for a writer.",
            "open(2) and mkdir(2) take the umask off; chmod afterwards puts setuid and sticky bits back.",
        ],
        section: "06-volumes.html#copy-up",
        after: &["volume-named"],
        run: content,
        ..Check::NEW
    },
    Check {
        id: "copy-up-owners",
        step: 6,
        behaviours: &[41],
        title: "the owners of what was copied are those of the image",
        points: 2,
        hints: &["chown before chmod: a change of owner clears the setuid bit. chown(2)."],
        section: "06-volumes.html#copy-up",
        needs: &[Need::Root],
        after: &["copy-up-content"],
        run: owners,
        ..Check::NEW
    },
    Check {
        id: "copy-up-owners-mapped",
        step: 6,
        behaviours: &[41],
        title: "for an ordinary user with sub-id ranges the owners inside are those of the image, too",
        points: 2,
        hints: &["Only a process in a user namespace with the same map can give files to those ids."],
        section: "06-volumes.html#copy-up",
        needs: &[Need::NotRoot, Need::SubIds],
        after: &["copy-up-content"],
        run: owners_mapped,
        ..Check::NEW
    },
    Check {
        id: "copy-up-only-then",
        step: 6,
        behaviours: &[41],
        title: "nothing is copied into a folder of the host, into a volume that holds something, or with volume-nocopy",
        points: 2,
        hints: &[
            "An empty bind source stays empty: it is the host's. A volume that holds one file is in use.",
        ],
        section: "06-volumes.html#copy-up",
        after: &["copy-up-content"],
        run: only_then,
        ..Check::NEW
    },
];

/// Mode (type and permissions), size and symlink target of everything below `dir`, by path.
fn listing(dir: &Path, below: &str) -> Result<Vec<(String, u32, u64, String)>> {
    let mut found = Vec::new();
    for name in names(dir)? {
        let (path, inner) = (dir.join(&name), format!("{below}/{name}"));
        let entry = fs::symlink_metadata(&path).with_context(|| format!("look at {}", path.display()))?;
        let target =
            if entry.is_symlink() { fs::read_link(&path)?.display().to_string() } else { String::new() };
        // A folder's size is the filesystem's own affair.
        let size = if entry.is_dir() { 0 } else { entry.len() };
        found.push((inner.clone(), entry.mode(), size, target));
        if entry.is_dir() {
            found.extend(listing(&path, &inner)?);
        }
    }
    Ok(found)
}

fn content(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let image = subject.own_image("image")?;
    let data = image.join("data");
    fs::create_dir_all(data.join("closed/deep"))?;
    write_file(&data.join("plain"), "plain", 0o640)?;
    write_file(&data.join("setuid"), "s", 0o4755)?;
    write_file(&data.join("everybody"), "e", 0o666)?;
    write_file(&data.join("closed/deep/file"), vec![b'x'; 300_000], 0o400)?;
    write_file(&data.join(".hidden"), "", 0o600)?;
    write_file(&data.join("new\nline é"), "odd", 0o644)?;
    fs::hard_link(data.join("plain"), data.join("again"))?;
    symlink("plain", data.join("link"))?;
    symlink("/no/such/place", data.join("dangling"))?;
    mkfifo(&data.join("fifo"), Mode::from_bits_truncate(0o600))?;
    fs::set_permissions(data.join("fifo"), fs::Permissions::from_mode(0o622))?;
    fs::create_dir(data.join("sticky"))?;
    for (name, mode) in [("sticky", 0o1777), ("closed/deep", 0o500), ("closed", 0o711), ("", 0o2750)] {
        fs::set_permissions(data.join(name), fs::Permissions::from_mode(mode))?;
    }
    let wanted = listing(&data, "")?;
    // Docker copies for a volume that is mounted read-only, too.
    for (name, rest) in [("writable", ""), ("closed", ":ro")] {
        let launch = bed.launch_in(&image, &["-v", &format!("{name}:/data{rest}")], &["cat", "/data/plain"]);
        // SAFETY: umask is a system call on a plain number.
        let launch = unsafe {
            launch.hook(|| {
                libc::umask(0o077);
                Ok(())
            })
        };
        expect_eq!(launch.output()?.success()?.out(), "plain", "a file of the image in the volume, inside");
        let copy = bed.content(name);
        expect_eq!(fs::metadata(&copy)?.mode() & 0o7777, 0o2750, "the mode of the volume itself");
        expect_eq!(listing(&copy, "")?, wanted, "path, mode, size and target of what the volume holds");
        expect_eq!(fs::read(copy.join("closed/deep/file"))?, vec![b'x'; 300_000], "the content of a file");
        expect_eq!(fs::read(copy.join("new\nline é"))?, b"odd", "the content of a file with an odd name");
        bed.volume(&["rm", name])?.success()?;
    }
    expect_eq!(listing(&data, "")?, wanted, "the image afterwards");
    // So that the scratch folder can be deleted by an ordinary user.
    Ok(fs::set_permissions(data.join("closed/deep"), fs::Permissions::from_mode(0o755))?)
}

fn owners(subject: &Subject) -> Verdict {
    use std::os::unix::fs::{chown, lchown};
    let bed = Bed::new(subject);
    let image = subject.own_image("image")?;
    let data = image.join("data");
    fs::create_dir_all(data.join("dir"))?;
    for name in ["dir/file", "program"] {
        write_file(&data.join(name), name, 0o644)?;
    }
    symlink("program", data.join("link"))?;
    lchown(data.join("link"), Some(1234), Some(5678))?;
    for (name, uid, gid) in [("dir/file", 1000, 1001), ("dir", 70_000, 7), ("program", 0, 42), ("", 999, 998)]
    {
        chown(data.join(name), Some(uid), Some(gid))?;
    }
    fs::set_permissions(data.join("program"), fs::Permissions::from_mode(0o6755))?;
    bed.launch_in(&image, &["-v", "owned:/data"], &["true"]).output()?.success()?;
    let copy = bed.content("owned");
    for name in ["dir/file", "dir", "program", "link", ""] {
        let [wanted, found] = [data.join(name), copy.join(name)].map(fs::symlink_metadata);
        let (wanted, found) = (wanted?, found?);
        let three = |file: &fs::Metadata| (file.uid(), file.gid(), format!("{:o}", file.mode()));
        expect_eq!(three(&found), three(&wanted), "owner, group and mode of {name:?} in the volume");
    }
    Ok(())
}

fn owners_mapped(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "mkdir -p /data/dir && echo x >/data/dir/file && chown 1000:1000 /data/dir/file \
                  && chown 7:8 /data/dir && chmod 700 /data/dir && chown 1000:7 /data";
    bed.launch(&["--name", "maker"], &["sh", "-c", script]).output()?.success()?;
    bed.raw(&["commit", "maker", "owned"]).output()?.success()?;
    bed.raw(&["rm", "maker"]).output()?.success()?;
    let look = ["sh", "-c", "stat -c %u:%g:%a /data /data/dir /data/dir/file"];
    let output =
        bed.launch_in(Path::new("owned"), &["--rm", "-v", "kept:/data"], &look).output()?.success()?;
    expect_eq!(output.out(), "1000:7:755\n7:8:700\n1000:1000:644\n", "owners and modes in the volume");
    // In another image nothing covers the volume.
    let output = bed.launch(&["--rm", "-v", "kept:/data"], &look).output()?.success()?;
    expect_eq!(
        output.out(),
        "1000:7:755\n7:8:700\n1000:1000:644\n",
        "owners and modes in a second container"
    );
    bed.volume(&["rm", "kept"])?.success()?;
    bed.raw(&["rmi", "owned"]).output()?.success()?;
    Ok(())
}

fn only_then(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let image = subject.own_image("image")?;
    fs::create_dir(image.join("data"))?;
    for name in ["one", "two"] {
        fs::write(image.join("data").join(name), name)?;
    }
    let (empty, made) = (subject.scratch().join("empty"), subject.scratch().join("made"));
    fs::create_dir(&empty)?;
    let list = |options: &[&str]| -> Result<String> {
        let output = bed.launch_in(&image, options, &["sh", "-c", "cd /data && ls -A"]).output()?;
        Ok(output.success()?.out())
    };
    for options in [
        ["-v", &spec(&empty, "/data")],
        ["-v", &spec(&made, "/data")],
        ["--mount", "type=volume,src=bare,dst=/data,volume-nocopy"],
        ["--mount", "type=volume,src=bare,dst=/data,volume-nocopy=true"],
        ["--tmpfs", "/data"],
        ["-v", "new:/data/three"],
    ] {
        let wanted = if options[1].starts_with("new") { "one\nthree\ntwo\n" } else { "" };
        expect_eq!(list(&options)?, wanted, "names in /data with {options:?}");
    }
    for dir in [&empty, &made, &bed.content("bare"), &bed.content("new")] {
        expect_eq!(names(dir)?, Vec::<String>::new(), "names in {}", dir.display());
    }
    bed.volume(&["create", "full"])?.success()?;
    fs::write(bed.content("full").join(".hidden"), "")?;
    expect_eq!(list(&["-v", "full:/data"])?, ".hidden\n", "names in a volume that held a file before");
    // One that was made beforehand and is empty still counts as new; so does one without a name.
    expect_eq!(list(&["-v", "bare:/data"])?, "one\ntwo\n", "names in a volume that was empty before");
    expect_eq!(list(&["--rm", "-v", "/data"])?, "one\ntwo\n", "names in a volume without a name");
    fs::remove_file(bed.content("bare").join("one"))?;
    expect_eq!(list(&["-v", "bare:/data"])?, "two\n", "names in a volume from which one was removed");
    Ok(())
}
