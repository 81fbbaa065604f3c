//! Behaviour 38: the source of a bind mount.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::symlink;

use super::bed::{Bed, end, expect_mounted, identity, names, spec};
use crate::subject::write_file;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "bind-missing-source",
        step: 6,
        behaviours: &[38],
        title: "a source that is missing is made as a folder for -v, and is an error that names it for --mount",
        points: 2,
        hints: &["Docker's rule. --mount is the newer one: a typing error should not make a folder."],
        section: "06-volumes.html#source",
        after: &["bind-folder"],
        run: missing,
        ..Check::NEW
    },
    Check {
        id: "bind-source-refused",
        step: 6,
        behaviours: &[38],
        title: "a source that can neither be opened nor made is one error that names it",
        points: 1,
        hints: &["ENOTDIR, ENOENT through a dangling symlink, EACCES: the path belongs into the message."],
        section: "06-volumes.html#source",
        after: &["bind-missing-source"],
        run: refused,
        ..Check::NEW
    },
    Check {
        id: "bind-source-forbidden",
        step: 6,
        behaviours: &[38],
        title: "an ordinary user can mount nothing that it may not reach, and make nothing where it may not write",
        points: 1,
        hints: &["Root in a user namespace has no power over files of the host's root: user_namespaces(7)."],
        section: "06-volumes.html#source",
        needs: &[Need::NotRoot],
        after: &["bind-missing-source"],
        run: forbidden,
        ..Check::NEW
    },
    Check {
        id: "bind-relative",
        step: 6,
        behaviours: &[38],
        title: "a source that starts with ./ or ../ is taken from the caller's working directory",
        points: 1,
        hints: &["Before anything changes the directory: std::path::absolute, or openat(2) with AT_FDCWD."],
        section: "06-volumes.html#source",
        after: &["bind-folder"],
        run: relative,
        ..Check::NEW
    },
    Check {
        id: "bind-any-name",
        step: 6,
        behaviours: &[38],
        title: "source and destination may have any name that a folder can have",
        points: 1,
        hints: &["A path is bytes. Only `:` cannot be said with -v, nor `,` with --mount."],
        section: "06-volumes.html#spec",
        after: &["bind-folder"],
        run: any_name,
        ..Check::NEW
    },
    Check {
        id: "bind-source-symlink",
        step: 6,
        behaviours: &[38],
        title: "a source that is a symlink of the host's stands for what it leads to",
        points: 1,
        hints: &[
            "The source is the caller's own path, not the image's: it is followed as every path of the host.",
        ],
        section: "06-volumes.html#source",
        after: &["bind-folder"],
        run: by_symlink,
        ..Check::NEW
    },
];

fn missing(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("made/for/it");
    let path = source.display().to_string();
    let mount = format!("type=bind,source={path},target=/data");
    bed.refused(&["--mount", &mount], &path)?;
    expect!(!subject.scratch().join("made").exists(), "nothing made for --mount", "{path}");
    let (mut running, command) = bed.up(&["-v", &spec(&source, "/data")])?;
    expect!(source.is_dir(), "a folder made for -v", "none");
    expect_mounted(command, "/data", &source)?;
    end(&mut running)?;
    bed.sh(&["-v", &spec(&source, "/data")], "echo x >/data/file")?.success()?;
    expect_eq!(names(&source)?, ["file"], "names in the folder that was made");
    Ok(())
}

fn refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let file = bed.source("source")?.join("file");
    let below = file.join("below");
    let path = below.display().to_string();
    bed.refused(&["-v", &spec(&below, "/data")], &path)?;
    bed.refused(&["--mount", &format!("type=bind,src={path},dst=/data")], &path)?;
    let long = subject.scratch().join("x".repeat(256));
    bed.refused(&["-v", &spec(&long, "/data")], &"x".repeat(256))?;
    let dangling = subject.scratch().join("dangling");
    symlink("no/such/place", &dangling)?;
    let path = dangling.display().to_string();
    bed.refused(&["--mount", &format!("type=bind,src={path},dst=/data")], &path)?;
    Ok(())
}

fn forbidden(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    if fs::create_dir("/fork-to-veth-made").is_ok() {
        fs::remove_dir("/fork-to-veth-made")?;
        return Err(crate::skip("this user may write in /"));
    }
    bed.refused(&["-v", "/fork-to-veth-made/below:/data"], "/fork-to-veth-made")?;
    expect!(!std::path::Path::new("/fork-to-veth-made").exists(), "nothing made in /", "a folder");
    let closed = bed.source("closed")?;
    let path = closed.join("file").display().to_string();
    let close = |mode| fs::set_permissions(&closed, std::os::unix::fs::PermissionsExt::from_mode(mode));
    close(0o000)?;
    let output =
        bed.launch(&["--mount", &format!("type=bind,src={path},dst=/data")], &["echo", "started"]).output();
    // Else the scratch folder could not be deleted.
    close(0o755)?;
    bed.own_error(&output?, &path, "a run with a source below a folder that may not be searched")
}

fn relative(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let other = bed.source("other")?;
    for (asked, wanted) in
        [("./source:/data", &source), ("../other:/data", &other), ("./../source/./:/data", &source)]
    {
        let cwd = if asked.starts_with("./source") { subject.scratch() } else { source.as_path() };
        let launch = |words: &[&str]| bed.launch(&["-v", asked], words).cwd(cwd);
        let (mut running, command) = super::super::common::start_cat(launch)?;
        expect_mounted(command, "/data", wanted)?;
        end(&mut running)?;
    }
    bed.launch(&["-v", "./made:/data"], &["true"]).cwd(subject.scratch()).output()?.success()?;
    expect!(subject.scratch().join("made").is_dir(), "./made in the caller's working directory", "nothing");
    Ok(())
}

fn any_name(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let names: [&[u8]; 6] =
        [b"two words", b"comma,equals=", b"back\\slash \"q\"", b"new\nline", b"\xff\xfe", b"-v"];
    for name in names {
        let source = subject.scratch().join(OsStr::from_bytes(name));
        fs::create_dir(&source)?;
        write_file(&source.join("file"), name, 0o644)?;
        let target = [b"/in/".as_slice(), name].concat();
        let volume = [source.as_os_str().as_bytes(), b":", &target].concat();
        let file = [target.as_slice(), b"/file"].concat();
        let mut words: Vec<OsString> = vec!["run".into(), "--rm".into(), "-v".into()];
        words.extend([OsStr::from_bytes(&volume).into(), subject.probe_image().into()]);
        words.extend(["cat".into(), OsStr::from_bytes(&file).into()]);
        let output = bed.raw(&words).output()?.success()?;
        expect_eq!(output.stdout, name, "a file below a source and a destination named {name:?}");
    }
    let colon = subject.scratch().join("a:b");
    fs::create_dir(&colon)?;
    let mount = format!("type=bind,src={},dst=/data:with", colon.display());
    let (mut running, command) = bed.up(&["--mount", &mount])?;
    expect_mounted(command, "/data:with", &colon)?;
    end(&mut running)?;
    Ok(())
}

fn by_symlink(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let link = subject.scratch().join("link");
    symlink("source", &link)?;
    for asked in [link.clone(), link.join("file"), link.join("../source")] {
        let (mut running, command) = bed.up(&["-v", &spec(&asked, "/data")])?;
        expect_mounted(command, "/data", &asked)?;
        end(&mut running)?;
    }
    expect_eq!(identity(&link)?, identity(&source)?, "what the symlink of the host leads to afterwards");
    expect!(fs::symlink_metadata(&link)?.is_symlink(), "the symlink as before", "something else");
    Ok(())
}
