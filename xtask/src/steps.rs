//! The steps as the workspace knows them: their folders, and which files each changes of the one before.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};
use serde::Deserialize;

/// Every step's folder, in order. A step that has no folder yet is left out by [`present`].
pub const FOLDERS: [&str; 8] = [
    "step01-fork",
    "step02-namespaces",
    "step03-cgroups",
    "step04-chroot-proc",
    "step05-aufs-overlay",
    "step06-volumes",
    "step07-detach",
    "step08-network",
];

/// The workspace's root, found from this crate's own manifest.
pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace")
}

/// The folders of the steps that exist in this checkout, in order.
pub fn present() -> Vec<PathBuf> {
    FOLDERS.iter().map(|folder| root().join(folder)).filter(|path| path.is_dir()).collect()
}

/// The steps of this checkout, in order.
pub fn all() -> Vec<Step> {
    present().into_iter().map(Step::at).collect()
}

/// One step's folder.
#[derive(Clone, Debug)]
pub struct Step {
    /// The package's name, `step04`: the folder's name up to the first `-`.
    pub name: String,
    pub path: PathBuf,
}

/// What a step says of itself under `[package.metadata.step]`.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Metadata {
    /// The files of the step before that this one changes, relative to the step's folder.
    #[serde(default)]
    pub changes: Vec<String>,
}

impl Step {
    pub fn at(path: PathBuf) -> Step {
        let folder = path.file_name().unwrap_or_default().to_string_lossy();
        Step { name: folder.split('-').next().unwrap_or_default().to_owned(), path }
    }

    /// The folder's own name, as it is shown to readers: `step04-chroot-proc`.
    pub fn folder(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }

    /// Every file beneath the folder, relative to it and sorted.
    /// A `target` folder or an editor's hidden file is not the step's.
    pub fn files(&self) -> anyhow::Result<BTreeSet<String>> {
        let mut files = BTreeSet::new();
        collect(&self.path, "", &mut files)?;
        Ok(files)
    }

    pub fn read(&self, file: &str) -> anyhow::Result<Vec<u8>> {
        let path = self.path.join(file);
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Reads `[package.metadata.step]`; a manifest without it says that nothing is changed.
    pub fn metadata(&self) -> anyhow::Result<Metadata> {
        let path = self.path.join("Cargo.toml");
        let text = fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))?;
        let manifest: toml::Table = text.parse().with_context(|| format!("parse {}", path.display()))?;
        let metadata = manifest
            .get("package")
            .and_then(|package| package.get("metadata"))
            .and_then(|metadata| metadata.get("step"));
        match metadata {
            None => Ok(Metadata::default()),
            Some(table) => table
                .clone()
                .try_into()
                .with_context(|| format!("read [package.metadata.step] of {}", path.display())),
        }
    }
}

/// The step called `name` and the one before it, if any.
pub fn find<'a>(steps: &'a [Step], name: &str) -> anyhow::Result<(&'a Step, Option<&'a Step>)> {
    let Some(index) = steps.iter().position(|step| step.name == name) else {
        let names: Vec<&str> = steps.iter().map(|step| step.name.as_str()).collect();
        bail!("there is no step called {name:?}; there are {}", names.join(", "));
    };
    Ok((&steps[index], index.checked_sub(1).map(|before| &steps[before])))
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeSet<String>) -> anyhow::Result<()> {
    for entry in fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if name.starts_with('.') || name == "target" || name.ends_with('~') {
            continue;
        }
        let relative = format!("{prefix}{name}");
        if entry.file_type()?.is_dir() {
            collect(&entry.path(), &format!("{relative}/"), files)?;
        } else {
            files.insert(relative);
        }
    }
    Ok(())
}
