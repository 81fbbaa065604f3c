//! Behaviour 34: archives that are cut, damaged, or too large for the disk.

use std::fs;
use std::io::Write;
use std::path::Path;

use anyhow::{Context, Result};
use nix::mount::{MsFlags, mount, umount};
use nix::sched::{CloneFlags, unshare};

use super::super::common::expect_own_error;
use super::hostile::HOSTILE;
use super::own::Own;
use crate::archive::{Entry, gzip, image, tar, unended};
use crate::subject::PATIENCE;
use crate::tree::expect_alike;
use crate::{Check, Need, Subject, Verdict, expect};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "archive-truncated",
        title: "an archive that is cut, anywhere, is refused, from a file and from stdin",
        hints: &[
            "A tar archive ends with two empty blocks: without them it was cut, even between two entries.",
            "Most readers take the end of the file for the end of the archive.",
        ],
        run: truncated,
        ..HOSTILE
    },
    Check {
        id: "archive-corrupt",
        title: "an archive with a damaged header or compressed stream, or that is none, is refused",
        hints: &["gzip's checksum stands at its very end: read it to there, also behind tar's last block."],
        run: corrupt,
        ..HOSTILE
    },
    Check {
        id: "archive-size-lie",
        title: "an entry that says it is larger than the disk is refused with its name, before anything is written",
        hints: &["The header says the size: statvfs(2) says what is free."],
        run: lie,
        ..HOSTILE
    },
    Check {
        id: "archive-size-bomb",
        title: "an archive that unpacks to more than the filesystem holds is refused with the entry named, and leaves nothing",
        hints: &["Count what the entries add up to while you read; what is half made is removed."],
        needs: &[Need::Root],
        run: bomb,
        ..HOSTILE
    },
    Check {
        id: "archive-inode-bomb",
        title: "an archive of more files than the filesystem has inodes for is refused, and leaves nothing",
        hints: &["statvfs(2) tells of free inodes, too."],
        needs: &[Need::Root],
        run: inodes,
        ..HOSTILE
    },
];

fn sample() -> Vec<Entry> {
    let noise: Vec<u8> = (0..40_000_u32).flat_map(|n| n.wrapping_mul(2_654_435_761).to_le_bytes()).collect();
    vec![Entry::dir("d/"), Entry::file("d/one", noise), Entry::file("d/two", "two")]
}

/// Each of these bytes is refused as a root filesystem, from a file and from stdin, and as an image's archive.
fn refuse(subject: &Subject, cases: &[(&str, Vec<u8>)]) -> Verdict {
    let own = Own::new(subject);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    let before = own.listing()?;
    for (what, bytes) in cases {
        let path = own.file("evil.tar", bytes)?;
        for words in [&["import", &path, "check/evil"][..], &["import", "-", "check/evil"], &["load", &path]]
        {
            let what = format!("`{}` of {what}", words[..words.len().min(2)].join(" "));
            let launch = own.call(words).stdin(fs::File::open(&path)?);
            own.refused(launch, "", &what)?;
            expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
        }
    }
    Ok(())
}

fn truncated(subject: &Subject) -> Verdict {
    let (whole, cut) = (tar(sample()), unended(sample()));
    let packed = gzip(&whole)?;
    refuse(
        subject,
        &[
            ("an archive cut in a header", whole[..200].to_vec()),
            ("an archive cut in a file", whole[..50_000].to_vec()),
            ("an archive cut between two entries", unended(sample().into_iter().take(2))),
            ("an archive without its end", cut),
            ("no bytes at all", Vec::new()),
            ("a compressed archive cut in its middle", packed[..packed.len() / 2].to_vec()),
            ("a compressed archive cut before its checksum", packed[..packed.len() - 8].to_vec()),
            ("a compressed archive without its end", gzip(&unended(sample()))?),
        ],
    )
}

fn corrupt(subject: &Subject) -> Verdict {
    let whole = tar(sample());
    let packed = gzip(&whole)?;
    let flip = |bytes: &[u8], at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 0xff;
        bytes
    };
    refuse(
        subject,
        &[
            ("an archive whose first header has a wrong checksum", flip(&whole, 150)),
            ("an archive whose second header has a wrong checksum", flip(&whole, 512 + 3)),
            ("text that is no archive", b"no archive\n".repeat(200)),
            ("a compressed archive with a byte changed", flip(&packed, packed.len() / 2)),
            ("a compressed archive with a wrong checksum", flip(&packed, packed.len() - 6)),
            ("compressed text that is no archive", gzip(&b"no archive\n".repeat(200))?),
        ],
    )
}

/// What stands behind the header of a file of one byte: its block, and the two that end the archive.
const END: usize = 3 * 512;

fn lie(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    let before = own.listing()?;
    for size in [1 << 50, u64::MAX >> 1, u64::MAX] {
        let archive = tar([Entry::file("first", "x"), Entry::file("evil", "x").size(size)]);
        let path = own.file("evil.tar", &archive)?;
        let what = format!("an import of a file of {size} bytes");
        own.refused(own.call(&["import", &path, "check/evil"]), "evil", &what)?;
        expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
        // The header alone is enough for it: that the data is missing is not yet known.
        let what = what.replace("an import", "an import from a pipe");
        let mut running = own.call(&["import", "-", "check/evil"]).start()?;
        running.send(&archive[..archive.len() - END])?;
        let output = running.wait(PATIENCE).with_context(|| what.clone())?;
        expect_own_error(subject, &output, 125, &what)?;
        expect!(output.err().contains("evil"), "\"evil\" in the message about {what}", "{:?}", output.err());
        expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
        let what = format!("a load of a layer with a file of {size} bytes");
        let image = image::Image::new("check/evil:1", vec![archive]);
        let path = own.file("evil.tar", &image::pack(&image::docker(&[image])?))?;
        own.refused(own.call(&["load", &path]), "evil", &what)?;
        expect_alike(&own.listing()?, &before, &format!("the store after {what}"))?;
    }
    Ok(())
}

/// A filesystem of memory with these options, on which the store lies while `look` runs.
fn on_small(subject: &Subject, options: &str, look: impl FnOnce(&Own) -> Verdict) -> Verdict {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let own = Own::new(subject);
    fs::create_dir(&own.data)?;
    mount(Some("small"), &own.data, Some("tmpfs"), MsFlags::empty(), Some(options))?;
    let looked = look(&own);
    // The scratch folder is deleted from outside this namespace, where nothing is mounted on it.
    umount(&own.data)?;
    looked
}

fn free(dir: &Path) -> Result<(u64, u64)> {
    let now = nix::sys::statvfs::statvfs(dir)?;
    Ok((now.blocks_free(), now.files_free()))
}

/// Refuses the archive, leaves the store as it was, and takes neither space nor inodes.
fn refused_on_small(own: &Own, path: &str, named: &str) -> Verdict {
    own.import(&tar([Entry::file("kept", "kept")]), "check/kept")?;
    // A first refusal may make folders that stay, and what it leaves half made the next command would remove.
    own.refused(own.call(&["import", path, "check/evil"]), named, "an import of what is too large")?;
    own.ok(&["images"])?;
    let (before, room) = (own.listing()?, free(&own.data)?);
    own.refused(own.call(&["import", path, "check/evil"]), named, "an import of what is too large")?;
    expect_alike(&own.listing()?, &before, "the store after an import of what is too large")?;
    let left = free(&own.data)?;
    expect!(left == room, "free blocks and inodes as before, {room:?}", "{left:?}");
    own.import(&tar([Entry::file("more", "more")]), "check/more")?;
    Ok(())
}

fn bomb(subject: &Subject) -> Verdict {
    on_small(subject, "size=16m", |own| {
        let path = own.file("bomb.tar.gz", b"")?;
        let mut file = flate2::write::GzEncoder::new(fs::File::create(&path)?, flate2::Compression::fast());
        // 128 MB of zeros, a few of them at a time: their sum is what does not fit.
        let piece = unended((0..32).map(|n| Entry::file(format!("bomb-{n}"), vec![0; 4 << 20])));
        file.write_all(&piece)?;
        file.write_all(&[0; 1024])?;
        file.finish()?;
        refused_on_small(own, &path, "bomb-")
    })
}

fn inodes(subject: &Subject) -> Verdict {
    on_small(subject, "size=16m,nr_inodes=300", |own| {
        let archive = tar((0..1000).map(|n| Entry::file(format!("bomb-{n}"), "")));
        let path = own.file("bomb.tar", &archive)?;
        refused_on_small(own, &path, "bomb-")
    })
}
