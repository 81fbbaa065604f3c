//! What to do about a need that is not met.

use std::fs;

use nix::unistd::geteuid;

use super::Need;
use crate::kernel;

/// The package that brings a program, where it has another name than the program: on Debian's kin, and on others.
const PACKAGES: [(&str, &str, &str); 7] = [
    ("nft", "nftables", "nftables"),
    ("pasta", "passt", "passt"),
    ("newuidmap", "uidmap", "shadow-utils"),
    ("docker", "docker.io", "docker"),
    ("ip", "iproute2", "iproute"),
    ("setpriv", "util-linux", "util-linux"),
    ("vi", "vim-tiny", "vim-minimal"),
];

/// Settings that take user namespaces away, the value that does so, and the command that gives them back.
const SETTINGS: [(&str, &str, &str); 3] = [
    ("kernel/unprivileged_userns_clone", "0", "sudo sysctl -w kernel.unprivileged_userns_clone=1"),
    (
        "kernel/apparmor_restrict_unprivileged_userns",
        "1",
        "sudo sysctl -w kernel.apparmor_restrict_unprivileged_userns=0",
    ),
    ("user/max_user_namespaces", "0", "sudo sysctl -w user.max_user_namespaces=10000"),
];

impl Need {
    /// What it is called in a table.
    #[must_use]
    pub fn name(self) -> String {
        match self {
            Need::Root => "root".into(),
            Need::NotRoot => "an ordinary user".into(),
            Need::Kernel(major, minor) => format!("Linux {major}.{minor}"),
            Need::UserNamespaces => "user namespaces".into(),
            Need::Namespaces => "namespaces".into(),
            Need::Bridge => "a bridge".into(),
            Need::CgroupController(name) => format!("cgroup {name}"),
            Need::CgroupV1(name) => format!("cgroup v1 {name}"),
            Need::CgroupV2(name) => format!("cgroup v2 {name}"),
            Need::CgroupV2Tree => "cgroup v2".into(),
            Need::Strace => "strace".into(),
            Need::SubIds => "sub-ids, newuidmap".into(),
            Need::NoSubIds => "no sub-ids".into(),
            Need::SubIdsOrRoot => "several ids".into(),
            Need::Terminal => "terminals".into(),
            Need::Program(name) => name.into(),
            Need::Namespace(kind) => format!("{kind} namespace"),
            Need::Filesystem(name) => name.into(),
            Need::NoFilesystem(name) => format!("no {name}"),
            Need::Overlay => "overlay".into(),
            Need::DefaultRoute => "a default route".into(),
            Need::Tun => "tun devices".into(),
            Need::Nat => "nft, NAT".into(),
            Need::DockerDaemon => "a Docker daemon".into(),
        }
    }

    /// Whether it is about who or where one is, rather than about what a machine can lack: its opposite is as good, and
    /// other checks are about that.
    #[must_use]
    pub fn is_a_matter_of_place(self) -> bool {
        matches!(
            self,
            Need::Root | Need::NotRoot | Need::NoSubIds | Need::NoFilesystem(_) | Need::CgroupV1(_)
        ) || matches!(self, Need::CgroupV2(_) | Need::CgroupV2Tree | Need::Filesystem("aufs"))
            || self == Need::SubIds && geteuid().is_root()
    }

    /// The command that mends it, or a word about what would.
    #[must_use]
    pub fn mend(self) -> String {
        let root = geteuid().is_root();
        match self {
            Need::Root => "run it as root: sudo $(command -v grade) …".into(),
            Need::NotRoot => "run it as an ordinary user, too".into(),
            Need::Kernel(..) => "a newer kernel".into(),
            Need::UserNamespaces | Need::Namespaces if !root => user_namespaces(),
            Need::UserNamespaces => setting_in_the_way().unwrap_or(PRIVILEGED).into(),
            Need::Namespaces => PRIVILEGED.into(),
            Need::Bridge => "sudo modprobe bridge".into(),
            Need::CgroupController(name) => delegation(name, root),
            Need::CgroupV1(_) => "a system with cgroup v1".into(),
            Need::CgroupV2(_) | Need::CgroupV2Tree => "a system with cgroup v2, or cargo xtask uml".into(),
            Need::Strace => install("strace"),
            Need::SubIds | Need::SubIdsOrRoot => sub_ids(),
            Need::NoSubIds => "a user without sub-ids".into(),
            Need::Terminal => "sudo mount -t devpts devpts /dev/pts".into(),
            Need::Program(name) => install(name),
            Need::Namespace(kind) => format!("a kernel with {kind} namespaces"),
            Need::Filesystem("aufs") => {
                "a kernel with the AUFS patches; without, overlay does the same".into()
            }
            Need::Filesystem(name) => format!("sudo modprobe {name}"),
            Need::NoFilesystem(name) => format!("a kernel without {name}"),
            Need::Overlay => overlay(),
            Need::DefaultRoute => "connect this machine to a network".into(),
            Need::Tun => "sudo modprobe tun".into(),
            Need::Nat => nat(),
            Need::DockerDaemon => "FORK_TO_VETH_DOCKER=unix:///… of a daemon started for the checks".into(),
        }
    }
}

const PRIVILEGED: &str =
    "this root has not all of root's powers: docker run --privileged, or a virtual machine";

fn setting_in_the_way() -> Option<&'static str> {
    let off = |(name, value, _): &&(&str, &str, &str)| {
        fs::read_to_string(format!("/proc/sys/{name}")).is_ok_and(|text| text.trim() == *value)
    };
    SETTINGS.iter().find(off).map(|(.., command)| *command)
}

/// The settings that there are, with their values: `user.max_user_namespaces = 10000`.
#[must_use]
pub fn settings() -> Vec<String> {
    let read = |(name, ..): &(&str, &str, &str)| {
        let value = fs::read_to_string(format!("/proc/sys/{name}")).ok()?;
        Some(format!("{} = {}", name.replace('/', "."), value.trim()))
    };
    SETTINGS.iter().filter_map(read).collect()
}

fn user_namespaces() -> String {
    let filtered = "a filter of system calls or an LSM forbids it; in a container: docker run --privileged";
    setting_in_the_way().unwrap_or(filtered).into()
}

fn delegation(controller: &str, root: bool) -> String {
    let v2 = kernel::hierarchy(None).filter(|top| {
        let there = fs::read_to_string(top.join("cgroup.controllers")).unwrap_or_default();
        there.split_whitespace().any(|word| word == controller)
    });
    match (v2, root) {
        (Some(_), false) => format!(
            "systemd-run --user --scope -p Delegate=yes …; if {controller} is not handed down: \
             https://systemd.io/CGROUP_DELEGATION"
        ),
        (None, false) => "cgroup v1 is not handed down to users: run step 03 as root".into(),
        (_, true) => {
            format!("a kernel with the controller {controller}, and its hierarchy mounted for writing")
        }
    }
}

fn sub_ids() -> String {
    let ranges = "sudo usermod --add-subuids 100000-165535 --add-subgids 100000-165535 \"$USER\"";
    let has_range =
        super::sub_id_range("/etc/subuid").is_some() && super::sub_id_range("/etc/subgid").is_some();
    match (has_range, super::program("newuidmap").is_some()) {
        (true, _) => install("newuidmap"),
        (false, true) => ranges.into(),
        (false, false) => format!("{}; {ranges}", install("newuidmap")),
    }
}

fn overlay() -> String {
    if super::filesystem("overlay") {
        "TMPDIR=FOLDER on ext4, XFS, Btrfs or tmpfs: an overlay holds no layers of another".into()
    } else {
        "sudo modprobe overlay".into()
    }
}

fn nat() -> String {
    match super::program("nft") {
        None => install("nft"),
        Some(_) => "sudo modprobe -a nf_tables nft_chain_nat nft_masq".into(),
    }
}

/// How this system installs the package with a program.
fn install(program: &str) -> String {
    let names = PACKAGES.iter().find(|(name, ..)| *name == program);
    let (debian, other) = names.map_or((program, program), |(_, debian, other)| (*debian, *other));
    let release = fs::read_to_string("/etc/os-release").unwrap_or_default();
    let has = |word: &str| {
        let lines = release.lines().filter(|line| line.starts_with("ID=") || line.starts_with("ID_LIKE="));
        lines.flat_map(|line| line.split(['=', '"', ' '])).any(|part| part == word)
    };
    match () {
        () if has("debian") => format!("sudo apt-get install {debian}"),
        () if has("fedora") || has("rhel") => format!("sudo dnf install {other}"),
        () if has("arch") => {
            format!("sudo pacman -S {}", if program == "newuidmap" { "shadow" } else { other })
        }
        () if has("suse") => {
            format!("sudo zypper install {}", if program == "newuidmap" { "shadow" } else { other })
        }
        () if has("alpine") => format!("sudo apk add {debian}"),
        () => format!("install {program} (the package {debian} on Debian)"),
    }
}
