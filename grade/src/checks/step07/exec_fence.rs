//! Behaviour 46: on its way in, `exec` takes nothing of the host's along.

use std::fs::File;
use std::os::fd::AsRawFd;
use std::os::unix::fs::symlink;

use nix::fcntl::{FcntlArg, FdFlag, fcntl};

use super::bed::{Bed, SOON, contained};
use super::exec::{end, exec_cat, in_front};
use super::seat::identity;
use crate::subject::{PATIENCE, write_file};
use crate::{Check, Need, Subject, Verdict, expect, expect_eq, until};

const FENCE: Check = Check {
    step: 7,
    behaviours: &[46],
    points: 3,
    section: "07-detach.html#exec-safely",
    needs: &[Need::UserNamespaces],
    after: &["exec-status"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "exec-descriptors",
        title: "its process has no descriptor of the caller's or the runtime's beyond 0, 1 and 2",
        hints: &["close_range(2), before anything of the container is looked at."],
        run: descriptors,
        ..FENCE
    },
    Check {
        id: "exec-no-way-back",
        title: "a working directory such as /proc/self/fd/7 leads to no folder of the host",
        hints: &[
            "CVE-2024-21626 in runc: a folder of the host, open while -w is entered, is one step from the host's root.",
            "Close first, then chdir(2).",
        ],
        after: &["exec-descriptors"],
        run: no_way_back,
        ..FENCE
    },
    Check {
        id: "exec-not-watched",
        title: "the container's processes cannot look into the one that joins them before it has become its command",
        hints: &[
            "CVE-2016-9962 in runc: who may trace it has its root, its descriptors and its memory.",
            "PR_SET_DUMPABLE in prctl(2) hides a process; a child that is born in the container must be born with it.",
        ],
        // Under strace, newuidmap has no rights.
        needs: &[Need::UserNamespaces, Need::Strace, Need::NoSubIds],
        run: not_watched,
        ..FENCE
    },
    Check {
        id: "exec-keyring",
        title: "it has a session keyring of its own, without the caller's keys",
        points: 1,
        hints: &["keyrings(7): a session keyring is inherited until another one is joined."],
        run: keyring,
        ..FENCE
    },
];

fn descriptors(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (first, _) = in_front(&bed, &[])?;
    let inherited = open_for_children(subject.scratch())?;
    for words in [&["exec", "-i", "box", "cat"][..], &["exec", "-d", "box", "sleep", "1000"]] {
        let mut running = bed.call(words).start()?;
        let name = if words.contains(&"-d") { "sleep" } else { "cat" };
        if words.contains(&"-d") {
            running.wait(PATIENCE)?.success()?;
        } else {
            running.send(b"up\n")?;
            running.read_line()?;
        }
        let newest =
            contained().into_iter().filter(|it| it.text("comm").is_ok_and(|comm| comm.trim_end() == name));
        let Some(command) = newest.max() else { anyhow::bail!("no {name} in the container") };
        // It may be looking for its libraries still.
        let few = || command.descriptors().is_ok_and(|open| open.len() <= 3).then_some(());
        let settled = until(SOON, "three descriptors", few);
        let open = command.descriptors()?;
        let numbers: Vec<i32> = open.keys().copied().collect();
        expect_eq!(numbers, [0, 1, 2], "descriptors of {words:?}, which are {open:?}");
        settled?;
        let here = identity(&command.path("cwd"))?;
        expect_eq!(here, identity(&command.path("root"))?, "the working directory of {words:?}");
    }
    drop(inherited);
    end(first)
}

/// A folder that stays open in whatever this check starts.
fn open_for_children(folder: &std::path::Path) -> anyhow::Result<File> {
    let file = File::open(folder)?;
    fcntl(&file, FcntlArg::F_SETFD(FdFlag::empty()))?;
    Ok(file)
}

fn no_way_back(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let canary = subject.scratch().join("canary");
    write_file(&canary, "of the host", 0o644)?;
    let image = subject.own_image("image")?;
    for number in 3..=12 {
        symlink(format!("/proc/self/fd/{number}"), image.join(format!("tmp/{number}")))?;
    }
    let image = image.to_string_lossy();
    bed.ok(&["run", "-d", "--name", "box", &image, "sleep", "1000"])?;
    let inherited = open_for_children(subject.scratch())?;
    let number = inherited.as_raw_fd();
    let canary = canary.to_string_lossy();
    let mut ways: Vec<String> = (3..=12).map(|number| format!("/proc/self/fd/{number}")).collect();
    ways.extend([3, 7, number].map(|number| format!("/tmp/{number}")));
    ways.extend([format!("/proc/self/fd/{number}/../.."), "/proc/1/fd/7".into(), "/proc/self/cwd".into()]);
    for way in ways {
        let words = ["exec", "-w", &way, "box", "/probe", "__probe", "reach", &canary];
        let output = bed.call(&words).cwd(subject.scratch()).output()?;
        // Nothing is there, or nothing of the host's.
        match output.code() {
            0 => expect_eq!(output.out(), "end\n", "ways to the host's file from {way}"),
            code => expect_eq!(code, 125, "exit status with -w {way} (stderr {:?})", output.err()),
        }
    }
    Ok(())
}

fn not_watched(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // Root without a user namespace may look into every process that it can name.
    let (first, _) = in_front(&bed, &["--ns", "user,pid,uts,ipc,mnt,net"])?;
    let mut watcher = bed.call(&["exec", "-i", "box", "/probe", "__probe", "watch"]).start()?;
    expect_eq!(watcher.read_line()?, "ready", "first line of the process that watches");
    // Every step on the way in takes long enough for a look.
    let calls = "prctl,setns,close_range,fchdir,chroot,chdir,setresuid,setsid";
    let log = subject.scratch().join("log").to_string_lossy().into_owned();
    let inject = format!("inject={calls}:delay_enter=30000:delay_exit=30000");
    let strace = ["strace", "-f", "-o", &log, "-e", &format!("trace={calls}"), "-e", &inject];
    let output = bed.call(&["exec", "box", "true"]).under(&strace).output()?;
    expect_eq!(output.code(), 0, "exit status of `exec` under strace (stderr {:?})", output.err());
    watcher.close_stdin();
    let output = watcher.wait(PATIENCE)?.success()?;
    let seen: Vec<&str> = output.out().leak().lines().skip(1).collect();
    expect!(
        seen.iter().any(|line| line.starts_with("saw ")),
        "the process that joins to be seen",
        "{seen:?}"
    );
    let looked: Vec<&&str> = seen.iter().filter(|line| line.starts_with("into ")).collect();
    expect!(looked.is_empty(), "no look into the process that joins", "{looked:?}");
    end(first)
}

fn keyring(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (first, _) = in_front(&bed, &[])?;
    let (second, _) = exec_cat(&bed, &[])?;
    let launch = bed.call(&["exec", "box", "/probe", "__probe", "key", "of the caller"]);
    // SAFETY: two system calls on plain numbers and strings that live as long as the program.
    let launch = unsafe {
        launch.hook(|| {
            const JOIN_SESSION_KEYRING: libc::c_long = 1;
            const SESSION_KEYRING: libc::c_long = -3;
            libc::syscall(libc::SYS_keyctl, JOIN_SESSION_KEYRING, 0_usize);
            let (kind, name) = (c"user".as_ptr(), c"of the caller".as_ptr());
            nix::errno::Errno::result(libc::syscall(
                libc::SYS_add_key,
                kind,
                name,
                name,
                1_usize,
                SESSION_KEYRING,
            ))?;
            Ok(())
        })
    };
    let output = launch.output()?.success()?;
    expect!(output.out() != "found\n", "no key of the caller's in the container", "{:?}", output.out());
    end(second)?;
    end(first)
}
