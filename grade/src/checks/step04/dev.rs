//! Behaviour 24: /dev.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt};

use nix::sys::stat::{major, minor};
use nix::sys::statvfs::statvfs;

use super::super::common::{plain, start_cat};
use crate::subject::PATIENCE;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "dev-nodes",
        step: 4,
        behaviours: &[24],
        title: "/dev holds the usual nodes and links and nothing else",
        points: 2,
        hints: &[
            "A devtmpfs would show every device of the host: /dev is a tmpfs.",
            "null 1:3, zero 1:5, full 1:7, random 1:8, urandom 1:9, tty 5:0.",
            "mknod(2) is refused in a user namespace: bind the host's nodes.",
        ],
        section: "04-chroot-proc.html#dev",
        after: &["root-mounts"],
        run: dev_nodes,
        ..Check::NEW
    },
    Check {
        id: "dev-works",
        step: 4,
        behaviours: &[24],
        title: "the nodes and links of /dev do what they are for",
        points: 1,
        hints: &["`nodev` on the mount of a node makes it useless."],
        section: "04-chroot-proc.html#dev",
        after: &["dev-nodes"],
        run: dev_works,
        ..Check::NEW
    },
    Check {
        id: "dev-shm",
        step: 4,
        behaviours: &[24],
        title: "/dev/shm is the container's own, 64 MiB large, and open to every user of it",
        points: 1,
        hints: &["`mode=1777,size=65536k`"],
        section: "04-chroot-proc.html#dev",
        after: &["mounts-flags"],
        run: dev_shm,
        ..Check::NEW
    },
    Check {
        id: "dev-pts-own",
        step: 4,
        behaviours: &[24],
        title: "a terminal that is opened through /dev/ptmx belongs to the container's devpts, not to the host's",
        points: 2,
        hints: &["`newinstance`, and /dev/ptmx as a link to pts/ptmx, which `ptmxmode=0666` opens to all."],
        section: "04-chroot-proc.html#dev",
        after: &["mounts-flags"],
        run: dev_pts,
        ..Check::NEW
    },
];

const NODES: [(&str, (u64, u64)); 6] = [
    ("null", (1, 3)),
    ("zero", (1, 5)),
    ("full", (1, 7)),
    ("random", (1, 8)),
    ("urandom", (1, 9)),
    ("tty", (5, 0)),
];

const LINKS: [(&str, &str); 4] = [
    ("fd", "/proc/self/fd"),
    ("stdin", "/proc/self/fd/0"),
    ("stdout", "/proc/self/fd/1"),
    ("stderr", "/proc/self/fd/2"),
];

fn dev_nodes(subject: &Subject) -> Verdict {
    let (_running, command) = start_cat(plain(subject, &[]))?;
    let dev = command.path("root/dev");
    let mut names = BTreeSet::new();
    for entry in fs::read_dir(&dev)? {
        names.insert(entry?.file_name().to_string_lossy().into_owned());
    }
    // Docker has /dev/core where the kernel has /proc/kcore, and /dev/console with a terminal.
    names.retain(|name| name != "core" && name != "console");
    let folders = ["pts", "shm", "mqueue", "ptmx"];
    let wanted: BTreeSet<String> = NODES
        .iter()
        .map(|(name, _)| *name)
        .chain(LINKS.iter().map(|(name, _)| *name))
        .chain(folders)
        .map(String::from)
        .collect();
    expect_eq!(names, wanted, "names in /dev");
    for (name, number) in NODES {
        let node = fs::symlink_metadata(dev.join(name))?;
        expect!(
            node.file_type().is_char_device(),
            "a character device at /dev/{name}",
            "{:?}",
            node.file_type()
        );
        expect_eq!((major(node.rdev()), minor(node.rdev())), number, "the number of /dev/{name}");
        expect_eq!(node.permissions().mode() & 0o777, 0o666, "the mode of /dev/{name}");
    }
    for (name, target) in LINKS {
        expect_eq!(fs::read_link(dev.join(name))?.to_string_lossy(), target, "the target of /dev/{name}");
    }
    expect_eq!(fs::metadata(&dev)?.permissions().mode() & 0o7777, 0o755, "the mode of /dev");
    Ok(())
}

fn dev_works(subject: &Subject) -> Verdict {
    let script = "echo lost >/dev/null && cat /dev/null && head -c 3 /dev/zero | wc -c && \
                  head -c 5 /dev/urandom | wc -c && head -c 5 /dev/random | wc -c && \
                  ! echo full 2>/dev/null >/dev/full && cat /dev/stdin && echo out >/dev/stdout && \
                  echo err >/dev/stderr && echo fd >/dev/fd/1 && ls /dev/pts /dev/shm /dev/mqueue";
    let output = subject.launch(&[], &["sh", "-c", script]).output_for(b"in\n")?.success()?;
    let words: Vec<String> = output.out().split_whitespace().map(String::from).collect();
    let wanted = "3 5 5 in out fd /dev/mqueue: /dev/pts: ptmx /dev/shm:".split(' ').collect::<Vec<_>>();
    expect_eq!(words, wanted, "what a script says that uses /dev");
    expect_eq!(output.err(), "err\n", "what it writes to /dev/stderr");
    Ok(())
}

fn dev_shm(subject: &Subject) -> Verdict {
    let (_one, first) = start_cat(plain(subject, &[]))?;
    let (_two, second) = start_cat(plain(subject, &[]))?;
    let shm = first.path("root/dev/shm");
    let own = fs::metadata(&shm)?;
    expect_eq!(own.permissions().mode() & 0o7777, 0o1777, "the mode of /dev/shm");
    let size = statvfs(&shm)?;
    expect_eq!(size.blocks() * size.fragment_size(), 64 << 20, "bytes in /dev/shm");
    let other = fs::metadata(second.path("root/dev/shm"))?;
    expect!(own.dev() != other.dev(), "a /dev/shm for each container", "device {} for both", own.dev());
    if let Ok(host) = fs::metadata("/dev/shm") {
        expect!(own.dev() != host.dev(), "a /dev/shm apart from the host's", "device {} for both", own.dev());
    }
    Ok(())
}

fn dev_pts(subject: &Subject) -> Verdict {
    let mut running = subject.probe::<&str>(&[], "terminal", &[])?.start()?;
    expect_eq!(running.read_line()?, "0", "the number of the first terminal");
    let command = running.command()?;
    let pts = command.path("root/dev/pts");
    let mut names = Vec::new();
    for entry in fs::read_dir(&pts)? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    expect_eq!(names, ["0", "ptmx"], "names in the container's /dev/pts");
    let (own, host) = (fs::metadata(&pts)?.dev(), fs::metadata("/dev/pts").map(|host| host.dev()));
    expect!(
        host.is_err() || host.is_ok_and(|host| host != own),
        "a devpts apart from the host's",
        "{own} for both"
    );
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    Ok(())
}
