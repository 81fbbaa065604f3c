//! Where a grading took place.

use std::fs;

use serde::Serialize;

use crate::kernel;

/// The machine and the user that the checks ran on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Machine {
    /// The kernel's release, as `uname -r` prints it.
    pub kernel: String,
    pub arch: String,
    /// `root` or `user`.
    pub user: String,
    /// `v1`, `v2`, `hybrid` or `none`.
    pub cgroups: String,
    /// Why nothing at all can be judged here.
    pub lack: Option<String>,
}

impl Machine {
    /// This one.
    #[must_use]
    pub fn this() -> Machine {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        let (v1, v2) = (kernel::hierarchy(Some("memory")).is_some(), kernel::hierarchy(None).is_some());
        let cgroups = match (v1, v2) {
            (true, true) => "hybrid",
            (true, false) => "v1",
            (false, true) => "v2",
            (false, false) => "none",
        };
        let root = nix::unistd::geteuid().is_root();
        Machine {
            kernel: release.trim().to_string(),
            arch: std::env::consts::ARCH.into(),
            user: if root { "root" } else { "user" }.into(),
            cgroups: cgroups.into(),
            lack: None,
        }
    }
}
