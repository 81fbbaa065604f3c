//! Behaviour 31: what a container did to its files survives commit and run.

use std::fs::{self};
use std::os::unix::fs::symlink;
use std::time::Duration;

use anyhow::Result;

use super::own::{Held, Own, small_root};
use crate::archive::{Entry, tar};
use crate::tree::{Tree, expect_alike};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(super) const COMMIT: Check = Check {
    step: 5,
    behaviours: &[31],
    section: "05-aufs-overlay.html#changes",
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "commit-files",
        title: "files and folders that were written, changed, moved and deleted are so in a run of the commit",
        points: 3,
        hints: &[
            "The upper layer is a layer: read it, and write whiteouts as `.wh.NAME`.",
            "A whiteout on disk is a character device 0:0.",
        ],
        after: &["import-run"],
        run: files,
        ..COMMIT
    },
    Check {
        id: "commit-remade-folder",
        title: "a folder that was deleted and made again does not show its old content in a run of the commit",
        points: 2,
        hints: &["An opaque folder: the xattr `overlay.opaque` on disk, `.wh..wh..opq` in a layer."],
        after: &["commit-files"],
        run: remade,
        ..COMMIT
    },
    Check {
        id: "commit-kind-changed",
        title: "a file in place of a folder, a folder in place of a file or symlink, survive commit and run",
        points: 1,
        hints: &["What has the same name hides what is below; a folder that hides none of a kind merges."],
        after: &["commit-files"],
        run: kind_changed,
        ..COMMIT
    },
    Check {
        id: "commit-hard-links",
        title: "names of one file are names of one file in a run of the commit",
        points: 2,
        hints: &["By device and inode: the second name that you meet is a hard link to the first."],
        after: &["commit-files"],
        run: hard_links,
        ..COMMIT
    },
];

/// Lets `change` loose on a container, and wants the same tree in a container of its commit, as layer and as export.
pub(super) fn round_trip(own: &Own, change: impl FnOnce(&Held) -> Verdict) -> Result<Tree> {
    let (before, again) = commit_and_run(own, change)?;
    expect_alike(&again, &before, "the root of a run of the commit")?;
    Ok(before)
}

/// Changes a container's files, commits it and runs the commit: what the container saw, and what the run of the commit
/// sees. Both are exported alike.
fn commit_and_run(own: &Own, change: impl FnOnce(&Held) -> Verdict) -> Result<(Tree, Tree)> {
    let held = own.hold("check/one", &["--name", "changed"])?;
    change(&held)?;
    let before = held.tree()?;
    held.end()?;
    let id = super::own::id_in(&own.ok(&["commit", "changed", "check/two:2"])?.out())?;
    let exported = own.exported("changed")?;
    expect_eq!(
        paths(&exported),
        paths(&before),
        "the paths in the export, against those that the container saw"
    );
    let held = own.hold("check/two:2", &["--name", "again"])?;
    let again = held.tree()?;
    held.end()?;
    expect_alike(&own.exported("again")?, &exported, "the export of a run of the commit")?;
    expect!(own.image_ids()?.iter().any(|known| id.starts_with(known)), "the id among the images", "{id}");
    Ok((before, again))
}

fn paths(tree: &Tree) -> Vec<String> {
    tree.keys().map(|path| path.escape_ascii().to_string()).collect()
}

pub(super) fn one(subject: &Subject, more: Vec<Entry>) -> Result<Own<'_>> {
    let own = Own::new(subject);
    own.import(&tar(small_root()?.into_iter().chain(more)), "check/one")?;
    Ok(own)
}

fn files(subject: &Subject) -> Verdict {
    let own = one(subject, vec![Entry::file("var/old/a", "a"), Entry::file("var/old/b", "b")])?;
    let tree = round_trip(&own, |held| {
        fs::write(held.path("etc/new"), "new\n")?;
        fs::write(held.path("etc/group"), "changed\n")?;
        fs::remove_file(held.path("etc/passwd"))?;
        fs::remove_file(held.path("var/old/a"))?;
        fs::create_dir_all(held.path("var/deep/er"))?;
        fs::write(held.path("var/deep/er/f"), "deep\n")?;
        fs::remove_dir_all(held.path("home"))?;
        fs::rename(held.path("var/old/b"), held.path("tmp/moved"))?;
        Ok(())
    })?;
    for (path, there) in [("etc/new", true), ("etc/passwd", false), ("home", false), ("tmp/moved", true)] {
        expect_eq!(tree.contains_key(path.as_bytes()), there, "whether /{path} is there");
    }
    // What was deleted in one layer and made again in the next is there again.
    let line = "test ! -e /etc/passwd && echo again >/etc/passwd";
    own.sh("check/two:2", &["--name", "third"], line)?;
    own.ok(&["commit", "third", "check/three"])?;
    expect_eq!(own.sh("check/three", &["--rm"], "cat /etc/passwd /etc/new")?, "again\nnew\n", "both files");
    Ok(())
}

fn remade(subject: &Subject) -> Verdict {
    let below = ["var/old/a", "var/old/sub/b", "home/old/c"].map(|name| Entry::file(name, "of the image"));
    let own = one(subject, below.to_vec())?;
    let tree = round_trip(&own, |held| {
        fs::remove_dir_all(held.path("var/old"))?;
        fs::create_dir(held.path("var/old"))?;
        fs::create_dir(held.path("var/old/sub"))?;
        fs::write(held.path("var/old/new"), "new")?;
        fs::remove_dir_all(held.path("home"))?;
        fs::create_dir(held.path("home"))?;
        Ok(())
    })?;
    let left: Vec<_> = tree.keys().filter(|path| path.starts_with(b"var/old/")).collect();
    expect_eq!(left, [&b"var/old/new"[..], b"var/old/sub"], "paths below the folder that was made again");
    // A layer above an opaque folder adds to it.
    own.sh("check/two:2", &["--name", "third"], "echo x >/var/old/third")?;
    own.ok(&["commit", "third", "check/three"])?;
    expect_eq!(
        own.sh("check/three", &["--rm"], "ls /var/old")?,
        "new\nsub\nthird\n",
        "names in it two layers up"
    );
    Ok(())
}

fn kind_changed(subject: &Subject) -> Verdict {
    let old = vec![Entry::file("var/d/in", "x"), Entry::file("var/f", "x"), Entry::symlink("var/l", "d")];
    let own = one(subject, old)?;
    let tree = round_trip(&own, |held| {
        fs::remove_dir_all(held.path("var/d"))?;
        fs::write(held.path("var/d"), "now a file")?;
        fs::remove_file(held.path("var/f"))?;
        fs::create_dir(held.path("var/f"))?;
        fs::write(held.path("var/f/in"), "new")?;
        fs::remove_file(held.path("var/l"))?;
        fs::create_dir(held.path("var/l"))?;
        Ok(())
    })?;
    let kinds = ["var/d", "var/f", "var/l"].map(|path| tree.get(path.as_bytes()).map(|node| node.kind));
    expect_eq!(kinds, [Some('f'), Some('d'), Some('d')], "the kinds of what changed its kind");
    Ok(())
}

fn hard_links(subject: &Subject) -> Verdict {
    let old = [Entry::file("var/a", "a"), Entry::hard_link("var/b", "var/a"), Entry::file("var/c", "c")];
    let own = one(subject, old.to_vec())?;
    // What the container itself saw does not count: an ordinary user's overlay shows a file of the image that got a
    // second name as two files, although it is one in the upper layer.
    let (_, tree) = commit_and_run(&own, |held| {
        fs::write(held.path("tmp/one"), "one file")?;
        fs::hard_link(held.path("tmp/one"), held.path("etc/other"))?;
        fs::hard_link(held.path("var/c"), held.path("tmp/of-the-image"))?;
        symlink("nowhere", held.path("tmp/link"))?;
        fs::hard_link(held.path("tmp/link"), held.path("tmp/same-link"))?;
        Ok(())
    })?;
    for (name, first) in [
        ("tmp/one", "etc/other"),
        ("var/b", "var/a"),
        ("var/c", "tmp/of-the-image"),
        ("tmp/same-link", "tmp/link"),
    ] {
        let same = tree.get(name.as_bytes()).and_then(|node| node.same_as.clone());
        expect_eq!(same.as_deref(), Some(first.as_bytes()), "the first name of the file /{name}");
    }
    Ok(())
}
