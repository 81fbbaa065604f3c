//! Behaviours 44, 47 and 48 under `kill -9` at any moment.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use nix::sys::signal::Signal;

use super::super::common::send;
use super::bed::{Bed, ours};
use crate::kernel::hierarchy;
use crate::subject::PATIENCE;
use crate::{Check, Process, Subject, Verdict, expect, expect_eq};

const CHAOS: Check = Check {
    step: 7,
    behaviours: &[44, 47, 48],
    points: 4,
    section: "07-detach.html#break",
    after: &["detach-returns"],
    timeout: Duration::from_secs(600),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "chaos-starts",
        title: "killed at any moment of a start, runtimes leave nothing that `rm -f` and `prune` do not free",
        hints: &[
            "Whatever is made must be found by who comes next: locked while its maker lives, named after the container.",
            "FORK_TO_VETH_ROUNDS=200 makes this check longer.",
        ],
        run: starts,
        ..CHAOS
    },
    Check {
        id: "chaos-commands",
        title: "and killed at any moment of `stop`, `start`, `restart`, `rename` and `rm -f`",
        hints: &["A folder that is half removed is removed by the next command."],
        run: commands,
        ..CHAOS
    },
];

/// Marsaglia's xorshift: the same numbers in every run of this check.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % limit
    }
}

fn rounds() -> u64 {
    let asked = std::env::var("FORK_TO_VETH_ROUNDS").ok().and_then(|text| text.parse().ok());
    asked.unwrap_or(25)
}

/// Every directory of every hierarchy that is a container's of this check, whose ids are `ids`.
pub(super) fn groups(ids: &BTreeSet<String>) -> Vec<PathBuf> {
    let controllers = ["cpu", "cpuacct", "memory", "pids", "freezer", "blkio", "cpuset", "devices"];
    let tops = controllers.iter().map(|name| hierarchy(Some(name))).chain([hierarchy(None)]).flatten();
    let own = Process::this().cgroups().unwrap_or_default().into_iter().map(|group| group.path);
    let own: BTreeSet<String> = own.chain(["/".into()]).collect();
    let mut found = Vec::new();
    for top in tops {
        for dir in &own {
            let entries = fs::read_dir(top.join(dir.trim_start_matches('/'))).into_iter().flatten().flatten();
            let ours = |path: &PathBuf| {
                let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
                ids.iter().any(|id| name.ends_with(id.as_str()))
            };
            found.extend(entries.map(|entry| entry.path()).filter(ours));
        }
    }
    found
}

/// All runtimes of this check that are in no container.
fn runtimes(bed: &Bed) -> Vec<Process> {
    let here = Process::this().ns("pid").ok();
    let all = ours().into_iter().filter(|it| it.ns("pid").ok() == here);
    all.filter(|it| fs::read_link(it.path("exe")).is_ok_and(|exe| exe == bed.subject.bin)).collect()
}

/// Ids that were seen, so that their groups can be looked for.
fn note(bed: &Bed, ids: &mut BTreeSet<String>) -> Verdict {
    ids.extend(bed.folders()?);
    Ok(())
}

fn listed(bed: &Bed, round: u64) -> Verdict {
    let rows = bed.ps(&["-a"]).with_context(|| format!("`ps -a` after round {round}"))?;
    let ids: Vec<&str> = rows.iter().filter_map(|row| row["ID"].as_str()).collect();
    if ids.is_empty() {
        return Ok(());
    }
    let output = bed.output(&[&["inspect"], &ids[..]].concat())?;
    // One may have thrown itself away meanwhile.
    if output.code() != 0 && ids.iter().all(|id| bed.folder(id).exists()) {
        bail!("`inspect` after round {round}: {}", output.err());
    }
    Ok(())
}

/// Ends what runs, prunes, and wants nothing to be left.
fn clear(bed: &Bed, ids: &mut BTreeSet<String>) -> Verdict {
    // The last to die is no `run`'s to clear away.
    let last = bed.idle(&[])?;
    ids.insert(last.id);
    send(last.runtime, Signal::SIGKILL)?;
    let running: Vec<String> =
        bed.ps(&[])?.iter().filter_map(|row| row["ID"].as_str().map(String::from)).collect();
    for id in &running {
        // Throwaway ones are gone when they are killed.
        bed.output(&["kill", id])?;
    }
    super::bed::until_all_gone(&runtimes(bed), "that looked after containers")?;
    bed.ok(&["prune"])?;
    bed.expect_nothing(&BTreeSet::new(), "after `prune`")?;
    Bed::expect_swept(|| groups(ids), "after `prune`")?;
    expect_eq!(bed.ok(&["ps", "-aq"])?, "", "stdout of `ps -aq` after `prune`");
    let volumes = bed.ok(&["volume", "ls", "-q"])?;
    expect_eq!(volumes, "named\n", "volumes after `prune`");
    let drafts = bed.data.join("drafts");
    let left = fs::read_dir(&drafts).map(Iterator::count).unwrap_or(0);
    expect_eq!(left, 0, "what lies in drafts after `prune`");
    Ok(())
}

fn starts(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.ok(&["volume", "create", "named"])?;
    let mut dice = Dice(0x5eed_0007);
    let mut ids = BTreeSet::new();
    for round in 0..rounds() {
        let name = format!("name{}", dice.below(6));
        let mut options = vec!["-d", "--name", &name, "-v", "named:/data"];
        if dice.below(3) == 0 {
            options.push("--rm");
        }
        if dice.below(3) == 0 {
            options.push("--init");
        }
        let mut running = bed.launch(&options, &["sh", "-c", "sleep 1000 & sleep 1000"]).start()?;
        std::thread::sleep(Duration::from_micros(dice.below(90_000)));
        note(&bed, &mut ids)?;
        // The one that was called, or any of those at work, the supervisors of earlier rounds among them.
        let victims = runtimes(&bed);
        let at = usize::try_from(dice.below(victims.len().max(1) as u64))?;
        match (dice.below(2), victims.get(at)) {
            (0, Some(victim)) => send(*victim, Signal::SIGKILL)
                .or_else(|error| if victim.alive() { Err(error) } else { Ok(()) })?,
            _ => running.signal(Signal::SIGKILL)?,
        }
        let output = running.wait(PATIENCE)?;
        expect!(
            [0, 125, -9].contains(&output.code()),
            "an exit status of 0 or 125, or SIGKILL",
            "{output:?}"
        );
        note(&bed, &mut ids)?;
        listed(&bed, round)?;
    }
    clear(&bed, &mut ids)?;
    for number in 0..6 {
        bed.idle(&["--name", &format!("name{number}")]).context("a name is not free")?;
    }
    Ok(())
}

fn commands(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.ok(&["volume", "create", "named"])?;
    let mut dice = Dice(0x5eed_0047);
    let mut ids = BTreeSet::new();
    for round in 0..rounds() {
        let here: Vec<String> = bed.folders()?;
        if here.len() < 2 {
            let up = bed.up(
                &["-v", "named:/data"],
                &["sh", "-c", "trap 'exit 3' TERM; while :; do sleep 0.02; done"],
            )?;
            ids.insert(up.id);
            continue;
        }
        let id = &here[usize::try_from(dice.below(here.len() as u64))?];
        let new = format!("new{round}");
        let words: &[&str] = match dice.below(5) {
            0 => &["stop", "-t", "1", id],
            1 => &["start", id],
            2 => &["restart", "-t", "1", id],
            3 => &["rename", id, &new],
            _ => &["rm", "-f", id],
        };
        let mut running = bed.call(words).start()?;
        std::thread::sleep(Duration::from_micros(dice.below(60_000)));
        running.signal(Signal::SIGKILL)?;
        running.wait(PATIENCE)?;
        let victims = runtimes(&bed);
        if dice.below(3) == 0 && !victims.is_empty() {
            // It may end by itself in this moment.
            send(victims[usize::try_from(dice.below(victims.len() as u64))?], Signal::SIGKILL).ok();
        }
        listed(&bed, round)?;
    }
    clear(&bed, &mut ids)
}
