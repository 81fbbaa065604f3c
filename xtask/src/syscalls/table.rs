//! The table of system calls: one section for each kind of machine, in it one for each start.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use super::trace::Counts;
use crate::steps;

pub const FILE: &str = "xtask/syscalls.toml";

const HEAD: &str = "# How many system calls a start makes. `cargo xtask syscalls` compares, `cargo xtask syscalls --bless` writes this anew.

";

/// Everything but `read` and what stands in [`UNSTEADY`].
pub const ALL: &str = "all";

/// The calls that have a line of their own: those that make processes, namespaces and mounts, and those that go to disks
/// and sockets.
const EXPENSIVE: &[&str] = &[
    "chroot",
    "clone",
    "clone3",
    "execve",
    "fdatasync",
    "fsconfig",
    "fsmount",
    "fsopen",
    "fsync",
    "mount",
    "mount_setattr",
    "move_mount",
    "open_tree",
    "openat",
    "openat2",
    "pivot_root",
    READ,
    "recvfrom",
    "recvmsg",
    "sendmsg",
    "sendto",
    "setns",
    "syncfs",
    "umount2",
    "unshare",
    "vfork",
    "write",
];

/// How often a process waits depends on who is faster, how often a directory is read on what else is in it, and only a
/// debug build asks with fcntl(2) whether a descriptor is open before it closes it.
const UNSTEADY: &[&str] = &[
    "clock_nanosleep",
    "fcntl",
    "futex",
    "getdents64",
    "poll",
    "ppoll",
    "restart_syscall",
    "sched_yield",
    "wait4",
    "waitid",
];

/// The host's mount table is read in pieces, and a process's state in pieces of 32 bytes: longer tables and longer process
/// IDs take more of them. A tenth covers that, and 2 where there is little to read.
const READ: &str = "read";

fn margin(call: &str, expected: u32) -> u32 {
    if call == READ { (expected / 10).max(2) } else { 0 }
}

/// The counts of each start.
#[derive(Debug, Default)]
pub struct Table(BTreeMap<String, Counts>);

impl Table {
    /// The section for a kind of machine.
    pub fn read(kind: &str) -> Result<Option<Table>> {
        Ok(read_all()?.remove(kind).map(Table))
    }

    pub fn add(&mut self, start: String, counts: Counts) {
        self.0.insert(start, counts);
    }

    /// Puts this in the place of the section for `kind`.
    pub fn write(self, kind: &str) -> Result<()> {
        let mut all = read_all()?;
        all.insert(kind.to_owned(), self.0);
        let text = toml::to_string(&all).context("write the table as TOML")?;
        fs::write(path(), HEAD.to_owned() + &text).with_context(|| format!("write {FILE}"))?;
        println!("{FILE}: written for {kind}");
        Ok(())
    }

    /// Fails with every difference, in either direction: a table that says too much would let the next call in unseen.
    pub fn compare(&self, counted: &Table) -> Result<()> {
        let starts: BTreeSet<&String> = self.0.keys().chain(counted.0.keys()).collect();
        let none = Counts::new();
        let counts =
            |table: &'_ Table, start: &String| table.0.get(start).cloned().unwrap_or_else(|| none.clone());
        let mut wrong = Vec::new();
        for start in starts {
            let differences = differences(&counts(self, start), &counts(counted, start));
            wrong.extend(differences.into_iter().map(|difference| format!("{start}: {difference}")));
        }
        if wrong.is_empty() {
            return Ok(());
        }
        bail!(
            "the starts make other calls than {FILE} says:\n{}\nmend what makes them; where the change is meant, \
             run `cargo xtask syscalls --bless` and commit the table",
            wrong.join("\n")
        )
    }
}

fn path() -> PathBuf {
    steps::root().join(FILE)
}

fn read_all() -> Result<BTreeMap<String, BTreeMap<String, Counts>>> {
    match fs::read_to_string(path()) {
        Ok(text) => toml::from_str(&text).with_context(|| format!("read {FILE}")),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeMap::new()),
        Err(error) => Err(error).with_context(|| format!("read {FILE}")),
    }
}

/// The fewest of each call over several traces of one start, in the lines of the table.
pub fn fewest(traces: &[Counts]) -> Counts {
    let names: BTreeSet<&String> = traces.iter().flat_map(BTreeMap::keys).collect();
    let mut all = 0;
    let mut fewest = Counts::new();
    for name in names.into_iter().filter(|name| !UNSTEADY.contains(&name.as_str())) {
        let count = traces.iter().map(|trace| trace.get(name).copied().unwrap_or(0)).min().unwrap_or(0);
        if name != READ {
            all += count;
        }
        if count > 0 && EXPENSIVE.contains(&name.as_str()) {
            fewest.insert(name.clone(), count);
        }
    }
    fewest.insert(ALL.to_owned(), all);
    fewest
}

fn differences(expected: &Counts, counted: &Counts) -> Vec<String> {
    let calls: BTreeSet<&String> = expected.keys().chain(counted.keys()).collect();
    let of = |counts: &Counts, call: &String| counts.get(call).copied().unwrap_or(0);
    let lines = calls.into_iter().map(|call| (call, of(expected, call), of(counted, call)));
    let wrong =
        lines.filter(|(call, expected, counted)| expected.abs_diff(*counted) > margin(call, *expected));
    wrong.map(|(call, expected, counted)| format!("{call}: expected {expected}, counted {counted}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::syscalls::trace;

    /// A trace with so many calls of each name.
    fn traced(calls: &[(&str, usize)]) -> Counts {
        let mut text = "7 execve(\"/step01\", [], []) = 0\n".to_owned();
        for (name, count) in calls {
            text += &format!("7 {name}(0) = 0\n").repeat(*count);
        }
        trace::count(&text)
    }

    fn table(calls: &[(&str, usize)]) -> Table {
        let mut table = Table::default();
        table.add("step01 run true".to_owned(), fewest(&[traced(calls)]));
        table
    }

    #[test]
    fn one_call_more_or_less_is_a_difference() {
        let calls = [("openat", 4), ("close", 4), ("read", 40), ("futex", 3)];
        let as_before = table(&calls);
        as_before.compare(&table(&calls)).unwrap();
        let told = |calls: &[(&str, usize)]| as_before.compare(&table(calls)).unwrap_err().to_string();
        for (openat, close, lines) in [
            (
                5,
                4,
                "step01 run true: all: expected 9, counted 10\nstep01 run true: openat: expected 4, counted 5\n",
            ),
            (
                3,
                4,
                "step01 run true: all: expected 9, counted 8\nstep01 run true: openat: expected 4, counted 3\n",
            ),
            (4, 5, "says:\nstep01 run true: all: expected 9, counted 10\nmend"),
        ] {
            let error = told(&[("openat", openat), ("close", close), ("read", 40)]);
            assert!(error.contains(lines), "{error}");
            assert!(error.contains("cargo xtask syscalls --bless"), "{error}");
        }
    }

    #[test]
    fn what_depends_on_the_moment_or_the_host_has_room() {
        let as_before = table(&[("read", 40), ("poll", 2)]);
        as_before.compare(&table(&[("read", 44), ("poll", 5), ("futex", 9)])).unwrap();
        let error = as_before.compare(&table(&[("read", 45)])).unwrap_err().to_string();
        assert!(error.contains("read: expected 40, counted 45"), "{error}");
        assert!(as_before.compare(&table(&[("read", 35)])).is_err());
    }

    #[test]
    fn the_fewest_of_each_call_are_taken() {
        let runs =
            [traced(&[("openat", 5), ("mount", 1)]), traced(&[("openat", 4), ("fsync", 1), ("mount", 2)])];
        let fewest = fewest(&runs);
        assert_eq!((fewest["openat"], fewest["mount"], fewest.get("fsync")), (4, 1, None));
        assert_eq!(fewest[ALL], 6);
    }

    #[test]
    fn a_start_that_was_added_or_taken_away_is_a_difference() {
        let (one, none) = (table(&[("openat", 4)]), Table::default());
        assert!(one.compare(&none).is_err());
        assert!(none.compare(&one).is_err());
    }
}
