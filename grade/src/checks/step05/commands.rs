//! The commands for images and kept containers: images, rmi, diff, export, commit, rm.

use std::time::Duration;

use serde_json::{Value, json};

use super::own::{Own, names};
use crate::archive::image::Image;
use crate::archive::{Entry, sha256, tar};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const COMMAND: Check = Check {
    step: 5,
    behaviours: &[30],
    points: 1,
    section: "05-aufs-overlay.html#store",
    after: &["import-run"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "images-lists",
        title: "`images` lists every name of every image, `-q` ids alone, and `--format json` an object a line",
        hints: &["Docker's keys: Repository, Tag, ID, CreatedAt, Size."],
        run: images,
        ..COMMAND
    },
    Check {
        id: "image-renamed",
        title: "a name that is given again leads to the new image, and the old one keeps its id",
        hints: &["rename(2) of a symlink replaces the one that is there."],
        run: renamed,
        ..COMMAND
    },
    Check {
        id: "image-ambiguous",
        title: "an image is found by the beginning of its id if that is of one alone, else it is one error",
        hints: &["The name first, then the id."],
        run: ambiguous,
        ..COMMAND
    },
    Check {
        id: "rmi-removes",
        title: "`rmi` of one of two names leaves the image; of the last, it and its layers are gone",
        points: 2,
        hints: &["What no image's document names is not needed."],
        run: rmi,
        ..COMMAND
    },
    Check {
        id: "rmi-in-use",
        title: "`rmi` of an image that a running or kept container uses is one error that names the container",
        points: 2,
        hints: &["Each container's folder says what it was made of."],
        run: rmi_in_use,
        ..COMMAND
    },
    Check {
        id: "rm-container",
        section: "05-aufs-overlay.html#container",
        title: "`rm` removes kept containers and refuses a running one, which goes on",
        hints: &["The lock tells whether it runs."],
        run: rm,
        ..COMMAND
    },
    Check {
        id: "unknown-container",
        section: "05-aufs-overlay.html#container",
        title: "commands on a container or an image that is not there are one error that names it",
        hints: &["Exit status 125."],
        run: unknown,
        ..COMMAND
    },
];

fn small(name: &str, number: usize) -> Image {
    let mut image = Image::new(name, vec![tar([Entry::file("f", "f")])]);
    image.config = json!({ "Cmd": ["sh"], "Env": [format!("N={number}")] });
    image
}

fn images(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    expect_eq!(own.ok(&["images", "-q"])?.out(), "", "stdout of `images -q` in an empty store");
    let header = own.ok(&["images"])?.out();
    let words: Vec<&str> = header.split_whitespace().collect();
    expect_eq!(words, ["REPOSITORY", "TAG", "IMAGE", "ID", "CREATED", "SIZE"], "the words of `images`");
    let mut first = small("check/one:1", 1);
    first.names.push("localhost:5000/check/other:latest".into());
    let second = small("check/two:2.0", 2);
    own.load_images(&[first.clone(), second.clone()])?;
    let table = own.ok(&["images"])?.out();
    expect_eq!(table.lines().count(), 4, "lines of `images` with three names: {table:?}");
    let json = own.ok(&["images", "--format", "json"])?.out();
    let mut found = Vec::new();
    for line in json.lines() {
        let object: Value = serde_json::from_str(line)?;
        let text = |key: &str| object[key].as_str().map(String::from).unwrap_or_default();
        let id = text("ID").trim_start_matches("sha256:").to_string();
        expect!(id.len() >= 12, "an ID of at least 12 digits", "{line}");
        for key in ["CreatedAt", "Size"] {
            expect!(!object[key].is_null(), "a key {key}", "{line}");
        }
        found.push((text("Repository"), text("Tag"), id[..12].to_string()));
    }
    found.sort();
    let row = |name: &str, tag: &str, image: &Image| {
        (name.to_string(), tag.to_string(), image.id()[..12].to_string())
    };
    let wanted = [
        row("check/one", "1", &first),
        row("check/two", "2.0", &second),
        row("localhost:5000/check/other", "latest", &first),
    ];
    expect_eq!(found, wanted, "repository, tag and id in `images --format json`");
    let mut ids = vec![first.id()[..12].to_string(), second.id()[..12].to_string()];
    ids.sort();
    let listed: Vec<String> = own.image_ids()?.iter().map(|id| id[..12].to_string()).collect();
    expect_eq!(listed, ids, "the ids of `images -q`");
    Ok(())
}

fn renamed(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let old = own.import_small("check/one")?;
    let more = super::own::small_root()?.into_iter().chain([Entry::file("etc/new", "new\n")]);
    let new = own.import(&tar(more), "check/one")?;
    expect_eq!(own.sh("check/one", &["--rm"], "cat /etc/new")?, "new\n", "a file of what has the name now");
    let seen = own.sh(&old, &["--rm"], "test -e /etc/new || echo none")?;
    expect_eq!(seen, "none\n", "the same file in what had the name");
    let tags = names(&own.data.join("tags"))?;
    expect_eq!(tags.len(), 1, "names in the store: {tags:?}");
    expect!(own.image_ids()?.iter().any(|id| new.starts_with(id)), "the new image among them", "it is not");
    Ok(())
}

fn ambiguous(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let images: Vec<Image> = (0..17).map(|number| small(&format!("check/n:{number}"), number)).collect();
    own.load_images(&images)?;
    // Of seventeen ids two begin with the same of sixteen digits.
    let first = |image: &Image| image.id()[..1].to_string();
    let same = images.iter().find(|one| images.iter().filter(|two| first(one) == first(two)).count() > 1);
    let digit = same.map(first).unwrap_or_default();
    own.refused(own.call(&["rmi", &digit]), &digit, "rmi of the first digit of two ids")?;
    expect_eq!(own.image_ids()?.len(), 17, "images afterwards");
    let missing = "f".repeat(64);
    own.refused(own.call(&["rmi", &missing]), &missing, "rmi of an id that is not there")?;
    own.ok(&["rmi", &format!("sha256:{}", images[0].id())])?;
    expect_eq!(own.image_ids()?.len(), 16, "images after rmi of one by its id");
    Ok(())
}

fn rmi(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let mut image = small("check/one:1", 1);
    image.names.push("check/other:2".into());
    let kept = Image::new("check/kept:1", vec![tar([Entry::file("kept", "kept")])]);
    own.load_images(&[image.clone(), kept.clone()])?;
    let out = own.ok(&["rmi", "check/other:2"])?.out();
    expect_eq!(out, "Untagged: check/other:2\n", "stdout of rmi of one name of two");
    expect_eq!(own.image_ids()?.len(), 2, "images after it");
    let out = own.ok(&["rmi", "check/one:1"])?.out();
    let deleted = format!("Deleted: sha256:{}", image.id());
    expect!(
        out.starts_with("Untagged: check/one:1\n") && out.lines().any(|line| line == deleted),
        "`Untagged: check/one:1` and `{deleted}`",
        "{out:?}"
    );
    expect_eq!(names(&own.data.join("blobs"))?, [sha256(&kept.layers[0])], "the blobs that are left");
    expect_eq!(names(&own.data.join("images"))?, [format!("{}.json", kept.id())], "the images that are left");
    expect_eq!(names(&own.data.join("tags"))?.len(), 1, "the names that are left");
    own.refused(own.call(&["rmi", "check/one:1"]), "check/one:1", "rmi of what is gone")
}

fn rmi_in_use(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let id = own.import_small("check/one")?;
    let held = own.hold("check/one", &["--name", "user-of-it"])?;
    for asked in ["check/one", &id] {
        own.refused(own.call(&["rmi", asked]), "user-of-it", "rmi of a running container's image")?;
    }
    held.end()?;
    own.refused(own.call(&["rmi", "check/one"]), "user-of-it", "rmi of a kept container's image")?;
    expect_eq!(own.ok(&["diff", "user-of-it"])?.out(), "", "diff of the container");
    expect_eq!(own.sh("check/one", &["--rm"], "echo up")?, "up\n", "a run of the image");
    own.ok(&["rm", "user-of-it"])?;
    own.ok(&["rmi", "check/one"])?;
    expect_eq!(names(&own.data.join("blobs"))?, Vec::<String>::new(), "the blobs that are left");
    Ok(())
}

fn rm(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let held = own.hold("check/one", &["--name", "up"])?;
    own.refused(own.call(&["rm", "up"]), "up", "rm of a running container")?;
    expect!(held.command.alive(), "the container to go on", "its end");
    held.end()?;
    own.sh("check/one", &["--name", "second"], "mkdir /tmp/d; chmod 0 /tmp/d; echo x >/etc/new")?;
    own.ok(&["rm", "up", "second"])?;
    expect_eq!(own.containers()?, Vec::<String>::new(), "folders of containers after rm of all");
    own.refused(own.call(&["rm", "up"]), "up", "rm of what is gone")
}

fn unknown(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    for words in [
        &["rm", "not-there"][..],
        &["diff", "not-there"],
        &["export", "not-there"],
        &["commit", "not-there", "check/two"],
        &["rmi", "not-there"],
        &["save", "not-there"],
        &["import", "/not-there", "check/two"],
        &["load", "/not-there"],
        &["run", "not-there"],
    ] {
        own.refused(own.call(words), "not-there", &format!("`{}`", words.join(" ")))?;
    }
    expect_eq!(own.image_ids()?.len(), 1, "images afterwards");
    Ok(())
}
