//! One mount that is asked for, and how `-v` asks for it.

use super::named::Held;
use super::tmpfs::Tmpfs;
use crate::os_text;
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;
use std::path::{Component, Path, PathBuf};

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Spec {
    pub source: Source,
    /// An absolute path of the container's, without `.` and `..`.
    #[serde(with = "os_text")]
    pub destination: PathBuf,
    pub read_only: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Source {
    /// An absolute path of the host's, and whether a directory is made there when there is nothing.
    Host {
        #[serde(with = "os_text")]
        path: PathBuf,
        make: bool,
    },
    /// A volume, and whether it starts with what the image has at the destination.
    Volume {
        held: Held,
        copy: bool,
    },
    Memory(Tmpfs),
}

/// Reads the value of `-v`: `[SOURCE:]DESTINATION[:OPTIONS]`.
pub fn volume(text: OsString) -> Result<Spec> {
    let parts: Vec<&[u8]> = text.as_bytes().split(|&byte| byte == b':').collect();
    let (source, target, words) = match parts[..] {
        [target] => (None, target, None),
        [target, words] if options(words).is_ok() => (None, target, Some(words)),
        [source, target] => (Some(source), target, None),
        [source, target, words] => (Some(source), target, Some(words)),
        _ => bail!("more than three parts; --mount takes paths with a ':'"),
    };
    let (read_only, copy) = words.map_or(Ok((false, true)), options)?;
    let source = match source {
        Some(path) if path.starts_with(b"/") || path.starts_with(b".") => {
            Source::Host { path: std::path::absolute(OsStr::from_bytes(path))?, make: true }
        }
        name => Source::Volume { held: held(name)?, copy },
    };
    Ok(Spec { source, destination: destination(target)?, read_only })
}

/// A new volume at a path. This is all that an image may ask for: a source would be the host's, and the image is not
/// the caller's.
pub fn of_image(path: &str) -> Result<Spec> {
    let source = Source::Volume { held: held(None)?, copy: true };
    Ok(Spec { source, destination: destination(path.as_bytes())?, read_only: false })
}

/// The last part of a `-v`: whether the mount is read-only, and whether a new volume gets a copy.
fn options(words: &[u8]) -> Result<(bool, bool)> {
    let (mut read_only, mut copy) = (None, true);
    for word in words.split(|&byte| byte == b',') {
        match word {
            b"ro" | b"rw" if read_only.is_none() => read_only = Some(word == b"ro"),
            b"nocopy" if copy => copy = false,
            _ => bail!("{:?} is not one of the options ro, rw and nocopy", OsStr::from_bytes(words)),
        }
    }
    Ok((read_only.unwrap_or(false), copy))
}

/// Reads a volume's name where a path could stand as well. A volume without one is new.
pub fn held(name: Option<&[u8]>) -> Result<Held> {
    let Some(name) = name else { return Held::anonymous() };
    ensure!(!name.contains(&b'/'), "a volume's name has no '/'; a path of the host starts with / or ./");
    Ok(Held { name: String::from_utf8_lossy(name).parse()?, anonymous: false })
}

/// Reads a destination, and takes `.`, `..` and doubled slashes out of it as Docker does: what a `..` takes out need not
/// be there.
pub fn destination(text: &[u8]) -> Result<PathBuf> {
    ensure!(text.starts_with(b"/"), "the destination {:?} is no absolute path", OsStr::from_bytes(text));
    let mut path = PathBuf::new();
    for component in Path::new(OsStr::from_bytes(text)).components() {
        match component {
            Component::ParentDir => drop(path.pop()),
            Component::CurDir => {}
            other => path.push(other),
        }
    }
    check_destination(&path)?;
    Ok(path)
}

/// Refuses what the container and its isolation stand on.
pub fn check_destination(path: &Path) -> Result<()> {
    ensure!(path != Path::new("/"), "the destination cannot be /, which is the image's");
    for kernel in ["/proc", "/sys"] {
        ensure!(
            !path.starts_with(kernel),
            "the destination cannot be {}: {kernel} is the kernel's",
            path.display()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Spec> {
        volume(text.into())
    }

    #[test]
    fn a_source_is_a_path_or_a_name() {
        let host = |path: &str| Source::Host { path: path.into(), make: true };
        let keep = || Source::Volume { held: held(Some(b"keep")).unwrap(), copy: true };
        for (text, source) in [
            ("/a b:/data", host("/a b")),
            ("/:/data:ro", host("/")),
            ("keep:/data", keep()),
            ("keep:/data:rw", keep()),
        ] {
            let wanted = Spec { source, destination: "/data".into(), read_only: text.ends_with("ro") };
            assert_eq!(read(text).unwrap(), wanted, "{text}");
        }
        let here = std::env::current_dir().unwrap();
        for (text, path) in
            [("./x:/data", here.join("x")), ("../x:/data", here.join("../x")), (".:/data", here)]
        {
            assert_eq!(read(text).unwrap().source, Source::Host { path, make: true }, "{text}");
        }
    }

    #[test]
    fn a_volume_without_a_name_gets_a_new_one() {
        let mut names = Vec::new();
        for (text, nocopy) in [("/data", false), ("/data:ro", false), ("/data:nocopy,ro", true)] {
            let spec = read(text).unwrap();
            assert_eq!(
                (spec.destination.as_path(), spec.read_only),
                (Path::new("/data"), text.ends_with("ro"))
            );
            let Source::Volume { held: Held { name, anonymous: true }, copy } = spec.source else {
                panic!("{text} is no new volume")
            };
            assert_eq!(copy, !nocopy, "{text}");
            assert!(!names.contains(&name));
            names.push(name);
        }
    }

    #[test]
    fn destinations_are_cleaned() {
        for (text, wanted) in [
            ("//data//in/", "/data/in"),
            ("/./data/.", "/data"),
            ("/no/../data", "/data"),
            ("/../../data", "/data"),
            ("/proc/../data", "/data"),
            ("/processes", "/processes"),
        ] {
            assert_eq!(destination(text.as_bytes()).unwrap(), Path::new(wanted), "{text}");
        }
        for text in
            ["", "data", "./data", "/", "/..", "/data/..", "/proc", "/a/../proc/1", "//sys/./fs", "/../sys"]
        {
            assert!(destination(text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn what_says_nothing_is_refused() {
        for text in
            ["", ":", "::", "name", "name:", ":/data", "name:data", "/a:/b:", "/a:/b:RO", "/a:/b:ro,rw"]
        {
            assert!(read(text).is_err(), "{text}");
        }
        for text in ["a/b:/data", "a:/data", "_x:/data", "a b:/data", "keep:/data:ro:ro", "keep:/data:size=1"]
        {
            assert!(read(text).is_err(), "{text}");
        }
    }

    #[test]
    fn paths_may_hold_any_byte_but_one() {
        let spec = volume(OsStr::from_bytes(b"/\xff\n,=:/in/\xfe").to_owned()).unwrap();
        assert_eq!(spec.destination.as_os_str().as_bytes(), b"/in/\xfe");
        assert_eq!(spec.source, Source::Host { path: OsStr::from_bytes(b"/\xff\n,=").into(), make: true });
    }
}
