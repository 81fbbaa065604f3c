//! Behaviour 53, the end of connections: what is left of a network when it has gone, or the container has.

use std::time::Duration;

use super::host::{Host, LINKS, Up, address};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const PARTING: Check = Check {
    step: 8,
    behaviours: &[53],
    points: 1,
    section: "08-network.html#commands",
    needs: LINKS,
    after: &["network-connect"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "parting-hosts",
        title: "who is disconnected does not find the others in its /etc/hosts any more; itself and --add-host it does",
        hints: &["The file of who went is written again, too, and it may be on other networks still."],
        run: hosts,
        ..PARTING
    },
    Check {
        id: "parting-own",
        title: "a container that has left its own network cannot be half connected to it; `restart` connects it",
        hints: &["`network connect` would add the network to the record a second time, and give no ports."],
        run: own,
        ..PARTING
    },
    Check {
        id: "parting-removed",
        title: "a container whose other network was removed while it did not run can be disconnected from it, and starts",
        hints: &["The name is in the container's record; there is no network to be found any more."],
        run: removed,
        ..PARTING
    },
];

fn hosts(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "back"])?;
    host.bed.idle(&["--name", "db", "--network", "back"])?;
    host.bed.idle(&["--name", "web"])?;
    let app = host.bed.idle(&["--name", "app", "--hostname", "shop", "--add-host", "registry:192.0.2.7"])?;
    let hosts = || std::fs::read_to_string(app.command.path("root/etc/hosts"));
    host.bed.ok(&["network", "connect", "back", "app"])?;
    expect!(hosts()?.contains("\tdb "), "db in /etc/hosts", "{:?}", hosts()?);
    host.bed.ok(&["network", "disconnect", "back", "app"])?;
    expect!(!hosts()?.contains("\tdb "), "no db in /etc/hosts", "{:?}", hosts()?);
    expect!(hosts()?.contains("\tweb "), "web in /etc/hosts", "{:?}", hosts()?);
    host.bed.ok(&["network", "disconnect", "bridge", "app"])?;
    expect!(!hosts()?.contains("\tweb "), "no web in /etc/hosts", "{:?}", hosts()?);
    let own = ["127.0.1.1\tshop\n", "192.0.2.7\tregistry\n"];
    expect!(
        own.iter().all(|line| hosts().is_ok_and(|text| text.contains(line))),
        "{own:?}",
        "{:?}",
        hosts()?
    );
    Ok(())
}

fn own(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let app = host.bed.idle(&["--name", "app"])?;
    host.bed.ok(&["network", "disconnect", "bridge", "app"])?;
    host.bed.refused(&["network", "connect", "bridge", "app"], "restart")?;
    host.bed.ok(&["restart", "-t", "0", "app"])?;
    let again = Up::of(&app.id)?;
    expect!(address(&again)?.starts_with("10."), "an address after `restart`", "{}", address(&again)?);
    host.bed.refused(&["network", "connect", "bridge", "app"], "already")
}

fn removed(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    host.bed.ok(&["network", "create", "back"])?;
    host.bed.ok(&["network", "create", "side"])?;
    host.bed.idle(&["--name", "app"])?;
    host.bed.ok(&["network", "connect", "back", "app"])?;
    host.bed.ok(&["stop", "-t", "0", "app"])?;
    // An error with one name is told, and the others are removed.
    let output = host.bed.output(&["network", "rm", "nowhere", "back", "side"])?;
    expect_eq!(
        (output.code(), output.out().as_str()),
        (125, "back\nside\n"),
        "status and stdout of `network rm`"
    );
    host.bed.refused(&["start", "app"], "back")?;
    host.bed.refused(&["network", "disconnect", "nowhere", "app"], "nowhere")?;
    host.bed.ok(&["network", "disconnect", "back", "app"])?;
    host.bed.ok(&["start", "app"]).map(drop)
}
