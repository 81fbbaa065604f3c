//! Behaviour 35: what was interrupted leaves nothing.

use std::fs;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigHandler, Signal, signal};

use super::own::{Own, small_layer, small_root, until_drafting};
use crate::archive::image::{self, Image};
use crate::archive::read::files;
use crate::archive::{Entry, tar};
use crate::subject::PATIENCE;
use crate::tree::expect_alike;
use crate::{Check, Subject, Verdict, expect, expect_eq};

const INTERRUPTED: Check = Check {
    step: 5,
    behaviours: &[35],
    points: 2,
    section: "05-aufs-overlay.html#store",
    after: &["import-run"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "import-killed",
        title: "an import or load that is killed in its middle leaves no image, and the next command clears up",
        hints: &[
            "All that is half made lies in one folder under a name of its own; rename(2) at the end.",
            "Hold a lock (flock(2)) while you work: a killed maker's lock is free.",
        ],
        run: killed,
        ..INTERRUPTED
    },
    Check {
        id: "import-signalled",
        title: "an import that is sent SIGINT or SIGTERM ends at once, and leaves no image",
        points: 1,
        hints: &["A signal's default is to end the program: what is left is the next command's."],
        run: signalled,
        ..INTERRUPTED
    },
    Check {
        id: "import-not-swept",
        title: "other commands do not disturb an import that is still going on",
        hints: &["Only a lock that can be taken says that nobody works on it."],
        after: &["import-killed"],
        run: not_swept,
        ..INTERRUPTED
    },
    Check {
        id: "import-parallel",
        title: "imports of the same archive at the same time all succeed, and leave one image and one layer",
        hints: &["Who comes last finds the layer there, and throws its own away."],
        run: parallel,
        ..INTERRUPTED
    },
    Check {
        id: "save-file-whole",
        title: "the file that save writes is replaced whole or not at all, however save ends",
        section: "05-aufs-overlay.html#save",
        hints: &["Write beside it, fsync(2), rename(2)."],
        run: save_whole,
        ..INTERRUPTED
    },
];

/// An archive of some megabytes, of which half can be given.
fn large() -> anyhow::Result<Vec<u8>> {
    Ok(tar(small_root()?.into_iter().chain([Entry::file("big", vec![1; 8 << 20])])))
}

/// Gives half of the bytes, then the signal; the store is as it was, once the next command is done.
fn interrupt(own: &Own, words: &[&str], bytes: &[u8], signal: Signal) -> Verdict {
    let before = own.listing()?;
    let mut running = own.call(words).start()?;
    running.send(&bytes[..bytes.len() / 2])?;
    until_drafting(own)?;
    running.signal(signal)?;
    let output = running.wait(PATIENCE)?;
    let what = format!("`{}` that got {signal} in its middle", words.join(" "));
    expect!(output.code() != 0, "an end of {what} that is no success", "exit status 0");
    expect_eq!(output.out(), "", "stdout of {what}");
    running.close_stdin();
    let ids = own.image_ids()?;
    expect_eq!(ids.len(), 1, "images after {what}, where there was one before");
    expect_eq!(own.drafts()?, Vec::<String>::new(), "what lies in drafts after {what} and the next command");
    expect_alike(&own.listing()?, &before, &format!("the store after {what} and the next command"))?;
    own.refused(own.launch("check/half", &[], &["true"]), "check/half", "a run of what was never whole")
}

fn killed(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    let plain = large()?;
    interrupt(&own, &["import", "-", "check/half"], &plain, Signal::SIGKILL)?;
    let image = Image::new("check/half:latest", vec![small_layer()?, plain.clone()]);
    let files = image::pack(&image::oci(&[image])?);
    interrupt(&own, &["load", "-"], &files, Signal::SIGKILL)?;
    own.import(&plain, "check/half")?;
    expect_eq!(
        own.sh("check/half", &["--rm"], "echo up")?,
        "up\n",
        "a run of the same archive, imported whole"
    );
    Ok(())
}

fn signalled(subject: &Subject) -> Verdict {
    // A shell's job in the background has SIGINT ignored, and so would all that it starts.
    // SAFETY: the default needs no handler.
    unsafe { signal(Signal::SIGINT, SigHandler::SigDfl) }?;
    let own = Own::new(subject);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        interrupt(&own, &["import", "-", "check/half"], &large()?, signal)?;
    }
    Ok(())
}

fn not_swept(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/kept")?;
    let bytes = large()?;
    let mut running = own.call(&["import", "-", "check/slow"]).start()?;
    running.send(&bytes[..bytes.len() / 2])?;
    until_drafting(&own)?;
    own.ok(&["images"])?;
    own.sh("check/kept", &["--rm"], "true")?;
    own.import(&tar([Entry::file("other", "other")]), "check/other")?;
    own.ok(&["rmi", "check/other"])?;
    running.send(&bytes[bytes.len() / 2..])?;
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    expect_eq!(own.sh("check/slow", &["--rm"], "echo up")?, "up\n", "a run of what was imported slowly");
    Ok(())
}

fn parallel(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let path = own.file("same.tar", &large()?)?;
    let start = |number: usize| own.call(&["import", &path, &format!("check/same-{number}")]).start();
    let mut all = (0..4).map(start).collect::<anyhow::Result<Vec<_>>>()?;
    for running in &mut all {
        running.close_stdin();
        running.wait(Duration::from_secs(60))?.success()?;
    }
    expect_eq!(super::own::names(&own.data.join("blobs"))?.len(), 1, "blobs of four imports of one archive");
    expect_eq!(super::own::names(&own.data.join("tags"))?.len(), 4, "names of four imports");
    own.ok(&["images"])?;
    expect_eq!(own.drafts()?, Vec::<String>::new(), "what lies in drafts afterwards");
    for number in 0..4 {
        own.sh(&format!("check/same-{number}"), &["--rm"], "true")?;
    }
    Ok(())
}

fn save_whole(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let big = Entry::file("big", vec![1; 48 << 20]);
    own.import(&tar(small_root()?.into_iter().chain([big])), "check/big")?;
    let file = own.file("saved.tar", b"old")?;
    own.refused(own.call(&["save", "check/none", "-o", &file]), "check/none", "a save of what is not there")?;
    expect_eq!(fs::read(&file)?, b"old", "the file after a save that failed");
    let full = own.file("full.tar", b"")?;
    let start = Instant::now();
    own.ok(&["save", "check/big", "-o", &full])?;
    let whole = start.elapsed();
    let length = fs::metadata(&full)?.len();
    for percent in [10, 40, 70] {
        let mut running = own.call(&["save", "check/big", "-o", &file]).start()?;
        std::thread::sleep(whole * percent / 100);
        running.signal(Signal::SIGKILL).ok();
        running.wait(PATIENCE)?;
        let now = fs::metadata(&file)?.len();
        expect!(now == 3 || now == length, "3 bytes or {length}, with save killed at {percent} %", "{now}");
    }
    own.ok(&["save", "check/big", "-o", &file])?;
    expect!(
        files(&fs::read(&file)?)?.iter().any(|(name, _)| name == "manifest.json"),
        "a manifest in it",
        "none"
    );
    Ok(())
}
