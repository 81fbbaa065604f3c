//! Behaviours 40 and 41: volumes that an image asks for, `VOLUME` in a Dockerfile.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use anyhow::Result;
use serde_json::{Value, json};

use super::super::step05::own::{Own, small_layer};
use super::bed::{Bed, identity, spec};
use crate::archive::image::Image;
use crate::archive::{Entry, tar};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const OF_IMAGE: Check = Check {
    step: 6,
    behaviours: &[40, 41],
    points: 2,
    section: "06-volumes.html#plan",
    after: &["copy-up-content", "volume-anonymous", "load-docker-save"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "image-volumes",
        title: "each of an image's Volumes is a new volume with the image's content, and goes with a --rm container",
        hints: &["`Volumes` in the image's config is an object whose keys are the paths."],
        run: anonymous,
        ..OF_IMAGE
    },
    Check {
        id: "image-volumes-yield",
        title: "-v, --mount and --tmpfs on the path of an image's volume win, however either of them spells it",
        hints: &["Clean the image's path as you clean the caller's, and compare the two."],
        after: &["image-volumes"],
        run: yielding,
        ..OF_IMAGE
    },
    Check {
        id: "image-volumes-hostile",
        title: "an image's volume names no source: no folder of the host, and no volume of another's",
        points: 3,
        hints: &["`-v` has a `:` with a meaning. The caller wrote that; who wrote the image?"],
        after: &["image-volumes"],
        run: hostile,
        ..OF_IMAGE
    },
];

/// Loads an image with these volumes and a file in /data.
fn load(own: &Own, name: &str, volumes: Value) -> Result<()> {
    let data = tar([Entry::dir("data/").mode(0o1751), Entry::file("data/file", "of the image\n")]);
    let config = json!({ "Cmd": ["sh"], "Volumes": volumes });
    own.load_images(&[Image { config, ..Image::new(name, vec![small_layer()?, data]) }])?;
    Ok(())
}

fn anonymous(subject: &Subject) -> Verdict {
    let (own, bed) = (Own::new(subject), Bed::new(subject));
    load(&own, "check/volumes:1", json!({ "/data": {}, "/not/in/image": {} }))?;
    let held = own.hold("check/volumes:1", &["--rm"])?;
    let volumes = bed.volumes()?;
    expect_eq!(volumes.len(), 2, "volumes while it runs, {volumes:?}");
    let places = volumes.iter().map(|name| identity(&bed.content(name))).collect::<Result<Vec<_>>>()?;
    for point in ["data", "not/in/image"] {
        expect!(places.contains(&identity(&held.path(point))?), "one of the volumes on /{point}", "none");
    }
    expect_eq!(
        fs::read_to_string(held.path("data/file"))?,
        "of the image\n",
        "the image's file in its volume"
    );
    let mode = fs::metadata(held.path("data"))?.permissions().mode() & 0o7777;
    expect_eq!(mode, 0o1751, "the mode of the volume");
    held.end()?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "folders of volumes after the end of a --rm container");
    let script = "echo mine >>/data/file && cat /data/file";
    for name in ["one", "two"] {
        let seen = own.sh("check/volumes:1", &["--name", name], script)?;
        expect_eq!(seen, "of the image\nmine\n", "the file in the volume of container {name}");
    }
    expect_eq!(bed.volumes()?.len(), 4, "volumes of two containers that are kept");
    expect_eq!(
        own.ok(&["diff", "one"])?.out().matches("/data/file").count(),
        0,
        "the file in the container's diff"
    );
    Ok(())
}

fn yielding(subject: &Subject) -> Verdict {
    let (own, bed) = (Own::new(subject), Bed::new(subject));
    load(&own, "check/volumes:1", json!({ "/data/": {}, "/other/../more": {} }))?;
    let source = bed.source("source")?;
    let bind = format!("type=bind,src={},dst=/data/.", source.display());
    for (option, value, wanted) in [
        ("-v", spec(&source, "/data"), "of the source"),
        ("-v", spec(&source, "/data:ro"), "of the source"),
        ("--mount", bind, "of the source"),
        ("-v", "named://data/".into(), "of the image\n"),
        ("--mount", "src=bare,dst=/x/../data,volume-nocopy".into(), ""),
        ("--tmpfs", "/data".into(), ""),
    ] {
        let seen =
            own.sh("check/volumes:1", &["--rm", option, &value], "test ! -e /data/file || cat /data/file")?;
        expect_eq!(seen, wanted, "/data/file with {option} {value}");
    }
    expect_eq!(bed.volumes()?, ["bare", "named"], "volumes that are left: those with a name");
    let held = own.hold("check/volumes:1", &["--rm", "-v", "named:/data", "--tmpfs", "/more"])?;
    expect_eq!(
        bed.volumes()?,
        ["bare", "named"],
        "volumes when the caller has something for each of the image's"
    );
    held.end()
}

fn hostile(subject: &Subject) -> Verdict {
    let (own, bed) = (Own::new(subject), Bed::new(subject));
    let source = bed.source("source")?;
    bed.volume(&["create", "keys"])?.success()?;
    fs::write(bed.content("keys").join("file"), "of another's volume")?;
    let look =
        "for file in /data/file /stolen/file; do test ! -e $file || cat $file; done; echo spoilt >/data/file";
    let paths =
        [spec(&source, "/data"), spec(&source, "/stolen"), "keys:/data".into(), "keys:/stolen".into()];
    for (number, path) in paths.iter().enumerate() {
        let image = format!("check/hostile:{number}");
        let mut volumes = json!({});
        volumes[path] = json!({});
        load(&own, &image, volumes)?;
        // A path with a `:` in it, or an error: either is right, and it is nobody else's files.
        let output = own.launch(&image, &["--rm"], &["sh", "-c", look]).output()?;
        let seen = output.out();
        expect!(
            seen.is_empty() || seen == "of the image\n",
            "nothing of the host with a volume {path:?}",
            "{seen:?}"
        );
        let kept = [&source, &bed.content("keys")].map(|dir| fs::read_to_string(dir.join("file")));
        let [source, keys] = kept;
        expect_eq!(source?, "of the source", "a file of the host after an image's volume {path:?}");
        expect_eq!(keys?, "of another's volume", "a file of a volume after an image's volume {path:?}");
    }
    for path in ["/proc", "/sys/fs", "/data/../proc/sys", "/", "data", ""] {
        let mut volumes = json!({});
        volumes[path] = json!({});
        load(&own, "check/refused:1", volumes)?;
        let launch = own.launch("check/refused:1", &["--rm"], &["echo", "started"]);
        own.refused(launch, path, &format!("a run of an image with the volume {path:?}"))?;
    }
    Ok(())
}
