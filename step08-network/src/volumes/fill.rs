//! What a new volume starts with: a copy of what the image has where it is mounted.
//!
//! The copy may be interrupted at any point, and containers may run with the volume meanwhile. So it is made aside, in
//! `draft-…`, gets the name `whole` when nothing is missing, and then its entries are moved into the volume. Who finds a
//! `whole` goes on with that; an abandoned draft is cleared away.

use super::named::Volume;
use crate::attributes::Attributes;
use crate::draft::{self, Draft};
use crate::explain::explain;
use crate::tree::Tree;
use crate::whiteouts::Form;
use crate::{beneath, copy};
use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::stat::{SFlag, fstat};
use std::fs::{self, File};
use std::path::Path;

/// Fills a volume that is empty. Runs in the container's user namespace, where all owners of the image's files have ids.
pub fn fill(volume: &Volume, image: &File) -> Result<()> {
    let folder = &volume.folder;
    let file = File::open(folder).with_context(|| format!("open {}", folder.display()))?;
    // Of two containers that start with a new volume, the second waits until it is filled.
    let turn = Flock::lock(file, FlockArg::LockExclusive).map_err(|(_, error)| error);
    let _turn = turn.with_context(|| format!("lock {}", folder.display()))?;
    draft::remove_abandoned(folder)?;
    let (content, whole) = (volume.content(), folder.join("whole"));
    if !whole.exists() {
        if !is_empty(&content)? {
            return Ok(());
        }
        let draft = Draft::new(folder)?;
        // One directory, without the layers that it may be made of: no name in it is a whiteout.
        let tree = Tree::merge(&[beneath::path_of(image)], Form::Overlay)?;
        copy::copy(&tree, &draft.path).context("copy what the image has there")?;
        fs::rename(&draft.path, &whole).with_context(|| format!("rename to {}", whole.display()))?;
        explain!("rename({:?}, {whole:?}) = 0", draft.path);
    }
    move_entries(&whole, &content).with_context(|| format!("fill {}", content.display()))
}

fn is_empty(directory: &Path) -> Result<bool> {
    let mut entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    Ok(entries.next().is_none())
}

/// Moves all that is in a directory, and then what the directory itself is: owner, mode, times.
fn move_entries(from: &Path, to: &Path) -> Result<()> {
    let source = beneath::open_layer(from)?;
    let attributes = Attributes::read(&source, &fstat(&source)?)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        let target = to.join(&name);
        // What a container has put there since comes first.
        if fs::symlink_metadata(&target).is_err() {
            fs::rename(from.join(&name), &target).with_context(|| format!("move {name:?}"))?;
        }
    }
    attributes.put_on(&beneath::open_layer(to)?, SFlag::S_IFDIR)?.tell();
    fs::remove_dir_all(from).with_context(|| format!("remove {}", from.display()))
}
