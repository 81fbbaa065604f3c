//! The names in a layer's archive: which are taken, and which of them stand for something else.

use crate::whiteouts::{OPAQUE, PREFIX};
use anyhow::{Result, bail};
use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

/// AUFS's own records have its prefix twice.
const RECORD: &str = ".wh..wh.";

/// What a name stands for. Paths are relative to the layer, which is the empty one.
#[derive(Debug, PartialEq, Eq)]
pub enum Name {
    File(PathBuf),
    /// This path is hidden.
    Whiteout(PathBuf),
    /// All that is in this directory is hidden.
    Opaque(PathBuf),
    /// AUFS's bookkeeping, or something in it.
    Record,
}

/// Reads the name of an entry.
pub fn read(name: &OsStr) -> Result<Name> {
    let path = normal(name)?;
    let is_record = |part: &OsStr| part.as_bytes().starts_with(RECORD.as_bytes());
    if path.file_name() == Some(OsStr::new(OPAQUE)) && !path.iter().rev().skip(1).any(is_record) {
        path_is_free(path.parent())?;
        return Ok(Name::Opaque(above(&path)));
    }
    if path.iter().any(is_record) {
        return Ok(Name::Record);
    }
    path_is_free(path.parent())?;
    match path.file_name().and_then(|last| last.as_bytes().strip_prefix(PREFIX.as_bytes())) {
        None => Ok(Name::File(path)),
        Some(b"" | b"." | b"..") => bail!("it is a whiteout of no name"),
        Some(hidden) => Ok(Name::Whiteout(above(&path).join(OsStr::from_bytes(hidden)))),
    }
}

fn above(path: &Path) -> PathBuf {
    path.parent().map(Path::to_owned).unwrap_or_default()
}

/// A whiteout is no directory.
fn path_is_free(parent: Option<&Path>) -> Result<()> {
    if parent.is_some_and(|parent| parent.iter().any(|part| part.as_bytes().starts_with(PREFIX.as_bytes()))) {
        bail!("a whiteout is above it");
    }
    Ok(())
}

/// A path without what means nothing: `./` before it, slashes after it.
pub fn normal(name: &OsStr) -> Result<PathBuf> {
    if name.is_empty() {
        bail!("its name is empty");
    }
    let mut path = PathBuf::new();
    for part in Path::new(name).components() {
        match part {
            Component::Normal(part) => path.push(part),
            Component::CurDir => {}
            Component::ParentDir => bail!("`..` is in its name"),
            Component::RootDir | Component::Prefix(_) => bail!("its name is absolute"),
        }
    }
    Ok(path)
}

/// Refuses a relative symlink that climbs above the container's root. In the container it would end there; in every
/// other reader's hands it leads out of the image. An absolute one is the container's own.
pub fn check_symlink(path: &Path, target: &OsStr) -> Result<()> {
    let mut depth = path.components().count() - 1;
    for part in Path::new(target).components() {
        match part {
            Component::RootDir | Component::Prefix(_) => return Ok(()),
            Component::CurDir => {}
            Component::Normal(_) => depth += 1,
            Component::ParentDir if depth == 0 => bail!("it is a symlink to {target:?}, above the root"),
            Component::ParentDir => depth -= 1,
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_name(name: &str) -> Option<Name> {
        read(OsStr::new(name)).ok()
    }

    #[test]
    fn names_are_paths_below_the_layer() {
        for (name, path) in
            [("./a//b/", "a/b"), ("a", "a"), ("./", ""), (".", ""), ("a/./b", "a/b"), ("..a", "..a")]
        {
            assert_eq!(read_name(name), Some(Name::File(path.into())), "{name}");
        }
        for name in ["", "/", "/a", "..", "a/..", "../a", "a/../b"] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }

    #[test]
    fn whiteouts_are_told_from_records() {
        for (name, path) in
            [("a/.wh.b", "a/b"), (".wh.b", "b"), (".wh..b", ".b"), (".wh....", "..."), (".wh.wh", "wh")]
        {
            assert_eq!(read_name(name), Some(Name::Whiteout(path.into())), "{name}");
        }
        assert_eq!(read_name("a/.wh..wh..opq"), Some(Name::Opaque("a".into())));
        assert_eq!(read_name(".wh..wh..opq"), Some(Name::Opaque("".into())));
        for name in [".wh..wh.", ".wh..wh.aufs", ".wh..wh.plnk/12.34", ".wh..wh.orph/.wh..wh..opq"] {
            assert_eq!(read_name(name), Some(Name::Record), "{name}");
        }
        for name in [".wh.", "a/.wh.", ".wh..", ".wh...", ".wh.a/b", ".wh.a/.wh.b", ".wh.a/.wh..wh..opq"] {
            assert_eq!(read_name(name), None, "{name}");
        }
    }

    #[test]
    fn symlinks_stay_below_the_root() {
        for (path, target) in [
            ("a", "b"),
            ("a/b", ".."),
            ("a/b", "../../c"),
            ("a", "/../.."),
            ("a/b/c", "../d/../.."),
            ("a", ""),
        ] {
            let refused = check_symlink(Path::new(path), OsStr::new(target)).is_err();
            assert_eq!(refused, target == "../../c", "{path} -> {target}");
        }
    }
}
