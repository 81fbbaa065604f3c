//! Behaviour 44, the half that people see: `ps`, `top`, `stats`, `pause`, `prune`.

use std::collections::BTreeSet;
use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::step05::own::small_layer;
use super::bed::Bed;
use crate::archive::image::{self, Image};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const LISTING: Check = Check {
    step: 7,
    behaviours: &[44],
    points: 1,
    section: "07-detach.html#ps",
    after: &["state-exit-codes"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "ps-running",
        title: "`ps` shows what runs, with -a all, with -q the ids alone, the newest first",
        hints: &["The kernel is asked for each whether it runs."],
        run: running,
        ..LISTING
    },
    Check {
        id: "ps-json",
        title: "`ps --format json` prints an object a line with Docker's keys",
        hints: &["ID, Image, Command, CreatedAt, State, Status, Names."],
        run: json_keys,
        ..LISTING
    },
    Check {
        id: "ps-filters",
        title: "`ps --filter` by status, name, id and ancestor; several must all hold; an unknown one is an error",
        hints: &["A status is asked for as such: then -a is not needed."],
        run: filters,
        ..LISTING
    },
    Check {
        id: "prune-ended",
        behaviours: &[44, 47],
        title: "`prune` removes every container that does not run, and no other",
        hints: &["One that is locked by its runtime is not yours."],
        section: "07-detach.html#commands",
        run: prune,
        ..LISTING
    },
];

pub(super) fn ids(rows: &[Value]) -> Vec<String> {
    rows.iter().filter_map(|row| row["ID"].as_str().map(String::from)).collect()
}

/// A container that runs and two that have ended, named so.
struct Three {
    up: String,
    zero: String,
    seven: String,
}

fn three(bed: &Bed) -> Result<Three> {
    let end = |name: &str, script: &str| -> Result<String> {
        let output = bed.launch(&["-d", "--name", name], &["sh", "-c", script]).output()?.success()?;
        bed.ok(&["wait", name])?;
        Ok(output.out().trim_end().to_owned())
    };
    let (zero, seven) = (end("zero", "exit 0")?, end("seven", "exit 7")?);
    // Times are kept in seconds.
    std::thread::sleep(Duration::from_millis(1100));
    Ok(Three { up: bed.idle(&["--name", "up"])?.id, zero, seven })
}

fn running(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let header = bed.ok(&["ps"])?;
    let titles = ["CONTAINER ID", "IMAGE", "COMMAND", "CREATED", "STATUS", "NAMES"];
    expect_eq!(header.lines().count(), 1, "lines of `ps` with no container: {header:?}");
    expect!(titles.iter().all(|title| header.contains(title)), "the titles {titles:?}", "{header:?}");
    expect_eq!(bed.ok(&["ps", "-q"])?, "", "stdout of `ps -q` with no container");
    let Three { up, zero, seven } = three(&bed)?;
    expect_eq!(bed.ok(&["ps", "-q"])?, format!("{up}\n"), "stdout of `ps -q`");
    let all = bed.ok(&["ps", "-aq"])?;
    let lines: Vec<&str> = all.lines().collect();
    expect_eq!(lines.first().copied(), Some(up.as_str()), "the first line of `ps -aq`, the newest");
    let set: BTreeSet<&str> = lines.iter().copied().collect();
    expect_eq!(set, BTreeSet::from([up.as_str(), &zero, &seven]), "lines of `ps -aq`");
    let table = bed.ok(&["ps", "-a"])?;
    for (id, words) in
        [(&up, &["Up ", "sleep 1000"][..]), (&zero, &["Exited (0)"]), (&seven, &["Exited (7)"])]
    {
        let line = table.lines().find(|line| line.starts_with(id.as_str())).unwrap_or_default();
        expect!(words.iter().all(|word| line.contains(word)), "{words:?} in the line of {id}", "{line:?}");
    }
    Ok(())
}

fn json_keys(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let odd = "say \"it\"\n\tand 'that' \u{1}";
    let up = bed.up(&["--name", "box"], &["sh", "-c", "exec sleep 1000", odd])?;
    bed.launch(&[], &["true"]).output()?.success()?;
    let rows = bed.ps(&[])?;
    expect_eq!(rows.len(), 1, "lines of `ps --format json`");
    let row = &rows[0];
    for (key, wanted) in [("ID", up.id.as_str()), ("Names", "box"), ("State", "running")] {
        expect_eq!(row[key], json!(wanted), "`{key}`");
    }
    for key in ["Image", "Command", "CreatedAt", "Status"] {
        expect!(row[key].is_string(), "a string `{key}`", "{row}");
    }
    let command = row["Command"].as_str().unwrap_or_default();
    expect!(command.contains("exec sleep 1000"), "the command line in `Command`", "{command:?}");
    let nameless = bed.ps(&["-a", "--filter", "status=exited"])?;
    expect_eq!(nameless.len(), 1, "lines with the one that has ended");
    expect_eq!(nameless[0]["Names"], json!(""), "`Names` of one without a name");
    let output = bed.output(&["ps", "--format", "yaml"])?;
    bed.own_error(&output, 125, "yaml", "`ps --format yaml`")
}

fn filters(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let Three { up, zero, seven } = three(&bed)?;
    let file = subject.scratch().join("image.tar");
    let image = Image::new("check/base:latest", vec![small_layer()?]);
    fs::write(&file, image::pack(&image::docker(&[image])?))?;
    bed.ok(&["load", file.to_str().context("the scratch folder has an odd name")?])?;
    let base = bed.ok(&["run", "-d", "--name", "of-base", "check/base", "sleep", "1000"])?;
    let base = base.trim_end().to_owned();
    let cases: [(&[&str], &[&str]); 9] = [
        (&["status=exited"], &[&zero, &seven]),
        (&["status=running"], &[&up, &base]),
        (&["status=paused"], &[]),
        (&["name=up"], &[&up]),
        (&["name=e"], &[&base]),
        (&["name=e", "status=exited"], &[&zero, &seven]),
        (&["name=seven", "name=zero"], &[]),
        (&["ancestor=check/base"], &[&base]),
        (&["ancestor=check/base:latest", "status=running"], &[&base]),
    ];
    for (filters, wanted) in cases {
        let args: Vec<&str> = filters.iter().flat_map(|filter| ["--filter", filter]).collect();
        let found: BTreeSet<String> = ids(&bed.ps(&args)?).into_iter().collect();
        let wanted: BTreeSet<String> = wanted.iter().map(|id| (*id).to_owned()).collect();
        expect_eq!(found, wanted, "ids of `ps` with {filters:?}");
    }
    expect_eq!(
        ids(&bed.ps(&["-a", "--filter", &format!("id={}", &zero[..8])])?),
        [zero],
        "ids by their beginning"
    );
    for wrong in ["colour=red", "status", "status=asleep", ""] {
        let output = bed.output(&["ps", &format!("--filter={wrong}")])?;
        bed.own_error(&output, 125, "filter", &format!("`ps --filter={wrong}`"))?;
    }
    Ok(())
}

fn prune(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    expect_eq!(bed.ok(&["prune"])?, "", "stdout of `prune` with nothing to do");
    let Three { up, zero, seven } = three(&bed)?;
    let removed = bed.ok(&["prune"])?;
    let lines: BTreeSet<&str> = removed.lines().filter(|line| line.len() == 12).collect();
    expect_eq!(lines, BTreeSet::from([zero.as_str(), &seven]), "ids on stdout of `prune`");
    expect_eq!(bed.folders()?, [up.as_str()], "folders of containers after `prune`");
    expect_eq!(bed.state("up")?.0, "running", "status of the one that runs");
    // Beside containers that start and end, nothing that runs is lost.
    let mut pruning = (0..4).map(|_| bed.call(&["prune"]).start()).collect::<Result<Vec<_>>>()?;
    let more = (0..4).map(|_| Ok(bed.idle(&[])?.id)).collect::<Result<Vec<_>>>()?;
    for running in &mut pruning {
        running.wait(Duration::from_secs(20))?.success()?;
    }
    for id in more.iter().chain([&up]) {
        expect_eq!(
            bed.state(id)?.0,
            "running",
            "status of each that runs, after `prune` beside their starts"
        );
    }
    Ok(())
}
