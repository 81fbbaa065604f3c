//! Behaviour 32: the tools that others use read what `save` writes, and `load` reads what they write.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::{Duration, UNIX_EPOCH};

use anyhow::{Context, Result, bail};

use super::everything;
use super::own::{NOT_OF_THE_IMAGE, Own};
use crate::archive::MTIME;
use crate::archive::image::{self, Image};
use crate::need::search_path;
use crate::tree::{Tree, expect_alike, of_folder};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(super) const TOOLS: Check = Check {
    step: 5,
    behaviours: &[32],
    points: 2,
    section: "05-aufs-overlay.html#outside",
    after: &["save-load"],
    timeout: Duration::from_secs(180),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "save-for-skopeo",
        title: "skopeo copies what save writes, read as docker-save's archive and as OCI's, into an OCI layout",
        hints: &["`skopeo inspect docker-archive:FILE` says what it misses."],
        needs: &[Need::Program("skopeo")],
        run: skopeo_reads,
        ..TOOLS
    },
    Check {
        id: "save-for-umoci",
        title: "umoci unpacks what save writes to the same root as a run of the image shows",
        hints: &["Names, kinds, modes, owners, links and xattrs are all in the layers."],
        needs: &[Need::Program("skopeo"), Need::Program("umoci")],
        after: &["save-for-skopeo"],
        run: umoci_reads,
        ..TOOLS
    },
    Check {
        id: "load-from-skopeo",
        title: "images that skopeo wrote, as an OCI layout and as docker-save's archive, load and run with the same root",
        hints: &["skopeo compresses layers, and names an image by its tag alone."],
        needs: &[Need::Program("skopeo")],
        run: skopeo_writes,
        ..TOOLS
    },
    Check {
        id: "load-from-umoci",
        title: "an image that umoci changed and wrote loads, and its run shows the root that umoci packed",
        hints: &["A whiteout of umoci's is one like any other."],
        needs: &[Need::Program("skopeo"), Need::Program("umoci")],
        after: &["load-from-skopeo"],
        run: umoci_writes,
        ..TOOLS
    },
];

/// Runs a tool in the scratch folder to its end and returns its stdout.
pub(super) fn tool<A: AsRef<OsStr>>(subject: &Subject, words: &[A]) -> Result<Vec<u8>> {
    let scratch = subject.scratch();
    let output = Command::new(&words[0])
        .args(&words[1..])
        .current_dir(scratch)
        .env("PATH", search_path())
        .env("HOME", scratch)
        .env("TMPDIR", scratch)
        .env("XDG_RUNTIME_DIR", scratch)
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("run {}", words[0].as_ref().display()))?;
    if !output.status.success() {
        let line = words.iter().map(|word| word.as_ref().to_string_lossy()).collect::<Vec<_>>().join(" ");
        bail!(
            "`{line}` ended with {}: {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim_end()
        );
    }
    Ok(output.stdout)
}

fn skopeo(subject: &Subject, from: &str, to: &str) -> Verdict {
    tool(subject, &["skopeo", "copy", "--quiet", "--insecure-policy", from, to]).map(drop)
}

fn skopeo_reads(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    everything::saved(&own)?;
    let ids = own.image_ids()?;
    for (from, to) in [
        ("docker-archive:saved.tar:check/two:2", "oci:from-docker:x"),
        ("oci-archive:saved.tar:2", "oci:from-oci:x"),
    ] {
        skopeo(subject, from, to)?;
        // The copy of a Docker image has a config that skopeo wrote in OCI's words.
        let config = tool(subject, &["skopeo", "inspect", "--config", "--raw", from])?;
        let id = crate::archive::sha256(&config);
        expect!(ids.iter().any(|known| id.starts_with(known)), "the id of {from} among {ids:?}", "{id}");
    }
    Ok(())
}

/// What is the image's in a folder that a tool unpacked, or in an archive that it exported: Docker adds files of its own.
pub(super) fn of_image(mut tree: Tree) -> Tree {
    let below = |path: &[u8]| NOT_OF_THE_IMAGE.iter().any(|skip| path.starts_with(skip.as_bytes()));
    let of_docker = |path: &[u8]| path == b".dockerenv" || path == b"etc/mtab";
    tree.retain(|path, _| !path.is_empty() && !below(path) && !of_docker(path));
    tree
}

/// Unpacks the image `layout:x`, and returns the name of the folder that its root is in.
fn unpack(subject: &Subject) -> Result<PathBuf> {
    let mut words = vec!["umoci", "unpack", "--image", "layout:x", "bundle"];
    if !nix::unistd::geteuid().is_root() {
        words.insert(2, "--rootless");
    }
    tool(subject, &words)?;
    Ok(subject.scratch().join("bundle/rootfs"))
}

/// The root of a run of the image.
fn root_of(own: &Own, image: &str) -> Result<Tree> {
    let held = own.hold(image, &["--rm"])?;
    let tree = of_image(held.tree()?);
    held.end()?;
    Ok(tree)
}

/// Wants the same root in a run of the image and in the folder that umoci unpacked.
fn expect_unpacked(run: Tree, folder: Tree, what: &str) -> Verdict {
    let plain = |mut tree: Tree| {
        for node in tree.values_mut() {
            // A note of umoci's own about the owner that it could not give.
            node.xattrs.retain(|name, _| !name.starts_with("user.rootlesscontainers"));
        }
        tree
    };
    expect_alike(&plain(run), &plain(of_image(folder)), what)
}

fn umoci_reads(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let (_, root) = everything::saved(&own)?;
    skopeo(subject, "docker-archive:saved.tar:check/two:2", "oci:layout:x")?;
    let unpacked = of_folder(&unpack(subject)?, &[])?;
    expect_unpacked(
        of_image(root),
        unpacked.clone(),
        "the root that was committed, against what umoci unpacked",
    )?;
    let run = root_of(&own, "check/two:2")?;
    expect_unpacked(run, unpacked, "the root of a run of the commit, against what umoci unpacked")
}

/// An OCI layout in the folder `made` that no tool has had a hand in.
fn written(subject: &Subject) -> Result<Own<'_>> {
    let files = image::oci(&[Image::new("check/one:1", everything::layers()?)])?;
    image::unfold(&files, &subject.scratch().join("made"))?;
    Ok(Own::new(subject))
}

/// The root of a run of the only image that is in what was written, in a store with nothing else.
fn loaded(own: &Own, written: &str) -> Result<Tree> {
    let path = own.subject.scratch().join(written).display().to_string();
    own.ok(&["load", &path])?;
    let ids = own.image_ids()?;
    expect_eq!(ids.len(), 1, "images after `load {written}`");
    let tree = root_of(own, &ids[0])?;
    own.ok(&["rmi", &ids[0]])?;
    Ok(tree)
}

fn skopeo_writes(subject: &Subject) -> Verdict {
    let own = written(subject)?;
    let from = "oci:made:check/one:1";
    skopeo(subject, from, "oci:layout:tag")?;
    skopeo(subject, from, "oci-archive:oci.tar:check/other:1")?;
    skopeo(subject, from, "docker-archive:docker.tar:check/other:1")?;
    let wanted = loaded(&own, "made")?;
    for name in ["layout", "oci.tar", "docker.tar"] {
        expect_alike(&loaded(&own, name)?, &wanted, &format!("the root of a run of skopeo's {name}"))?;
    }
    Ok(())
}

fn umoci_writes(subject: &Subject) -> Verdict {
    let own = written(subject)?;
    skopeo(subject, "oci:made:check/one:1", "oci:layout:x")?;
    let root = unpack(subject)?;
    let mut file = File::create(root.join("etc/top"))?;
    file.write_all(b"new\n")?;
    // A whole second: umoci writes the nearest one.
    file.set_modified(UNIX_EPOCH + Duration::from_secs(MTIME))?;
    fs::hard_link(root.join("etc/top"), root.join("etc/same"))?;
    fs::remove_file(root.join("etc/passwd"))?;
    fs::remove_dir_all(root.join("var/remade"))?;
    fs::create_dir(root.join("var/remade"))?;
    fs::set_permissions(root.join("var/changed"), fs::Permissions::from_mode(0o6711))?;
    let wanted = of_folder(&root, &[])?;
    tool(subject, &["umoci", "repack", "--image", "layout:x", "bundle"])?;
    tool(subject, &["umoci", "gc", "--layout", "layout"])?;
    expect_unpacked(loaded(&own, "layout")?, wanted, "the root of a run, against what umoci packed")
}
