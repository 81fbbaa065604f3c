//! A probe that watches who comes into its container.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::fs;
use std::io::Write;
use std::os::fd::AsFd;

use anyhow::{Context, Result};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Prints `ready`, and then looks at every process of its container again and again until its stdin ends: `saw NAME` for
/// each name that a process has, and `into NAME: WHAT` for what a process that runs no file of this root lets be seen.
pub(super) fn watch(_arguments: &[OsString]) -> Result<()> {
    println!("ready");
    let mut told = BTreeSet::new();
    let own = std::process::id();
    while poll(&mut [PollFd::new(std::io::stdin().as_fd(), PollFlags::POLLIN)], PollTimeout::ZERO)? == 0 {
        for entry in fs::read_dir("/proc").context("list /proc")?.flatten() {
            let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else {
                continue;
            };
            if pid > 1 && pid != own {
                look(pid, &mut told);
            }
        }
    }
    Ok(())
}

fn look(pid: u32, told: &mut BTreeSet<String>) {
    let path = |name: &str| format!("/proc/{pid}/{name}");
    let Ok(name) = fs::read_to_string(path("comm")) else { return };
    let name = name.trim_end();
    tell(told, format!("saw {name}"));
    // Of a process that may be looked into, the file that it runs is no secret.
    let Ok(file) = fs::read_link(path("exe")) else { return };
    if fs::exists(&file).unwrap_or(false) {
        return;
    }
    tell(told, format!("into {name}: it runs {}", file.display()));
    for what in ["root", "cwd", "fd"] {
        if fs::read_dir(path(what)).is_ok() {
            tell(told, format!("into {name}: its {what} can be opened"));
        }
    }
}

fn tell(told: &mut BTreeSet<String>, line: String) {
    if told.insert(line.clone()) {
        // Who asked has gone when it cannot be told, and then stdin ends.
        let _ = writeln!(std::io::stdout(), "{line}");
    }
}
