//! The image `base`: made on first use from what the host has.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::Result;
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::sys::signal::Signal;

use super::super::common::expect_own_error;
use crate::{Check, Need, Output, Subject, Verdict, expect, expect_eq};

/// How long a first use may take: it starts a hundred programs, and a slow kernel takes its time for each.
const FIRST_USE: Duration = Duration::from_secs(60);

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "base-tools",
        step: 4,
        behaviours: &[24],
        title: "the image base has a working sh, ls, ps, hostname, mount, grep, sed, id and cat",
        points: 2,
        hints: &[
            "A program needs its libraries and its interpreter at the paths that it looks for: ldd(1).",
            "A static busybox, if the host has one, is a whole userland.",
        ],
        section: "04-chroot-proc.html#base",
        run: tools,
        ..Check::NEW
    },
    Check {
        id: "base-parallel-first-use",
        step: 4,
        behaviours: &[28],
        title: "first uses of base at the same time all succeed, and leave one image and nothing else",
        points: 2,
        hints: &[
            "Build beside it under a name of your own, then rename(2): it is there whole, or not at all.",
            "Who loses the race throws its own away, and uses the winner's.",
        ],
        section: "04-chroot-proc.html#base",
        after: &["base-tools"],
        timeout: Duration::from_secs(300),
        run: parallel,
        ..Check::NEW
    },
    Check {
        id: "base-modes",
        step: 4,
        behaviours: &[24],
        title: "base can be read by every user of the container, whatever the caller's umask was when it was made",
        points: 1,
        hints: &["umask(2) before the first directory is made: 022."],
        section: "04-chroot-proc.html#base",
        after: &["base-tools"],
        timeout: Duration::from_secs(300),
        run: modes,
        ..Check::NEW
    },
    Check {
        id: "base-interrupted",
        step: 4,
        behaviours: &[28],
        title: "a first use of base that is killed leaves no half image: the next run works and clears up",
        points: 2,
        hints: &[
            "What is half made must not have the final name. How does the next one know that nobody works on it?",
        ],
        section: "04-chroot-proc.html#base",
        after: &["base-parallel-first-use"],
        timeout: Duration::from_secs(300),
        run: interrupted,
        ..Check::NEW
    },
    Check {
        id: "base-no-space",
        step: 4,
        behaviours: &[28],
        title: "a first use of base on a full filesystem is one error, exit status 125, and leaves no file",
        points: 2,
        hints: &["`truncate`, `cp` and `write` all say ENOSPC; remove what was made before it."],
        section: "04-chroot-proc.html#base",
        needs: &[Need::Root],
        after: &["base-tools"],
        run: no_space,
        ..Check::NEW
    },
    Check {
        id: "base-no-place",
        step: 4,
        behaviours: &[28],
        title: "a data folder that cannot be made is one error that names it, exit status 125",
        points: 1,
        hints: &["FORK_TO_VETH_ROOT says where it is to be."],
        section: "04-chroot-proc.html#base",
        run: no_place,
        ..Check::NEW
    },
    Check {
        id: "base-default-command",
        step: 4,
        behaviours: &[1],
        title: "an image without a command runs a shell",
        points: 1,
        hints: &["clap: `default_value = \"sh\"`"],
        section: "04-chroot-proc.html#image",
        run: default_command,
        ..Check::NEW
    },
];

/// A command line for the container's shell, and what it must print.
const TOOLS: [(&str, &str); 9] = [
    ("echo sh", "sh\n"),
    ("ls -d /etc/passwd", "/etc/passwd\n"),
    ("ps | grep -c '^ *1 .*sh'", "1\n"),
    ("hostname", "named\n"),
    ("mount | grep -c ' on /proc type proc '", "1\n"),
    ("echo a b | sed s/b/c/", "a c\n"),
    ("id -u; id -un", "0\nroot\n"),
    ("echo x | cat", "x\n"),
    ("echo abc >/tmp/f && cp /tmp/f /tmp/g && mv /tmp/g /tmp/h && cat /tmp/h && rm /tmp/f /tmp/h", "abc\n"),
];

fn tools(subject: &Subject) -> Verdict {
    for (line, wanted) in TOOLS {
        let output = subject.run(&["--hostname", "named"], &["sh", "-c", line])?.success()?;
        expect_eq!(
            (output.out(), output.err()),
            (wanted.to_string(), String::new()),
            "stdout and stderr of {line:?}"
        );
    }
    Ok(())
}

fn names(dir: &Path) -> Result<BTreeSet<String>> {
    fs::read_dir(dir)?.map(|entry| Ok(entry?.file_name().to_string_lossy().into_owned())).collect()
}

/// Runs `words` in base with its data in this folder.
fn use_base(subject: &Subject, data: &Path, words: &[&str]) -> Result<Output> {
    let mut running = subject.launch(&[], words).env("FORK_TO_VETH_ROOT", data).start()?;
    running.close_stdin();
    running.wait(FIRST_USE)
}

fn modes(subject: &Subject) -> Verdict {
    let data = subject.scratch().join("data");
    let launch = subject.launch(&[], &["sh", "-c", "stat -c %a / /bin /etc /etc/passwd /tmp | xargs"]);
    // SAFETY: umask is a system call on a plain number.
    let launch = unsafe {
        launch.hook(|| {
            libc::umask(0o077);
            Ok(())
        })
    };
    let mut running = launch.env("FORK_TO_VETH_ROOT", &data).start()?;
    running.close_stdin();
    let output = running.wait(FIRST_USE)?.success()?;
    expect_eq!(output.out(), "755 755 755 644 1777\n", "the modes of /, /bin, /etc, /etc/passwd and /tmp");
    Ok(())
}

fn parallel(subject: &Subject) -> Verdict {
    let one = subject.scratch().join("one");
    use_base(subject, &one, &["true"])?.success()?;
    let many = subject.scratch().join("many");
    let start = || subject.launch(&[], &["echo", "up"]).env("FORK_TO_VETH_ROOT", &many).start();
    let mut all = (0..3).map(|_| start()).collect::<Result<Vec<_>>>()?;
    for running in &mut all {
        running.close_stdin();
    }
    for running in &mut all {
        let output = running.wait(FIRST_USE)?;
        expect_eq!(
            (output.out(), output.err()),
            ("up\n".into(), String::new()),
            "stdout and stderr of one of three"
        );
        expect_eq!(output.code(), 0, "exit status of one of three");
    }
    expect_eq!(names(&many)?, names(&one)?, "names in the data folder after three first uses, as after one");
    Ok(())
}

fn interrupted(subject: &Subject) -> Verdict {
    let clean = subject.scratch().join("clean");
    let start = Instant::now();
    use_base(subject, &clean, &["true"])?.success()?;
    let whole = start.elapsed();
    // Hosts differ in speed: parts of the time that it takes, not milliseconds.
    for percent in [3, 20, 50, 85] {
        let data = subject.scratch().join(format!("after-{percent}"));
        let words = ["sh", "-c", "ls / | grep -c etc"];
        let mut first = subject.launch(&[], &words).env("FORK_TO_VETH_ROOT", &data).start()?;
        std::thread::sleep(whole * percent / 100);
        first.signal(Signal::SIGKILL).ok();
        first.wait(FIRST_USE)?;
        let output = use_base(subject, &data, &words)?.success()?;
        expect_eq!(output.out(), "1\n", "stdout of a run after one that was killed at {percent} %");
        expect_eq!(names(&data)?, names(&clean)?, "names in the data folder then, as after one clean use");
    }
    Ok(())
}

/// Files below a folder, at any depth.
fn files(dir: &Path) -> Result<Vec<std::path::PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(dir)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            found.extend(files(&entry.path())?);
        } else {
            found.push(entry.path());
        }
    }
    Ok(found)
}

fn no_space(subject: &Subject) -> Verdict {
    unshare(CloneFlags::CLONE_NEWNS)?;
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    let full = subject.scratch().join("full");
    fs::create_dir(&full)?;
    mount(Some("full"), &full, Some("tmpfs"), MsFlags::empty(), Some("size=256k"))?;
    for data in [full.clone(), full.join("data")] {
        let output = use_base(subject, &data, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, "a first use of base on a full filesystem")?;
        expect_eq!(files(&full)?, Vec::<std::path::PathBuf>::new(), "files left on the full filesystem");
        expect!(!data.join("base").exists(), "no image base", "one, {:?}", names(&full)?);
    }
    // The scratch folder is deleted from outside this namespace, where nothing is mounted on it.
    nix::mount::umount(&full)?;
    Ok(())
}

fn no_place(subject: &Subject) -> Verdict {
    let file = subject.scratch().join("file");
    fs::write(&file, "")?;
    for place in [file.join("data"), "/proc/no/such/place".into()] {
        let output = use_base(subject, &place, &["echo", "started"])?;
        expect_own_error(subject, &output, 125, "a data folder that cannot be made")?;
        let path = place.display().to_string();
        expect!(output.err().contains(&path), "{path} in the message", "{:?}", output.err());
    }
    Ok(())
}

fn default_command(subject: &Subject) -> Verdict {
    for words in [["run", "base"], ["run", "--init"]] {
        let mut words: Vec<std::ffi::OsString> = words.map(Into::into).to_vec();
        if words[1] != "base" {
            words.push(subject.probe_image().into());
        }
        let output = subject.raw(&words).output_for(b"echo a shell; exit 3\n")?;
        expect_eq!((output.code(), output.out()), (3, "a shell\n".into()), "status and stdout of {words:?}");
    }
    Ok(())
}
