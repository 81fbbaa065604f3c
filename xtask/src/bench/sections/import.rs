//! A large archive, made by ourselves, becomes an image: of a plain root filesystem, of docker save, of an OCI layout.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::{Bench, NETWORK, Section};
use crate::bench::interrupt;
use crate::bench::line::Line;
use crate::bench::timing::{Entry, Measured};

const FILE: usize = 64 << 10;
const FILES_IN_A_FOLDER: usize = 100;

/// In MB.
const LARGE: usize = 500;
const SMALL: usize = 50;

/// The name of the image meanwhile.
const NAME: &str = "large";

/// How often all of it is done, rounds included.
const FEWER: usize = 12;

pub fn run(bench: &Bench) -> Result<Measured> {
    let size = if bench.quick { SMALL } else { LARGE };
    let folder = bench.place.folder("archive")?;
    let archive = make(&folder, size)?;
    let ours = bench.step(NETWORK)?;
    let saved = folder.join("saved.tar");
    ours.line("import").word(&archive).with(NAME).output()?;
    ours.line(&format!("save {NAME} -o")).word(&saved).output()?;
    ours.line(&format!("rmi {NAME}")).output()?;
    let remove = ours.line(&format!("rmi {NAME}"));
    let name = |what: &str| format!("{NETWORK} {what}, {size} MB");
    let import = ours.line("import").word(&archive).with(NAME);
    let load = ours.line("load").word(&saved);
    let mut entries = vec![
        Entry::ours("import", "import", &name("import"), import).after(remove.clone()),
        Entry::ours("load", "load", &name("load"), load).after(remove.clone()),
    ];
    if let Some(docker) = &bench.peers.docker {
        let remove = docker.line(&format!("rmi {NAME}"));
        let import = docker.line("import").word(&archive).with(NAME);
        let load = docker.line("load -i").word(&saved);
        entries.extend([
            Entry::peer("import", "docker-import", "docker import", import, "import").after(remove.clone()),
            Entry::peer("load", "docker-load", "docker load", load, "load").after(remove),
        ]);
    }
    if bench.peers.umoci {
        let layout = layout(&folder, &archive)?;
        let to = folder.join("unpacked");
        let line = Line::of("umoci unpack --image").word(format!("{}:{NAME}", layout.display())).word(&to);
        let load = ours.line("load").word(&layout);
        entries.extend([
            Entry::ours("unpack", "unpack", &name("load"), load).after(remove),
            Entry::peer("unpack", "umoci", "umoci unpack", line, "unpack")
                .after(Line::of("rm -rf").word(&to)),
        ]);
    }
    let measured = bench.measure(Section::Import, entries, bench.pace.divided(FEWER))?;
    fs::remove_dir_all(&folder).with_context(|| format!("remove {}", folder.display()))?;
    Ok(measured)
}

/// A tar archive of so many MB, in files of 64 KiB.
fn make(folder: &Path, size: usize) -> Result<PathBuf> {
    let (tree, archive) = (folder.join("tree"), folder.join("tree.tar"));
    let noise = noise(1 << 20);
    for number in 0..size * 1_000_000 / FILE {
        interrupt::check()?;
        let within = tree.join(format!("folder-{}", number / FILES_IN_A_FOLDER));
        fs::create_dir_all(&within).with_context(|| format!("make {}", within.display()))?;
        let mut text = noise[number % 1000 * 512..][..FILE].to_vec();
        text[..8].copy_from_slice(&number.to_le_bytes());
        let file = within.join(number.to_string());
        fs::write(&file, text).with_context(|| format!("write {}", file.display()))?;
    }
    Line::of("tar -cf").word(&archive).with("-C").word(&tree).with(".").output()?;
    fs::remove_dir_all(&tree).with_context(|| format!("remove {}", tree.display()))?;
    Ok(archive)
}

/// Bytes of which two bits are always the same, so that compression finds something to do.
fn noise(length: usize) -> Vec<u8> {
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8 & 0x3f | 0x40
    };
    (0..length).map(next).collect()
}

/// umoci's own, with the archive as its layer.
fn layout(folder: &Path, archive: &Path) -> Result<PathBuf> {
    let layout = folder.join("layout");
    let image = format!("{}:{NAME}", layout.display());
    Line::of("umoci init --layout").word(&layout).output()?;
    Line::of("umoci new --image").word(&image).output()?;
    Line::of("umoci raw add-layer --image").word(&image).word(archive).output()?;
    Ok(layout)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;

    #[test]
    fn the_archive_is_as_large_as_was_asked_for() {
        let scratch = Scratch::new("import").unwrap();
        let size = fs::metadata(make(scratch.path(), 2).unwrap()).unwrap().len();
        assert!((1_900_000..2_200_000).contains(&size), "{size}");
        assert!(noise(1000).iter().all(|byte| (0x40..0x80).contains(byte)));
    }
}
