//! What a check needs of the host, and how to tell whether it is there.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use nix::unistd::{AccessFlags, access, geteuid};

use crate::kernel::{self, Process};

mod mend;
mod trial;

pub use mend::settings;

/// Something that not every host, kernel or user has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Need {
    /// The checks run as root.
    Root,
    /// The checks run as an ordinary user.
    NotRoot,
    /// The kernel is of this version or newer.
    Kernel(u32, u32),
    /// This user may make a user namespace and is root in it.
    UserNamespaces,
    /// This user may make every other kind of namespace that containers take, an ordinary user with a user namespace.
    Namespaces,
    /// The kernel can make a bridge in a network namespace.
    Bridge,
    /// A limit of this controller (`memory`, `cpu`, `pids`, …) can be set by this user, on v1 or v2.
    CgroupController(&'static str),
    /// This controller is in a mounted v1 hierarchy that this user may write.
    CgroupV1(&'static str),
    /// This controller is in the v2 tree, where this user may write.
    CgroupV2(&'static str),
    /// The v2 tree is mounted and this user may make groups in it, whatever its controllers.
    CgroupV2Tree,
    /// `strace` is installed and may trace.
    Strace,
    /// `/etc/subuid` and `/etc/subgid` have a range for this user, and `newuidmap` is installed.
    SubIds,
    /// There is no range for this user, or no `newuidmap`.
    NoSubIds,
    /// The checks run as root, or as a user with sub-id ranges: other ids than the own exist in containers.
    SubIdsOrRoot,
    /// A pseudo-terminal can be opened.
    Terminal,
    /// A program of this name is in PATH.
    Program(&'static str),
    /// The kernel has this namespace in `/proc/self/ns`.
    Namespace(&'static str),
    /// The filesystem is in `/proc/filesystems`.
    Filesystem(&'static str),
    /// It is not.
    NoFilesystem(&'static str),
    /// The kernel has overlayfs, and the folder for temporary files can hold its writable layer.
    Overlay,
    /// There is a way out of this host.
    DefaultRoute,
    /// The kernel makes tun and tap devices, and this user may ask for one.
    Tun,
    /// nft(8) is installed, and the kernel has NAT for nf_tables in network namespaces of their own.
    Nat,
    /// A Docker daemon answers at the socket that `FORK_TO_VETH_DOCKER` names: `unix:///tmp/docker.sock`.
    DockerDaemon,
}

impl Need {
    /// `None` when the host has it, else the reason to print beside "skipped". The host is asked once.
    #[must_use]
    pub fn missing(self) -> Option<String> {
        static KNOWN: Mutex<BTreeMap<Need, Option<String>>> = Mutex::new(BTreeMap::new());
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.entry(self).or_insert_with(|| self.look()).clone()
    }

    fn look(self) -> Option<String> {
        let root = geteuid().is_root();
        let (there, reason) = match self {
            Need::Root => (root, "needs root".into()),
            Need::NotRoot => (!root, "is about ordinary users, and this is root".into()),
            Need::Kernel(major, minor) => {
                let running = kernel_version();
                let found = running.map_or("unknown".into(), |(major, minor)| format!("{major}.{minor}"));
                (
                    running.is_none_or(|running| running >= (major, minor)),
                    format!("Linux {found} is older than {major}.{minor}"),
                )
            }
            Need::UserNamespaces => {
                (trial::user_namespaces(), "this user may not make user namespaces".into())
            }
            Need::Namespaces => (trial::namespaces(), "this user may not make namespaces".into()),
            Need::Bridge => (trial::bridge(), "no bridge can be made in a network namespace".into()),
            Need::CgroupController(name) => {
                (v1(name) || v2(Some(name)), format!("no cgroup in which this user may limit {name}"))
            }
            Need::CgroupV1(name) => (v1(name), format!("no cgroup v1 hierarchy with {name} to write in")),
            Need::CgroupV2(name) => (v2(Some(name)), format!("no cgroup v2 tree with {name} to write in")),
            Need::CgroupV2Tree => (v2(None), "no cgroup v2 tree in which this user may make groups".into()),
            Need::Strace => (program("strace").is_some(), "strace is not installed".into()),
            Need::SubIds => {
                (sub_ids(), "this user has no sub-id ranges, or newuidmap is not installed".into())
            }
            Need::NoSubIds => (!sub_ids(), "this user has sub-id ranges".into()),
            Need::Terminal => (can(Path::new("/dev/ptmx"), AccessFlags::W_OK), "no /dev/ptmx".into()),
            Need::Program(name) => (program(name).is_some(), format!("{name} is not installed")),
            Need::Namespace(kind) => {
                (Process::this().ns(kind).is_ok(), format!("this kernel has no {kind} namespace"))
            }
            Need::SubIdsOrRoot => (root || sub_ids(), "this user has a single id in containers".into()),
            Need::Filesystem(name) => (filesystem(name), format!("this kernel has no {name}")),
            Need::NoFilesystem(name) => (!filesystem(name), format!("this kernel has {name}")),
            Need::Overlay => {
                (overlay(), "no overlayfs, or the temporary folder cannot hold its writable layer".into())
            }
            Need::Tun => (
                fs::File::options().read(true).write(true).open("/dev/net/tun").is_ok(),
                "no /dev/net/tun".into(),
            ),
            Need::DefaultRoute => (default_route(), "this host has no default route".into()),
            Need::Nat => (nat(), "no nft, or no NAT for nf_tables in this kernel".into()),
            Need::DockerDaemon => {
                (docker_socket().is_some(), "FORK_TO_VETH_DOCKER names no Docker daemon that answers".into())
            }
        };
        if there { None } else { Some(reason) }
    }
}

/// Where `name` is in PATH, or in the folders for the administrator's programs.
#[must_use]
pub fn program(name: &str) -> Option<PathBuf> {
    std::env::split_paths(&search_path()).map(|dir| dir.join(name)).find(|file| can(file, AccessFlags::X_OK))
}

/// PATH with the administrator's folders, which an ordinary user's PATH often lacks.
#[must_use]
pub fn search_path() -> String {
    format!("{}:/usr/local/sbin:/usr/sbin:/sbin:/usr/bin:/bin", std::env::var("PATH").unwrap_or_default())
}

fn can(path: &Path, how: AccessFlags) -> bool {
    path.exists() && access(path, how).is_ok()
}

fn v1(controller: &str) -> bool {
    let mounted = kernel::hierarchy(Some(controller)).is_some();
    mounted && Process::this().cgroup_dir(controller).is_ok_and(|own| writable(&own, controller, true))
}

/// Root makes groups at the hierarchy's mount point; a user only in a group that was delegated to it.
fn writable(own: &Path, controller: &str, v1: bool) -> bool {
    let top = if geteuid().is_root() { kernel::hierarchy(v1.then_some(controller)) } else { None };
    can(top.as_deref().unwrap_or(own), AccessFlags::W_OK)
}

fn v2(controller: Option<&str>) -> bool {
    let Some(mount) = kernel::hierarchy(None) else { return false };
    let Ok(own) = Process::this().cgroups() else { return false };
    let Some(own) = own.iter().find(|group| group.id == 0) else { return false };
    let own = mount.join(own.path.trim_start_matches('/'));
    let dir = if geteuid().is_root() { &mount } else { &own };
    let controllers = fs::read_to_string(dir.join("cgroup.controllers")).unwrap_or_default();
    let has = controller.is_none_or(|name| controllers.split_whitespace().any(|word| word == name));
    // A delegated group is one whose process list the user may write, not only its folder.
    has && writable(&own, "", false) && can(&dir.join("cgroup.procs"), AccessFlags::W_OK)
}

fn sub_ids() -> bool {
    let has = |file: &str| sub_id_range(file).is_some();
    has("/etc/subuid")
        && has("/etc/subgid")
        && ["newuidmap", "newgidmap"].iter().all(|p| program(p).is_some())
}

/// First id and count of this user's first range in `/etc/subuid` or `/etc/subgid`. subuid(5).
#[must_use]
pub fn sub_id_range(file: &str) -> Option<(u32, u32)> {
    let uid = geteuid();
    let name = nix::unistd::User::from_uid(uid).ok().flatten().map(|user| user.name);
    let text = fs::read_to_string(file).ok()?;
    text.lines().find_map(|line| {
        let mut words = line.trim().split(':');
        let owner = words.next()?;
        if owner != uid.to_string() && Some(owner) != name.as_deref() {
            return None;
        }
        Some((words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}

/// The first two numbers of the kernel's release. As numbers: 4.18 is newer than 4.8.
fn kernel_version() -> Option<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").ok()?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    Some((numbers.next()?.ok()?, numbers.next()?.ok()?))
}

fn filesystem(name: &str) -> bool {
    let text = fs::read_to_string("/proc/filesystems").unwrap_or_default();
    text.lines().any(|line| line.split_whitespace().next_back() == Some(name))
}

/// overlayfs takes no writable layer that is on an overlay itself.
fn overlay() -> bool {
    let on = nix::sys::statfs::statfs(&std::env::temp_dir()).map(|on| on.filesystem_type());
    filesystem("overlay") && on.is_ok_and(|on| on != nix::sys::statfs::OVERLAYFS_SUPER_MAGIC)
}

/// A line of /proc/net/route whose second word, the destination, is zero. proc_net(5)
fn default_route() -> bool {
    let text = fs::read_to_string("/proc/net/route").unwrap_or_default();
    text.lines().any(|line| line.split_whitespace().nth(1) == Some("00000000"))
}

/// Tries it in a network namespace that nobody else is in.
fn nat() -> bool {
    const RULES: &str =
        "add table ip check; add chain ip check nat { type nat hook prerouting priority -100; }";
    let mut command = Command::new("unshare");
    let output = command.args(["-n", "nft", RULES]).env("PATH", search_path()).output();
    output.is_ok_and(|output| output.status.success())
}

/// The path of that daemon's socket.
pub(crate) fn docker_path() -> Option<PathBuf> {
    let socket = std::env::var("FORK_TO_VETH_DOCKER").ok()?;
    Some(PathBuf::from(socket.strip_prefix("unix://")?)).filter(|path| path.exists())
}

/// Where a Docker daemon answers that was started for the checks. One that serves somebody else is left alone.
#[must_use]
pub fn docker_socket() -> Option<String> {
    let socket = std::env::var("FORK_TO_VETH_DOCKER").ok()?;
    let output = Command::new(program("docker")?).args(["-H", &socket, "version"]).output().ok()?;
    output.status.success().then_some(socket)
}
