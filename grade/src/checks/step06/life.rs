//! Behaviour 40: removing a container never touches what a volume holds.

use std::fs;
use std::time::Duration;

use anyhow::Result;
use nix::sys::signal::Signal;

use super::super::common::until_gone;
use super::bed::{Bed, end, expect_mounted, names, spec};
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "volume-outlives-container",
        step: 6,
        behaviours: &[40],
        title: "what volumes hold is there after their container is gone: at its end, by --rm, by `rm`",
        points: 3,
        hints: &[
            "The mounts go with the mount namespace; the folders below are the host's.",
            "Deleting a container's root while a volume is still mounted there deletes the volume's files.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-named"],
        run: outlives,
        ..Check::NEW
    },
    Check {
        id: "volume-outlives-kill",
        step: 6,
        behaviours: &[40],
        title: "it is there, too, after `kill -9` of the runtime, when a later command has cleared the container",
        points: 3,
        hints: &[
            "Whoever sweeps deletes only what the container's folder itself holds, and follows no symlink in it.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-outlives-container", "kill-ends-command"],
        run: outlives_kill,
        ..Check::NEW
    },
    Check {
        id: "volume-anonymous-kept",
        step: 6,
        behaviours: &[40],
        title: "`rm` of a container that was kept leaves its volumes without a name in place, as Docker does",
        points: 1,
        hints: &["Only --rm takes them along: nobody has had a chance to look at their names."],
        section: "06-volumes.html#life",
        after: &["volume-anonymous"],
        run: anonymous_kept,
        ..Check::NEW
    },
    Check {
        id: "volume-failed-start",
        step: 6,
        behaviours: &[38, 40],
        title: "a run that fails leaves no anonymous volume and touches nothing that was there",
        points: 1,
        hints: &[
            "A command that is not found is known only after the mounts: 127, and everything is cleared.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-anonymous"],
        run: failed_start,
        ..Check::NEW
    },
];

/// A folder of the host, a file of the host and a named volume, each with something in it.
const FILES: [(&str, &str); 3] = [("file", "of the source"), ("below/file", "below"), (".hidden", "hidden")];

struct Kept<'a> {
    bed: Bed<'a>,
    options: Vec<String>,
}

impl<'a> Kept<'a> {
    fn new(subject: &'a Subject) -> Result<Kept<'a>> {
        let bed = Bed::new(subject);
        let source = bed.source("source")?;
        bed.volume(&["create", "kept"])?.success()?;
        for dir in [&source, &bed.content("kept")] {
            fs::create_dir(dir.join("below"))?;
            for (name, text) in FILES {
                fs::write(dir.join(name), text)?;
            }
        }
        let one = bed.source("other")?.join("file");
        let specs = [spec(&source, "/data"), spec(&one, "/new/file"), "kept:/data/below".into()];
        let mut options: Vec<String> = specs.into_iter().flat_map(|spec| ["-v".into(), spec]).collect();
        options.extend(["-v".into(), "kept:/tmp/in:ro".into()]);
        Ok(Kept { bed, options })
    }

    fn with<'b>(&'b self, more: &[&'b str]) -> Vec<&'b str> {
        more.iter().copied().chain(self.options.iter().map(String::as_str)).collect()
    }

    fn whole(&self, when: &str) -> Verdict {
        let scratch = self.bed.subject.scratch();
        for dir in [scratch.join("source"), self.bed.content("kept")] {
            expect_eq!(names(&dir)?, [".hidden", "below", "file"], "names in {} {when}", dir.display());
            for (name, wanted) in FILES {
                let text = fs::read_to_string(dir.join(name))?;
                expect_eq!(text, wanted, "{} {when}", dir.join(name).display());
            }
        }
        let text = fs::read_to_string(scratch.join("other/file"))?;
        expect_eq!(text, "of the source", "the file that was mounted alone, {when}");
        Ok(())
    }
}

fn outlives(subject: &Subject) -> Verdict {
    let kept = Kept::new(subject)?;
    let bed = &kept.bed;
    for more in [&[][..], &["--rm"], &["--rm", "--name", "one"], &["--name", "two"]] {
        let (mut running, command) = bed.up(&kept.with(more))?;
        expect_mounted(command, "/data/below", &bed.content("kept"))?;
        end(&mut running)?;
        kept.whole(&format!("after the end of a container with {more:?}"))?;
    }
    bed.raw(&["rm", "two"]).output()?.success()?;
    kept.whole("after `rm` of a container")?;
    bed.launch(&kept.with(&["--rm"]), &["no-such-command"]).output()?;
    kept.whole("after a command that was not found")?;
    expect_eq!(bed.volumes()?, ["kept"], "the volumes");
    Ok(())
}

fn outlives_kill(subject: &Subject) -> Verdict {
    let kept = Kept::new(subject)?;
    let bed = &kept.bed;
    for more in [&["--rm"][..], &["--rm", "--init"], &["--name", "named"]] {
        let (mut running, command) = bed.up(&kept.with(more))?;
        running.signal(Signal::SIGKILL)?;
        running.wait(PATIENCE)?;
        until_gone(command, Duration::from_secs(5), "the end of the command after `kill -9` of the runtime")?;
        kept.whole("after `kill -9` of the runtime")?;
        for words in [&["images"][..], &["volume", "ls"]] {
            bed.raw(words).output()?.success()?;
        }
        bed.sh(&["--rm", "-v", "kept:/data"], "true")?.success()?;
        kept.whole("after the commands that came next")?;
    }
    // Whether a container that was killed counts as kept is the step's affair.
    bed.raw(&["rm", "named"]).output()?;
    kept.whole("after `rm`")
}

fn anonymous_kept(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.sh(&["--name", "holder", "-v", "/data", "-v", "named:/named"], "echo x >/data/file")?.success()?;
    let before = bed.volumes()?;
    expect_eq!(before.len(), 2, "volumes of a container that is kept, {before:?}");
    bed.raw(&["rm", "holder"]).output()?.success()?;
    expect_eq!(bed.volumes()?, before, "volumes after `rm` of it");
    let other = before.iter().find(|name| *name != "named").map(|name| bed.content(name).join("file"));
    let text = other.map(fs::read_to_string).transpose()?;
    expect_eq!(text.as_deref(), Some("x\n"), "the file in the volume without a name");
    Ok(())
}

fn failed_start(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let bind = spec(&source, "/data");
    bed.volume(&["create", "named"])?.success()?;
    fs::write(bed.content("named").join("file"), "kept")?;
    for (command, code) in [("no-such-command", 127), ("/", 126)] {
        let options = ["--rm", "-v", "/anonymous", "-v", "named:/named", "-v", &bind];
        let output = bed.launch(&options, &[command]).output()?;
        expect_eq!(output.code(), code, "exit status of a run of {command}");
        expect_eq!(bed.volumes()?, ["named"], "volumes after a run of {command}");
    }
    bed.refused(&["--rm", "-v", "/anonymous", "-v", "named:/etc/passwd"], "/etc/passwd")?;
    bed.refused(&["--rm", "-v", "/anonymous", "--memory", "1"], "")?;
    expect_eq!(bed.folders()?, ["named"], "folders of volumes after runs that failed");
    let text = fs::read_to_string(bed.content("named").join("file"))?;
    expect_eq!(text, "kept", "what the named volume holds");
    expect!(source.join("file").is_file(), "the source as before", "less");
    Ok(())
}
