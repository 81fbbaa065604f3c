//! What strace(1) writes.

use std::collections::{BTreeMap, BTreeSet};

/// How often each system call was made, by name.
pub type Counts = BTreeMap<String, u32>;

/// Counts the calls in a trace made with `strace -f -o FILE`, up to the point where a process becomes another program:
/// what the command, `nft` and the loader do is not the runtime's doing.
pub fn count(trace: &str) -> Counts {
    let mut counts = Counts::new();
    let mut others = BTreeSet::new();
    let mut started = false;
    for line in trace.lines() {
        let Some((pid, event)) = line.split_once(' ') else { continue };
        let event = event.trim();
        if others.contains(pid) {
            continue;
        }
        let name = event.split('(').next().unwrap_or_default();
        // Exits are `+++ … +++`, signals `--- … ---`, the second halves of calls `<... …`.
        if !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || c == '_') {
            *counts.entry(name.to_owned()).or_default() += 1;
        }
        let execve = event.starts_with("execve(") || event.starts_with("<... execve resumed>");
        if execve && event.ends_with("= 0") {
            // The first is strace's own start of the runtime.
            if started {
                others.insert(pid);
            }
            started = true;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_runtime_s_own_calls_are_counted() {
        let trace = "7 execve(\"/step01\", [\"step01\"], 0x1 /* 2 vars */) = 0\n7 openat(AT_FDCWD, \"/a\", O_RDONLY) = 3\n\
                     7 clone3({flags=0}, 88 <unfinished ...>\n8 openat(AT_FDCWD, \"/b\", O_RDONLY <unfinished ...>\n\
                     7 <... clone3 resumed>) = 8\n8 <... openat resumed>) = 4\n\
                     8 execve(\"/nowhere\", [], []) = -1 ENOENT (No such file or directory)\n\
                     8   execve(\"/bin/true\", [\"true\"], [] <unfinished ...>\n7 --- SIGCHLD {si_signo=SIGCHLD} ---\n\
                     8 <... execve resumed>) = 0\n8 openat(AT_FDCWD, \"/etc/ld.so.cache\", O_RDONLY) = 3\n\
                     8 +++ exited with 0 +++\n7 exit_group(0) = ?\n";
        let expected = [("clone3", 1), ("execve", 3), ("exit_group", 1), ("openat", 2)];
        let expected: Counts = expected.into_iter().map(|(name, count)| (name.to_owned(), count)).collect();
        assert_eq!(count(trace), expected);
    }
}
