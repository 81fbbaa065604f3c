//! The steps' sources as they were when this program was built: it needs no checkout to begin with one.

use std::collections::BTreeMap;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};
use include_dir::{Dir, include_dir};

/// The versions of all that the steps depend on. Cargo takes out of it what a crate does not need.
pub(super) const LOCK: &str = include_str!("../../../Cargo.lock");

/// How the sources are formatted.
pub(super) const FORMAT: &str = include_str!("../../../rustfmt.toml");

/// The workspace's manifest, from which those of the steps take much of what they say.
pub(super) const WORKSPACE: &str = include_str!("../../../Cargo.toml");

pub(super) struct Source {
    /// The chapter's page in the book, without its ending.
    pub page: &'static str,
    pub manifest: &'static str,
    folder: &'static Dir<'static>,
}

macro_rules! source {
    ($page:tt, $manifest:tt, $folder:tt) => {{
        static FOLDER: Dir = include_dir!($folder);
        Source { page: $page, manifest: include_str!($manifest), folder: &FOLDER }
    }};
}

pub(super) fn of(step: u8) -> Result<Source> {
    Ok(match step {
        1 => source!("01-fork", "../../../step01-fork/Cargo.toml", "$CARGO_MANIFEST_DIR/../step01-fork/src"),
        2 => source!(
            "02-namespaces",
            "../../../step02-namespaces/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step02-namespaces/src"
        ),
        3 => source!(
            "03-cgroups",
            "../../../step03-cgroups/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step03-cgroups/src"
        ),
        4 => source!(
            "04-chroot-proc",
            "../../../step04-chroot-proc/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step04-chroot-proc/src"
        ),
        5 => source!(
            "05-aufs-overlay",
            "../../../step05-aufs-overlay/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step05-aufs-overlay/src"
        ),
        6 => source!(
            "06-volumes",
            "../../../step06-volumes/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step06-volumes/src"
        ),
        7 => source!(
            "07-detach",
            "../../../step07-detach/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step07-detach/src"
        ),
        8 => source!(
            "08-network",
            "../../../step08-network/Cargo.toml",
            "$CARGO_MANIFEST_DIR/../step08-network/src"
        ),
        _ => bail!("the steps are step01 to step08"),
    })
}

impl Source {
    /// The text of every file, by its path in the step's folder.
    pub(super) fn files(&self) -> Result<BTreeMap<PathBuf, String>> {
        let mut files = BTreeMap::new();
        let mut open = vec![self.folder];
        while let Some(folder) = open.pop() {
            open.extend(folder.dirs());
            for file in folder.files() {
                let text = file.contents_utf8().with_context(|| format!("{:?} is no text", file.path()))?;
                files.insert(PathBuf::from("src").join(file.path()), text.into());
            }
        }
        Ok(files)
    }
}
