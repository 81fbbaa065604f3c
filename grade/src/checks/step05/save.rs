//! Behaviour 32: what `save` writes.

use std::fs;
use std::time::Duration;

use serde_json::Value;

use super::own::{Own, small_layer};
use crate::archive::image::{self, Files, Image};
use crate::archive::read::files;
use crate::archive::{Entry, gzip, sha256, tar};
use crate::tree::expect_alike;
use crate::{Check, Need, Subject, Terminal, Verdict, expect, expect_eq};

const SAVE: Check = Check {
    step: 5,
    behaviours: &[32],
    points: 2,
    section: "05-aufs-overlay.html#save",
    after: &["load-docker-save"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "save-oci",
        title: "what save writes is an OCI image layout whose every digest and size is right, down to the layers",
        hints: &["index.json, oci-layout, and each blob under blobs/sha256/ by what it hashes to."],
        run: oci,
        ..SAVE
    },
    Check {
        id: "save-docker",
        title: "what save writes holds docker-save's manifest.json, with every name and every layer in order",
        hints: &["Docker 25 writes both: manifest.json's Config and Layers are paths of the blobs."],
        run: docker,
        ..SAVE
    },
    Check {
        id: "save-load",
        title: "what save writes loads into an empty store as the same images, ids, names and files",
        hints: &["The config is the same bytes, so its digest is the same id."],
        run: round_trip,
        ..SAVE
    },
    Check {
        id: "save-terminal",
        title: "save and export write no archive to a terminal: one error instead",
        points: 1,
        hints: &["isatty(3) of stdout, before anything is read."],
        needs: &[Need::Terminal],
        run: terminal,
        ..SAVE
    },
];

/// Two images of which one has compressed layers and two names, and the archive that is saved of both.
fn saved(own: &Own) -> anyhow::Result<(Vec<Image>, Files, Vec<u8>)> {
    let top = |text: &str| tar([Entry::file("etc/top", text)]);
    let mut one = Image::new("check/one:1", vec![small_layer()?, top("one")]);
    one.names.push("check/one:also".into());
    one.gzip = true;
    let two = Image::new("check/two:latest", vec![small_layer()?, top("two")]);
    own.load_images(std::slice::from_ref(&one))?;
    own.load_images(std::slice::from_ref(&two))?;
    let path = own.file("saved.tar", b"")?;
    own.ok(&["save", "check/one:1", "check/one:also", "check/two", "-o", &path])?;
    let bytes = fs::read(path)?;
    Ok((vec![one, two], files(&bytes)?, bytes))
}

/// The blob that a descriptor names, if its digest and size are right.
fn blob<'a>(files: &'a Files, descriptor: &Value) -> anyhow::Result<&'a [u8]> {
    let digest = descriptor["digest"].as_str().unwrap_or_default().replace("sha256:", "");
    let content = image::get(files, &format!("blobs/sha256/{digest}"))?;
    expect_eq!(sha256(content), digest, "the digest of a blob");
    expect_eq!(descriptor["size"].as_u64(), Some(content.len() as u64), "the size of the blob {digest}");
    Ok(content)
}

/// The diff_id of a layer's blob, compressed or not.
fn diff_id(content: &[u8]) -> anyhow::Result<String> {
    let mut plain = Vec::new();
    if content.starts_with(b"\x1f\x8b") {
        std::io::copy(&mut flate2::read::MultiGzDecoder::new(content), &mut plain)?;
        return Ok(sha256(&plain));
    }
    Ok(sha256(content))
}

fn oci(subject: &Subject) -> Verdict {
    let (images, files, _) = saved(&Own::new(subject))?;
    let layout: Value = serde_json::from_slice(image::get(&files, "oci-layout")?)?;
    expect_eq!(layout["imageLayoutVersion"], "1.0.0", "imageLayoutVersion");
    let index: Value = serde_json::from_slice(image::get(&files, "index.json")?)?;
    expect_eq!(index["schemaVersion"], 2, "schemaVersion of the index");
    let mut found = std::collections::BTreeSet::new();
    for descriptor in index["manifests"].as_array().into_iter().flatten() {
        expect_eq!(descriptor["mediaType"], image::MANIFEST, "the media type of a manifest");
        let manifest: Value = serde_json::from_slice(blob(&files, descriptor)?)?;
        let config = blob(&files, &manifest["config"])?;
        let id = sha256(config);
        let Some(image) = images.iter().find(|image| image.id() == id) else {
            anyhow::bail!("expected the config of one of the images, the kernel showed {id}");
        };
        let layers = manifest["layers"].as_array().cloned().unwrap_or_default();
        expect_eq!(layers.len(), image.layers.len(), "layers in the manifest");
        for (layer, plain) in layers.iter().zip(&image.layers) {
            let content = blob(&files, layer)?;
            expect_eq!(diff_id(content)?, sha256(plain), "the diff_id of a layer");
            let kind = if content.starts_with(b"\x1f\x8b") { image::LAYER_GZIP } else { image::LAYER };
            expect_eq!(layer["mediaType"], kind, "the media type of a layer");
        }
        found.insert(id);
    }
    expect_eq!(found.len(), images.len(), "different images in the index");
    Ok(())
}

fn docker(subject: &Subject) -> Verdict {
    let (images, files, _) = saved(&Own::new(subject))?;
    let manifest: Value = serde_json::from_slice(image::get(&files, "manifest.json")?)?;
    let entries = manifest.as_array().cloned().unwrap_or_default();
    expect_eq!(entries.len(), images.len(), "images in manifest.json");
    for image in &images {
        let entry = entries.iter().find(|entry| {
            let config = entry["Config"].as_str().and_then(|name| image::get(&files, name).ok());
            config.is_some_and(|config| sha256(config) == image.id())
        });
        let Some(entry) = entry else {
            anyhow::bail!("expected {:?} in manifest.json, it is not", image.names)
        };
        let list = |key: &str| -> Vec<String> {
            let values = entry[key].as_array().into_iter().flatten();
            values.filter_map(|value| value.as_str().map(String::from)).collect()
        };
        let mut names = list("RepoTags");
        names.sort();
        expect_eq!(names, image.names, "RepoTags");
        let mut layers = Vec::new();
        for name in list("Layers") {
            layers.push(diff_id(image::get(&files, &name)?)?);
        }
        let wanted: Vec<String> = image.layers.iter().map(|layer| sha256(layer)).collect();
        expect_eq!(layers, wanted, "the layers of {:?}, the lowest first", image.names);
    }
    Ok(())
}

fn round_trip(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let (images, _, bytes) = saved(&own)?;
    own.sh("check/one:1", &["--name", "first"], "echo x >/tmp/f")?;
    own.ok(&["commit", "first", "check/three"])?;
    let path = own.file("committed.tar", b"")?;
    let out = fs::File::create(&path)?;
    own.call(&["save", "check/three"]).stdout(out).output()?.success()?;
    let other = Own { subject, data: subject.scratch().join("other") };
    other.load(&bytes)?;
    other.load(&gzip(&fs::read(path)?)?)?;
    expect_eq!(other.image_ids()?, own.image_ids()?, "the ids of the images in both stores");
    for name in images.iter().flat_map(|image| &image.names).chain([&"check/three".to_string()]) {
        let (one, two) = (own.hold(name, &["--rm"])?, other.hold(name, &["--rm"])?);
        expect_alike(&two.tree()?, &one.tree()?, &format!("the root of {name} in the other store"))?;
        one.end()?;
        two.end()?;
    }
    Ok(())
}

fn terminal(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "kept"], "true")?;
    for words in [["save", "check/one"], ["export", "kept"]] {
        let terminal = Terminal::open()?;
        let mut running = own.call(&words).start_on(&terminal)?;
        let output = running.wait(Duration::from_secs(10))?;
        expect_eq!(output.code(), 125, "exit status of {} on a terminal", words[0]);
        let prefix = format!("step{:02}: ", subject.step);
        terminal.wait_for(&prefix)?;
        let screen = terminal.screen();
        let one = screen.starts_with(&prefix) && screen.lines().count() == 1;
        expect!(one, "one line on the terminal that starts with {prefix:?}", "{screen:?}");
    }
    Ok(())
}
