//! Behaviour 53: names.

use std::fs;
use std::time::Duration;

use anyhow::{Context, Result};

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
        title: "containers of a network find each other by name and id, those that are started later, too, and not when they have ended",
        points: 3,
        hints: &[
            "/etc/hosts of everybody on the network is written again, in place, when one comes or goes.",
        ],
        run: siblings,
        ..NAMES
    },
    Check {
        id: "names-files",
        title: "hostname, hosts and resolv.conf are right, can be read by every user, and written with --read-only, too",
        hints: &["They are files of the container's own, bound over what the image has."],
        run: files,
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
        run: no_change,
        ..NAMES
    },
    Check {
        id: "names-image-links",
        title: "an image's symlinks lead the files with names to where they belong in the container, though nothing is there",
        hints: &["/etc/resolv.conf often leads to /run/systemd/resolve/stub-resolv.conf."],
        run: image_links,
        ..NAMES
    },
    Check {
        id: "names-volumes-win",
        title: "who mounts a file or a volume there gets that",
        points: 1,
        hints: &["Leave out the path that a volume covers; mount the others after the volumes."],
        run: volumes_win,
        ..NAMES
    },
];

/// A file as the container sees it.
fn file(up: &Up, path: &str) -> Result<String> {
    let path = up.command.path("root").join(path);
    fs::read_to_string(&path).with_context(|| format!("read {}", path.display()))
}

fn hosts_has(up: &Up, line: &str) -> Verdict {
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
    let web = host.server("web", &["--add-host", "registry:192.0.2.7", "--hostname", "www"])?;
    hosts_lacks(&web, "app", "before app has started")?;
    let app = host.server("app", &[])?;
    let (web_address, app_address) = (address(&web)?, address(&app)?);
    hosts_has(&web, &format!("{app_address}\tapp {}", app.id))?;
    hosts_has(&web, &format!("{web_address}\twww web {}", web.id))?;
    hosts_has(&web, "192.0.2.7\tregistry")?;
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
    hosts_has(&web, &format!("{}\tshop {}", address(&again)?, app.id))
}

fn files(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
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
    Ok(())
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

fn no_change(subject: &Subject) -> Verdict {
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

fn image_links(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let outside = subject.scratch().join("outside");
    for (path, target) in [
        ("etc/resolv.conf", "../run/systemd/resolve/stub-resolv.conf"),
        ("etc/hosts", "/var/lib/names/hosts"),
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

fn volumes_win(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let own = subject.scratch().join("own");
    fs::write(&own, "192.0.2.1 only\n")?;
    let up = host.bed.idle(&["-v", &format!("{}:/etc/hosts:ro", own.display())])?;
    host.bed.idle(&["--name", "later"])?;
    expect_eq!(file(&up, "etc/hosts")?, "192.0.2.1 only\n", "/etc/hosts that the caller has mounted");
    let up = host.bed.idle(&["-v", "all:/etc"])?;
    hosts_has(&up, &format!("{}\t{}", address(&up)?, up.id))
}
