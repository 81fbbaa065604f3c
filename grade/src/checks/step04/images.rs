//! What an image may be, and what is refused before anything starts.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::common::expect_own_error;
use crate::subject::write_file;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "image-refused",
        step: 4,
        behaviours: &[28],
        title: "an image that is missing, a file, or empty is one error that names it, exit status 125",
        points: 1,
        hints: &["See to it before the clone; the command never starts."],
        section: "04-chroot-proc.html#image",
        after: &["exit-status-usage"],
        run: refused,
        ..Check::NEW
    },
    Check {
        id: "image-unreadable",
        step: 4,
        behaviours: &[28],
        title: "an image that the user may not read is one error that names it, exit status 125",
        points: 1,
        hints: &["EACCES, and the path."],
        section: "04-chroot-proc.html#image",
        needs: &[Need::NotRoot],
        run: unreadable,
        ..Check::NEW
    },
    Check {
        id: "image-any-name",
        step: 4,
        behaviours: &[28],
        title: "an image may have any name that a folder can have, given as a relative path, too",
        points: 1,
        hints: &[
            "Spaces, commas, colons, newlines, bytes that are no UTF-8: a path is an OsString, not part of an option.",
        ],
        section: "04-chroot-proc.html#image",
        run: any_name,
        ..Check::NEW
    },
];

fn refused(subject: &Subject) -> Verdict {
    let scratch = subject.scratch();
    fs::create_dir(scratch.join("empty"))?;
    write_file(&scratch.join("file"), "no image", 0o755)?;
    symlink("nowhere", scratch.join("dangling"))?;
    for name in ["missing", "file", "empty", "dangling", "file/below"] {
        let image = scratch.join(name);
        let output = subject.launch_in(&image, &[], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("a run of an image that is {name}"))?;
        let path = image.display().to_string();
        expect!(output.err().contains(&path), "{path} in the message", "{:?}", output.err());
    }
    let output = subject.launch_in("no-such-image", &[], &["echo", "started"]).cwd(scratch).output()?;
    expect_own_error(subject, &output, 125, "a run of a name that is no image")?;
    expect!(output.err().contains("no-such-image"), "the name in the message", "{:?}", output.err());
    Ok(())
}

fn unreadable(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    let output = {
        fs::set_permissions(&image, fs::Permissions::from_mode(0o000))?;
        let output = subject.launch_in(&image, &[], &["echo", "started"]).output();
        // Else the scratch folder could not be deleted.
        fs::set_permissions(&image, fs::Permissions::from_mode(0o755))?;
        output?
    };
    expect_own_error(subject, &output, 125, "a run of an image that may not be read")?;
    let path = image.display().to_string();
    expect!(output.err().contains(&path), "{path} in the message", "{:?}", output.err());
    Ok(())
}

fn any_name(subject: &Subject) -> Verdict {
    let names: [&[u8]; 5] =
        [b"two words", b"comma,colon:equals=", b"back\\slash \"q\"", b"new\nline", b"\xff\xfe"];
    let first = subject.own_image("image")?;
    let mut image = first;
    for name in names {
        let next = subject.scratch().join(std::ffi::OsStr::from_bytes(name));
        fs::rename(&image, &next)?;
        image = next;
        let output = subject.launch_in(&image, &[], &["echo", "started"]).output()?.success()?;
        expect_eq!(output.out(), "started\n", "stdout of a run of an image named {name:?}");
    }
    fs::rename(&image, subject.scratch().join("plain"))?;
    for relative in ["./plain", "plain/", "../scratch-link/plain"] {
        let link = subject.scratch().with_file_name("scratch-link");
        if relative.starts_with("..") {
            symlink(subject.scratch(), &link)?;
        }
        let output = subject.launch_in(relative, &[], &["echo", "started"]).cwd(subject.scratch()).output();
        fs::remove_file(&link).ok();
        expect_eq!(output?.success()?.out(), "started\n", "stdout of a run of the image {relative}");
    }
    Ok(())
}
