//! Behaviour 34: archives of images that are not what they say.

use serde_json::{Value, json};

use super::hostile::HOSTILE;
use super::outer::{Case, image, layer, refuse, with};
use super::own::Own;
use crate::archive::image::{self, Files, Image};
use crate::archive::{gzip, sha256};
use crate::{Check, Subject, Verdict};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "load-digests",
        title: "an archive whose config, manifest or layer is not what its digest or size says is refused",
        hints: &[
            "Hash what you read, and compare before the image gets a name.",
            "diff_id: of the plain tar.",
        ],
        run: digests,
        ..HOSTILE
    },
    Check {
        id: "load-media-types",
        title: "a layer of a kind that is not known, and one compressed with zstd, is one error that says so",
        hints: &["The descriptor's mediaType says it; in a docker-save archive only the first bytes do."],
        run: media_types,
        ..HOSTILE
    },
    Check {
        id: "load-all-or-nothing",
        title: "of an archive with one good image and one bad, nothing is loaded",
        hints: &["Names last: when every image of the archive is whole."],
        run: all_or_nothing,
        ..HOSTILE
    },
];

/// The beginning of a digest, enough to know it by.
fn short(digest: &str) -> String {
    digest[..12].to_string()
}

fn digests(subject: &Subject) -> Verdict {
    let good = image();
    let mut cases: Vec<Case> = Vec::new();
    let mut files = image::docker(std::slice::from_ref(&good))?;
    let diff_id = sha256(&good.layers[1]);
    image::put(&mut files, &format!("{diff_id}/layer.tar"), layer("other"));
    cases.push(("a docker-save archive with another layer", short(&diff_id), files));

    let files = image::oci(std::slice::from_ref(&good))?;
    let changed = |name: &str, content: Vec<u8>| {
        let mut files = files.clone();
        image::put(&mut files, &format!("blobs/sha256/{name}"), content);
        files
    };
    cases.push(("another layer", short(&diff_id), changed(&diff_id, layer("six"))));
    // What is compressed is the same, and the bytes are others than those that the descriptor is about.
    let packed = Image { gzip: true, ..good.clone() };
    let (digest, again) = (sha256(&gzip(&good.layers[1])?), [gzip(&good.layers[1])?, gzip(b"")?].concat());
    let mut repacked = with(&packed, |manifest| manifest["layers"][1]["size"] = json!(again.len()))?;
    image::put(&mut repacked, &format!("blobs/sha256/{digest}"), again);
    cases.push(("a layer that was compressed again", short(&digest), repacked));
    let config = good.id();
    let other = String::from_utf8(good.document())?.replace("\"sh\"", "\"su\"").into_bytes();
    cases.push(("another config", short(&config), changed(&config, other)));
    let index: Value = serde_json::from_slice(image::get(&files, "index.json")?)?;
    let manifest = index["manifests"][0]["digest"].as_str().unwrap_or_default().replace("sha256:", "");
    let name = format!("blobs/sha256/{manifest}");
    let text = String::from_utf8(image::get(&files, &name)?.to_vec())?;
    cases.push(("another manifest", short(&manifest), changed(&manifest, format!(" {text}").into_bytes())));

    let mut sized = files.clone();
    image::edit(&mut sized, "index.json", |index| index["manifests"][0]["size"] = json!(7))?;
    cases.push(("a manifest of another size", short(&manifest), sized));
    cases.push((
        "a layer of another size",
        short(&diff_id),
        with(&good, |m| m["layers"][1]["size"] = json!(1))?,
    ));
    cases.push(("a layer too few", String::new(), with(&good, |m| m["layers"] = json!([m["layers"][0]]))?));
    let swapped = |m: &mut Value| m["layers"] = json!([m["layers"][1], m["layers"][0]]);
    cases.push(("layers in another order", String::new(), with(&good, swapped)?));
    let mut lost = files.clone();
    lost.retain(|(name, _)| !name.ends_with(&diff_id));
    cases.push(("a layer that is missing", short(&diff_id), lost));
    refuse(subject, cases)
}

fn media_types(subject: &Subject) -> Verdict {
    let kind = |kind: &str| with(&image(), |manifest| manifest["layers"][1]["mediaType"] = json!(kind));
    let zstd = [b"\x28\xb5\x2f\xfd".to_vec(), vec![0; 600]].concat();
    let mut saved = image::docker(&[image()])?;
    image::put(&mut saved, &format!("{}/layer.tar", sha256(&layer("two"))), zstd.clone());
    let cases = vec![
        ("a layer of zstd", "zstd".into(), kind("application/vnd.oci.image.layer.v1.tar+zstd")?),
        ("a docker-save layer of zstd", "zstd".into(), saved),
        ("a layer of an unknown kind", "x-evil".into(), kind("application/x-evil")?),
    ];
    refuse(subject, cases)?;
    let own = Own::new(subject);
    let path = own.file("zstd.tar", &zstd)?;
    own.refused(own.call(&["import", &path, "check/evil"]), "zstd", "an import of zstd")?;
    own.refused(own.call(&["load", &path]), "zstd", "a load of zstd")
}

fn all_or_nothing(subject: &Subject) -> Verdict {
    let (good, bad) = (Image::new("check/good:1", vec![layer("good")]), image());
    let name = format!("{}/layer.tar", sha256(&bad.layers[1]));
    let spoilt = |images: &[Image]| -> anyhow::Result<Files> {
        let mut files = image::docker(images)?;
        image::put(&mut files, &name, layer("other"));
        Ok(files)
    };
    refuse(
        subject,
        vec![
            ("a bad image behind a good one", String::new(), spoilt(&[good.clone(), bad.clone()])?),
            ("a bad image before a good one", String::new(), spoilt(&[bad, good])?),
        ],
    )
}
