//! Behaviour 34: archives of images that lie about themselves.

use std::fs;
use std::os::unix::fs::symlink;

use serde_json::{Value, json};

use super::hostile::{HOSTILE, Outside};
use super::own::Own;
use crate::archive::image::{self, Files, Image};
use crate::archive::{Entry, sha256, tar};
use crate::tree::expect_alike;
use crate::{Check, Subject, Verdict};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "load-paths-out",
        title: "a manifest that names files outside the archive reads nothing there and is refused",
        hints: &["The names in manifest.json are names of entries of the archive, not paths."],
        run: paths,
        ..HOSTILE
    },
    Check {
        id: "load-malformed",
        title: "an archive without a manifest, or with one that is no JSON or says nonsense, is refused",
        hints: &["serde_json says what is wrong and where; it has a limit of depth, too."],
        run: malformed,
        ..HOSTILE
    },
    Check {
        id: "load-bad-names",
        title: "an archive or a command that gives an image a name that no image may have is refused, the name named",
        hints: &["Docker's grammar for names has no capitals, no `..` and no empty part."],
        run: names,
        ..HOSTILE
    },
];

pub(super) fn layer(text: &str) -> Vec<u8> {
    tar([Entry::file("f", text)])
}

pub(super) fn image() -> Image {
    Image::new("check/evil:1", vec![layer("one"), layer("two")])
}

/// What it is, what the message must hold, and the archive's files.
pub(super) type Case<'a> = (&'a str, String, Files);

/// Each is refused as an archive and as a folder, with the store as it was.
pub(super) fn refuse(subject: &Subject, cases: Vec<Case>) -> Verdict {
    let own = Own::new(subject);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    let before = own.listing()?;
    for (number, (what, named, files)) in cases.into_iter().enumerate() {
        let path = own.file("evil.tar", &image::pack(&files))?;
        own.refused(own.call(&["load", &path]), &named, &format!("a load of {what}"))?;
        expect_alike(&own.listing()?, &before, &format!("the store after a load of {what}"))?;
        let dir = subject.scratch().join(format!("folder-{number}"));
        image::unfold(&files, &dir)?;
        let path = dir.display().to_string();
        own.refused(own.call(&["load", &path]), &named, &format!("a load of a folder with {what}"))?;
        expect_alike(&own.listing()?, &before, &format!("the store after a load of a folder with {what}"))?;
    }
    Ok(())
}

/// An OCI layout whose manifest was changed, with every digest right.
pub(super) fn with(image: &Image, change: impl FnOnce(&mut Value)) -> anyhow::Result<Files> {
    let mut files = Files::new();
    let descriptor = image::oci_manifest(&mut files, image)?;
    let name = descriptor["digest"].as_str().unwrap_or_default().replace("sha256:", "blobs/sha256/");
    let mut manifest: Value = serde_json::from_slice(image::get(&files, &name)?)?;
    change(&mut manifest);
    let descriptor = image::blob(&mut files, image::MANIFEST, manifest.to_string().into_bytes());
    Ok(image::layout(files, &[descriptor]))
}

fn paths(subject: &Subject) -> Verdict {
    let outside = Outside::new(subject)?;
    // A layer and a config that would do if they were taken from there.
    let (secret, good) = (layer("one"), Image::new("check/evil:1", vec![layer("one")]));
    fs::write(subject.scratch().join("secret.tar"), &secret)?;
    fs::write(subject.scratch().join("secret.json"), good.document())?;
    let here = subject.scratch().display().to_string();
    let mut cases: Vec<Case> = Vec::new();
    for path in [format!("{here}/secret"), "../secret".into(), "x/../../secret".into()] {
        let mut files = image::docker(std::slice::from_ref(&good))?;
        image::edit(&mut files, "manifest.json", |m| m[0]["Layers"][0] = json!(format!("{path}.tar")))?;
        cases.push(("a layer outside the archive", "secret".into(), files));
        let mut files = image::docker(std::slice::from_ref(&good))?;
        image::edit(&mut files, "manifest.json", |m| m[0]["Config"] = json!(format!("{path}.json")))?;
        cases.push(("a config outside the archive", "secret".into(), files));
        let digest = json!(format!("sha256:../../{path}.tar"));
        cases.push((
            "a digest that is a path",
            "secret".into(),
            with(&good, |m| m["layers"][0]["digest"] = digest)?,
        ));
    }
    refuse(subject, cases)?;
    let own = Own::new(subject);
    let before = own.listing()?;
    let name = format!("{}/layer.tar", sha256(&secret));
    let files =
        image::docker(std::slice::from_ref(&good))?.into_iter().map(|(file, content)| match file == name {
            true => Entry::symlink(file, format!("{here}/secret.tar")),
            false => Entry::file(file, content),
        });
    let path = own.file("evil.tar", &tar(files))?;
    own.refused(own.call(&["load", &path]), "", "a load of an archive with a symlink out for a layer")?;
    expect_alike(&own.listing()?, &before, "the store after it")?;
    for (target, linked) in [("secret.tar", &name), ("secret.json", &format!("{}.json", good.id()))] {
        let dir = subject.scratch().join(format!("linked-{target}"));
        image::unfold(&image::docker(std::slice::from_ref(&good))?, &dir)?;
        fs::remove_file(dir.join(linked))?;
        symlink(subject.scratch().join(target), dir.join(linked))?;
        let launch = own.call(&["load", &dir.display().to_string()]);
        own.refused(launch, "", &format!("a load of a folder with a symlink out to {target}"))?;
        expect_alike(&own.listing()?, &before, &format!("the store after a symlink out to {target}"))?;
    }
    outside.untouched("loads of archives that lead out")
}

fn malformed(subject: &Subject) -> Verdict {
    let saved = |manifest: &[u8]| -> anyhow::Result<Files> {
        let mut files = image::docker(&[image()])?;
        image::put(&mut files, "manifest.json", manifest.to_vec());
        Ok(files)
    };
    let mut none = image::docker(&[image()])?;
    none.retain(|(name, _)| name != "manifest.json");
    let mut no_index = image::oci(&[image()])?;
    no_index.retain(|(name, _)| name != "index.json");
    let mut config = image::docker(&[image()])?;
    // Its name is no digest: what is wrong is in it.
    image::put(&mut config, "config.json", b"{\"rootfs\": 7}".to_vec());
    image::edit(&mut config, "manifest.json", |manifest| manifest[0]["Config"] = json!("config.json"))?;
    refuse(
        subject,
        vec![
            ("no manifest", "manifest.json".into(), none),
            ("no index", "index.json".into(), no_index),
            ("a manifest that is no JSON", "manifest.json".into(), saved(b"{\"Config\": \"cut")?),
            ("a manifest that is no list", "manifest.json".into(), saved(b"{\"Config\": 7}")?),
            ("a manifest of 100,000 brackets", "manifest.json".into(), saved(&[b'['; 100_000])?),
            ("a config that is none", String::new(), config),
        ],
    )
}

const BAD_NAMES: [&str; 8] =
    ["check/Upper:1", "../evil:1", "check//evil:1", "/evil:1", "evil:a/b", "-evil:1", "evil..x:1", "evil:.1"];

fn names(subject: &Subject) -> Verdict {
    let mut cases: Vec<Case> = Vec::new();
    for name in BAD_NAMES {
        cases.push((
            "a bad name",
            name.into(),
            image::docker(&[Image { names: vec![name.into()], ..image() }])?,
        ));
    }
    refuse(subject, cases)?;
    let own = Own::new(subject);
    let before = own.listing()?;
    let path = own.file("good.tar", &layer("good"))?;
    for name in BAD_NAMES {
        // A leading dash would be an option.
        let launch = own.call(&["import", "--", &path, name]);
        own.refused(launch, name, &format!("an import as {name}"))?;
    }
    own.refused(own.call(&["import", &path, ""]), "", "an import as nothing")?;
    own.refused(own.call(&["import", &path, &"x".repeat(300)]), "xxx", "an import as a name of 300 bytes")?;
    expect_alike(&own.listing()?, &before, "the store after imports with bad names")?;
    own.ok(&["import", &path, "localhost:5000/check/a_b__c-d.e:Tag_1.0-x"]).map(drop)
}
