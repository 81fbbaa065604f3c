//! Behaviour 30: the image does not change.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

use anyhow::Result;

use super::own::{Own, names, small_root};
use crate::archive::{Entry, tar};
use crate::tree::{expect_alike, of_folder};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "import-run",
        step: 5,
        behaviours: &[30],
        title: "a root filesystem that was imported, plain or gzip, from a file or stdin, runs by name and by id",
        points: 2,
        hints: &[
            "The id is the SHA-256 of the image's document; the name is a symlink to it, with `latest` for its tag.",
        ],
        section: "05-aufs-overlay.html#unpack",
        timeout: Duration::from_secs(60),
        run: import_run,
        ..Check::NEW
    },
    Check {
        id: "image-unchanged",
        step: 5,
        behaviours: &[30],
        title: "whatever containers of an image write, change, delete and move, not a byte of the store's image changes",
        points: 3,
        hints: &["Layers are lowerdir, which overlayfs never writes to; all that is new goes to upperdir."],
        section: "05-aufs-overlay.html#overlay",
        after: &["import-run"],
        timeout: Duration::from_secs(60),
        run: unchanged,
        ..Check::NEW
    },
    Check {
        id: "image-folder-unchanged",
        step: 5,
        behaviours: &[30],
        title: "a folder that is run as an image is not written to either, and needs no mount points",
        points: 2,
        hints: &["It is one read-only layer; the mount points are made in the writable one."],
        section: "05-aufs-overlay.html#overlay",
        timeout: Duration::from_secs(60),
        run: folder,
        ..Check::NEW
    },
    Check {
        id: "containers-apart",
        step: 5,
        behaviours: &[30],
        title: "two containers of one image see the image's files and never each other's writes",
        points: 2,
        hints: &["An upperdir and a workdir for each."],
        section: "05-aufs-overlay.html#overlay",
        after: &["import-run"],
        timeout: Duration::from_secs(60),
        run: apart,
        ..Check::NEW
    },
    Check {
        id: "containers-cheap",
        step: 5,
        behaviours: &[30],
        title: "ten containers of an image of 50 MB take less than 1 MB each before they write",
        points: 2,
        hints: &["Nothing is copied until it is written to: that is what the layers are for."],
        section: "05-aufs-overlay.html#overlay",
        needs: &[Need::Overlay],
        after: &["import-run"],
        timeout: Duration::from_secs(120),
        run: cheap,
        ..Check::NEW
    },
];

fn import_run(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let plain = tar(small_root()?);
    let id = own.import(&plain, "check/plain")?;
    for image in ["check/plain", "check/plain:latest", &id, &format!("sha256:{id}"), &id[..12]] {
        let output = own.launch(image, &[], &["echo", "up"]).output()?.success()?;
        let streams = (output.out(), output.err());
        expect_eq!(streams, ("up\n".to_string(), String::new()), "stdout and stderr of a run of {image}");
    }
    // Another name has a document of its own only if it says something else: the layer is the same.
    let archive = crate::archive::gzip(&plain)?;
    let path = own.file("stdin.tar.gz", &archive)?;
    let output = own.call(&["import", "-", "check/gzip:2.0"]).stdin(fs::File::open(path)?).output()?;
    let id = super::own::id_in(&output.success()?.out())?;
    for image in ["check/gzip:2.0", &id] {
        let out = own.launch(image, &[], &["echo", "up"]).output()?.success()?.out();
        expect_eq!(out, "up\n", "stdout of a run of {image}");
    }
    let blobs = names(&own.data.join("blobs"))?;
    expect_eq!(blobs, [crate::archive::sha256(&plain)], "the blobs after the same layer came twice");
    own.refused(
        own.launch("check/gzip", &[], &["echo", "up"]),
        "check/gzip",
        "a run of a tag that is not there",
    )
}

/// What a container can do to its files.
const SPOIL: &str = "echo new >/etc/new && echo more >>/etc/group && rm /etc/passwd && chmod 700 /bin /var && \
    rm -r /home && mv /bin/ls /bin/dir && mkdir /home && ln -s /nowhere /tmp/l && ln /bin/cat /bin/dog";

fn unchanged(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--rm"], "true")?;
    let store = |own: &Own| -> Result<_> {
        let mut tree = own.listing()?;
        // Containers, and the addresses that step 08 gives them.
        tree.retain(|path, _| !path.starts_with(b"step") && !path.starts_with(b"networks"));
        Ok(tree)
    };
    let before = store(&own)?;
    own.sh("check/one", &["--rm"], SPOIL)?;
    expect_alike(&store(&own)?, &before, "the store after a container that was thrown away")?;
    own.sh("check/one", &["--name", "kept"], SPOIL)?;
    expect_alike(&store(&own)?, &before, "the store after a container that is kept")?;
    own.sh("check/one", &["--rm", "--read-only"], "true")?;
    let held = own.hold("check/one", &["--rm"])?;
    fs::write(held.path("etc/passwd"), "written through the container's root\n")?;
    held.end()?;
    expect_alike(&store(&own)?, &before, "the store after a write into a running container")?;
    let seen = own.sh("check/one", &["--rm"], "cat /etc/group")?;
    expect!(seen.starts_with("root:x:0:\nstudent:x:1000:\n"), "the image's /etc/group", "{:?}", seen);
    Ok(())
}

fn folder(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let image = subject.own_image("folder")?;
    for name in ["dev", "proc", "sys", "run"] {
        fs::remove_dir(image.join(name))?;
    }
    let time = |path: &Path| -> Result<_> { Ok((path.metadata()?.ctime(), path.metadata()?.ctime_nsec())) };
    let (before, changed) = (of_folder(&image, &[])?, time(&image)?);
    let path = image.to_str().unwrap_or_default().to_string();
    let line =
        "echo new >/etc/new && echo more >>/etc/group && rm /etc/passwd && chmod 700 /bin && rm -r /home";
    own.sh(&path, &["-w", "/made/by/workdir"], line)?;
    expect_alike(&of_folder(&image, &[])?, &before, "the folder after a run of it as an image")?;
    expect_eq!(time(&image)?, changed, "the time of the folder's last change");
    let out = own.sh(&path, &[], "cat /etc/group")?;
    expect_eq!(out, "root:x:0:\nstudent:x:1000:\n", "/etc/group in the next container");
    Ok(())
}

fn apart(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let (one, two) = (own.hold("check/one", &["--rm"])?, own.hold("check/one", &["--rm"])?);
    fs::write(one.path("etc/passwd"), "one\n")?;
    fs::write(one.path("tmp/of-one"), "one\n")?;
    fs::remove_file(two.path("etc/group"))?;
    let passwd = fs::read_to_string(two.path("etc/passwd"))?;
    expect!(passwd.starts_with("root:"), "the image's /etc/passwd in the other container", "{:?}", passwd);
    expect!(!two.path("tmp/of-one").exists(), "no file of the other container", "one");
    expect!(one.path("etc/group").exists(), "a file that the other container deleted", "none");
    one.end()?;
    two.end()
}

fn cheap(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let big = Entry::file("big", vec![7; 50 << 20]);
    own.import(&tar(small_root()?.into_iter().chain([big])), "check/big")?;
    // Whatever the first container has to make, it makes for all.
    own.sh("check/big", &["--rm"], "true")?;
    let before = disk_use(&own.data)?;
    for number in 0..10 {
        own.sh("check/big", &["--name", &format!("small-{number}")], "true")?;
    }
    expect_eq!(own.containers()?.len(), 10, "folders of containers");
    let grown = disk_use(&own.data)?.saturating_sub(before);
    expect!(grown < 10 << 20, "less than 10 MB more in the data folder", "{grown} bytes");
    Ok(())
}

/// What a folder takes on disk, its own entries included. A folder that may not be listed counts as itself.
fn disk_use(dir: &Path) -> Result<u64> {
    let mut bytes = fs::symlink_metadata(dir)?.blocks() * 512;
    let Ok(entries) = fs::read_dir(dir) else { return Ok(bytes) };
    for entry in entries {
        let path = entry?.path();
        let metadata = fs::symlink_metadata(&path)?;
        bytes += if metadata.is_dir() { disk_use(&path)? } else { metadata.blocks() * 512 };
    }
    Ok(bytes)
}
