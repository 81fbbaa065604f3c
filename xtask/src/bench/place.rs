//! Where images and containers are kept while they are measured.

use std::fs;
use std::path::Path;

use anyhow::{Context, Result};
use grade::kernel::Mount;

use crate::scratch::Scratch;

/// A folder of our own in the one that was asked for.
pub struct Place(Scratch);

impl Place {
    pub fn new(folder: Option<&Path>) -> Result<Place> {
        let scratch = match folder {
            Some(folder) => {
                let folder = folder.canonicalize().with_context(|| format!("find {}", folder.display()))?;
                Scratch::beneath(&folder, "bench")?
            }
            None => Scratch::new("bench")?,
        };
        Ok(Place(scratch))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Prints what the figures depend on: the filesystem, and how busy the machine is.
    pub fn tell(&self) -> Result<()> {
        let path = self.path().canonicalize().with_context(|| format!("find {}", self.path().display()))?;
        let mounts = grade::Process::this().mounts()?;
        let on = holding(&mounts, &path).with_context(|| format!("{} is on no mount", path.display()))?;
        let load = fs::read_to_string("/proc/loadavg").context("read /proc/loadavg")?;
        let load = load.split(' ').next().unwrap_or_default();
        let processors = std::thread::available_parallelism().context("count the processors")?;
        println!("data on {}: {}; load {load}, {processors} processors", on.fstype, path.display());
        Ok(())
    }
}

/// The mount that a path is on: the deepest, and of those at one place the last, which hides the others.
fn holding<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    mounts.iter().filter(|mount| path.starts_with(&mount.point)).max_by_key(|mount| mount.point.len())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mount(point: &str, fstype: &str) -> Mount {
        Mount {
            id: 0,
            parent: 0,
            root: "/".into(),
            point: point.into(),
            options: Vec::new(),
            propagation: Vec::new(),
            fstype: fstype.into(),
            source: String::new(),
            super_options: Vec::new(),
        }
    }

    #[test]
    fn the_deepest_and_last_mount_holds_a_path() {
        let mounts =
            [mount("/", "ext4"), mount("/tmp", "xfs"), mount("/tmp", "tmpfs"), mount("/tmp/ab", "proc")];
        let on = |path: &str| holding(&mounts, Path::new(path)).unwrap().fstype.as_str();
        assert_eq!(on("/tmp/abc"), "tmpfs");
        assert_eq!(on("/var"), "ext4");
    }
}
