//! User and group ids of a user namespace: user_namespaces(7). The parent writes the maps, before the child goes on.

use crate::explain::explain;
use anyhow::{Context, Result, bail};
use nix::unistd::{Pid, User, getegid, geteuid};
use std::fs;
use std::process::Command;

/// A range of ids: `first` and the `count - 1` after it, on the host, set aside for one user.
struct Range {
    first: u32,
    count: u32,
}

/// Maps the ids of the user namespace that `child` is in.
///
/// Root's maps are the identity. Another user is root inside, and the ranges that /etc/subuid and /etc/subgid give
/// her follow from id 1 on; without ranges, or without the programs that may write them, she is alone in there.
pub fn write(child: Pid) -> Result<()> {
    let (uid, gid) = (geteuid(), getegid());
    if uid.is_root() {
        write_map(child, "uid_map", "0 0 4294967295")?;
        return write_map(child, "gid_map", "0 0 4294967295");
    }
    let names = [uid.to_string(), User::from_uid(uid)?.map_or(String::new(), |user| user.name)];
    match (range("/etc/subuid", &names)?, range("/etc/subgid", &names)?) {
        (Some(uids), Some(gids)) if installed("newuidmap") && installed("newgidmap") => {
            run_helper("newuidmap", child, uid.as_raw(), &uids)?;
            run_helper("newgidmap", child, gid.as_raw(), &gids)
        }
        _ => {
            // Without this the kernel refuses gid_map: a user who could drop a group would pass where members of that
            // group are shut out.
            write_map(child, "setgroups", "deny")?;
            write_map(child, "uid_map", &format!("0 {uid} 1"))?;
            write_map(child, "gid_map", &format!("0 {gid} 1"))
        }
    }
}

fn write_map(child: Pid, file: &str, text: &str) -> Result<()> {
    let path = format!("/proc/{child}/{file}");
    fs::write(&path, text).with_context(|| format!("write {text:?} to {path}"))?;
    explain!("write({path:?}, {text:?}) = {}", text.len());
    Ok(())
}

/// The first range of a subuid(5) file that belongs to one of `names`: lines of `NAME:FIRST:COUNT`.
fn range(file: &str, names: &[String]) -> Result<Option<Range>> {
    let Ok(text) = fs::read_to_string(file) else { return Ok(None) };
    for line in text.lines() {
        let fields: Vec<&str> = line.split(':').collect();
        if let [name, first, count] = fields[..]
            && names.iter().any(|known| known == name)
        {
            let number =
                |field: &str| field.trim().parse().with_context(|| format!("read {line:?} in {file}"));
            return Ok(Some(Range { first: number(first)?, count: number(count)? }));
        }
    }
    Ok(None)
}

fn installed(program: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
}

/// newuidmap(1) and newgidmap(1) are set-user-ID root: they may write what the user may not, and only her ranges.
fn run_helper(program: &str, child: Pid, own: u32, range: &Range) -> Result<()> {
    let numbers = [child.as_raw().cast_unsigned(), 0, own, 1, 1, range.first, range.count];
    let arguments = numbers.map(|number| number.to_string());
    let output = Command::new(program).args(&arguments).output().with_context(|| format!("run {program}"))?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("{program} {}: {}", arguments.join(" "), complaint.trim());
    }
    Ok(())
}
