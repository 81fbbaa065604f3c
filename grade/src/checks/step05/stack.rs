//! Behaviour 32: layers are shared, lie on each other, and keep owners.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::load::sample;
use super::own::{Own, names, small_layer, small_root};
use crate::archive::image::Image;
use crate::archive::{Entry, sha256, tar};
use crate::tree::of_folder;
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

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
        id: "layers-shared",
        title: "images with a layer in common store it once, and keep it until the last of them is gone",
        hints: &["Named by its diff_id, a layer that is there need not come again."],
        after: &["load-docker-save"],
        run: shared,
        ..LOAD
    },
    Check {
        id: "layers-stacked",
        title: "an upper layer's files, whiteouts and opaque folders hide what the layers below have",
        points: 3,
        hints: &[
            "The first lowerdir is the top one.",
            "`.wh.NAME` and `.wh..wh..opq` are never files of the image.",
        ],
        after: &["load-docker-save"],
        run: stacked,
        ..LOAD
    },
    Check {
        id: "layer-owners",
        title: "owners of a layer's files are those of the container's files",
        points: 1,
        section: "05-aufs-overlay.html#unpack",
        hints: &["chown(2) by number before chmod(2); the names in tar's header are somebody else's."],
        needs: &[Need::SubIdsOrRoot],
        run: owners,
        ..LOAD
    },
    Check {
        id: "layer-owners-squashed",
        title: "where an owner cannot be mapped, the file is root's, and that is told once in one line",
        points: 1,
        section: "05-aufs-overlay.html#user",
        hints: &["Without sub-ids an ordinary user has one id inside."],
        needs: &[Need::NotRoot, Need::NoSubIds],
        run: squashed,
        ..LOAD
    },
];

fn shared(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let (base, mut other) = (sample("check/one:1")?, sample("check/two:1")?);
    other.layers[1] = tar([Entry::file("etc/top", "other\n")]);
    own.load_images(std::slice::from_ref(&base))?;
    own.load_images(std::slice::from_ref(&other))?;
    let mut wanted: Vec<String> =
        [&base.layers[0], &base.layers[1], &other.layers[1]].map(|layer| sha256(layer)).to_vec();
    wanted.sort();
    expect_eq!(names(&own.data.join("blobs"))?, wanted, "the blobs of two images with a layer in common");
    own.sh("check/one:1", &["--rm"], "true")?;
    own.sh("check/two:1", &["--rm"], "true")?;
    own.ok(&["rmi", "check/one:1"])?;
    expect_eq!(
        own.sh("check/two:1", &["--rm"], "cat /etc/top")?,
        "other\n",
        "a file of the image that is left"
    );
    own.ok(&["rmi", "check/two:1"])?;
    for place in ["blobs", "images", "layers/overlay", "tags"] {
        let left = names(&own.data.join(place))?;
        expect!(left.is_empty(), "nothing in {place} when the last image is gone", "{left:?}");
    }
    Ok(())
}

fn stacked(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let lower = [
        "same",
        "gone",
        "whole/a",
        "whole/b",
        "open/old",
        "open/sub/old",
        "both/low",
        "part/old",
        "part/low",
    ];
    let lower = lower.map(|name| Entry::file(format!("var/{name}"), "low\n"));
    let middle = [
        Entry::file("var/same", "middle\n"),
        Entry::file("var/.wh.gone", ""),
        Entry::file("var/.wh.whole", ""),
        // The mark may stand behind what is new in the folder.
        Entry::file("var/open/new", "middle\n"),
        Entry::file("var/open/.wh..wh..opq", ""),
        Entry::file("var/both/middle", "middle\n"),
        Entry::file("var/.wh.never", ""),
    ];
    let upper =
        [Entry::file("var/same", "upper\n"), Entry::file("var/gone", "back\n"), Entry::dir("var/whole/")];
    // A layer that names nothing else, not even the folder.
    let last = [Entry::file("var/part/.wh.old", "")];
    let layers = vec![small_layer()?, tar(lower), tar(middle), tar(upper), tar(last)];
    own.load_images(&[Image::new("check/stack:1", layers)])?;
    let held = own.hold("check/stack:1", &["--rm"])?;
    let tree = of_folder(&held.path("var"), &[])?;
    let found: Vec<String> = tree.keys().map(|path| String::from_utf8_lossy(path).into_owned()).collect();
    let wanted = [
        "",
        "both",
        "both/low",
        "both/middle",
        "gone",
        "open",
        "open/new",
        "part",
        "part/low",
        "same",
        "whole",
    ];
    expect_eq!(found, wanted, "the paths below /var");
    for (name, text) in [("same", "upper\n"), ("gone", "back\n"), ("open/new", "middle\n")] {
        expect_eq!(fs::read_to_string(held.path(format!("var/{name}")))?, text, "the file /var/{name}");
    }
    held.end()
}

fn with_owner() -> Result<Vec<u8>> {
    let more = [Entry::file("var/f", "x").owner(1000, 7).mode(0o4755), Entry::dir("var/d/").owner(7, 1000)];
    Ok(tar(small_root()?.into_iter().chain(more)))
}

fn owners(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import(&with_owner()?, "check/owners")?;
    let tree = { own.sh("check/owners", &["--name", "kept"], "true").and_then(|_| own.exported("kept")) }?;
    for (name, owner) in [("var/f", (1000, 7)), ("var/d", (7, 1000)), ("var", (0, 0))] {
        expect_eq!(tree.get(name.as_bytes()).map(|node| node.owner), Some(owner), "the owner of /{name}");
    }
    expect_eq!(
        own.sh("check/owners", &["-u", "1000"], "test -O /var/f && echo mine")?,
        "mine\n",
        "test -O as 1000"
    );
    expect_eq!(tree.get(&b"var/f"[..]).map(|node| node.mode), Some(0o4755), "the mode of /var/f");
    Ok(())
}

fn squashed(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let path = own.file("owners.tar", &with_owner()?)?;
    let output = own.ok(&["import", &path, "check/owners"])?;
    let lines = output.err().lines().count();
    expect_eq!(lines, 1, "lines on stderr about two owners that cannot be mapped: {:?}", output.err());
    let line = "test -O /var/f && test -O /var/d && echo mine";
    expect_eq!(own.sh("check/owners", &["--rm"], line)?, "mine\n", "test -O of both as root");
    Ok(())
}
