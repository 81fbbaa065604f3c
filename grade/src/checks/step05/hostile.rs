//! Behaviour 34: layers whose entries want out of the image, or are what no image needs.

use std::fs;
use std::time::Duration;

use anyhow::Result;

use super::own::{Own, small_layer};
use crate::archive::{Entry, image, tar};
use crate::tree::{Tree, expect_alike, of_folder};
use crate::{Check, Subject, Verdict, expect};

pub(super) const HOSTILE: Check = Check {
    step: 5,
    behaviours: &[34],
    points: 2,
    section: "05-aufs-overlay.html#hostile",
    after: &["import-run"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "layer-dotdot",
        title: "a layer with `..` in a name is refused with the entry named, and the store is as it was",
        hints: &["Look at each part of the name: any `..` is one too many, even when it would lead back in."],
        run: |subject| refuse(subject, &dotdot()),
        ..HOSTILE
    },
    Check {
        id: "layer-absolute-name",
        title: "a layer with an absolute or empty name is refused, and nothing is written at that path of the host",
        hints: &["`Path::join` of an absolute path forgets what it was joined to."],
        run: |subject| refuse(subject, &absolute(subject)),
        ..HOSTILE
    },
    Check {
        id: "layer-hard-link-out",
        title: "a hard link to an absolute, climbing or missing path, or through a symlink, is refused",
        hints: &["The target is looked up in the layer itself, with openat2(2) RESOLVE_NO_SYMLINKS."],
        run: |subject| refuse(subject, &hard_links(subject)),
        ..HOSTILE
    },
    Check {
        id: "layer-through-symlink",
        title: "an entry below a symlink or a file of its own layer is refused, wherever the symlink leads",
        hints: &["openat2(2) with RESOLVE_NO_SYMLINKS and RESOLVE_BENEATH opens the parent, or says ELOOP."],
        run: |subject| refuse(subject, &through(subject)),
        ..HOSTILE
    },
    Check {
        id: "layer-through-lower-symlink",
        title: "an entry below what is a symlink in a lower layer does not reach what the symlink leads to",
        hints: &["Each layer is unpacked alone, in a folder of its own."],
        run: lower_symlink,
        ..HOSTILE
    },
    Check {
        id: "layer-symlink-climbs",
        title: "a relative symlink that climbs above the root is refused; an absolute one, or one that stays in, is not",
        hints: &["Count: each name goes one down, each `..` one up, and the depth may not go below zero."],
        run: symlinks,
        ..HOSTILE
    },
];

/// What it is, what the message must hold, and the layer's entries.
pub(super) type Case<'a> = (&'a str, &'a str, Vec<Entry>);

/// A folder of the host with a file in it, which no archive may change.
pub(super) struct Outside {
    pub path: String,
    before: Tree,
}

impl Outside {
    pub(super) fn new(subject: &Subject) -> Result<Outside> {
        let dir = subject.scratch().join("outside");
        fs::create_dir_all(&dir)?;
        fs::write(dir.join("canary"), "of the host")?;
        Ok(Outside { path: dir.display().to_string(), before: of_folder(&dir, &[])? })
    }

    pub(super) fn untouched(&self, what: &str) -> Verdict {
        let now = of_folder(self.path.as_ref(), &[])?;
        expect_alike(&now, &self.before, &format!("the folder outside after {what}"))
    }
}

fn outside(subject: &Subject) -> String {
    subject.scratch().join("outside").display().to_string()
}

/// Each case is refused as an import and as the second layer of an image, with the store as it was.
pub(super) fn refuse(subject: &Subject, cases: &[Case]) -> Verdict {
    let (own, outside) = (Own::new(subject), Outside::new(subject)?);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    let before = own.listing()?;
    let lowest = tar([Entry::dir("lowest/")]);
    for (what, named, entries) in cases {
        let archive = tar(entries.clone());
        let path = own.file("evil.tar", &archive)?;
        let what = format!("an import of {what}");
        own.refused(own.call(&["import", &path, "check/evil"]), named, &what)?;
        expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
        outside.untouched(&what)?;
        let image = image::Image::new("check/evil:1", vec![lowest.clone(), archive]);
        let path = own.file("evil.tar", &image::pack(&image::docker(&[image])?))?;
        let what = what.replace("an import of", "a load of a layer that is");
        own.refused(own.call(&["load", &path]), named, &what)?;
        expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
        outside.untouched(&what)?;
    }
    Ok(())
}

fn dotdot() -> Vec<Case<'static>> {
    let file = |name: &str| vec![Entry::dir("a/"), Entry::file(name, "evil")];
    vec![
        ("a name that climbs", "evil", file("../outside/evil")),
        ("a name that climbs from below", "evil", file("a/../../outside/evil")),
        ("a name that leads back in", "evil", file("a/../evil")),
        ("a long name that climbs", "evil", file(&format!("../outside/evil{}", "x".repeat(120)))),
        ("a folder that is ..", "..", vec![Entry::dir("..")]),
        ("a folder whose name ends with ..", "..", vec![Entry::dir("a/../").mode(0o777)]),
        ("a name of two lines that climbs", "evil", file("../out\nside/evil")),
        ("a whiteout that climbs", ".wh.canary", vec![Entry::file("../outside/.wh.canary", "")]),
        ("a symlink that stands outside", "evil", vec![Entry::symlink("../outside/evil", "/etc")]),
    ]
}

fn absolute(subject: &Subject) -> Vec<Case<'static>> {
    let place = |name: &str| format!("{}/{name}", outside(subject));
    vec![
        ("an absolute name", "evil", vec![Entry::file(place("evil"), "evil")]),
        ("a file that exists on the host", "canary", vec![Entry::file(place("canary"), "evil")]),
        ("an absolute folder", "evil", vec![Entry::dir(place("evil"))]),
        ("a name behind two slashes", "evil", vec![Entry::file(format!("/{}", place("evil")), "evil")]),
        ("a file without a name", "", vec![Entry::file("", "evil")]),
        ("a root that is a symlink", "", vec![Entry::symlink("./", outside(subject))]),
    ]
}

fn hard_links(subject: &Subject) -> Vec<Case<'static>> {
    let canary = format!("{}/canary", outside(subject));
    let link = |target: &str| vec![Entry::dir("d/"), Entry::hard_link("evil", target)];
    let through = vec![Entry::symlink("d", outside(subject)), Entry::hard_link("evil", "d/canary")];
    let inside =
        vec![Entry::file("real/f", "f"), Entry::symlink("d", "real"), Entry::hard_link("evil", "d/f")];
    vec![
        ("a hard link to an absolute path", "evil", link(&canary)),
        ("a hard link that climbs", "evil", link("../../../../../../etc/passwd")),
        ("a hard link that climbs and comes back", "evil", link("d/../d/x")),
        ("a hard link to nothing", "evil", link("missing")),
        ("a hard link to a folder", "evil", link("d")),
        ("a hard link through a symlink out", "evil", through),
        ("a hard link through a symlink in", "evil", inside),
    ]
}

fn through(subject: &Subject) -> Vec<Case<'static>> {
    let out = outside(subject);
    let below = |link: Entry, entry: Entry| vec![Entry::file("in/f", "f"), link, entry];
    let evil = || Entry::file("d/evil", "evil");
    vec![
        ("an entry below a symlink out", "d/evil", below(Entry::symlink("d", &out), evil())),
        ("an entry below a symlink in", "d/evil", below(Entry::symlink("d", "in"), evil())),
        ("an entry below a dangling symlink", "d/evil", below(Entry::symlink("d", "/no/such"), evil())),
        (
            "an entry two below a symlink",
            "d/e/evil",
            below(Entry::symlink("d", &out), Entry::file("d/e/evil", "")),
        ),
        ("an entry below a file", "d/evil", below(Entry::file("d", "f"), evil())),
        ("a folder below a symlink", "d/evil", below(Entry::symlink("d", &out), Entry::dir("d/evil/"))),
        (
            "a symlink below a symlink",
            "d/evil",
            below(Entry::symlink("d", &out), Entry::symlink("d/evil", "x")),
        ),
        (
            "a hard link below a symlink",
            "d/evil",
            below(Entry::symlink("d", &out), Entry::hard_link("d/evil", "in/f")),
        ),
        (
            "a whiteout below a symlink",
            "canary",
            below(Entry::symlink("d", &out), Entry::file("d/.wh.canary", "")),
        ),
        (
            "an opaque mark below a symlink",
            "\"d\"",
            below(Entry::symlink("d", &out), Entry::file("d/.wh..wh..opq", "")),
        ),
    ]
}

fn lower_symlink(subject: &Subject) -> Verdict {
    let (own, outside) = (Own::new(subject), Outside::new(subject)?);
    let lower = tar([Entry::symlink("d", &outside.path), Entry::symlink("home", &outside.path)]);
    let upper = tar([Entry::file("d/evil", "evil"), Entry::file("home/.wh.canary", "")]);
    own.load_images(&[image::Image::new("check/two:1", vec![small_layer()?, lower, upper])])?;
    outside.untouched("a load of a layer with entries below what is a symlink in a lower layer")?;
    let line = "echo x >/d/more; cat /d/evil; cat /d/canary /home/canary 2>&1; true";
    let seen = own.sh("check/two:1", &["--rm"], line)?;
    expect!(!seen.contains("of the host"), "nothing of the host's file", "{:?}", seen);
    expect!(seen.starts_with("evil"), "the upper layer's file", "{:?}", seen);
    outside.untouched("a run of it")
}

fn symlinks(subject: &Subject) -> Verdict {
    let link = |name: &str, target: &str| vec![Entry::symlink(name, target)];
    refuse(
        subject,
        &[
            ("a symlink to ..", "evil", link("evil", "..")),
            ("a symlink that climbs", "evil", link("a/evil", "../../outside/canary")),
            ("a symlink that climbs late", "evil", link("evil", "a/b/../../../outside")),
            ("a symlink that climbs deep down", "evil", link("a/b/c/evil", "../../../../x")),
        ],
    )?;
    let own = Own::new(subject);
    let fine = [
        ("a/in", "../b/f"),
        ("absolute", "/etc/passwd"),
        ("a/up", ".."),
        ("a/b/c/root", "../../.."),
        ("s", "."),
    ];
    let entries = fine.iter().map(|(name, target)| Entry::symlink(name, target));
    own.import(&tar(entries), "check/fine")?;
    Ok(())
}
