//! `--volumes-from`.

use std::fs;

use anyhow::Result;

use crate::checks::step06::bed::{Bed, end, expect_mounted, itself, mount_at, spec};
use crate::{Process, Subject, Verdict, expect, expect_eq};

/// Options for a container with a named and an anonymous volume, two of the host's folders and a tmpfs.
fn options(bed: &Bed) -> Result<Vec<String>> {
    let (writable, closed) = (bed.source("writable")?, bed.source("closed")?);
    let mounts =
        ["keep:/named".into(), "/anon".into(), spec(&writable, "/host"), spec(&closed, "/closed:ro")];
    let mut options: Vec<String> = mounts.into_iter().flat_map(|mount| ["-v".into(), mount]).collect();
    options.extend(["--tmpfs".into(), "/memory".into()]);
    Ok(options)
}

fn with<'a>(options: &'a [String], more: &[&'a str]) -> Vec<&'a str> {
    more.iter().copied().chain(options.iter().map(String::as_str)).collect()
}

/// Ends the check unless the container has the mounts of [`options`]; `closed` are the places that are read-only.
fn expect_taken(bed: &Bed, command: Process, anonymous: &str, closed: &[&str]) -> Verdict {
    let scratch = bed.subject.scratch();
    for (place, source) in [
        ("/named", bed.content("keep")),
        ("/anon", bed.content(anonymous)),
        ("/host", scratch.join("writable")),
        ("/closed", scratch.join("closed")),
    ] {
        let mount = expect_mounted(command, place, &source)?;
        expect_eq!(itself(&mount, "ro"), closed.contains(&place), "whether {place} is read-only");
    }
    let memory = command.mounts()?.into_iter().any(|mount| mount.point == "/memory");
    expect!(!memory, "nothing on /memory, which is the other container's own", "a mount");
    Ok(())
}

/// The one volume without a name.
fn anonymous(bed: &Bed) -> Result<String> {
    let mut others = bed.volumes()?;
    others.retain(|name| name != "keep");
    expect_eq!(others.len(), 1, "anonymous volumes ({others:?})");
    Ok(others.remove(0))
}

pub(super) fn places(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let options = options(&bed)?;
    bed.sh(&with(&options, &["--name", "kept"]), "echo x >/anon/file")?.success()?;
    let name = anonymous(&bed)?;
    let (mut running, command) = bed.up(&["--volumes-from", "kept"])?;
    expect_taken(&bed, command, &name, &["/closed"])?;
    end(&mut running)?;
    bed.sh(&["--name", "second", "--volumes-from", "kept"], "true")?.success()?;
    bed.raw(&["rm", "kept"]).output()?.success()?;
    // From the second, which took them over itself.
    let (mut running, command) = bed.up(&["--name", "third", "--rm", "--volumes-from", "second"])?;
    expect_taken(&bed, command, &name, &["/closed"])?;
    let (mut fourth, inner) = bed.up(&["--volumes-from", "third"])?;
    expect_taken(&bed, inner, &name, &["/closed"])?;
    end(&mut fourth)?;
    end(&mut running)?;
    // What is asked for here comes first, and two containers may be named.
    bed.sh(&["--name", "other", "-v", "another:/other"], "true")?.success()?;
    let asked =
        ["-v", "mine:/anon", "--tmpfs", "/host", "--volumes-from", "second", "--volumes-from", "other"];
    let (mut running, command) = bed.up(&asked)?;
    expect_mounted(command, "/anon", &bed.content("mine"))?;
    expect_eq!(mount_at(command, "/host")?.fstype, "tmpfs", "the type of what --tmpfs asks for");
    expect_mounted(command, "/named", &bed.content("keep"))?;
    expect_mounted(command, "/other", &bed.content("another"))?;
    end(&mut running)?;
    bed.refused(&["--volumes-from", "nobody"], "nobody")
}

pub(super) fn read_only(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let options = options(&bed)?;
    let (mut first, holder) = bed.up(&with(&options, &["--name", "holder", "--rm"]))?;
    let name = anonymous(&bed)?;
    let (mut second, command) = bed.up(&["--volumes-from", "holder:ro"])?;
    expect_taken(&bed, command, &name, &["/named", "/anon", "/host", "/closed"])?;
    for (place, closed) in [("/named", false), ("/closed", true)] {
        expect_eq!(
            itself(&mount_at(holder, place)?, "ro"),
            closed,
            "whether the other has {place} read-only"
        );
    }
    fs::write(holder.path("root/named/file"), "of the holder")?;
    let seen = fs::read_to_string(command.path("root/named/file"))?;
    expect_eq!(seen, "of the holder", "what the other container wrote");
    end(&mut second)?;
    for value in ["holder:", "holder:rx", "holder:ro:ro"] {
        bed.refused(&["--volumes-from", value], "volumes-from")?;
    }
    end(&mut first)?;
    Ok(())
}

pub(super) fn lifetime(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (mut first, holder) = bed.up(&["--name", "first", "--rm", "-v", "/anon"])?;
    let (mut second, command) = bed.up(&["--name", "second", "--rm", "--volumes-from", "first"])?;
    fs::write(holder.path("root/anon/file"), "x")?;
    end(&mut first)?;
    let seen = fs::read_to_string(command.path("root/anon/file"))?;
    expect_eq!(seen, "x", "a file of the volume when its first container is gone");
    expect_eq!(bed.folders()?.len(), 1, "volumes then");
    end(&mut second)?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "volumes when the last of its containers is gone");
    // The other way round.
    let (mut first, holder) = bed.up(&["--name", "first", "--rm", "-v", "/anon"])?;
    bed.sh(&["--volumes-from", "first"], "echo y >/anon/file")?.success()?;
    let seen = fs::read_to_string(holder.path("root/anon/file"))?;
    expect_eq!(seen, "y\n", "a file of the volume when the second container is gone");
    end(&mut first)?;
    expect_eq!(bed.folders()?, Vec::<String>::new(), "volumes when the first is gone, too");
    Ok(())
}
