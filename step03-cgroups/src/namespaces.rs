//! Namespaces, namespaces(7): which ones a container gets, and what it sets up in them.

use crate::cli::Run;
use crate::explain::explain;
use anyhow::{Context, Result, anyhow, bail};
use clap::ValueEnum;
use nix::errno::Errno;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{geteuid, gethostname, sethostname};
use std::ffi::{OsStr, OsString};
use std::fs;

/// One kind of namespace, by the name that it has in /proc/PID/ns.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Namespace {
    Pid,
    Uts,
    Ipc,
    Mnt,
    Net,
    User,
    Cgroup,
    Time,
}

impl Namespace {
    fn flag(self) -> (libc::c_int, &'static str) {
        match self {
            Namespace::Pid => (libc::CLONE_NEWPID, "CLONE_NEWPID"),
            Namespace::Uts => (libc::CLONE_NEWUTS, "CLONE_NEWUTS"),
            Namespace::Ipc => (libc::CLONE_NEWIPC, "CLONE_NEWIPC"),
            Namespace::Mnt => (libc::CLONE_NEWNS, "CLONE_NEWNS"),
            Namespace::Net => (libc::CLONE_NEWNET, "CLONE_NEWNET"),
            Namespace::User => (libc::CLONE_NEWUSER, "CLONE_NEWUSER"),
            Namespace::Cgroup => (libc::CLONE_NEWCGROUP, "CLONE_NEWCGROUP"),
            Namespace::Time => (libc::CLONE_NEWTIME, "CLONE_NEWTIME"),
        }
    }
}

/// The namespaces of one container.
pub struct Namespaces {
    list: Vec<Namespace>,
    /// Seconds added to the container's boot time clock.
    boottime_offset: i64,
}

impl Namespaces {
    /// Those that were asked for, or all but time. Without privilege a user namespace comes with them: it is what
    /// makes the others possible.
    pub fn choose(run: &Run) -> Namespaces {
        use Namespace::{Cgroup, Ipc, Mnt, Net, Pid, Time, User, Uts};
        let mut list = run.ns.clone().unwrap_or(vec![Pid, Uts, Ipc, Mnt, Net, Cgroup]);
        if !geteuid().is_root() && !list.contains(&User) {
            list.push(User);
        }
        if run.boottime_offset.is_some() && !list.contains(&Time) {
            list.push(Time);
        }
        Namespaces { list, boottime_offset: run.boottime_offset.unwrap_or(0) }
    }

    pub fn has(&self, namespace: Namespace) -> bool {
        self.list.contains(&namespace)
    }

    /// The flags for clone3(2) and their names. Two kinds are entered later: a cgroup namespace's root is the cgroup
    /// that its maker is in, and a child may have to join its own first; a time namespace's clocks can only be set before
    /// anybody is in it.
    pub fn clone_flags(&self) -> (libc::c_int, String) {
        let early = self.list.iter().filter(|kind| !matches!(kind, Namespace::Cgroup | Namespace::Time));
        let (bits, names): (Vec<_>, Vec<_>) = early.map(|kind| kind.flag()).unzip();
        (bits.iter().fold(0, |all, bit| all | bit), names.join("|"))
    }

    /// The container's hostname: the one asked for, its id, or the host's when it has no UTS namespace.
    pub fn hostname(&self, asked: Option<&str>, id: &str) -> Result<OsString> {
        match asked {
            None if self.has(Namespace::Uts) => Ok(id.into()),
            None => gethostname().context("read the host's name"),
            Some(_) if !self.has(Namespace::Uts) => {
                bail!("--hostname: this would rename the host; add uts to --ns")
            }
            Some(name) if name.is_empty() || name.len() > 64 => {
                bail!("--hostname: {} bytes long; a hostname has 1 to 64", name.len())
            }
            Some(name) if name.contains(|c: char| c.is_whitespace() || c == '/') => {
                bail!("--hostname {name:?}: a hostname has no white space and no '/'")
            }
            Some(name) => Ok(name.into()),
        }
    }

    /// Cuts the mount table's ties to the host's, mount_namespaces(7). A new mount namespace starts as a copy whose
    /// mounts are peers of the originals where these are shared (systemd makes all of them so), and what happens to a
    /// mount happens to its peers.
    pub fn make_mounts_private(&self) -> Result<()> {
        if self.has(Namespace::Mnt) {
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)
                .context("make the mounts private")?;
            explain!("mount(NULL, \"/\", NULL, MS_REC|MS_PRIVATE, NULL) = 0");
        }
        Ok(())
    }

    pub fn set_hostname(&self, hostname: &OsStr) -> Result<()> {
        if self.has(Namespace::Uts) {
            sethostname(hostname).with_context(|| format!("set the hostname {hostname:?}"))?;
            explain!("sethostname({hostname:?}) = 0");
        }
        Ok(())
    }

    /// Makes the cgroup that this process is in the root of what it can see: cgroup_namespaces(7).
    pub fn unshare_cgroup(&self) -> Result<()> {
        if self.has(Namespace::Cgroup) {
            unshare(CloneFlags::CLONE_NEWCGROUP).context("make a cgroup namespace")?;
            explain!("unshare(CLONE_NEWCGROUP) = 0");
        }
        Ok(())
    }

    /// Root makes the time namespace in the parent, for its children: time_namespaces(7).
    pub fn unshare_time_on_host(&self) -> Result<()> {
        if self.has(Namespace::Time) && !self.has(Namespace::User) { self.unshare_time() } else { Ok(()) }
    }

    /// In a user namespace only the child has the right to make it. It moves in when it executes the command,
    /// which Linux does from 6.3 on.
    pub fn unshare_time_in_container(&self) -> Result<()> {
        if !(self.has(Namespace::Time) && self.has(Namespace::User)) {
            return Ok(());
        }
        if kernel_version()? < (6, 3) {
            bail!(
                "a time namespace in a user namespace needs Linux 6.3: run this as root, without user in --ns"
            );
        }
        self.unshare_time()
    }

    fn unshare_time(&self) -> Result<()> {
        // SAFETY: unshare(2) with this flag changes nothing but which time namespace children are born into.
        Errno::result(unsafe { libc::unshare(libc::CLONE_NEWTIME) }).context("make a time namespace")?;
        explain!("unshare(CLONE_NEWTIME) = 0");
        let offset = format!("boottime {} 0", self.boottime_offset);
        fs::write("/proc/self/timens_offsets", &offset)
            .with_context(|| format!("write {offset:?} to /proc/self/timens_offsets"))?;
        explain!("write(\"/proc/self/timens_offsets\", {offset:?}) = {}", offset.len());
        Ok(())
    }
}

/// The running kernel's version as two numbers: 4.18 is newer than 4.8.
fn kernel_version() -> Result<(u32, u32)> {
    let release = fs::read_to_string("/proc/sys/kernel/osrelease").context("read the kernel's version")?;
    let mut numbers = release.split(|c: char| !c.is_ascii_digit()).map(str::parse);
    match (numbers.next(), numbers.next()) {
        (Some(Ok(major)), Some(Ok(minor))) => Ok((major, minor)),
        _ => bail!("the kernel's version is {release:?}, not two numbers"),
    }
}

/// Says what a reader can do about a clone3(2) that was refused.
pub fn refused(error: Errno, flags: &str) -> anyhow::Error {
    let switch =
        |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).unwrap_or_default().trim().to_owned();
    let hint = match error {
        Errno::EPERM if switch("kernel/unprivileged_userns_clone") == "0" => {
            ": user namespaces are switched off; sysctl -w kernel.unprivileged_userns_clone=1"
        }
        Errno::EPERM if switch("kernel/apparmor_restrict_unprivileged_userns") == "1" => {
            ": AppArmor keeps user namespaces from doing anything; \
             sysctl -w kernel.apparmor_restrict_unprivileged_userns=0"
        }
        Errno::EPERM => {
            ": this process lacks CAP_SYS_ADMIN; inside a container, start that one with --privileged"
        }
        Errno::ENOSPC if switch("user/max_user_namespaces") == "0" => {
            ": user namespaces are switched off; sysctl -w user.max_user_namespaces=10000"
        }
        Errno::ENOSPC => {
            ": a limit on the number of namespaces is reached; see sysctl -a -r 'user.max_.*_namespaces'"
        }
        Errno::ENOSYS => {
            ": a seccomp filter refuses it, as Docker's does; start that container with --privileged"
        }
        Errno::EINVAL => ": this kernel lacks one of these namespaces; leave it out with --ns",
        _ => "",
    };
    anyhow!("clone3({flags}): {error}{hint}")
}
