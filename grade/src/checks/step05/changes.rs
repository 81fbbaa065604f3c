//! What a container changed: diff, export, commit.

use std::fs;
use std::time::Duration;

use serde_json::{Value, json};

use super::own::{Own, id_in, small_layer, small_root};
use crate::archive::image::Image;
use crate::archive::{Entry, tar};
use crate::tree::{expect_alike, of_tar};
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
        id: "diff-lists",
        behaviours: &[31],
        section: "05-aufs-overlay.html#changes",
        title: "`diff` lists what was added, changed and deleted, sorted, with the folders above, as Docker does",
        points: 2,
        hints: &[
            "A in the upper layer alone, C in both, D a whiteout; a folder with changes below is a C itself.",
        ],
        run: diff,
        ..COMMAND
    },
    Check {
        id: "export-root",
        behaviours: &[31],
        section: "05-aufs-overlay.html#save",
        title: "`export` writes the merged root of a running or kept container as a tar archive, and import takes it",
        points: 2,
        hints: &["The same walk as commit's, over the merged root instead of the upper layer."],
        run: export,
        ..COMMAND
    },
    Check {
        id: "commit-config",
        behaviours: &[31],
        section: "05-aufs-overlay.html#changes",
        title: "`commit` of a running container works, and its image has the container's command and environment",
        points: 2,
        hints: &["What the container was run with becomes the new config; the layers' list grows by one."],
        run: commit,
        ..COMMAND
    },
    Check {
        id: "commit-nothing",
        behaviours: &[31],
        section: "05-aufs-overlay.html#changes",
        title: "`commit` of a container that changed nothing makes an image that runs",
        hints: &["An empty layer is a layer."],
        run: commit_nothing,
        ..COMMAND
    },
];

const CHANGES: &str = "echo new >/etc/new && echo more >>/etc/group && rm /etc/passwd && mv /home /var/home && \
    mkdir -p /var/deep/er && echo x >/var/deep/er/f && chmod 700 /root && ln -s /etc/new /tmp/l && rm -r /var/old";

const CHANGED: &str = "C /etc\nC /etc/group\nA /etc/new\nD /etc/passwd\nD /home\nC /root\nC /tmp\nA /tmp/l\nC /var\n\
    A /var/deep\nA /var/deep/er\nA /var/deep/er/f\nA /var/home\nD /var/old\n";

fn diff(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    // Of a folder that is deleted, nothing that was in it is listed.
    let old = ["var/old/f", "var/old/sub/f"].map(|name| Entry::file(name, "of the image"));
    own.import(&tar(small_root()?.into_iter().chain(old)), "check/one")?;
    own.sh("check/one", &["--name", "changed"], CHANGES)?;
    expect_eq!(own.ok(&["diff", "changed"])?.out(), CHANGED, "diff of a kept container");
    own.sh("check/one", &["--name", "same"], "cat /etc/passwd; ls /bin")?;
    expect_eq!(own.ok(&["diff", "same"])?.out(), "", "diff of a container that only read");
    let held = own.hold("check/one", &["--name", "held"])?;
    fs::remove_file(held.path("etc/passwd"))?;
    expect_eq!(own.ok(&["diff", "held"])?.out(), "C /etc\nD /etc/passwd\n", "diff of a running container");
    held.end()
}

fn export(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    let held = own.hold("check/one", &["--name", "changed"])?;
    fs::write(held.path("tmp/new"), "new")?;
    fs::remove_file(held.path("etc/passwd"))?;
    let running = own.exported("changed")?;
    held.end()?;
    let kept = own.exported("changed")?;
    expect_alike(&kept, &running, "the export of the kept container, as of the running one")?;
    for (path, there) in [("tmp/new", true), ("etc/passwd", false), ("bin/sh", true)] {
        expect_eq!(kept.contains_key(path.as_bytes()), there, "whether {path} is in the export");
    }
    let odd: Vec<_> = kept.keys().filter(|path| path.windows(4).any(|part| part == b".wh.")).collect();
    expect!(odd.is_empty(), "no whiteouts in an export", "{odd:?}");
    let archive = own.call(&["export", "changed"]).stdout(fs::File::create(own.file("out.tar", b"")?)?);
    archive.output()?.success()?;
    let bytes = fs::read(subject.scratch().join("out.tar"))?;
    expect!(of_tar(&bytes)?.contains_key(&b"tmp/new"[..]), "the same on stdout", "no such file in it");
    own.import(&bytes, "check/again")?;
    own.sh("check/again", &["--name", "again"], "test -e /tmp/new && test ! -e /etc/passwd")?;
    let again = own.exported("again")?;
    expect_alike(&again, &kept, "the export of a run of the import of the export")
}

fn commit(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let config =
        json!({ "Entrypoint": ["cat"], "Cmd": ["/none"], "Env": ["A=1", "B=2"], "WorkingDir": "/etc" });
    own.load_images(&[Image { config, ..Image::new("check/one:1", vec![small_layer()?]) }])?;
    let held = own.hold("check/one:1", &["--name", "up", "--entrypoint", "", "-e", "B=3", "-w", "/tmp"])?;
    fs::write(held.path("tmp/f"), "written")?;
    let id = id_in(&own.ok(&["commit", "up", "check/two"])?.out())?;
    expect!(held.command.alive(), "the container to go on", "its end");
    fs::write(held.path("tmp/f"), "later")?;
    held.end()?;
    let document: Value = serde_json::from_slice(&fs::read(own.data.join(format!("images/{id}.json")))?)?;
    let layers = document["rootfs"]["diff_ids"].as_array().map_or(0, Vec::len);
    expect_eq!(layers, 2, "layers of the commit of an image of one");
    // `cat` was the container's command, and the folder is its own.
    let output = own.launch("check/two", &["--rm"], &[]).output_for(b"through cat")?.success()?;
    expect_eq!(output.out(), "through cat", "stdout of a run of the commit without a command");
    let seen = own.sh("check/two", &["--rm"], "echo $A $B; pwd; cat f")?;
    expect_eq!(seen, "1 3\n/tmp\nwritten", "variables, folder and file in a run of the commit");
    Ok(())
}

fn commit_nothing(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "same"], "true")?;
    let before = own.exported("same")?;
    own.ok(&["commit", "same", "check/two"])?;
    own.sh("check/two", &["--name", "two"], "true")?;
    expect_alike(&own.exported("two")?, &before, "the export of a run of the commit")
}
