//! A filesystem in memory, tmpfs(5): nothing of it reaches a disk, and it goes with the container.

use super::spec::{Source, Spec, destination};
use crate::limits;
use crate::mount::{MOUNT_ATTR_NODEV, MOUNT_ATTR_NOEXEC, MOUNT_ATTR_NOSUID, MOUNT_ATTR_RDONLY, Mount};
use anyhow::{Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt;

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Tmpfs {
    /// What the filesystem itself is told, `KEY=VALUE` each.
    options: Vec<String>,
    /// `MOUNT_ATTR_…`: what may be done with it here.
    attributes: u64,
}

impl Default for Tmpfs {
    /// Docker's flags: what is written to memory is data.
    fn default() -> Tmpfs {
        Tmpfs { options: Vec::new(), attributes: MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC }
    }
}

/// Reads the value of `--tmpfs`: `DESTINATION[:OPTIONS]`, the options as mount(8) has them.
pub fn tmpfs(text: OsString) -> Result<Spec> {
    let mut parts = text.as_bytes().splitn(2, |&byte| byte == b':');
    let (target, words) = (parts.next().unwrap_or_default(), parts.next());
    let mut tmpfs = Tmpfs::default();
    for word in words.into_iter().flat_map(|words| words.split(|&byte| byte == b',')) {
        tmpfs.set(&String::from_utf8_lossy(word))?;
    }
    Ok(Spec { source: Source::Memory(tmpfs), destination: destination(target)?, read_only: false })
}

impl Tmpfs {
    /// One with Docker's flags and these options.
    pub fn with(options: &[(&str, &[u8])]) -> Result<Tmpfs> {
        let mut tmpfs = Tmpfs::default();
        for (key, value) in options {
            tmpfs.set_option(key, &String::from_utf8_lossy(value))?;
        }
        Ok(tmpfs)
    }

    /// Mounts it, attached to nothing yet.
    pub fn mount(&self) -> Result<Mount> {
        let options: Vec<&str> = self.options.iter().map(String::as_str).collect();
        Mount::filesystem("tmpfs", &options, self.attributes)
    }

    fn set(&mut self, word: &str) -> Result<()> {
        if let Some((key, value)) = word.split_once('=') {
            return self.set_option(key, value);
        }
        let (attribute, on) = match word {
            "ro" => (MOUNT_ATTR_RDONLY, true),
            "rw" => (MOUNT_ATTR_RDONLY, false),
            "nosuid" => (MOUNT_ATTR_NOSUID, true),
            "suid" => (MOUNT_ATTR_NOSUID, false),
            "nodev" => (MOUNT_ATTR_NODEV, true),
            "dev" => (MOUNT_ATTR_NODEV, false),
            "noexec" => (MOUNT_ATTR_NOEXEC, true),
            "exec" => (MOUNT_ATTR_NOEXEC, false),
            _ => bail!("{word:?} is no option of a tmpfs"),
        };
        self.attributes = if on { self.attributes | attribute } else { self.attributes & !attribute };
        Ok(())
    }

    fn set_option(&mut self, key: &str, value: &str) -> Result<()> {
        let value = match key {
            "size" => size(value)?,
            "mode" => match u32::from_str_radix(value, 8) {
                Ok(mode) if mode <= 0o7777 => value.to_owned(),
                _ => bail!("{value:?} is no mode, such as 1777"),
            },
            "uid" | "gid" => {
                ensure!(value.parse::<u32>().is_ok(), "{value:?} is no {key}");
                value.to_owned()
            }
            _ => bail!("{key:?} is no option of a tmpfs"),
        };
        self.options.push(format!("{key}={value}"));
        Ok(())
    }
}

/// A size in bytes, or in percent of the machine's memory.
fn size(text: &str) -> Result<String> {
    match text.strip_suffix('%') {
        Some(percent) if percent.parse::<u8>().is_ok() => Ok(text.to_owned()),
        _ => Ok(limits::size(text)?.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Tmpfs> {
        match tmpfs(text.into())?.source {
            Source::Memory(tmpfs) => Ok(tmpfs),
            _ => bail!("no tmpfs"),
        }
    }

    #[test]
    fn the_last_word_wins() {
        let plain = Tmpfs::default().attributes;
        for (text, attributes) in [
            ("/data", plain),
            ("/data:ro", plain | MOUNT_ATTR_RDONLY),
            ("/data:ro,rw", plain),
            ("/data:exec", plain & !MOUNT_ATTR_NOEXEC),
            ("/data:exec,noexec", plain),
            ("/data:suid,dev,exec", 0),
        ] {
            assert_eq!(read(text).unwrap().attributes, attributes, "{text}");
        }
    }

    #[test]
    fn sizes_reach_the_kernel_in_bytes() {
        let options = read("/data:size=64m,mode=1770,uid=5").unwrap().options;
        assert_eq!(options, ["size=67108864", "mode=1770", "uid=5"]);
        assert_eq!(read("/data:size=50%").unwrap().options, ["size=50%"]);
    }

    #[test]
    fn what_tmpfs_does_not_have_is_refused() {
        for text in ["", "data", "/data:", "/data:bogus", "/data:ro:rw", "/data:bogus=1", "/data:gid=wheel"] {
            assert!(read(text).is_err(), "{text}");
        }
        for text in
            ["size=", "size=lots", "size=-1", "size=x%", "mode=rwx", "mode=888", "mode=99999", "mode="]
        {
            assert!(read(&format!("/data:{text}")).is_err(), "{text}");
        }
    }
}
