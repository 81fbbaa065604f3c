//! Behaviours 48 and 49: a name belongs to one container, and a container is found by it or by its id.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::Result;

use super::bed::{Bed, Gate, contained, until_all_gone};
use crate::{Check, Running, Subject, Verdict, expect_eq};

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
        id: "name-one-wins",
        title: "of fifty `run -d` with one name at once one wins, and the others are one clear error each",
        points: 4,
        hints: &[
            "To look whether a name is free and to write it down must be one act: hold a lock over both.",
        ],
        timeout: Duration::from_secs(120),
        run: one_wins,
        ..NAMES
    },
    Check {
        id: "name-freed",
        title: "a name is free again after `rm`, after the end of a throwaway container and after a failed start",
        hints: &["A name is part of the record; without a record there is none."],
        run: freed,
        ..NAMES
    },
    Check {
        id: "name-shapes",
        behaviours: &[49],
        title: "a name that is empty, begins with a sign or holds a `/`, a space or a newline is refused",
        hints: &["Docker's rule: [a-zA-Z0-9][a-zA-Z0-9_.-]*"],
        run: shapes,
        ..NAMES
    },
    Check {
        id: "rename-free",
        title: "`rename` gives a free name, to a running container, too, and that outlives its next end and start",
        hints: &["Who writes a record later must not write back what it read before."],
        run: renames,
        ..NAMES
    },
    Check {
        id: "rename-taken",
        behaviours: &[48, 49],
        title: "a taken or wrong name is refused by `rename`; of several at once one gets it",
        hints: &["The same lock as for `run`."],
        run: rename_taken,
        ..NAMES
    },
];

fn one_wins(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let gate = Gate::new(subject)?;
    bed.launch(&["--rm"], &["true"]).output()?.success()?;
    contest(&bed, &gate, 50)?;
    // Of few, more come to the look at the same time.
    for _ in 0..25 {
        contest(&bed, &gate, 4)?;
    }
    bed.expect_nothing(&BTreeSet::new(), "after `rm -f` of every winner")
}

/// Lets so many starts set off at once for one name, and removes the one that got it.
fn contest(bed: &Bed, gate: &Gate, count: u32) -> Verdict {
    let start = || gate.before(bed.launch(&["-d", "--name", "same"], &["sleep", "1000"])).start();
    let mut all = (0..count).map(|_| start()).collect::<Result<Vec<Running>>>()?;
    std::thread::sleep(Duration::from_millis(4) * count);
    let open = gate.open()?;
    let mut winners = Vec::new();
    for running in &mut all {
        let output = running.wait(Duration::from_secs(60))?;
        if output.code() == 0 {
            winners.push(output.out().trim_end().to_owned());
        } else {
            bed.own_error(&output, 125, "same", &format!("one of {count} with one name"))?;
        }
    }
    drop(open);
    expect_eq!(winners.len(), 1, "how many of {count} got the name");
    expect_eq!(bed.folders()?, winners, "folders of containers");
    let rows = bed.ps(&["-a"])?;
    expect_eq!(rows.len(), 1, "containers in `ps -a`");
    expect_eq!(rows[0]["ID"].as_str(), Some(winners[0].as_str()), "the one that has the name");
    expect_eq!(contained().len(), 1, "processes in containers");
    bed.ok(&["rm", "-f", "same"]).map(drop)
}

fn freed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let run = |options: &[&str], argv: &[&str]| {
        bed.launch(&[&["-d", "--name", "box"], options].concat(), argv).output()
    };
    for _ in 0..2 {
        bed.own_error(&run(&[], &["no-such-command"])?, 127, "no-such-command", "a start that fails")?;
        let up = bed.idle(&["--name", "box"])?;
        bed.own_error(&run(&[], &["true"])?, 125, "box", "a run with a running container's name")?;
        bed.own_error(&run(&["--rm"], &["true"])?, 125, "box", "a throwaway run with that name")?;
        bed.ok(&["stop", "-t", "0", "box"])?;
        bed.own_error(&run(&[], &["true"])?, 125, &up.id, "a run with a kept container's name")?;
        bed.ok(&["rm", &up.id])?;
        let up = bed.idle(&["--name", "box", "--rm"])?;
        bed.ok(&["kill", "box"])?;
        until_all_gone(&[up.command, up.runtime], "of a throwaway container")?;
    }
    bed.expect_nothing(&BTreeSet::new(), "after the last one")
}

const WRONG: [&str; 13] = ["", "/", "a/b", "../a", "..", ".", ".a", "-x", "_a", "a b", "a\nb", "ä", "a:b"];

fn shapes(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for wrong in WRONG {
        for detached in [&["-d"][..], &[]] {
            let option = format!("--name={wrong}");
            let output = bed.launch(&[detached, &[&option]].concat(), &["echo", "started"]).output()?;
            bed.own_error(&output, 125, "name", &format!("a run with {option:?}"))?;
        }
    }
    bed.expect_nothing(&BTreeSet::new(), "after names that were refused")?;
    let outside: Vec<_> = std::fs::read_dir(subject.scratch())?.flatten().map(|it| it.file_name()).collect();
    expect_eq!(outside, ["data"], "what lies beside the data folder");
    for good in ["a", "A1_.-", "0", "x--", "a..b"] {
        bed.launch(&["-d", "--name", good], &["true"]).output()?.success()?;
        bed.ok(&["wait", good])?;
        bed.ok(&["rm", good])?;
    }
    Ok(())
}

fn renames(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.idle(&["--name", "old"])?;
    let name_is = |name: &str, when: &str| -> Verdict {
        expect_eq!(bed.inspect(&up.id)?["name"].as_str(), Some(name), "the name {when}");
        expect_eq!(bed.inspect(name)?["id"].as_str(), Some(up.id.as_str()), "what has that name {when}");
        Ok(())
    };
    bed.ok(&["rename", "old", "new"])?;
    name_is("new", "after `rename`")?;
    bed.refused(&["logs", "old"], "old")?;
    bed.ok(&["stop", "-t", "0", "new"])?;
    name_is("new", "after the end of its run")?;
    bed.expect_exited("new", 137, "after `rename` and `stop`")?;
    bed.ok(&["start", "new"])?;
    name_is("new", "after another start")?;
    bed.ok(&["kill", "new"])?;
    bed.ok(&["wait", "new"])?;
    bed.ok(&["rename", &up.id, "third"])?;
    name_is("third", "after `rename` of what has ended")?;
    // The old names are free, and one without a name gets its first.
    bed.idle(&["--name", "old"])?;
    let nameless = bed.idle(&[])?;
    bed.ok(&["rename", &nameless.id, "new"])?;
    let names: BTreeSet<String> =
        bed.ps(&["-a"])?.iter().filter_map(|row| row["Names"].as_str().map(String::from)).collect();
    expect_eq!(names, ["new", "old", "third"].map(String::from).into(), "names in `ps -a`");
    Ok(())
}

fn rename_taken(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let ids = (0..8)
        .map(|number| Ok(bed.idle(&["--name", &format!("box{number}")])?.id))
        .collect::<Result<Vec<String>>>()?;
    bed.refused(&["rename", "box0", "box1"], "box1")?;
    bed.refused(&["rename", "no-such", "free"], "no-such")?;
    for wrong in WRONG.iter().filter(|wrong| !wrong.starts_with('-')) {
        bed.refused(&["rename", "box0", wrong], "name")?;
    }
    expect_eq!(bed.inspect("box0")?["id"].as_str(), Some(ids[0].as_str()), "what has its old name still");
    // Two of them look at the same moment in one race or another.
    for round in 0..4 {
        let name = format!("wanted{round}");
        one_gets(&bed, &ids, &name)?;
        let rows = bed.ps(&["-a"])?;
        let with = rows.iter().filter(|row| row["Names"] == name.as_str()).count();
        expect_eq!((rows.len(), with), (8, 1), "containers, and those with the name, in `ps -a`");
    }
    Ok(())
}

/// All of them ask for a name at once.
fn one_gets(bed: &Bed, ids: &[String], name: &str) -> Verdict {
    let gate = Gate::new(bed.subject)?;
    let start = |id: &String| gate.before(bed.call(&["rename", id, name])).start();
    let mut all = ids.iter().map(start).collect::<Result<Vec<_>>>()?;
    std::thread::sleep(Duration::from_millis(50));
    let _open = gate.open()?;
    let mut won = 0;
    for running in &mut all {
        let output = running.wait(Duration::from_secs(20))?;
        if output.code() == 0 {
            won += 1;
        } else {
            bed.own_error(&output, 125, name, "one of eight `rename` at once")?;
        }
    }
    expect_eq!(won, 1, "how many of eight got the name");
    Ok(())
}
