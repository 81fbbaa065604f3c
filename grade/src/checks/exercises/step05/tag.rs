//! `tag`: one more name for an image.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use super::waits_for_lock;
use crate::archive::{Entry, tar};
use crate::checks::common::expect_own_error;
use crate::checks::step05::own::{Own, names, small_root};
use crate::subject::PATIENCE;
use crate::tree::expect_alike;
use crate::{Subject, Verdict, expect, expect_eq, until};

/// `NAME:TAG ID` of every image, sorted, with the id's first twelve digits.
fn listed(own: &Own) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for line in own.ok(&["images", "--format", "json"])?.out().lines() {
        let image: serde_json::Value = serde_json::from_str(line)?;
        let [name, tag, id] =
            ["Repository", "Tag", "ID"].map(|key| image[key].as_str().unwrap_or_default().to_string());
        found.push(format!("{name}:{tag} {id}"));
    }
    found.sort();
    Ok(found)
}

pub(super) fn second_name(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let id = own.import_small("check/one")?;
    let more = Entry::file("etc/other", "of the other\n");
    let other = own.import(&tar(small_root()?.into_iter().chain([more])), "check/other:3")?;
    let long = format!("sha256:{id}");
    for (image, name) in [
        ("check/one", "mine:1"),
        ("check/one:latest", "mine"),
        (&id, "by/id"),
        (&long, "by/long-id"),
        (&id[..12], "by/digits:7"),
        ("mine:1", "mine:2"),
    ] {
        let output = own.ok(&["tag", image, name])?;
        expect_eq!((output.out(), output.err()), Default::default(), "what `tag {image} {name}` prints");
    }
    let (short, other) = (&id[..12], &other[..12]);
    let of_one = ["by/digits:7", "by/id:latest", "by/long-id:latest", "check/one:latest", "mine:1", "mine:2"];
    let mut wanted: Vec<String> = of_one.iter().map(|name| format!("{name} {short}")).collect();
    wanted.extend([format!("check/other:3 {other}"), format!("mine:latest {short}")]);
    wanted.sort();
    expect_eq!(listed(&own)?, wanted, "the names that `images` lists, with their ids");
    own.ok(&["rmi", "check/one"])?;
    expect_eq!(own.sh("mine:1", &["--rm"], "echo up")?, "up\n", "a run by the second name");
    own.refused(own.launch("check/one", &["--rm"], &["true"]), "check/one", "a run by the name that went")?;
    own.ok(&["tag", "check/other:3", "mine:1"])?;
    let moved = own.sh("mine:1", &["--rm"], "cat /etc/other")?;
    expect_eq!(moved, "of the other\n", "a run by a name that was given to another image");
    expect_eq!(own.sh("mine:2", &["--rm"], "echo up")?, "up\n", "a run of the image that lost it");
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let before = own.listing()?;
    let nobodys = "0123456789ab".repeat(5);
    for (image, name, named) in [
        ("check/none", "mine:1", "check/none"),
        ("check/one:2", "mine:1", "check/one:2"),
        ("./check/one", "mine:1", "./check/one"),
        (&nobodys, "mine:1", &nobodys),
        ("", "mine:1", "image"),
        ("check/one", "MINE", "MINE"),
        ("check/one", "mine:", "mine:"),
        ("check/one", "../mine", "../mine"),
    ] {
        own.refused(own.call(&["tag", image, name]), named, &format!("`tag {image:?} {name:?}`"))?;
    }
    expect_alike(&own.listing()?, &before, "the store after names that were refused")
}

pub(super) fn waits(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let id = own.import_small("check/one")?;
    let file = File::open(own.data.join("images"))?;
    let alone = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
    let alone = alone.context("lock the store like rmi")?;
    let mut tag = own.call(&["tag", "check/one", "late"]).start()?;
    tag.close_stdin();
    let runtime = tag.runtime();
    until(Duration::from_secs(10), "`tag` to end or to wait for a lock", || {
        (!runtime.alive() || waits_for_lock(runtime)).then_some(())
    })?;
    if !runtime.alive() {
        tag.wait(PATIENCE)?.success()?;
        bail!("`tag` did not wait while somebody else held the store alone");
    }
    // What rmi does while it holds the store.
    fs::remove_file(own.data.join("tags/check%2Fone:latest"))?;
    fs::remove_file(own.data.join("images").join(format!("{id}.json")))?;
    drop(alone);
    let output = tag.wait(PATIENCE)?;
    expect_own_error(subject, &output, 125, "`tag` of an image that was removed while it waited")?;
    expect!(output.err().contains("check/one"), "the image in the message", "{:?}", output.err());
    expect_eq!(names(&own.data.join("tags"))?, Vec::<String>::new(), "names in the store after it");
    Ok(())
}
