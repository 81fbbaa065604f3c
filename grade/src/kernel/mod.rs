//! The kernel's own records, read from outside the container.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use crate::check::mismatch;

mod ending;
mod tables;

pub(crate) use ending::Ending;
pub use tables::{Membership, Mount, hierarchy};

/// Polls `look` every few milliseconds until it returns `Some`.
///
/// # Errors
/// When `limit` passes first: "WHAT did not happen within …".
pub fn until<T>(limit: Duration, what: &str, mut look: impl FnMut() -> Option<T>) -> Result<T> {
    let deadline = Instant::now() + patient(limit);
    loop {
        if let Some(found) = look() {
            return Ok(found);
        }
        if Instant::now() >= deadline {
            return Err(mismatch(format!("{what} within {limit:?}"), "nothing of the kind"));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
}

/// A time limit as it is on this machine: `FORK_TO_VETH_TIME_FACTOR`, a number from 1 up, says how much slower it is than
/// the machines that the limits are made for.
#[must_use]
pub fn patient(limit: Duration) -> Duration {
    let factor = std::env::var("FORK_TO_VETH_TIME_FACTOR").ok().and_then(|text| text.parse::<u32>().ok());
    limit * factor.unwrap_or(1).max(1)
}

/// A process as `/proc/PID/stat` and its neighbours describe it. proc(5).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Process(pub i32);

impl Process {
    /// This process, the check itself: what "the host" looks like.
    #[must_use]
    pub fn this() -> Process {
        Process(std::process::id().cast_signed())
    }

    /// `/proc/PID/NAME`.
    #[must_use]
    pub fn path(self, name: &str) -> PathBuf {
        PathBuf::from(format!("/proc/{}/{name}", self.0))
    }

    /// The bytes of `/proc/PID/NAME`.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn read(self, name: &str) -> Result<Vec<u8>> {
        let path = self.path(name);
        fs::read(&path).with_context(|| format!("read {}", path.display()))
    }

    /// The same as text.
    ///
    /// # Errors
    /// As [`Process::read`].
    pub fn text(self, name: &str) -> Result<String> {
        Ok(String::from_utf8_lossy(&self.read(name)?).into_owned())
    }

    /// The words of one line of `/proc/PID/status`: `status("Uid")` gives four of them.
    ///
    /// # Errors
    /// When the process is gone or the kernel has no such line.
    pub fn status(self, field: &str) -> Result<Vec<String>> {
        let text = self.text("status")?;
        let line = text.lines().find_map(|line| line.strip_prefix(field)?.strip_prefix(':'));
        let line = line.with_context(|| format!("/proc/{}/status has no line {field}", self.0))?;
        Ok(line.split_whitespace().map(String::from).collect())
    }

    /// A signal set of `/proc/PID/status` (`SigBlk`, `SigIgn`, `SigCgt`): bit N-1 stands for signal N.
    ///
    /// # Errors
    /// As [`Process::status`].
    pub fn signals(self, field: &str) -> Result<u64> {
        let words = self.status(field)?;
        let word = words.first().with_context(|| format!("{field} is empty"))?;
        u64::from_str_radix(word, 16).with_context(|| format!("{field} is {word}"))
    }

    /// The inode number of `/proc/PID/ns/KIND`, which is the namespace's identity. namespaces(7).
    ///
    /// # Errors
    /// When the process is gone or the kernel has no such namespace.
    pub fn ns(self, kind: &str) -> Result<u64> {
        let path = self.path(&format!("ns/{kind}"));
        Ok(fs::metadata(&path).with_context(|| format!("look at {}", path.display()))?.ino())
    }

    /// Its namespaces, of the kinds that this kernel has, by the names that `/proc/PID/ns` gives them.
    ///
    /// # Errors
    /// As [`Process::ns`].
    pub fn namespaces(self) -> Result<BTreeMap<&'static str, u64>> {
        let known = NAMESPACES.iter().filter(|kind| Path::new("/proc/self/ns").join(kind).exists());
        known.map(|kind| Ok((*kind, self.ns(kind)?))).collect()
    }

    /// Its mount table, one entry a line of `/proc/PID/mountinfo`.
    ///
    /// # Errors
    /// When the process is gone or a line cannot be understood.
    pub fn mounts(self) -> Result<Vec<Mount>> {
        self.text("mountinfo")?.lines().map(Mount::parse).collect()
    }

    /// Its groups: one per line of `/proc/PID/cgroup`. cgroups(7).
    ///
    /// # Errors
    /// When the process is gone.
    pub fn cgroups(self) -> Result<Vec<Membership>> {
        Ok(self.text("cgroup")?.lines().filter_map(Membership::parse).collect())
    }

    /// The folder, on the host, of its group in the hierarchy that has `controller` (`memory`, `pids`, `cpu`, …);
    /// `""` asks for the v2 tree whatever its controllers. Where v2 has the controller, that is v2's.
    ///
    /// # Errors
    /// When no mounted hierarchy has it.
    pub fn cgroup_dir(self, controller: &str) -> Result<PathBuf> {
        let groups = self.cgroups()?;
        let v1 = groups.iter().find(|group| !controller.is_empty() && group.has(controller));
        let v2 = groups.iter().find(|group| group.id == 0);
        let group = v1.or(v2).with_context(|| format!("no hierarchy has {controller}"))?;
        let mount = hierarchy(if v1.is_some() { Some(controller) } else { None })
            .with_context(|| format!("the hierarchy with {controller} is not mounted"))?;
        Ok(join(&mount, &group.path))
    }

    /// Its children now, found by their parent's number in every `/proc/PID/stat`.
    #[must_use]
    pub fn children(self) -> Vec<Process> {
        all().into_iter().filter(|(_, parent)| *parent == self).map(|(process, _)| process).collect()
    }

    /// Its children, their children and so on, parents first.
    #[must_use]
    pub fn descendants(self) -> Vec<Process> {
        let all = all();
        let mut found = vec![self];
        let mut next = 0;
        while let Some(parent) = found.get(next).copied() {
            found.extend(all.iter().filter(|(_, p)| *p == parent).map(|(child, _)| *child));
            next += 1;
        }
        found.split_off(1)
    }

    /// Those of its descendants that are in another PID namespace: of a runtime, the processes of its container. What
    /// works for the runtime on the host, such as a child that sweeps up what a dead runtime has left, is not among them.
    #[must_use]
    pub fn contained(self) -> Vec<Process> {
        let outside = self.ns("pid").ok();
        let inside = |process: &Process| process.ns("pid").is_ok_and(|own| Some(own) != outside);
        self.descendants().into_iter().filter(inside).collect()
    }

    /// Whether it still runs: neither gone nor a zombie.
    #[must_use]
    pub fn alive(self) -> bool {
        self.state().is_some_and(|state| state != 'Z' && state != 'X')
    }

    /// The letter of its state: `R`, `S`, `T` for stopped, `Z` for zombie; `None` when it is gone.
    #[must_use]
    pub fn state(self) -> Option<char> {
        stat(self.0).map(|(state, _)| state)
    }

    /// Its number in every pid namespace that it is in, outermost first. pid_namespaces(7).
    ///
    /// # Errors
    /// As [`Process::status`].
    pub fn pids(self) -> Result<Vec<i32>> {
        self.status("NSpid")?.iter().map(|word| Ok(word.parse()?)).collect()
    }

    /// The arguments that it was executed with, each as its bytes.
    ///
    /// # Errors
    /// When the process is gone.
    pub fn argv(self) -> Result<Vec<Vec<u8>>> {
        Ok(split_nul(&self.read("cmdline")?))
    }

    /// The environment that it was executed with, in its order.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn environ(self) -> Result<Vec<String>> {
        let entries = split_nul(&self.read("environ")?);
        Ok(entries.iter().map(|entry| String::from_utf8_lossy(entry).into_owned()).collect())
    }

    /// Its open descriptors and what each leads to.
    ///
    /// # Errors
    /// When the process is gone or may not be looked at.
    pub fn descriptors(self) -> Result<BTreeMap<i32, String>> {
        let dir = self.path("fd");
        let mut found = BTreeMap::new();
        for entry in fs::read_dir(&dir).with_context(|| format!("list {}", dir.display()))? {
            let entry = entry?;
            let number = entry.file_name().to_string_lossy().parse()?;
            // A descriptor may close between the listing and the look; then it is not open.
            if let Ok(target) = fs::read_link(entry.path()) {
                found.insert(number, target.display().to_string());
            }
        }
        Ok(found)
    }
}

/// The kinds of namespace as `/proc/PID/ns` names them.
pub const NAMESPACES: [&str; 8] = ["cgroup", "ipc", "mnt", "net", "pid", "time", "user", "uts"];

/// Every process with its parent.
#[must_use]
pub fn all() -> Vec<(Process, Process)> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let pids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| Some((Process(pid), Process(stat(pid)?.1)))).collect()
}

/// State and parent out of `/proc/PID/stat`; the name before them may hold spaces and parentheses.
fn stat(pid: i32) -> Option<(char, i32)> {
    let text = fs::read(format!("/proc/{pid}/stat")).ok()?;
    let text = String::from_utf8_lossy(&text);
    let mut words = text.rsplit_once(") ")?.1.split(' ');
    Some((words.next()?.chars().next()?, words.next()?.parse().ok()?))
}

fn split_nul(bytes: &[u8]) -> Vec<Vec<u8>> {
    let bytes = bytes.strip_suffix(b"\0").unwrap_or(bytes);
    if bytes.is_empty() { Vec::new() } else { bytes.split(|byte| *byte == 0).map(<[u8]>::to_vec).collect() }
}

/// `root` with the absolute `path` appended.
fn join(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn argv_keeps_empty_arguments() {
        assert_eq!(split_nul(b"sh\0\0x\0"), [b"sh".to_vec(), b"".to_vec(), b"x".to_vec()]);
        assert!(split_nul(b"").is_empty());
    }

    #[test]
    fn this_process_is_a_descendant_of_its_parent() {
        let parent = Process(nix::unistd::getppid().as_raw());
        assert!(parent.children().contains(&Process::this()));
        assert!(parent.descendants().contains(&Process::this()));
        assert!(Process::this().alive() && !Process(i32::MAX).alive());
    }
}
