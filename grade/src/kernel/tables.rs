//! The kernel's tables of mounts and cgroups, line by line.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::Process;

/// One line of mountinfo. proc_pid_mountinfo(5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// The mount's number, unique while it exists.
    pub id: u64,
    /// The number of the mount that it sits on.
    pub parent: u64,
    /// The part of the filesystem that is mounted; `/` when all of it is.
    pub root: String,
    /// Where it sits, relative to the root of the process that was asked.
    pub point: String,
    /// `ro`, `nosuid`, `nodev`, …, as this mount has them.
    pub options: Vec<String>,
    /// `shared:N`, `master:N`; empty for a private mount.
    pub propagation: Vec<String>,
    /// `proc`, `tmpfs`, `ext4`, …
    pub fstype: String,
    /// The device or the word given as the source.
    pub source: String,
    /// The options of the filesystem as a whole: `size=65536k`, `mode=755`, …
    pub super_options: Vec<String>,
}

impl Mount {
    pub(super) fn parse(line: &str) -> Result<Mount> {
        let (left, right) = line.split_once(" - ").with_context(|| format!("mountinfo line {line:?}"))?;
        let left: Vec<&str> = left.split(' ').collect();
        let right: Vec<&str> = right.split(' ').collect();
        let [id, parent, _device, root, point, options, propagation @ ..] = &left[..] else {
            bail!("mountinfo line {line:?}");
        };
        let [fstype, source, super_options] = &right[..] else { bail!("mountinfo line {line:?}") };
        let list = |text: &str| text.split(',').map(String::from).collect();
        Ok(Mount {
            id: id.parse()?,
            parent: parent.parse()?,
            root: unescape(root),
            point: unescape(point),
            options: list(options),
            propagation: propagation.iter().map(ToString::to_string).collect(),
            fstype: (*fstype).to_string(),
            source: unescape(source),
            super_options: list(super_options),
        })
    }

    /// Whether this mount, or its filesystem, has the option `name`.
    #[must_use]
    pub fn has(&self, name: &str) -> bool {
        self.options.iter().chain(&self.super_options).any(|option| option == name)
    }
}

/// One line of `/proc/PID/cgroup`: `4:memory:/a/b`, or `0::/a/b` for v2.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Membership {
    /// The hierarchy's number; 0 is v2.
    pub id: u32,
    /// Its controllers, comma-separated; empty for v2.
    pub controllers: String,
    /// The group, relative to the hierarchy's root (or to the reader's cgroup namespace).
    pub path: String,
}

impl Membership {
    pub(super) fn parse(line: &str) -> Option<Membership> {
        let mut parts = line.splitn(3, ':');
        let id = parts.next()?.parse().ok()?;
        let controllers = parts.next()?.to_string();
        Some(Membership { id, controllers, path: parts.next()?.to_string() })
    }

    /// Whether the hierarchy has this v1 controller.
    #[must_use]
    pub fn has(&self, controller: &str) -> bool {
        self.controllers.split(',').any(|name| name == controller)
    }
}

/// Where the v1 hierarchy with `controller`, or v2 for `None`, is mounted on the host.
#[must_use]
pub fn hierarchy(controller: Option<&str>) -> Option<PathBuf> {
    let mounts = Process::this().mounts().ok()?;
    let wanted = |mount: &&Mount| match controller {
        None => mount.fstype == "cgroup2",
        Some(name) => mount.fstype == "cgroup" && mount.super_options.iter().any(|option| option == name),
    };
    mounts.iter().find(wanted).map(|mount| PathBuf::from(&mount.point))
}

/// mountinfo writes a space as `\040`, a tab as `\011`, a newline as `\012`, a backslash as `\134`.
fn unescape(text: &str) -> String {
    ["\\040", "\\011", "\\012"]
        .iter()
        .zip([" ", "\t", "\n"])
        .fold(text.to_string(), |text, (from, to)| text.replace(from, to))
        .replace("\\134", "\\")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mountinfo_line_with_optional_fields_and_escapes() {
        let line =
            "36 35 98:0 /mnt1 /mnt\\0402 rw,noatime shared:1 master:2 - ext3 /dev/root rw,errors=continue";
        let mount = Mount::parse(line).unwrap();
        assert_eq!((mount.id, mount.parent, mount.point.as_str()), (36, 35, "/mnt 2"));
        assert_eq!(mount.propagation, ["shared:1", "master:2"]);
        assert!(mount.has("noatime") && mount.has("errors=continue") && !mount.has("ro"));
        assert!(Mount::parse("36 35 98:0 /mnt1").is_err());
    }
}
