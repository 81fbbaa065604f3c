//! Behaviour 49: a container is found by its id, or by as much of it as is needed.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Context;

use super::bed::{Bed, until_all_gone};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const NAMES: Check = Check {
    step: 7,
    behaviours: &[48],
    points: 2,
    section: "07-detach.html#names",
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "id-by-prefix",
        behaviours: &[49],
        title: "every command finds a container by its name, its id, and the beginning of an id that is of one alone",
        hints: &["The name first, then the id."],
        run: by_prefix,
        ..NAMES
    },
    Check {
        id: "id-ambiguous",
        behaviours: &[49],
        title: "a beginning of several ids, of none, an empty word and a path are one error, and nothing happens",
        hints: &["Compare with the ids that there are; never join what was given to a path."],
        run: ambiguous,
        ..NAMES
    },
];

fn by_prefix(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let one = bed.script(&["--name", "one"], "echo ready; exec sleep 1000")?;
    let two = bed.idle(&[])?;
    let same = one.id.bytes().zip(two.id.bytes()).take_while(|(a, b)| a == b).count();
    let prefix = &one.id[..=same];
    for word in [prefix, &one.id[..11], &one.id, "one"] {
        expect_eq!(bed.inspect(word)?["id"].as_str(), Some(one.id.as_str()), "id in `inspect {word}`");
        expect_eq!(bed.ok(&["logs", word])?, "ready\n", "stdout of `logs {word}`");
        expect_eq!(
            bed.ok(&["exec", word, "hostname-of"]).is_err(),
            true,
            "`exec {word}` of no command to fail"
        );
        expect_eq!(
            bed.ok(&["exec", word, "cat", "/proc/sys/kernel/hostname"])?.trim_end(),
            one.id,
            "`exec {word}`"
        );
        expect!(bed.ok(&["top", word])?.contains("sleep"), "a process in `top {word}`", "none");
    }
    // A name is a name, even if it looks like the beginning of an id.
    let digits = &two.id[..=same];
    bed.ok(&["rename", "one", digits])?;
    expect_eq!(
        bed.inspect(digits)?["id"].as_str(),
        Some(one.id.as_str()),
        "what {digits} leads to as a name"
    );
    bed.ok(&["kill", digits])?;
    until_all_gone(&[one.command], "of the container with that name")?;
    expect!(two.command.alive(), "the other one to go on", "its end");
    bed.ok(&["wait", prefix])?;
    bed.ok(&["start", prefix])?;
    bed.ok(&["stop", "-t", "0", prefix])?;
    bed.ok(&["rm", prefix])?;
    bed.ok(&["rm", "-f", &two.id[..6]])?;
    bed.expect_nothing(&BTreeSet::new(), "after both")
}

fn ambiguous(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let mut ids: Vec<String> = Vec::new();
    // Two of seventeen begin with one digit; most often two of six do.
    let digit = loop {
        let output = bed.launch(&["-d"], &["true"]).output()?.success()?;
        let id = output.out().trim_end().to_owned();
        let first = id[..1].to_owned();
        let twice = ids.iter().any(|other| other.starts_with(&first));
        ids.push(id);
        if twice {
            break first;
        }
        expect!(ids.len() < 17, "two ids with one first digit", "{ids:?}");
    };
    for id in &ids {
        bed.ok(&["wait", id])?;
    }
    let path = bed.folder(&ids[0]);
    let path = path.to_str().context("the scratch folder has an odd name")?;
    let around = format!("../containers/{}", ids[0]);
    let upper = ids[0].to_ascii_uppercase() + "X";
    let long = ids[0].clone() + "0";
    for word in [&digit, "", ".", "..", path, &around, &upper, &long, "no-such", "*"] {
        for command in [&["rm", "-f"][..], &["stop"], &["start"], &["logs"], &["wait"], &["kill"]] {
            let words = [command, &["--", word]].concat();
            bed.refused(&words, word)?;
        }
        let output = bed.output(&["inspect", "--", word])?;
        expect_eq!(output.code(), 125, "exit status of `inspect {word}`");
    }
    let mut folders = ids.clone();
    folders.sort();
    expect_eq!(bed.folders()?, folders, "folders of containers afterwards");
    for id in &ids {
        expect_eq!(bed.state(id)?.0, "exited", "status of each afterwards");
    }
    Ok(())
}
