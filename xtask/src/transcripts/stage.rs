//! Where blocks run: the programs they find, the directories they work in, and what they must not leave behind.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};
use nix::mount::{MntFlags, umount2};
use nix::unistd::Uid;

use crate::scratch::Scratch;

use super::block::{Block, Leg};
use super::shell::Surroundings;

/// Who a `user` block is when xtask is root: nobody else on the machine has this number.
const USER: u32 = 4242;
const SYSTEM_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The programs under test and the data directories of the pages.
pub struct Stage {
    scratch: Scratch,
    limit: Duration,
    blocks: u32,
    /// `FORK_TO_VETH_ROOT` by page and leg.
    data: BTreeMap<(String, Leg), PathBuf>,
}

impl Stage {
    /// Copies the programs to where every user can reach them.
    pub fn set(programs: &[PathBuf], limit: Duration) -> anyhow::Result<Stage> {
        let scratch = Scratch::new("transcripts")?;
        // Whatever the umask is: the user's way leads through here.
        open_to_all(scratch.path())?;
        let bin = scratch.path().join("bin");
        fs::create_dir(&bin).with_context(|| format!("make {}", bin.display()))?;
        open_to_all(&bin)?;
        for program in programs {
            let to = bin.join(program.file_name().context("a program has a name")?);
            fs::copy(program, &to).with_context(|| format!("copy {}", program.display()))?;
            open_to_all(&to)?;
        }
        Ok(Stage { scratch, limit, blocks: 0, data: BTreeMap::new() })
    }

    /// Why a block cannot run here, if it cannot.
    pub fn obstacle(&self, block: &Block) -> Option<String> {
        if block.leg == Leg::Root && !Uid::effective().is_root() {
            return Some("needs root".into());
        }
        if let Some(wanted) = block.cgroup {
            let found = cgroup_version();
            if found != Some(wanted) {
                let found = found.map_or("none".to_owned(), |version| format!("v{version}"));
                return Some(format!("needs the controllers on cgroup v{wanted}, they are on {found}"));
            }
        }
        // A network namespace is made by the one and made ready by the other.
        let machine: &[&str] = if block.own_network { &["unshare", "ip"] } else { &[] };
        let mut needed = machine.iter().copied().chain(block.needs.iter().map(String::as_str));
        let missing = needed.find(|program| !self.finds(program))?;
        Some(format!("needs {missing}, which is not installed"))
    }

    fn path(&self) -> String {
        format!("{}:{SYSTEM_PATH}", self.scratch.path().join("bin").display())
    }

    /// The line with a wildcard where it names the stage's own folder.
    pub fn hide(&self, line: &str) -> String {
        line.replace(&self.scratch.path().display().to_string(), "[..]")
    }

    fn finds(&self, program: &str) -> bool {
        self.path().split(':').any(|folder| {
            let file = Path::new(folder).join(program);
            fs::metadata(file).is_ok_and(|file| file.is_file() && file.permissions().mode() & 0o111 != 0)
        })
    }

    /// A new home and working directory for a block of `page`, and the environment that goes with them.
    pub fn surroundings(&mut self, page: &str, block: &Block) -> anyhow::Result<Surroundings> {
        let leg = block.leg;
        let uid = (leg == Leg::User && Uid::effective().is_root()).then_some(USER);
        self.blocks += 1;
        let home = self.folder(&format!("block{}", self.blocks), uid)?;
        let directory = self.folder(&format!("block{}/work", self.blocks), uid)?;
        let key = (page.to_owned(), leg);
        if !self.data.contains_key(&key) {
            let path = self.folder(&format!("data{}", self.data.len() + 1), uid)?;
            self.data.insert(key.clone(), path);
        }
        let environment = vec![
            ("PATH", self.path().into()),
            ("HOME", home.into_os_string()),
            ("FORK_TO_VETH_ROOT", self.data[&key].clone().into_os_string()),
            ("TERM", "xterm".into()),
            ("LANG", "C.UTF-8".into()),
        ];
        Ok(Surroundings { directory, environment, uid, own_network: block.own_network, limit: self.limit })
    }

    fn folder(&self, name: &str, uid: Option<u32>) -> anyhow::Result<PathBuf> {
        let path = self.scratch.path().join(name);
        fs::create_dir(&path).with_context(|| format!("make {}", path.display()))?;
        open_to_all(&path)?;
        if uid.is_some() {
            chown(&path, uid, uid).with_context(|| format!("give {} to uid {USER}", path.display()))?;
        }
        Ok(path)
    }

    /// Unmounts what a block has left mounted beneath the stage, and says what that was.
    ///
    /// Without this, clearing the stage away would go through such a mount into what it shows.
    pub fn unmount_leftovers(&self) -> anyhow::Result<Vec<String>> {
        let found = self.mounts()?;
        for point in found.iter().rev() {
            umount2(point.as_str(), MntFlags::MNT_DETACH)
                .with_context(|| format!("unmount {point}, which a block left behind"))?;
        }
        ensure!(
            found.is_empty() || self.mounts()?.is_empty(),
            "mounts that a block left behind cannot be removed"
        );
        Ok(found)
    }

    fn mounts(&self) -> anyhow::Result<Vec<String>> {
        let table = fs::read_to_string("/proc/self/mountinfo").context("read our mount table")?;
        let points = table.lines().filter_map(|line| line.split(' ').nth(4));
        Ok(points
            .filter(|point| Path::new(point).starts_with(self.scratch.path()))
            .map(str::to_owned)
            .collect())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // A panic may end the run between a block and its check; the stage's own removal follows this.
        if let Err(error) = self.unmount_leftovers() {
            eprintln!("xtask: {error:#}; not removing {}", self.scratch.path().display());
            std::process::abort();
        }
    }
}

fn open_to_all(path: &Path) -> anyhow::Result<()> {
    fs::set_permissions(path, fs::Permissions::from_mode(0o755))
        .with_context(|| format!("open {} to all", path.display()))
}

/// The cgroup version that has the memory controller, read from the mount table: 1 on a hybrid host.
fn cgroup_version() -> Option<u8> {
    let table = fs::read_to_string("/proc/self/mountinfo").ok()?;
    version_of(&table, |group| fs::read_to_string(group.join("cgroup.controllers")).unwrap_or_default())
}

fn version_of(table: &str, controllers: impl Fn(&Path) -> String) -> Option<u8> {
    let mut version = None;
    for line in table.lines() {
        let Some((mount, source)) = line.split_once(" - ") else { continue };
        let point = mount.split(' ').nth(4).unwrap_or_default();
        let mut source = source.split(' ');
        match source.next() {
            Some("cgroup2")
                if controllers(Path::new(point)).split_whitespace().any(|name| name == "memory") =>
            {
                return Some(2);
            }
            Some("cgroup")
                if source.next_back().is_some_and(|options| options.split(',').any(|o| o == "memory")) =>
            {
                version = Some(1);
            }
            _ => {}
        }
    }
    version
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_where_the_memory_controller_is() {
        let v1 = "30 25 0:26 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n";
        let v2 = "31 25 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n";
        let none = |_: &Path| String::new();
        let all = |_: &Path| "cpu io memory pids\n".to_owned();
        assert_eq!(version_of(&format!("{v1}{v2}"), none), Some(1));
        assert_eq!(version_of(v2, all), Some(2));
        assert_eq!(version_of(v2, none), None);
        assert_eq!(version_of("", none), None);
    }

    #[test]
    fn programs_are_looked_for_where_blocks_find_them() {
        let stage = Stage::set(&[PathBuf::from("/bin/true")], Duration::from_secs(1)).unwrap();
        assert!(stage.finds("true") && stage.finds("bash"));
        assert!(!stage.finds("no-such-program"));
        assert!(stage.scratch.path().join("bin/true").is_file());
    }
}
