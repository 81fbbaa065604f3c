//! The groups of a container that runs, as another command finds them: by where its first process is.

use super::group::{PREFIX, write};
use super::hierarchy::{Hierarchies, Version};
use anyhow::{Context, Result, bail, ensure};
use std::fs::{self, File};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use std::thread::sleep;
use std::time::{Duration, Instant};

struct Member {
    version: Version,
    path: PathBuf,
    controllers: &'static [String],
}

pub struct Members(Vec<Member>);

impl Members {
    /// The groups that were made for the container of this process. One whose user may make none has none.
    pub fn of(pid: i32) -> Result<Members> {
        let groups = Hierarchies::known()?.groups(pid);
        let ours = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.as_encoded_bytes().starts_with(PREFIX.as_bytes()))
        };
        let members = groups.filter(|(_, path, _)| ours(path));
        Ok(Members(
            members.map(|(version, path, controllers)| Member { version, path, controllers }).collect(),
        ))
    }

    /// The directory that clone3(2) puts a child into: CLONE_INTO_CGROUP, for cgroup v2.
    pub fn clone_into(&self) -> Result<Option<OwnedFd>> {
        let Some(v2) = self.0.iter().find(|member| member.version == Version::V2) else { return Ok(None) };
        let directory = File::open(&v2.path).with_context(|| format!("open {}", v2.path.display()))?;
        Ok(Some(directory.into()))
    }

    /// Moves the calling process into its groups of cgroup v1.
    pub fn join(&self) -> Result<()> {
        let mut v1 = self.0.iter().filter(|member| member.version == Version::V1);
        v1.try_for_each(|member| write(&member.path.join("tasks"), "0"))
    }

    /// The text of a controller's file; nothing where there is none. v1's name of the file comes first.
    pub fn read(&self, controller: &str, v1: &str, v2: &str) -> Option<String> {
        let member = self.0.iter().find(|member| member.controllers.iter().any(|name| name == controller))?;
        let file = if member.version == Version::V1 { v1 } else { v2 };
        fs::read_to_string(member.path.join(file)).ok()
    }

    /// Stops every process of the container where it stands, or lets it go on: the freezer of v1, `cgroup.freeze` of v2.
    pub fn freeze(&self, on: bool) -> Result<()> {
        let Some((member, v1)) = self.freezer() else {
            bail!(
                "it has no cgroup to freeze: an ordinary user's has one where cgroup v2 is delegated to her"
            );
        };
        let (file, word) = match (v1, on) {
            (true, true) => ("freezer.state", "FROZEN"),
            (true, false) => ("freezer.state", "THAWED"),
            (false, true) => ("cgroup.freeze", "1"),
            (false, false) => ("cgroup.freeze", "0"),
        };
        let patience = Instant::now() + Duration::from_secs(10);
        loop {
            write(&member.path.join(file), word)?;
            if self.is_frozen() == on {
                return Ok(());
            }
            // A process that waits in the kernel is frozen when it comes back, and v1 may have to be asked again.
            ensure!(
                Instant::now() < patience,
                "{}: not all of its processes have stopped",
                member.path.display()
            );
            sleep(Duration::from_millis(1));
        }
    }

    pub fn is_frozen(&self) -> bool {
        self.freezer().is_some_and(|(member, v1)| {
            let (file, line) = if v1 { ("freezer.state", "FROZEN") } else { ("cgroup.events", "frozen 1") };
            fs::read_to_string(member.path.join(file)).is_ok_and(|text| text.lines().any(|it| it == line))
        })
    }

    /// The group that can be frozen, and whether it is v1's.
    fn freezer(&self) -> Option<(&Member, bool)> {
        let v1 = self.0.iter().find(|member| member.controllers.iter().any(|name| name == "freezer"));
        let v2 = || self.0.iter().find(|member| member.version == Version::V2);
        v1.map(|member| (member, true)).or_else(|| v2().map(|member| (member, false)))
    }
}
