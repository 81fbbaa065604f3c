//! Behaviour 54, records that somebody or something has damaged.

use std::fs;
use std::time::Duration;

use super::host::{Host, NEEDS};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const DAMAGED: Check = Check {
    step: 8,
    behaviours: &[54],
    points: 2,
    section: "08-network.html#records",
    needs: NEEDS,
    after: &["traces-failed"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "damaged-record",
        title: "a network's damaged record is told of, stops only who wants that network, and `network rm` removes all of it",
        hints: &["Tell and go on: a container that runs must be stopped, whatever else is broken."],
        run: record,
        ..DAMAGED
    },
    Check {
        id: "damaged-leases",
        title: "damaged leases stop only who wants that network, with a way out in the message",
        hints: &["Who takes back a lease looks for it in each network; one that cannot be read has none."],
        run: leases,
        ..DAMAGED
    },
    Check {
        id: "damaged-drafts",
        title: "files that a killed runtime has not brought to their place are removed with the next start",
        points: 1,
        hints: &["Whoever holds the lock knows that nobody is writing."],
        run: drafts,
        ..DAMAGED
    },
];

fn record(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.idle(&["--name", "box"])?;
    let state =
        || host.sh("ip -o link show type bridge | sed 's/^[0-9]*: \\([^:]*\\).*/\\1/'; nft list ruleset");
    let before = state()?;
    for text in ["{", "", "[]", "{\"name\": \"other\"}"] {
        host.bed.ok(&["network", "create", "--internal", "broken"])?;
        fs::write(host.bed.data.join("networks/broken.json"), text)?;
        let said = host.bed.output(&["ps", "-q"])?.success()?.err();
        expect!(said.lines().count() == 1 && said.contains("network rm broken"), "a way out", "{said:?}");
        host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
        for words in [&["network", "create", "broken"][..], &["network", "inspect", "broken"]] {
            let output = host.bed.output(words)?;
            expect_eq!(output.code(), 125, "exit status of {words:?} with the record {text:?}");
        }
        host.bed.ok(&["network", "rm", "broken"])?;
        expect_eq!(state()?, before, "bridges and rules after `network rm` of the record {text:?}");
        expect_eq!(host.bed.output(&["ps", "-q"])?.success()?.err(), "", "stderr after that");
    }
    Ok(())
}

fn leases(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.idle(&["--name", "box"])?;
    let path = host.bed.data.join("networks/bridge.leases");
    fs::write(&path, "{")?;
    host.bed.ok(&["ps"])?;
    host.bed.launch(&["--rm", "--network", "none"], &["true"]).output()?.success()?;
    let refused = host.bed.launch(&["--rm"], &["true"]).output()?;
    expect_eq!(refused.code(), 125, "exit status of a start on a network with damaged leases");
    expect!(refused.err().contains("bridge.leases"), "the file in the message", "{:?}", refused.err());
    host.bed.ok(&["stop", "-t", "0", "box"])?;
    fs::remove_file(&path)?;
    let said = host.bed.launch(&["--rm"], &["true"]).output()?.success()?.err();
    expect_eq!(said, "", "stderr of a start without the damaged file");
    Ok(())
}

fn drafts(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "n"])?;
    for name in [".n.json", ".other.json", ".n.leases"] {
        fs::write(host.bed.data.join("networks").join(name), "{")?;
    }
    host.bed.launch(&["--rm", "--network", "n"], &["true"]).output()?.success()?;
    let folder = fs::read_dir(host.bed.data.join("networks"))?;
    let left: Vec<_> = folder.flatten().map(|it| it.file_name()).collect();
    let hidden = left.iter().any(|name| name.as_encoded_bytes().starts_with(b"."));
    expect!(!hidden, "no hidden files among the records", "{left:?}");
    Ok(())
}
