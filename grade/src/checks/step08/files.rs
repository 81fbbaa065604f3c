//! Behaviour 53: the files with names, what is in them, and where the image and the volumes let them be.

use std::fs;

use anyhow::{Context, Result};

use super::host::{Host, address};
use super::names::{file, hosts_has};
use crate::{Subject, Verdict, expect, expect_eq};

pub(super) fn files(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    of_a_private_caller(&host)?;
    for options in [&[][..], &["--read-only"], &["--network", "none"], &["-u", "1000:1000"]] {
        let common = ["--hostname", "box", "--add-host", "registry:192.0.2.7"];
        let up = host.bed.idle(&[&common, options].concat())?;
        expect_eq!(file(&up, "etc/hostname")?, "box\n", "/etc/hostname with {options:?}");
        let hosts = file(&up, "etc/hosts")?;
        let own = hosts.lines().any(|line| line.split_whitespace().nth(1) == Some("box"));
        expect!(
            own && hosts.contains("127.0.0.1\tlocalhost") && hosts.contains("192.0.2.7\tregistry\n"),
            "localhost, box and registry in /etc/hosts",
            "{hosts:?}"
        );
        host.bed.ok(&["exec", &up.id, "cat", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"])?;
        if !options.contains(&"-u") {
            host.bed.ok(&["exec", &up.id, "sh", "-c", "echo '192.0.2.9 mine' >> /etc/hosts"])?;
            hosts_has(&up, "192.0.2.9 mine")?;
        }
        host.bed.ok(&["rm", "-f", &up.id])?;
    }
    let up = host.bed.idle(&["--network", "host", "--add-host", "registry:192.0.2.7"])?;
    let (own, hosts) = (fs::read_to_string("/etc/hosts").unwrap_or_default(), file(&up, "etc/hosts")?);
    expect!(hosts.starts_with(&own), "the host's names in /etc/hosts with --network host", "{hosts:?}");
    expect!(hosts.ends_with("\n192.0.2.7\tregistry\n"), "--add-host behind them", "{hosts:?}");
    Ok(())
}

/// Who keeps files private starts the first container, whose image has no /etc.
fn of_a_private_caller(host: &Host) -> Verdict {
    let image = host.bed.subject.own_image("image")?;
    fs::remove_dir_all(image.join("etc"))?;
    let cat = ["cat", "/etc/hosts", "/etc/hostname", "/etc/resolv.conf"];
    let launch = host.bed.subject.launch_in(&image, &["--rm", "-u", "1000:1000"], &cat);
    let launch = launch.under(&["sh", "-c", "umask 077; exec \"$0\" \"$@\""]);
    let output = launch.env("FORK_TO_VETH_ROOT", &host.bed.data).output()?.success();
    output.context("read the files as another user, with umask 077 outside").map(drop)
}

pub(super) fn no_change(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    for driver in ["overlay", "vfs"] {
        let image = subject.probe_image();
        let image = image.to_string_lossy();
        let words = ["--storage-driver", driver, "run", "-d", "--name", driver, &image, "sleep", "1000"];
        host.bed.ok(&words)?;
        expect_eq!(
            host.bed.ok(&["diff", driver])?,
            "",
            "`diff` of a container that has written nothing, with {driver}"
        );
        host.bed.ok(&["exec", driver, "touch", "/etc/mine"])?;
        expect_eq!(
            host.bed.ok(&["diff", driver])?,
            "C /etc\nA /etc/mine\n",
            "`diff` after one file, with {driver}"
        );
        host.bed.ok(&["rm", "-f", driver])?;
    }
    // Of a container that runs in a directory, a commit is everything.
    host.bed.ok(&["run", "--name", "made", "base", "touch", "/etc/mine"])?;
    host.bed.ok(&["commit", "made", "check/made"])?;
    let layers = host.bed.data.join("layers/overlay");
    let etc =
        fs::read_dir(&layers)?.map(|layer| Ok(layer?.path().join("etc"))).collect::<Result<Vec<_>>>()?;
    let committed: Vec<_> = etc.into_iter().filter(|etc| etc.join("mine").exists()).collect();
    expect!(!committed.is_empty(), "a layer with etc/mine", "none in {}", layers.display());
    for etc in committed {
        let names = fs::read_dir(etc)?.map(|entry| Ok(entry?.file_name())).collect::<Result<Vec<_>>>()?;
        expect_eq!(names, ["mine"], "what a commit has of /etc");
    }
    Ok(())
}

pub(super) fn image_links(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let outside = subject.scratch().join("outside");
    for (path, target) in [
        ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("etc/hosts", "/var/lib/names/hosts"),
        ("etc/hosts", "names/hosts"),
        ("etc", outside.to_str().unwrap_or_default()),
    ] {
        let image = subject.own_image("image")?;
        let link = image.join(path);
        if link.is_dir() {
            fs::remove_dir_all(&link)?;
        }
        std::os::unix::fs::symlink(target, &link)?;
        let launch = subject.launch_in(&image, &["-d", "--dns", "192.0.2.1"], &["sleep", "1000"]);
        let output = launch.env("FORK_TO_VETH_ROOT", &host.bed.data).output()?.success()?;
        let id = output.out();
        let cat = |path: &str| host.bed.ok(&["exec", id.trim_end(), "cat", path]);
        expect_eq!(
            cat("/etc/resolv.conf")?,
            "nameserver 192.0.2.1\n",
            "/etc/resolv.conf with /{path} -> {target}"
        );
        expect!(
            cat("/etc/hosts")?.contains(id.trim_end()),
            "the container in /etc/hosts",
            "{:?}",
            cat("/etc/hosts")?
        );
        expect!(!outside.exists(), "nothing on the host", "{}", outside.display());
        host.bed.ok(&["rm", "-f", id.trim_end()])?;
        fs::remove_dir_all(&image)?;
    }
    Ok(())
}

pub(super) fn volumes_win(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let own = subject.scratch().join("own");
    fs::write(&own, "192.0.2.1 only\n")?;
    let up = host.bed.idle(&["-v", &format!("{}:/etc/hosts:ro", own.display())])?;
    host.bed.idle(&["--name", "later"])?;
    expect_eq!(file(&up, "etc/hosts")?, "192.0.2.1 only\n", "/etc/hosts that the caller has mounted");
    let up = host.bed.idle(&["-v", "all:/etc"])?;
    hosts_has(&up, &format!("{}\t{}", address(&up)?, up.id))?;
    // A volume has a copy of what the image has there; it is the container's own file that others are written into.
    let last = host.bed.idle(&["--name", "last"])?;
    hosts_has(&up, &format!("{}\tlast {}", address(&last)?, last.id))
}
