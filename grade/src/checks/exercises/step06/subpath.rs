//! `volume-subpath=`.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use anyhow::Result;
use nix::fcntl::{AT_FDCWD, RenameFlags, renameat2};

use crate::checks::step06::bed::{Bed, Victim, end, expect_mounted, itself, names};
use crate::subject::write_file;
use crate::{Subject, Verdict, expect, expect_eq};

/// A volume `shop` with `2024/may/file` and more in it.
fn shop(subject: &Subject) -> Result<Bed<'_>> {
    let bed = Bed::new(subject);
    bed.volume(&["create", "shop"])?.success()?;
    let content = bed.content("shop");
    fs::create_dir_all(content.join("2024/may"))?;
    fs::create_dir_all(content.join("2025"))?;
    write_file(&content.join("2024/may/file"), "of may", 0o644)?;
    write_file(&content.join("secret"), "secret", 0o644)?;
    symlink("2024", content.join("last"))?;
    symlink("../2024/may", content.join("2025/again"))?;
    Ok(bed)
}

fn asks(path: &str, rest: &str) -> String {
    format!("type=volume,src=shop,volume-subpath={path},dst=/data{rest}")
}

pub(super) fn mounted(subject: &Subject) -> Verdict {
    let bed = shop(subject)?;
    let may = bed.content("shop").join("2024/may");
    for path in ["2024/may", "2024//may/", "./2024/may", "last/may", "2025/again", "2024/../2024/may"] {
        let (mut running, command) = bed.up(&["--mount", &asks(path, "")])?;
        expect_mounted(command, "/data", &may)?;
        fs::write(command.path("root/data/new"), path)?;
        end(&mut running)?;
        expect_eq!(fs::read_to_string(may.join("new"))?, path, "a file that was written through {path}");
        fs::remove_file(may.join("new"))?;
    }
    let output = bed.sh(&["--mount", &asks("2024/may", "")], "ls -A /data; ls -A /data/..")?.success()?;
    expect!(output.out().starts_with("file\n"), "the names in may alone", "{:?}", output.out());
    expect!(!output.out().contains("secret"), "nothing else of the volume", "{:?}", output.out());
    // A file, read-only, beside a folder of the same volume.
    let file = "src=shop,volume-subpath=2024/may/file,dst=/etc/of-may,ro";
    let (mut running, command) = bed.up(&["--mount", file, "--mount", &asks("2025", "")])?;
    let mount = expect_mounted(command, "/etc/of-may", &may.join("file"))?;
    expect!(itself(&mount, "ro"), "`ro` on a file of a volume", "{:?}", mount.options);
    expect!(!itself(&expect_mounted(command, "/data", &bed.content("shop").join("2025"))?, "ro"), "rw", "ro");
    end(&mut running)?;
    expect_eq!(names(&bed.content("shop"))?, ["2024", "2025", "last", "secret"], "names in the volume");
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let bed = shop(subject)?;
    bed.sh(&["--mount", &asks("2024", "")], "true")?.success()?;
    for path in ["2024/june", "2024/may/file/more", "nothing"] {
        bed.refused(&["--mount", &asks(path, "")], path)?;
    }
    bed.refused(&["--mount", &asks("", "")], "volume-subpath")?;
    bed.refused(&["--mount", &asks("/2024", "")], "/2024")?;
    let source = bed.source("source")?;
    let bind = format!("type=bind,src={},dst=/data,volume-subpath=file", source.display());
    bed.refused(&["--mount", &bind], "volume-subpath")?;
    bed.refused(&["--mount", "type=tmpfs,dst=/data,volume-subpath=file"], "volume-subpath")?;
    expect_eq!(names(&bed.content("shop").join("2024"))?, ["may"], "names in a folder of the volume");
    Ok(())
}

pub(super) fn inside(subject: &Subject) -> Verdict {
    let (bed, victim) = (shop(subject)?, Victim::new(subject)?);
    bed.sh(&["--mount", &asks("2024", "")], "true")?.success()?;
    let content = bed.content("shop");
    let climb = format!("../../../../../../../../../../..{}", victim.0.display());
    symlink(&victim.0, content.join("absolute"))?;
    symlink(&climb, content.join("climb"))?;
    symlink("absolute", content.join("twice"))?;
    symlink(format!("/proc/self/root{}", victim.0.display()), content.join("magic"))?;
    symlink("/", content.join("top"))?;
    let below = format!("top{}", victim.0.display());
    for path in ["absolute", "climb", "twice", "magic", &below, &climb, "2024/../../../../../etc"] {
        expect_inside(&bed, &victim, path)?;
    }
    // In one moment a folder of the volume, in the next one a link out of it.
    fs::create_dir(content.join("here"))?;
    write_file(&content.join("here/of-the-volume"), "inside", 0o644)?;
    symlink(&victim.0, content.join("lead"))?;
    let stop = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| exchange(&content.join("here"), &content.join("lead"), &stop));
        let looked = (0..ROUNDS).try_for_each(|_| expect_inside(&bed, &victim, "here"));
        stop.store(true, Ordering::Relaxed);
        looked
    })
}

/// So many starts are made while a folder and a link change places.
const ROUNDS: u32 = 40;

fn exchange(one: &Path, other: &Path, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        renameat2(AT_FDCWD, one, AT_FDCWD, other, RenameFlags::RENAME_EXCHANGE).ok();
        thread::yield_now();
    }
}

/// Ends the check when a start with this subpath shows anything of the host; one that is refused is all right.
fn expect_inside(bed: &Bed, victim: &Victim, path: &str) -> Verdict {
    let output = bed.sh(&["--mount", &asks(path, "")], "ls -A /data && echo x >/data/written")?;
    if output.code() == 125 {
        return bed.own_error(&output, "", &format!("a start with volume-subpath={path}"));
    }
    let seen = output.out();
    let of_the_host = seen.lines().any(|name| ["canary", "passwd", "proc"].contains(&name));
    expect!(!of_the_host, "nothing of the host with volume-subpath={path}", "{seen:?}");
    victim.untouched(&format!("a start with volume-subpath={path}"))
}
