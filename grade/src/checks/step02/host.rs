//! Behaviour 10: the host is as it was.

use std::time::Duration;

use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};
use nix::unistd::gethostname;

use super::super::common::expect_own_error;
use crate::subject::PATIENCE;
use crate::{Check, Launch, Need, Process, Subject, Verdict, expect, expect_eq, skip};

const SECTION: &str = "02-namespaces.html#from-outside";

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "hostname-own",
        step: 2,
        behaviours: &[10],
        title: "--hostname names the container, the default is its id in 12 hex digits, and the host keeps its name",
        points: 1,
        hints: &[
            "sethostname(2) in the child, once it is in its UTS namespace.",
            "HOSTNAME in the environment says the same.",
        ],
        section: "02-namespaces.html#uts",
        needs: &[Need::UserNamespaces],
        run: hostname,
        ..Check::NEW
    },
    Check {
        id: "hostname-changed-inside",
        step: 2,
        behaviours: &[10],
        title: "a command that renames its host does not rename ours",
        points: 1,
        hints: &["Is there a CLONE_NEWUTS among the flags?"],
        section: "02-namespaces.html#uts",
        needs: &[Need::UserNamespaces],
        run: renamed,
        ..Check::NEW
    },
    Check {
        id: "hostname-impossible",
        step: 2,
        behaviours: &[10],
        title: "a hostname that the kernel would refuse, or that is no single word, is one error",
        points: 1,
        hints: &[
            "sethostname(2): 64 bytes at most.",
            "hosts(5): white space ends a name in the files that hold it.",
        ],
        section: "02-namespaces.html#uts",
        run: impossible,
        ..Check::NEW
    },
    Check {
        id: "mounts-private",
        step: 2,
        behaviours: &[10],
        title: "no mount of the container is tied to one of the host's: none is shared or a slave",
        points: 2,
        hints: &[
            "`grep -E 'shared|master' /proc/PID/mountinfo`. systemd makes every mount of the host shared.",
            "mount(2) with MS_REC|MS_PRIVATE on `/`, before any other mount; its failure is fatal.",
        ],
        section: "02-namespaces.html#private-mounts",
        needs: &[Need::UserNamespaces],
        run: private,
        ..Check::NEW
    },
    Check {
        id: "mounts-inside-only",
        step: 2,
        behaviours: &[10],
        title: "what is mounted inside is not seen outside, and the host's mount table stays as it was",
        points: 2,
        hints: &[
            "A new mount namespace starts as a copy; private mounts let nothing through in either direction.",
        ],
        section: "02-namespaces.html#private-mounts",
        needs: &[Need::UserNamespaces],
        after: &["mounts-private"],
        run: mount_inside,
        ..Check::NEW
    },
    Check {
        id: "ipc-apart",
        step: 2,
        behaviours: &[10],
        title: "System V shared memory made on either side does not exist on the other",
        points: 1,
        hints: &["ipc_namespaces(7), CLONE_NEWIPC.", "`ipcs -m` inside and outside."],
        section: SECTION,
        needs: &[Need::UserNamespaces],
        run: ipc,
        ..Check::NEW
    },
];

fn hostname(subject: &Subject) -> Verdict {
    let before = gethostname()?;
    let script = ["sh", "-c", "cat /proc/sys/kernel/hostname; echo $HOSTNAME"];
    let output = subject.run(&["--hostname", "box-7"], &script)?.success()?;
    expect_eq!(output.out(), "box-7\nbox-7\n", "the kernel's name and HOSTNAME with --hostname box-7");
    let mut ids = Vec::new();
    for _ in 0..2 {
        let output = subject.run(&[], &script)?.success()?;
        let out = output.out();
        let (name, variable) = out.trim_end().split_once('\n').unwrap_or_default();
        let hex = name.len() == 12 && name.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        expect!(hex, "a hostname of 12 hex digits", "{:?}", name);
        expect_eq!(variable, name, "HOSTNAME");
        ids.push(name.to_string());
    }
    expect!(ids[0] != ids[1], "another id for another container", "{:?}", ids);
    expect_eq!(gethostname()?, before, "the host's name");
    Ok(())
}

fn renamed(subject: &Subject) -> Verdict {
    let before = gethostname()?;
    let mut running = subject.probe(&[], "hostname", &["renamed-inside"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "the probe, after sethostname(2)");
    expect_eq!(gethostname()?, before, "the host's name while the container has another");
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    Ok(())
}

fn impossible(subject: &Subject) -> Verdict {
    for name in ["x".repeat(65).as_str(), "", "two words", "two\nlines", "a/b"] {
        let output = subject.run(&["--hostname", name], &["true"])?;
        expect_own_error(subject, &output, 125, &format!("--hostname {name:?}"))?;
    }
    Ok(())
}

/// The start of a runtime whose host has shared mounts, as systemd makes them. Root gets such a host made; an
/// ordinary user has to take this one.
fn on_shared_mounts(launch: Launch) -> anyhow::Result<Launch> {
    if !nix::unistd::geteuid().is_root() {
        let shared = Process::this().mounts()?.iter().any(|mount| !mount.propagation.is_empty());
        return if shared {
            Ok(launch)
        } else {
            Err(skip("no mount of this host is shared, and this is not root"))
        };
    }
    let share = || -> std::io::Result<()> {
        unshare(CloneFlags::CLONE_NEWNS)?;
        // Private first: nothing that happens here may reach the host itself.
        for how in [MsFlags::MS_PRIVATE, MsFlags::MS_SHARED] {
            mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | how, None::<&str>)?;
        }
        Ok(())
    };
    // SAFETY: the hook makes system calls on constants only.
    Ok(unsafe { launch.hook(share) })
}

fn private(subject: &Subject) -> Verdict {
    let mut running = on_shared_mounts(subject.launch(&[], &["cat"]))?.start()?;
    running.send(b"up\n")?;
    running.read_line()?;
    let shared = running.runtime().mounts()?.iter().filter(|mount| !mount.propagation.is_empty()).count();
    expect!(shared > 0, "shared mounts around the runtime", "none");
    let mounts = running.command()?.mounts()?;
    expect!(!mounts.is_empty(), "mounts", "none");
    for mount in mounts {
        expect!(
            mount.propagation.is_empty(),
            "a private mount",
            "{:?} at {}",
            mount.propagation,
            mount.point
        );
    }
    Ok(())
}

fn mount_inside(subject: &Subject) -> Verdict {
    let point = if subject.has_images() { "/tmp".into() } else { subject.scratch().display().to_string() };
    let ours = |process: Process| -> anyhow::Result<usize> {
        Ok(process.mounts()?.iter().filter(|mount| mount.source == "probe" && mount.point == point).count())
    };
    let mut launch = subject.probe(&[], "tmpfs", &[&point])?;
    if nix::unistd::geteuid().is_root() {
        launch = on_shared_mounts(launch)?;
    }
    let before = Process::this().text("mountinfo")?;
    let mut running = launch.start()?;
    expect_eq!(running.read_line()?, "ready", "the probe, after mount(2)");
    let command = running.command()?;
    expect_eq!(ours(command)?, 1, "tmpfs mounts of the probe inside");
    expect_eq!(ours(running.runtime())?, 0, "tmpfs mounts of the probe around the runtime");
    expect_eq!(ours(Process::this())?, 0, "tmpfs mounts of the probe on the host");
    let mark = subject.scratch().join("mark");
    expect!(!mark.exists(), "no file of that tmpfs outside", "{}", mark.display());
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    // Others may mount meanwhile: only what stays different is ours.
    crate::until(Duration::from_secs(3), "the host's mount table as it was", || {
        Process::this().text("mountinfo").is_ok_and(|after| after == before).then_some(())
    })
}

fn ipc(subject: &Subject) -> Verdict {
    let key = Process::this().0 + 0x0f2e_0000;
    let listed = |key: i32| -> anyhow::Result<bool> {
        let text = std::fs::read_to_string("/proc/sysvipc/shm")?;
        Ok(text.lines().any(|line| line.split_whitespace().next() == Some(key.to_string().as_str())))
    };
    let mut running = subject.probe(&[], "shm-make", &[key.to_string()])?.start()?;
    expect_eq!(running.read_line()?, "ready", "the probe, after shmget(2)");
    expect!(!listed(key)?, "no segment {key} in the host's /proc/sysvipc/shm", "one");
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;

    // SAFETY: shmget takes numbers.
    let segment = nix::errno::Errno::result(unsafe {
        libc::shmget(key + 1, 4096, libc::IPC_CREAT | libc::IPC_EXCL | 0o666)
    })?;
    let here = listed(key + 1);
    let inside = subject.run_probe(&[], "shm-find", &[(key + 1).to_string()]);
    // SAFETY: IPC_RMID takes no buffer. It comes before any early return: a segment outlives its maker.
    nix::errno::Errno::result(unsafe { libc::shmctl(segment, libc::IPC_RMID, std::ptr::null_mut()) })?;
    expect!(here?, "the segment outside", "none");
    expect_eq!(inside?.success()?.out(), "ENOENT\n", "the host's segment, looked for inside");
    Ok(())
}
