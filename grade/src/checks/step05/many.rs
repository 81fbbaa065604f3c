//! Behaviour 33: many layers, and every byte that a path may hold.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::time::Duration;

use anyhow::Context;

use super::own::{Own, small_layer, small_root};
use crate::archive::{Entry, image::Image, tar};
use crate::tree::{expect_alike, of_tar};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "layers-128",
        step: 5,
        behaviours: &[33],
        title: "an image of 128 layers runs, and shows the topmost layer's file of each name",
        points: 2,
        hints: &[
            "mount(2) takes one page of options: short paths, relative to a folder that you change to first.",
            "Or fsconfig(2) with `lowerdir+`, one call a layer, since Linux 6.5.",
        ],
        section: "05-aufs-overlay.html#overlay",
        needs: &[Need::Overlay],
        after: &["layers-stacked"],
        timeout: Duration::from_secs(180),
        run: layers,
        ..Check::NEW
    },
    Check {
        id: "layer-any-name",
        step: 5,
        behaviours: &[31, 33],
        title: "names of any byte, of 255 bytes, and paths of over 256 come through import, run, commit and export",
        points: 3,
        hints: &[
            "A path is bytes: OsStr, not str. Beyond 100 bytes tar has PAX records, or GNU's `././@LongLink`.",
            "A record of PAX ends where its length says, which need not be the first newline.",
        ],
        section: "05-aufs-overlay.html#unpack",
        after: &["commit-files"],
        timeout: Duration::from_secs(90),
        run: any_name,
        ..Check::NEW
    },
    Check {
        id: "data-any-name",
        step: 5,
        behaviours: &[33],
        title: "the data folder may have any name, colons, commas and backslashes in it too",
        points: 1,
        hints: &[
            "In overlayfs's options `:`, `,` and `\\` mean something, unless they are escaped or never there.",
        ],
        section: "05-aufs-overlay.html#overlay",
        after: &["import-run"],
        timeout: Duration::from_secs(60),
        run: data,
        ..Check::NEW
    },
];

fn layers(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let layer = |number: usize| {
        let text = format!("{number}\n");
        let mut entries =
            vec![Entry::file("var/top", &text), Entry::file(format!("var/layer-{number}"), text)];
        if number.is_multiple_of(2) {
            entries.push(Entry::file(format!("var/.wh.layer-{}", number - 1), ""));
        }
        tar(entries)
    };
    let all = std::iter::once(small_layer()?).chain((1..128).map(layer)).collect();
    own.load_images(&[Image::new("check/many:1", all)])?;
    let held = own.hold("check/many:1", &["--name", "many"])?;
    expect_eq!(fs::read_to_string(held.path("var/top"))?, "127\n", "the file that every layer has");
    for (number, there) in [(1, false), (2, true), (63, false), (126, true), (127, true)] {
        let path = held.path(format!("var/layer-{number}"));
        expect_eq!(path.exists(), there, "whether the file of layer {number} is there");
    }
    fs::write(held.path("var/top"), "written\n")?;
    held.end()?;
    let changed = own.ok(&["diff", "many"])?.out();
    expect_eq!(changed, "C /var\nC /var/top\n", "diff of a container of 128 layers");
    Ok(())
}

fn odd_names() -> Vec<Vec<u8>> {
    let mut names = vec![
        b"two words".to_vec(),
        b"new\nline".to_vec(),
        b"\xff\xfe no utf-8".to_vec(),
        b"colon:comma,back\\slash=\"quote\"".to_vec(),
        b"-rf".to_vec(),
        b"%2F".to_vec(),
        b".whatever".to_vec(),
        (1..=255_u8).filter(|byte| *byte != b'/').collect::<Vec<u8>>()[..200].to_vec(),
        [b"\n".to_vec(), vec![b'n'; 254]].concat(),
        vec![b'x'; 255],
    ];
    for (part, parts) in [(30, 4), (99, 3), (200, 8)] {
        names.push(vec![vec![b'p'; part]; parts].join(&b'/'));
    }
    names
}

fn any_name(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let mut entries = small_root()?;
    for (number, name) in odd_names().into_iter().enumerate() {
        let path = [b"var/", &name[..]].concat();
        let entry = Entry::file(path, number.to_string());
        entries.push(if number.is_multiple_of(2) { entry.gnu() } else { entry });
    }
    entries.push(Entry::symlink("var/long-link", "t/".repeat(200)));
    entries.push(Entry::hard_link("var/other", [b"var/", &vec![b'x'; 255][..]].concat()));
    let archive = tar(entries);
    let mut wanted = of_tar(&archive)?;
    own.import(&archive, "check/odd")?;
    let held = own.hold("check/odd", &["--name", "odd"])?;
    for name in odd_names() {
        let place = held.path([b"tmp/", &name[..]].concat());
        fs::create_dir_all(place.parent().context("a path without a folder")?)?;
        fs::write(&place, "written")?;
    }
    let before = held.tree()?;
    held.end()?;
    own.ok(&["commit", "odd", "check/two"])?;
    let held = own.hold("check/two", &["--name", "two"])?;
    expect_alike(&held.tree()?, &before, "the root of a run of the commit")?;
    held.end()?;
    let mut exported = own.exported("two")?;
    let ours = |path: &[u8]| path.starts_with(b"var/") && path.len() > 4;
    wanted.retain(|path, _| ours(path));
    // Folders that the archive did not name have come into being.
    exported.retain(|path, node| ours(path) && node.kind != 'd');
    expect_alike(&exported, &wanted, "what is below /var in the export, against what was imported")?;
    let changed = own.call(&["diff", "odd"]).output()?.success()?.stdout;
    expect!(changed == added(), "each name as it is in diff", "{}", String::from_utf8_lossy(&changed));
    Ok(())
}

/// What `diff` says when all odd names were added to /tmp.
fn added() -> Vec<u8> {
    let mut paths = std::collections::BTreeSet::new();
    for name in odd_names() {
        let ends = name.iter().enumerate().filter(|(_, byte)| **byte == b'/').map(|(at, _)| at);
        paths.extend(ends.chain([name.len()]).map(|end| name[..end].to_vec()));
    }
    let lines = paths.into_iter().map(|path| [b"A /tmp/", &path[..], b"\n"].concat());
    std::iter::once(b"C /tmp\n".to_vec()).chain(lines).collect::<Vec<_>>().concat()
}

fn data(subject: &Subject) -> Verdict {
    for name in [&b"a:b,c\\d=e f\"g"[..], b"new\nline", b"\xff\xfe", &[b'l'; 200]] {
        let data = subject.scratch().join(std::ffi::OsStr::from_bytes(name));
        let own = Own { subject, data };
        own.import_small("check/one")?;
        own.sh("check/one", &["--name", "kept"], "echo new >/etc/new; rm /etc/passwd")?;
        own.ok(&["commit", "kept", "check/two"])?;
        let seen = own.sh("check/two", &["--rm"], "cat /etc/new; test -e /etc/passwd || echo none")?;
        expect_eq!(seen, "new\nnone\n", "the commit's files with a data folder named {name:?}");
        expect!(!own.listing()?.is_empty(), "a store in that folder", "none");
    }
    Ok(())
}
