//! Behaviour 53: names.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::common::send;
use super::super::step07::bed::until_all_gone;
use super::files;
use super::host::{Host, LINKS, SOON, Up, address};
use crate::{Check, Subject, Verdict, expect, expect_eq, until};

const NAMES: Check = Check {
    step: 8,
    behaviours: &[53],
    points: 2,
    section: "08-network.html#names",
    needs: LINKS,
    after: &["reach-all"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "names-siblings",
        title: "containers of a network find each other by name and id, those that are started later, too, and not when they have ended or were killed",
        points: 3,
        hints: &[
            "/etc/hosts of everybody on the network is written again, in place, when one comes or goes.",
        ],
        run: siblings,
        ..NAMES
    },
    Check {
        id: "names-files",
        title: "hostname, hosts and resolv.conf are right, can be read by every user, whatever the image and the umask, and written with --read-only, too",
        hints: &["They are files of the container's own, bound over what the image has."],
        run: files::files,
        ..NAMES
    },
    Check {
        id: "names-resolver",
        title: "resolv.conf has the host's servers without those on its loopback, or those of --dns",
        hints: &["127.0.0.53 is the container itself, seen from in there."],
        run: resolver,
        ..NAMES
    },
    Check {
        id: "names-no-change",
        title: "the files with names are no changes: `diff` and `commit` do not know them, with every storage driver",
        points: 3,
        hints: &["Mount points must be somewhere: Docker has a layer for them."],
        run: files::no_change,
        ..NAMES
    },
    Check {
        id: "names-image-links",
        title: "an image's symlinks lead the files with names to where they belong in the container, though nothing is there",
        hints: &["/etc/resolv.conf often leads to /run/systemd/resolve/stub-resolv.conf."],
        run: files::image_links,
        ..NAMES
    },
    Check {
        id: "names-volumes-win",
        title: "who mounts a file or a volume there gets that",
        points: 1,
        hints: &["Leave out the path that a volume covers; mount the others after the volumes."],
        run: files::volumes_win,
        ..NAMES
    },
];

/// A file as the container sees it.
pub(super) fn file(up: &Up, path: &str) -> Result<String> {
    let path = up.command.path("root").join(path);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

pub(super) fn hosts_has(up: &Up, line: &str) -> Verdict {
    let there = || file(up, "etc/hosts").ok()?.lines().any(|own| own == line).then_some(());
    until(SOON, &format!("{line:?} in /etc/hosts"), there)
        .with_context(|| format!("it holds {:?}", file(up, "etc/hosts").unwrap_or_default()))
}

fn hosts_lacks(up: &Up, word: &str, when: &str) -> Verdict {
    let text = file(up, "etc/hosts")?;
    expect!(!text.contains(word), "no {word} in /etc/hosts {when}", "{text:?}");
    Ok(())
}

fn siblings(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let gateway = "host.docker.internal";
    let upwards = format!("{gateway}:host-gateway");
    let extra = ["--add-host", "registry:192.0.2.7", "--add-host", &upwards];
    let web = host.server("web", &[&extra[..], &["--hostname", "www"]].concat())?;
    hosts_lacks(&web, "app", "before app has started")?;
    let app = host.server("app", &[])?;
    let (web_address, app_address) = (address(&web)?, address(&app)?);
    hosts_has(&web, &format!("{app_address}\tapp {}", app.id))?;
    hosts_has(&web, &format!("{web_address}\twww web {}", web.id))?;
    hosts_has(&web, "192.0.2.7\tregistry")?;
    hosts_has(&web, &format!("{}\t{gateway}", host.gateway("bridge")?))?;
    hosts_has(&app, &format!("{web_address}\tweb {}", web.id))?;
    let probe = subject.probe_argv("ask")?;
    let probe: Vec<&str> = probe.iter().filter_map(|word| word.to_str()).collect();
    let ask = |from: &str, name: &str| {
        host.bed.ok(&[&["exec", from][..], &probe, &["tcp", name, "80", "3000"]].concat())
    };
    expect_eq!(
        ask("web", "app")?,
        format!("app {web_address}\n"),
        "the answer to a name, asked by the older one"
    );
    expect_eq!(
        ask("app", &web.id)?,
        format!("web {app_address}\n"),
        "the answer to an id, asked by the younger one"
    );
    host.bed.ok(&["network", "create", "other"])?;
    let stranger = host.server("stranger", &["--network", "other"])?;
    hosts_lacks(&stranger, "web", "of another network")?;
    hosts_lacks(&web, "stranger", "of another network")?;
    host.bed.ok(&["rename", "app", "shop"])?;
    hosts_has(&web, &format!("{app_address}\tshop {}", app.id))?;
    hosts_has(&app, &format!("{app_address}\tshop {}", app.id))?;
    host.bed.ok(&["stop", "-t", "0", "shop"])?;
    hosts_lacks(&web, "shop", "after its end")?;
    host.bed.ok(&["start", "shop"])?;
    let again = Up::of(&app.id)?;
    hosts_has(&web, &format!("{}\tshop {}", address(&again)?, app.id))?;
    send(again.runtime, Signal::SIGKILL)?;
    until_all_gone(&[again.runtime, again.command], "of a container whose runtime was killed")?;
    host.bed.ok(&["ps"])?;
    hosts_lacks(&web, "shop", "after `kill -9` of its runtime and `ps`")
}

fn resolver(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    // The check has a mount namespace of its own.
    let text =
        "search example.org\nnameserver 127.0.0.53\nnameserver 192.0.2.53\nnameserver ::1\noptions ndots:2\n";
    let own = subject.scratch().join("resolv.conf");
    fs::write(&own, text)?;
    let flags = nix::mount::MsFlags::MS_BIND;
    let target = fs::canonicalize("/etc/resolv.conf").context("find /etc/resolv.conf")?;
    nix::mount::mount(Some(&own), &target, None::<&str>, flags, None::<&str>).context("bind resolv.conf")?;
    let resolver = |options: &[&str]| file(&host.bed.idle(options)?, "etc/resolv.conf");
    let rest = "search example.org\noptions ndots:2\n";
    expect_eq!(resolver(&[])?, format!("nameserver 192.0.2.53\n{rest}"), "resolv.conf");
    let asked = resolver(&["--dns", "192.0.2.1", "--dns", "192.0.2.2"])?;
    expect_eq!(
        asked,
        format!("nameserver 192.0.2.1\nnameserver 192.0.2.2\n{rest}"),
        "resolv.conf with --dns"
    );
    expect_eq!(resolver(&["--network", "host"])?, text, "resolv.conf with --network host");
    Ok(())
}
