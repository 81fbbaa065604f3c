//! Taking in a layer: its archive is kept as it came and unpacked, in one pass, while its digests are taken.

use super::compression;
use super::copying::Copying;
use super::digest::{Digest, Hashing};
use crate::attributes::Lost;
use crate::unpack;
use crate::whiteouts::Form;
use anyhow::{Context, Result, ensure};
use std::fs::DirBuilder;
use std::io::Read;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

/// What somebody else has said of a layer, and is not taken at their word.
#[derive(Default)]
pub struct Expected<'a> {
    /// The digest of the archive as it comes.
    pub blob: Option<&'a Digest>,
    /// The digest of the archive uncompressed.
    pub diff_id: Option<&'a Digest>,
}

/// A layer in a draft.
pub struct TakenLayer {
    pub diff_id: Digest,
    pub blob: PathBuf,
    pub layer: PathBuf,
}

/// Reads a layer's archive to its end and leaves it in `place`, a directory that is made for it: as it came, and unpacked.
/// What could not be kept of its files comes back beside it.
pub fn take_in(
    place: &Path,
    archive: impl Read,
    form: Form,
    expected: &Expected,
) -> Result<(TakenLayer, Lost)> {
    let (blob, layer) = (place.join("blob"), place.join("layer"));
    let made = DirBuilder::new().mode(0o755).recursive(true).create(&layer);
    made.with_context(|| format!("make {}", layer.display()))?;
    let mut source = Hashing::new(Copying::new(archive, &blob)?);
    let mut content = Hashing::new(compression::decompress(&mut source)?);
    let lost = unpack::unpack(&mut content, &layer, form)?;
    let (diff_id, ..) = content.finish();
    let (digest, _, copy) = source.finish();
    copy.finish()?;
    if let Some(wanted) = expected.blob {
        ensure!(digest == *wanted, "its digest is {digest}, and should be {wanted}");
    }
    if let Some(wanted) = expected.diff_id {
        ensure!(diff_id == *wanted, "the digest of its content is {diff_id}, and should be {wanted}");
    }
    Ok((TakenLayer { diff_id, blob, layer }, lost))
}
