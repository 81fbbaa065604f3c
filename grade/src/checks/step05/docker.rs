//! Behaviour 32: Docker reads what `save` writes, and `load` reads what Docker writes.

use std::ffi::OsStr;
use std::path::Path;

use anyhow::{Context, Result};

use super::everything::{changed, committed, saved};
use super::own::{Own, id_in};
use super::tools::{TOOLS, of_image, tool};
use crate::need::docker_socket;
use crate::tree::{Tree, expect_alike, of_tar};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "save-for-docker",
        title: "Docker loads what save writes, and exports the same root as ours",
        hints: &["`docker load`, `docker create`, `docker export`."],
        needs: &[Need::DockerDaemon],
        run: docker_reads,
        ..TOOLS
    },
    Check {
        id: "load-from-docker",
        title: "an image that Docker changed and saved loads with its id and root, and goes back to Docker changed",
        hints: &["Docker 25 and later write an OCI layout and manifest.json into one archive."],
        needs: &[Need::DockerDaemon],
        after: &["save-for-docker"],
        run: docker_writes,
        ..TOOLS
    },
];

fn docker<A: AsRef<OsStr>>(subject: &Subject, words: &[A]) -> Result<Vec<u8>> {
    let socket = docker_socket().context("there is no Docker daemon")?;
    let mut all: Vec<&OsStr> = vec!["docker".as_ref(), "-H".as_ref(), socket.as_ref()];
    all.extend(words.iter().map(AsRef::as_ref));
    tool(subject, &all)
}

/// The name of Docker's container, of which there is one at a time.
const CONTAINER: &str = "fork-to-veth-check";

/// What a container of Docker's changes: a file, a link, and folders removed, made again and turned into files.
const THEIR_CHANGES: &str = "set -e
    echo theirs >/etc/theirs; ln /etc/theirs /var/theirs; rm /etc/same; chmod 2711 /var/changed
    rm -r /var/remade; mkdir /var/remade; echo theirs >/var/remade/theirs; rm -r /var/to-dir; ln -s /tmp /var/to-dir";

/// The same for a container of the runtime's.
const OUR_CHANGES: &str = "set -e
    echo ours >/etc/ours; ln /etc/ours /var/ours; rm /etc/theirs; chmod 4700 /var/changed
    rm -r /var/remade; mkdir /var/remade; echo ours >/var/remade/ours; rm /var/l; mkdir /var/l; echo in >/var/l/in";

/// Removes Docker's container and its images when the check is done with them.
struct Docker<'a>(&'a Subject);

impl Drop for Docker<'_> {
    fn drop(&mut self) {
        for words in
            [["rm", CONTAINER], ["rmi", "check/four:4"], ["rmi", "check/three:3"], ["rmi", "check/two:2"]]
        {
            // They may never have come into being.
            let _ = docker(self.0, &[words[0], "-f", words[1]]);
        }
    }
}

fn docker_loads(subject: &Subject, path: &Path) -> Verdict {
    docker(subject, &["load".as_ref(), "-i".as_ref(), path.as_os_str()]).map(drop)
}

/// What Docker exports of a container of this image.
fn root_of(subject: &Subject, image: &str) -> Result<Tree> {
    docker(subject, &["create", "--name", CONTAINER, image, "true"])?;
    let tree = of_tar(&docker(subject, &["export", CONTAINER])?)?;
    docker(subject, &["rm", "-f", CONTAINER])?;
    Ok(tree)
}

/// Wants the same in a root of ours and in Docker's export.
fn expect_same(ours: Tree, theirs: &Tree, what: &str) -> Verdict {
    // Docker's export holds no other xattr. That it has them in the image, the image's id tells.
    let known = |mut tree: Tree| {
        for node in tree.values_mut() {
            node.xattrs.retain(|name, _| name == "security.capability");
        }
        of_image(tree)
    };
    expect_alike(
        &known(ours),
        &known(theirs.clone()),
        &format!("{what}, against Docker's export of the image"),
    )
}

fn docker_reads(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let (path, root) = saved(&own)?;
    let _docker = Docker(subject);
    docker_loads(subject, &path)?;
    let theirs = root_of(subject, "check/two:2")?;
    expect_same(root, &theirs, "the root that was committed")?;
    own.sh("check/two:2", &["--name", "ours"], "true")?;
    expect_same(own.exported("ours")?, &theirs, "our export of a container of the commit")
}

/// The id of an image of Docker's.
fn id(subject: &Subject, image: &str) -> Result<String> {
    id_in(&String::from_utf8(docker(subject, &["images", "-q", "--no-trunc", image])?)?)
}

fn docker_writes(subject: &Subject) -> Verdict {
    let first = Own::new(subject);
    let (path, _) = saved(&first)?;
    let _docker = Docker(subject);
    docker_loads(subject, &path)?;
    let words = ["run", "--network", "none", "--name", CONTAINER, "check/two:2", "sh", "-c", THEIR_CHANGES];
    docker(subject, &words)?;
    docker(subject, &["commit", CONTAINER, "check/three:3"])?;
    docker(subject, &["rm", CONTAINER])?;
    docker(subject, &["save", "-o", "theirs.tar", "check/three:3"])?;

    let own = Own { subject, data: subject.scratch().join("other") };
    own.ok(&["load", &subject.scratch().join("theirs.tar").display().to_string()])?;
    let (ids, known) = (own.image_ids()?, id(subject, "check/three:3")?);
    expect!(ids.len() == 1 && known.starts_with(&ids[0]), "one image with Docker's id {known}", "{ids:?}");
    own.sh("check/three:3", &["--name", "loaded"], "true")?;
    let theirs = root_of(subject, "check/three:3")?;
    expect_same(own.exported("loaded")?, &theirs, "our export of a container of what Docker saved")?;

    let root = changed(&own, "check/three:3", "changed", OUR_CHANGES)?;
    docker_loads(subject, &committed(&own, "check/four:4", "ours.tar")?)?;
    let (ids, known) = (own.image_ids()?, id(subject, "check/four:4")?);
    expect!(ids.iter().any(|ours| known.starts_with(ours)), "Docker's id {known} among ours", "{ids:?}");
    expect_same(root, &root_of(subject, "check/four:4")?, "the root that was committed")?;
    let line = "cat /etc/ours /var/remade/*; test -e /etc/theirs || echo none";
    let words = ["run", "--rm", "--network", "none", "check/four:4", "sh", "-c", line];
    let seen = String::from_utf8(docker(subject, &words)?)?;
    expect_eq!(seen, own.sh("check/four:4", &["--rm"], line)?, "what a run of Docker's prints");
    Ok(())
}
