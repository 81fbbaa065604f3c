//! `volume prune`.

use std::fs::{self, File};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};

use crate::checks::exercises::step05::waits_for_lock;
use crate::checks::step06::bed::{Bed, end};
use crate::subject::PATIENCE;
use crate::{Subject, Verdict, expect, expect_eq, until};

/// Makes an anonymous volume that no container has any more, and returns its name.
fn leave_anonymous(bed: &Bed) -> Result<String> {
    let before = bed.volumes()?;
    bed.sh(&["--name", "maker", "-v", "/data"], "echo x >/data/file")?.success()?;
    bed.raw(&["rm", "maker"]).output()?.success()?;
    let made = bed.volumes()?.into_iter().find(|name| !before.contains(name));
    made.context("a container with -v /data has left no volume")
}

/// What `volume prune` prints, a name a line.
fn prune(bed: &Bed, options: &[&str]) -> Result<Vec<String>> {
    let output = bed.volume(&[&["prune"], options].concat())?.success()?;
    expect_eq!(output.err(), "", "stderr of `volume prune` with {options:?}");
    let mut names: Vec<String> = output.out().lines().map(str::to_owned).collect();
    names.sort();
    Ok(names)
}

pub(super) fn anonymous(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    expect_eq!(prune(&bed, &[])?, Vec::<String>::new(), "what is pruned where there is no volume");
    let mut nobodys = vec![leave_anonymous(&bed)?, leave_anonymous(&bed)?];
    // The same form, and a name all the same.
    let digit = if nobodys[0].ends_with('0') { "1" } else { "0" };
    let alike = format!("{}{digit}", &nobodys[0][..nobodys[0].len() - 1]);
    for name in ["named", &alike] {
        bed.volume(&["create", name])?.success()?;
        fs::write(bed.content(name).join("file"), "kept")?;
    }
    bed.sh(&["-v", "run:/data"], "echo kept >/data/file")?.success()?;
    // One that `volume create` has named itself.
    nobodys.push(bed.volume(&["create"])?.success()?.out().trim_end().to_string());
    nobodys.sort();
    expect_eq!(prune(&bed, &[])?, nobodys, "the names that `volume prune` prints");
    let mut named = vec![alike, "named".into(), "run".into()];
    named.sort();
    expect_eq!(bed.folders()?, named, "the volumes after it");
    for name in &named {
        let text = fs::read_to_string(bed.content(name).join("file"))?;
        expect_eq!(text.trim_end(), "kept", "a file of the volume {name}");
    }
    expect_eq!(prune(&bed, &[])?, Vec::<String>::new(), "what a second `volume prune` prints");
    let last = leave_anonymous(&bed)?;
    named.push(last);
    named.sort();
    expect_eq!(prune(&bed, &["--all"])?, named, "the names that `volume prune --all` prints");
    expect_eq!(bed.folders()?, Vec::<String>::new(), "the volumes after it");
    Ok(())
}

pub(super) fn keeps_used(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "echo kept >/data/file && echo kept >/named/file";
    bed.sh(&["--name", "kept", "-v", "/data", "-v", "kept-one:/named"], script)?.success()?;
    let (mut running, command) = bed.up(&["-v", "/data", "-v", "up-one:/named"])?;
    for place in ["data", "named"] {
        fs::write(command.path("root").join(place).join("file"), "kept\n")?;
    }
    let used = bed.folders()?;
    expect_eq!(used.len(), 4, "volumes of a kept and a running container");
    let gone = leave_anonymous(&bed)?;
    expect_eq!(prune(&bed, &[])?, [gone], "the names that `volume prune` prints");
    expect_eq!(prune(&bed, &["--all"])?, Vec::<String>::new(), "what `volume prune --all` prints");
    expect_eq!(bed.folders()?, used, "volumes after it");
    for name in &used {
        let text = fs::read_to_string(bed.content(name).join("file"))?;
        expect_eq!(text, "kept\n", "a file of the volume {name}");
    }
    end(&mut running)?;
    bed.raw(&["rm", "kept"]).output()?.success()?;
    let left = bed.folders()?;
    expect_eq!(prune(&bed, &["--all"])?, left, "what `volume prune --all` prints when they are gone");
    Ok(())
}

pub(super) fn waits(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let name = leave_anonymous(&bed)?;
    // As a start holds it, from its choice of volumes to the record that names them.
    let file = File::open(bed.data.join("images"))?;
    let start = Flock::lock(file, FlockArg::LockShared).map_err(|(_, error)| error);
    let start = start.context("lock the store like a start")?;
    let mut prune = bed.raw(&["volume", "prune", "--all"]).start()?;
    prune.close_stdin();
    let runtime = prune.runtime();
    until(Duration::from_secs(10), "`volume prune` to end or to wait for a lock", || {
        (!runtime.alive() || waits_for_lock(runtime)).then_some(())
    })?;
    if !runtime.alive() {
        prune.wait(PATIENCE)?.success()?;
        bail!("`volume prune` did not wait for a start that holds the store");
    }
    bed.sh(&["--name", "late", "-v", &format!("{name}:/data")], "true")?.success()?;
    drop(start);
    let output = prune.wait(PATIENCE)?.success()?;
    expect_eq!(output.out(), "", "what it prints when a container has taken the volume meanwhile");
    expect!(bed.content(&name).join("file").exists(), "the volume, as it was", "none");
    Ok(())
}
