//! The store: what images are made of, and the names that they have.
//!
//! An image is a document that names its layers by their digests, and its own digest is its id (OCI image specification,
//! "Image Configuration"). What two images share is here once. Everything is made in a draft first and renamed into its
//! place, so what is in its place is whole, whenever its maker is killed. When the machine itself loses its power, what
//! was taken in within the last seconds may have to be taken in again: nothing waits for the disk here, as in Docker.

use super::digest::Digest;
use super::name::Name;
use crate::draft::{self, Draft};
use crate::whiteouts::Form;
use crate::{data, id, worker};
use anyhow::{Context, Result, bail};
use nix::fcntl::{Flock, FlockArg};
use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, symlink};
use std::path::{Path, PathBuf};

#[derive(Clone)]
pub struct Store {
    pub data: PathBuf,
}

/// As long as it lives, nothing is removed from the store, or nobody else does anything to it.
pub type Guard = Flock<File>;

impl Store {
    /// The store in the data directory, cleared of what killed commands have left half made.
    pub fn open() -> Result<Store> {
        let store = Store { data: data::directory()? };
        for name in ["blobs", "drafts", "images", "layers/overlay", "layers/aufs", "tags"] {
            let path = store.data.join(name);
            // An image may hold set-user-ID programs of root's: no other user of the host shall reach them.
            let made = DirBuilder::new().recursive(true).mode(0o700).create(&path);
            made.with_context(|| format!("make {}", path.display()))?;
        }
        worker::run(|| draft::remove_abandoned(&store.data.join("drafts")))?;
        Ok(store)
    }

    /// An empty directory on the store's filesystem, for what is being made.
    pub fn draft(&self) -> Result<Draft> {
        Draft::new(&self.data.join("drafts"))
    }

    /// Lets others add to the store and read it, and nobody remove.
    pub fn lock(&self) -> Result<Guard> {
        flock(&self.data.join("images"), FlockArg::LockShared)
    }

    /// Waits until nobody else holds the store.
    pub fn lock_alone(&self) -> Result<Guard> {
        flock(&self.data.join("images"), FlockArg::LockExclusive)
    }

    /// Waits until no other command makes `base`.
    pub fn turn(&self) -> Result<Guard> {
        flock(&self.data, FlockArg::LockExclusive)
    }

    /// A layer's files.
    pub fn layer(&self, form: Form, diff_id: &Digest) -> PathBuf {
        self.data.join("layers").join(form.name()).join(diff_id.hex())
    }

    /// A layer's archive, as it came.
    pub fn blob(&self, diff_id: &Digest) -> PathBuf {
        self.data.join("blobs").join(diff_id.hex())
    }

    pub fn has_layer(&self, form: Form, diff_id: &Digest) -> bool {
        self.layer(form, diff_id).is_dir() && self.blob(diff_id).is_file()
    }

    /// Moves a layer to its place. Who comes second finds the same one there.
    pub fn keep_layer(&self, form: Form, diff_id: &Digest, blob: &Path, layer: &Path) -> Result<()> {
        let (blob_place, layer_place) = (self.blob(diff_id), self.layer(form, diff_id));
        fs::rename(blob, &blob_place).with_context(|| format!("rename to {}", blob_place.display()))?;
        match fs::rename(layer, &layer_place) {
            Err(error) if !layer_place.is_dir() => {
                Err(error).with_context(|| format!("rename to {}", layer_place.display()))
            }
            _ => Ok(()),
        }
    }

    /// Keeps an image's document, byte for byte, and returns its digest: the image's id.
    pub fn keep_image(&self, document: &[u8]) -> Result<Digest> {
        let id = Digest::of(document);
        let place = self.document_path(&id);
        let draft = self.draft()?;
        let path = draft.path.join("document");
        fs::write(&path, document).with_context(|| format!("write {}", path.display()))?;
        fs::rename(&path, &place).with_context(|| format!("rename to {}", place.display()))?;
        Ok(id)
    }

    fn document_path(&self, id: &Digest) -> PathBuf {
        self.data.join("images").join(format!("{}.json", id.hex()))
    }

    /// An image's document.
    pub fn document(&self, id: &Digest) -> Result<Vec<u8>> {
        let path = self.document_path(id);
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    /// Gives an image a name, which another image may have had until now.
    pub fn tag(&self, name: &Name, id: &Digest) -> Result<()> {
        let place = self.tag_path(name);
        let new = place.with_file_name(format!(".{}", id::new()?));
        symlink(format!("../images/{}.json", id.hex()), &new)
            .with_context(|| format!("link {}", new.display()))?;
        fs::rename(&new, &place).with_context(|| format!("rename to {}", place.display()))
    }

    /// Takes a name away; the image stays.
    pub fn untag(&self, name: &Name) -> Result<()> {
        let place = self.tag_path(name);
        fs::remove_file(&place).with_context(|| format!("remove {}", place.display()))
    }

    /// A name as a file's: a slash becomes `%2F`, which no image's name has in it.
    fn tag_path(&self, name: &Name) -> PathBuf {
        self.data.join("tags").join(name.to_string().replace('/', "%2F"))
    }

    /// All names, in order, with the images that they stand for.
    pub fn tags(&self) -> Result<Vec<(Name, Digest)>> {
        let mut tags = Vec::new();
        for file in file_names(&self.data.join("tags"))?.iter().filter(|file| !file.starts_with('.')) {
            let link = self.data.join("tags").join(file);
            let target = match fs::read_link(&link) {
                // Removed since the directory was listed.
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                result => result.with_context(|| format!("read the link {}", link.display()))?,
            };
            let hex = target.file_stem().unwrap_or_default().to_string_lossy();
            tags.push((file.replace("%2F", "/").parse()?, digest(&hex, &link)?));
        }
        Ok(tags)
    }

    /// The ids of all images, in order.
    pub fn ids(&self) -> Result<Vec<Digest>> {
        let images = self.data.join("images");
        let names = file_names(&images)?;
        names.iter().filter_map(|name| name.strip_suffix(".json")).map(|hex| digest(hex, &images)).collect()
    }

    /// The image that is meant: by `NAME[:TAG]`, by its id, or by the first digits of an id that no other image's has.
    pub fn find(&self, wanted: &str) -> Result<Option<Digest>> {
        if let Ok(name) = wanted.parse::<Name>()
            && let Some((_, id)) = self.tags()?.into_iter().find(|(known, _)| *known == name)
        {
            return Ok(Some(id));
        }
        let digits = wanted.strip_prefix("sha256:").unwrap_or(wanted);
        if digits.is_empty() {
            return Ok(None);
        }
        let mut ids = self.ids()?.into_iter().filter(|id| id.hex().starts_with(digits));
        match (ids.next(), ids.next()) {
            (Some(_), Some(_)) => {
                bail!("image {wanted}: more than one id starts like this; give more digits")
            }
            (found, _) => Ok(found),
        }
    }

    /// Removes an image's document.
    pub fn remove_image(&self, id: &Digest) -> Result<()> {
        let path = self.document_path(id);
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }

    /// Removes the layers that are not among those `needed`.
    pub fn remove_layers_but(&self, needed: &BTreeSet<Digest>) -> Result<()> {
        for place in ["blobs", "layers/overlay", "layers/aufs"].map(|place| self.data.join(place)) {
            for name in file_names(&place)? {
                let path = place.join(&name);
                if needed.contains(&digest(&name, &place)?) {
                    continue;
                }
                let removed = if path.is_dir() { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
                removed.with_context(|| format!("remove {}", path.display()))?;
            }
        }
        Ok(())
    }
}

fn flock(directory: &Path, how: FlockArg) -> Result<Guard> {
    let file = File::open(directory).with_context(|| format!("open {}", directory.display()))?;
    let lock = Flock::lock(file, how).map_err(|(_, error)| error);
    lock.with_context(|| format!("lock {}", directory.display()))
}

/// The digest that a file of the store is named by.
fn digest(hex: &str, place: &Path) -> Result<Digest> {
    Digest::from_hex(hex)
        .with_context(|| format!("{}: {hex:?} is no digest; who put it there?", place.display()))
}

/// What is in a directory of the store, in order. The store's own names are all plain text.
fn file_names(directory: &Path) -> Result<Vec<String>> {
    let entries = fs::read_dir(directory).with_context(|| format!("list {}", directory.display()))?;
    let mut names = Vec::new();
    for entry in entries {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}
