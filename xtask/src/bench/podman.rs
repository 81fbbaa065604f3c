//! podman, with its store in our own folder.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use grade::kernel::Mount;
use nix::mount::{MntFlags, umount2};

use super::found;
use super::ours::quoted;
use super::place::Place;

/// Dropped, it takes away what podman leaves behind on a host.
pub struct Podman {
    store: PathBuf,
    run_root: PathBuf,
}

impl Podman {
    /// `None` where it is not installed; a line says so.
    pub fn find(place: &Place) -> Option<Podman> {
        if !found("podman") {
            println!("podman is not installed: apt-get install podman");
            return None;
        }
        let folder = place.path();
        Some(Podman { store: folder.join("podman"), run_root: folder.join("podman-run") })
    }

    /// The line that runs `true` in `root`.
    pub fn run(&self, root: &Path) -> String {
        // runc also takes hosts with v1 and v2 of cgroups side by side, which crun does not.
        let runtime = if found("runc") { "--runtime runc" } else { "" };
        let (store, run_root) = (quoted(&self.store), quoted(&self.run_root));
        // podman would raise these two limits, which takes CAP_SYS_RESOURCE.
        let limits = "--ulimit nofile=1024:1024 --ulimit nproc=1024:1024";
        format!(
            "podman --root {store} --runroot {run_root} --cgroup-manager cgroupfs {runtime} \
             run --rm --network none {limits} --rootfs {} /bin/true",
            quoted(root)
        )
    }

    /// Its store is a mount of its own, and the groups above its containers' stay.
    fn clean(&self) -> Result<()> {
        let mounts = grade::Process::this().mounts()?;
        for mount in mounts.iter().rev().filter(|mount| Path::new(&mount.point).starts_with(&self.store)) {
            let point = Path::new(&mount.point);
            umount2(point, MntFlags::MNT_DETACH).with_context(|| format!("unmount {}", point.display()))?;
        }
        let is_cgroup = |mount: &&Mount| mount.fstype.starts_with("cgroup");
        for parent in
            mounts.iter().filter(is_cgroup).map(|mount| Path::new(&mount.point).join("libpod_parent"))
        {
            // Groups that another podman uses hold processes or other groups, and so stay.
            if !busy(&parent.join("conmon"))? {
                busy(&parent)?;
            }
        }
        Ok(())
    }
}

/// Removes a cgroup; `true` when it is in use.
fn busy(group: &Path) -> Result<bool> {
    match fs::remove_dir(group) {
        Err(error) if error.kind() == std::io::ErrorKind::ResourceBusy => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        result => result.map(|()| false).with_context(|| format!("remove {}", group.display())),
    }
}

impl Drop for Podman {
    fn drop(&mut self) {
        if let Err(error) = self.clean() {
            eprintln!("xtask: {error:#}");
        }
    }
}
