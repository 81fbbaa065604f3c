//! Behaviour 32: archives and layouts of images load, and layers are shared.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use super::own::{Own, expect_lines, small_layer};
use crate::archive::image::{self, Image};
use crate::archive::{Entry, gzip, tar};
use crate::{Check, Need, Subject, Terminal, Verdict, expect, expect_eq};

const LOAD: Check = Check {
    step: 5,
    behaviours: &[32],
    points: 2,
    section: "05-aufs-overlay.html#load",
    after: &["import-run"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "load-docker-save",
        title: "an archive of `docker save` loads, from a file and from stdin, compressed or not, and runs",
        hints: &["manifest.json names the config and the layers, the lowest first; RepoTags are the names."],
        run: docker_save,
        ..LOAD
    },
    Check {
        id: "load-oci-layout",
        title: "an OCI image layout loads, as an archive and as a folder, with plain and with gzip layers, and runs",
        hints: &["index.json leads to a manifest, the manifest to config and layers, each by its digest."],
        run: oci_layout,
        ..LOAD
    },
    Check {
        id: "load-platform",
        title: "of an index with images for several machines the one for this machine is loaded",
        points: 1,
        hints: &["An index may name another index; `platform` says which manifest is for whom."],
        after: &["load-oci-layout"],
        run: platform,
        ..LOAD
    },
    Check {
        id: "load-config-kept",
        title: "the id of a loaded image is the digest of its config, which the store keeps byte for byte",
        hints: &["Do not write your own JSON: store the bytes, and read what you need from them."],
        after: &["load-docker-save"],
        run: config_kept,
        ..LOAD
    },
    Check {
        id: "load-stdin",
        title: "load reads stdin when it is given no archive, and the file of -i, as docker load does",
        points: 1,
        hints: &["The archive of `-i`, that of the argument, `-`: in this order, and not two of them."],
        after: &["load-docker-save"],
        run: from_stdin,
        ..LOAD
    },
    Check {
        id: "load-terminal",
        title: "load does not wait for an archive to be typed in: on a terminal it is one error",
        points: 1,
        hints: &["isatty(3) of stdin."],
        needs: &[Need::Terminal],
        after: &["load-stdin"],
        run: from_terminal,
        ..LOAD
    },
];

pub(super) fn sample(name: &str) -> Result<Image> {
    Ok(Image::new(name, vec![small_layer()?, tar([Entry::file("etc/top", "top\n")])]))
}

fn docker_save(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let mut unnamed = sample("check/unnamed")?;
    (unnamed.names, unnamed.config) = (Vec::new(), json!({ "Cmd": ["cat"] }));
    let mut named = sample("check/one:1")?;
    named.names.push("check/other:2.0".into());
    let archive = image::pack(&image::docker(&[named, unnamed.clone()])?);
    let output = own.load(&archive)?;
    let id = format!("Loaded image ID: sha256:{}", unnamed.id());
    let lines = ["Loaded image: check/one:1", "Loaded image: check/other:2.0", &id];
    expect_lines(&output, &lines, "a load of three names and an image without one")?;
    for image in ["check/one:1", "check/other:2.0", &unnamed.id()] {
        expect_eq!(
            own.sh(image, &["--rm"], "cat /etc/top")?,
            "top\n",
            "a file of the upper layer of {image}"
        );
    }
    let mut packed = sample("check/packed:1")?;
    packed.gzip = true;
    let path = own.file("packed.tar.gz", &gzip(&image::pack(&image::docker(&[packed])?))?)?;
    own.call(&["load", "-"]).stdin(fs::File::open(path)?).output()?.success()?;
    expect_eq!(own.sh("check/packed:1", &["--rm"], "cat /etc/top")?, "top\n", "a file of a compressed layer");
    let plain = image::pack(&image::docker(&[Image::new("check/tiny:1", vec![tar([Entry::dir("d/")])])])?);
    expect_lines(
        &own.load(&gzip(&plain)?)?,
        &["Loaded image: check/tiny:1"],
        "a load of a compressed archive",
    )?;
    own.ok(&["rmi", "check/tiny:1"])?;
    let input = fs::File::open(own.file("plain.tar", &plain)?)?;
    let output = own.call(&["load", "-"]).stdin(input).output()?.success()?;
    expect_lines(&output, &["Loaded image: check/tiny:1"], "a load of a plain archive from stdin")
}

fn oci_layout(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    for gzipped in [false, true] {
        let mut image = sample(&format!("check/oci:{gzipped}"))?;
        image.gzip = gzipped;
        let files = image::oci(&[image])?;
        own.load(&image::pack(&files))?;
        let seen = own.sh(&format!("check/oci:{gzipped}"), &["--rm"], "cat /etc/top")?;
        expect_eq!(seen, "top\n", "a file of the upper layer, gzip {gzipped}");
        let mut image = sample(&format!("check/folder:{gzipped}"))?;
        image.config = json!({ "Cmd": ["cat", format!("/no/{gzipped}")] });
        image.gzip = gzipped;
        let dir = subject.scratch().join(format!("layout-{gzipped}"));
        image::unfold(&image::oci(&[image])?, &dir)?;
        own.ok(&["load", &dir.display().to_string()])?;
        let seen = own.sh(&format!("check/folder:{gzipped}"), &["--rm"], "cat /etc/top")?;
        expect_eq!(seen, "top\n", "a file of the upper layer of a folder, gzip {gzipped}");
    }
    Ok(())
}

fn platform(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let mut files = image::Files::new();
    let alien = Image::new("", vec![tar([Entry::file("alien", "alien")])]);
    let mut other = image::oci_manifest(&mut files, &alien)?;
    other["platform"] = json!({ "architecture": "s390x", "os": "linux" });
    let mut mine = image::oci_manifest(&mut files, &sample("")?)?;
    mine["platform"] = json!({ "architecture": image::architecture(), "os": "linux" });
    let inner = json!({ "schemaVersion": 2, "mediaType": image::INDEX, "manifests": [other, mine] });
    let mut outer = image::blob(&mut files, image::INDEX, inner.to_string().into_bytes());
    outer["annotations"] = json!({ "org.opencontainers.image.ref.name": "check/many:1" });
    own.load(&image::pack(&image::layout(files, &[outer])))?;
    expect_eq!(own.sh("check/many:1", &["--rm"], "cat /etc/top")?, "top\n", "a file of this machine's image");
    Ok(())
}

fn config_kept(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let image = sample("check/one:1")?;
    own.load_images(std::slice::from_ref(&image))?;
    let file = own.data.join("images").join(format!("{}.json", image.id()));
    expect_eq!(fs::read(file)?, image.document(), "the image's document in the store");
    let ids = own.image_ids()?;
    expect!(ids.len() == 1 && image.id().starts_with(&ids[0]), "one id of the image", "{ids:?}");
    Ok(())
}

fn from_stdin(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let archive = |name: &str| -> Result<String> {
        let image = Image::new(name, vec![tar([Entry::dir("d/")])]);
        own.file(&name.replace(['/', ':'], "-"), &image::pack(&image::docker(&[image])?))
    };
    let (piped, file) = (archive("check/piped:1")?, archive("check/file:1")?);
    let ways: [&[&str]; 5] = [
        &["load"],
        &["load", "-i", &file],
        &["load", "--input", &file],
        &["load", &file],
        &["load", "-i", "-"],
    ];
    for words in ways {
        let output = own.call(words).stdin(fs::File::open(&piped)?).output()?.success()?;
        let name = if words.contains(&file.as_str()) { "check/file:1" } else { "check/piped:1" };
        expect_lines(&output, &[&format!("Loaded image: {name}")], &format!("`{}`", words.join(" ")))?;
        own.ok(&["rmi", name])?;
    }
    let two = own.call(&["load", &file, "-i", &file]).stdin(fs::File::open(&piped)?);
    own.refused(two, "--input", "a load of two archives")?;
    own.refused(own.call(&["load"]), "load", "a load of an empty stdin")?;
    expect_eq!(own.image_ids()?, Vec::<String>::new(), "images after loads that were refused");
    Ok(())
}

fn from_terminal(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    for words in [&["load"][..], &["load", "-"]] {
        let terminal = Terminal::open()?;
        let mut running = own.call(words).start_on(&terminal)?;
        let output = running.wait(Duration::from_secs(10))?;
        expect_eq!(output.code(), 125, "exit status of `{}` on a terminal", words.join(" "));
        let prefix = format!("step{:02}: ", subject.step);
        terminal.wait_for(&prefix)?;
        let screen = terminal.screen();
        let one = screen.starts_with(&prefix) && screen.lines().count() == 1;
        expect!(one, "one line on the terminal that starts with {prefix:?}", "{screen:?}");
    }
    Ok(())
}
