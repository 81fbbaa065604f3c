//! Deletes folders of checks, also what an ordinary user's containers made in them.
//!
//! A file that belongs to a sub-id, or a folder of mode 0 (overlayfs's workdir has one), is out of its user's reach;
//! as root of a user namespace with the same id maps the user gets at it. user_namespaces(7)

use std::ffi::OsString;
use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::{getegid, geteuid};

use crate::need::{program, sub_id_range};

/// The first argument that makes the executable delete a folder in a user namespace of its own.
pub const SWEEP: &str = "__sweep";

/// Deletes the folder and all below it.
///
/// # Errors
/// When something in it cannot be deleted, not even in a user namespace.
pub fn remove_all(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied && !geteuid().is_root() => {
            in_namespace(dir)
        }
        result => Ok(result?),
    }
}

fn in_namespace(dir: &Path) -> Result<()> {
    let mut sweeper = Command::new(crate::own_executable()?)
        .arg(SWEEP)
        .arg(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .context("start what deletes in a user namespace")?;
    let stdout = sweeper.stdout.take().context("it has no stdout")?;
    // Its first line says that it is in its namespace, which needs maps before anything can be done there.
    BufReader::new(stdout).read_line(&mut String::new())?;
    map("uid", sweeper.id(), geteuid().as_raw())?;
    map("gid", sweeper.id(), getegid().as_raw())?;
    sweeper.stdin.take().context("it has no stdin")?.write_all(b"go\n")?;
    let status = sweeper.wait()?;
    if !status.success() {
        bail!("deleting in a user namespace ended with {status}");
    }
    Ok(())
}

/// Id 0 is the user, and the ids from 1 up are the sub-ids, if there are any.
fn map(kind: &str, pid: u32, own: u32) -> Result<()> {
    let tool = program(&format!("new{kind}map"));
    if let (Some((first, count)), Some(tool)) = (sub_id_range(&format!("/etc/sub{kind}")), tool) {
        let numbers = [pid, 0, own, 1, 1, first, count].map(|number| number.to_string());
        let status = Command::new(&tool).args(numbers).status()?;
        if !status.success() {
            bail!("{} ended with {status}", tool.display());
        }
        return Ok(());
    }
    if kind == "gid" {
        fs::write(format!("/proc/{pid}/setgroups"), "deny")?;
    }
    fs::write(format!("/proc/{pid}/{kind}_map"), format!("0 {own} 1")).context("write the id map")
}

/// The life of the process that deletes.
pub(crate) fn main(arguments: &[OsString]) -> Result<()> {
    let [dir] = arguments else { bail!("{SWEEP} DIR") };
    unshare(CloneFlags::CLONE_NEWUSER).context("make a user namespace")?;
    println!("ready");
    std::io::stdin().read_to_end(&mut Vec::new())?;
    fs::remove_dir_all(dir).with_context(|| format!("remove {}", dir.display()))
}
