//! What a container could leave on the host, before and after.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, ensure};
use similar::{ChangeTag, TextDiff};

/// The beginnings of names that this project gives to files, cgroups and processes.
const OURS: [&str; 4] = ["fork-to-veth", "xtask-", "step0", "linux.uml"];

/// Writes the state down.
pub fn before(file: &Path) -> Result<()> {
    fs::write(file, state()?).with_context(|| format!("write {}", file.display()))
}

/// Compares with what was written down.
///
/// # Errors
/// When the host differs; the difference is on stdout by then.
pub fn after(file: &Path) -> Result<()> {
    let before = fs::read_to_string(file).with_context(|| format!("read {}", file.display()))?;
    let difference = difference(&before, &state()?);
    difference.iter().for_each(|line| println!("{line}"));
    ensure!(difference.is_empty(), "the host is not as it was before");
    println!("the host is as it was: {} lines of state", before.lines().count());
    Ok(())
}

pub fn difference(before: &str, after: &str) -> Vec<String> {
    let diff = TextDiff::from_lines(before, after);
    let changes = diff.iter_all_changes();
    changes
        .filter_map(|change| match change.tag() {
            ChangeTag::Equal => None,
            // Somebody else's run may have ended meanwhile; it is what has come that was left behind.
            ChangeTag::Delete
                if ["cgroup ", "process ", "file "].iter().any(|kind| change.value().starts_with(kind)) =>
            {
                None
            }
            ChangeTag::Delete => Some(format!("- {}", change.value().trim_end())),
            ChangeTag::Insert => Some(format!("+ {}", change.value().trim_end())),
        })
        .collect()
}

pub fn state() -> Result<String> {
    let mut lines = mounts()?;
    lines.extend(cgroups(Path::new("/sys/fs/cgroup")));
    lines.extend(named("/sys/class/net", |_| true)?.into_iter().map(|name| format!("link {name}")));
    lines.extend(processes()?);
    for folder in ["/tmp", "/dev/shm"].map(Path::new).into_iter().chain([std::env::temp_dir().as_path()]) {
        let ours = named(folder, is_ours)?;
        lines.extend(ours.into_iter().map(|name| format!("file {}", folder.join(name).display())));
    }
    let home = std::env::var_os("HOME").unwrap_or_default();
    let data = Path::new(&home).join(".local/share/fork-to-veth");
    for folder in [Path::new("/var/lib/fork-to-veth"), Path::new("/run/fork-to-veth"), &data] {
        if folder.is_dir() {
            lines.extend(
                named(folder, |_| true)?
                    .into_iter()
                    .map(|name| format!("data {name} in {}", folder.display())),
            );
        }
    }
    for file in ["/etc/passwd", "/etc/subuid", "/etc/subgid", "/proc/sys/net/ipv4/ip_forward"] {
        let text = fs::read_to_string(file).unwrap_or_default();
        lines.extend(text.lines().map(|line| format!("{file}: {line}")));
    }
    if let Ok(rules) = Command::new("nft").args(["list", "ruleset"]).output() {
        lines.extend(String::from_utf8_lossy(&rules.stdout).lines().map(|line| format!("nft {line}")));
    }
    lines.sort();
    Ok(lines.join("\n") + "\n")
}

fn is_ours(name: &str) -> bool {
    OURS.iter().any(|ours| name.starts_with(ours))
}

/// Each mount without its number, which changes when a mount comes and goes. proc_pid_mountinfo(5).
fn mounts() -> Result<Vec<String>> {
    let text = fs::read_to_string("/proc/self/mountinfo").context("read /proc/self/mountinfo")?;
    let words = text.lines().map(|line| line.split(' ').skip(3).collect::<Vec<_>>().join(" "));
    Ok(words.map(|line| format!("mount {line}")).collect())
}

/// Every group of ours in every hierarchy. Other groups come and go with the machine's own services.
fn cgroups(folder: &Path) -> Vec<String> {
    // A group that goes away meanwhile is no concern of ours.
    let Ok(entries) = fs::read_dir(folder) else { return Vec::new() };
    let folders = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    let mut found = Vec::new();
    for entry in folders {
        if is_ours(&entry.file_name().to_string_lossy()) {
            found.push(format!("cgroup {}", entry.path().display()));
        }
        found.extend(cgroups(&entry.path()));
    }
    found
}

fn processes() -> Result<Vec<String>> {
    let numbers = named("/proc", |name| name.bytes().all(|byte| byte.is_ascii_digit()))?;
    let stat = |pid: &String| fs::read_to_string(format!("/proc/{pid}/stat")).ok();
    Ok(numbers.iter().filter_map(stat).filter_map(|line| process(&line)).collect())
}

/// A process of ours from its line `PID (COMM) STATE …` in proc_pid_stat(5). One that has ended and waits for its
/// parent to notice is left out.
fn process(line: &str) -> Option<String> {
    let (pid, rest) = line.split_once(" (")?;
    let (name, rest) = rest.rsplit_once(") ")?;
    (is_ours(name) && !rest.starts_with('Z')).then(|| format!("process {pid} {name}"))
}

fn named(folder: impl AsRef<Path>, wanted: impl Fn(&str) -> bool) -> Result<Vec<String>> {
    let folder = folder.as_ref();
    let entries = fs::read_dir(folder).with_context(|| format!("list {}", folder.display()))?;
    let names = entries.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned()));
    let names: Vec<String> =
        names.collect::<std::io::Result<_>>().with_context(|| format!("list {}", folder.display()))?;
    Ok(names.into_iter().filter(|name| wanted(name)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_difference_is_shown_line_by_line() {
        assert!(difference("a\nb\n", "a\nb\n").is_empty());
        assert_eq!(difference("a\nb\n", "a\nc\n"), ["- b", "+ c"]);
        assert_eq!(difference("file /tmp/a\nlink lo\n", "file /tmp/b\n"), ["- link lo", "+ file /tmp/b"]);
        assert_eq!(difference("cgroup /a\n", "cgroup /b\n"), ["+ cgroup /b"]);
    }

    #[test]
    fn a_process_of_ours_counts_until_it_has_ended() {
        assert_eq!(process("7 (step04) S 1 7 7").as_deref(), Some("process 7 step04"));
        assert_eq!(process("7 (step04) Z 1 7 7"), None);
        assert_eq!(process("7 (sh) S 1 7 7"), None);
    }

    #[test]
    fn a_file_of_ours_is_part_of_the_state() {
        let scratch = crate::scratch::Scratch::new("state").unwrap();
        assert!(state().unwrap().contains(&format!("file {}\n", scratch.path().display())));
    }
}
