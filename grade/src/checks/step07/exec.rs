//! Behaviour 46: `exec` puts another process where a container's first one is.

use anyhow::Result;

use super::super::common::start_cat;
use super::bed::{Bed, bind};
use super::seat::identity;
use crate::kernel::Mount;
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Running, Subject, Verdict, expect, expect_eq};

const EXEC: Check = Check {
    step: 7,
    behaviours: &[46],
    points: 2,
    section: "07-detach.html#exec",
    needs: &[Need::UserNamespaces],
    after: &["exec-status"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "exec-status",
        title: "`exec` leaves with its command's exit status, 128+N, 126, 127, and passes stdout and stderr on apart",
        points: 3,
        hints: &["All that `run` does for its command's end, `exec` does in the same words."],
        after: &["exit-status-own", "detach-returns"],
        run: status,
        ..EXEC
    },
    Check {
        id: "exec-namespaces",
        title: "its process is in every namespace of the container's first one, whichever kinds that has",
        points: 3,
        hints: &[
            "setns(2) takes a pidfd and all kinds at once, Linux 5.8.",
            "The user namespace first, where there is one: its powers allow the rest.",
            "A PID namespace is joined by children alone: choose it, then fork.",
        ],
        run: namespaces,
        ..EXEC
    },
    Check {
        id: "exec-cgroup",
        title: "it is in the container's group of every hierarchy, from its first instruction on",
        points: 3,
        hints: &[
            "Without that a limit holds for all processes but these.",
            "v1: the `tasks` file of each; v2: CLONE_INTO_CGROUP, or cgroup.procs before execve(2).",
        ],
        needs: &[Need::UserNamespaces, Need::CgroupController("pids")],
        after: &["exec-namespaces"],
        run: cgroup,
        ..EXEC
    },
    Check {
        id: "exec-root",
        title: "its root and its mounts are the container's, with --read-only, volumes and --chroot, too",
        points: 3,
        hints: &[
            "After setns(2) for mnt the root is that of the namespace, which is not the process's when it used chroot(2).",
            "/proc/PID/root leads there; open it before.",
        ],
        after: &["exec-namespaces"],
        run: root,
        ..EXEC
    },
    Check {
        id: "exec-powers",
        title: "its capabilities, signal masks and file mode mask are those of the container's first process",
        hints: &[
            "Joining a user namespace gives all capabilities in it; what `run` takes away, `exec` has to, too.",
        ],
        after: &["exec-namespaces"],
        run: powers,
        ..EXEC
    },
];

/// A container in the foreground by the name `box`, for kinds of namespaces in which a detached one could not be found.
pub(super) fn in_front(bed: &Bed, options: &[&str]) -> Result<(Running, Process)> {
    let options = [&["--rm", "-i", "--name", "box"], options].concat();
    start_cat(|words| bed.launch(&options, words))
}

/// Starts `cat` by `exec -i` in `box`.
pub(super) fn exec_cat(bed: &Bed, options: &[&str]) -> Result<(Running, Process)> {
    start_cat(|words| bed.call(&[&["exec", "-i"], options, &["box"], words].concat()))
}

pub(super) fn end(mut running: Running) -> Verdict {
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    Ok(())
}

fn status(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.idle(&["--name", "box"])?;
    for (script, code) in
        [("exit 0", 0), ("exit 1", 1), ("exit 7", 7), ("exit 255", 255), ("kill -9 $$", 137)]
    {
        let output = bed.output(&["exec", "box", "sh", "-c", script])?;
        expect_eq!(output.code(), code, "exit status of `exec` of {script:?} (stderr {:?})", output.err());
    }
    for (command, code) in [("no-such-command", 127), ("/no/such", 127), ("/etc/passwd", 126), ("/etc", 126)]
    {
        let output = bed.output(&["exec", "box", command])?;
        bed.own_error(&output, code, command, &format!("`exec` of {command}"))?;
    }
    let output = bed.output(&["exec", "box", "sh", "-c", "echo out; echo err >&2; exit 3"])?;
    expect_eq!(
        (output.code(), output.out().as_str(), output.err().as_str()),
        (3, "out\n", "err\n"),
        "exit status, stdout and stderr"
    );
    // Options behind the container are the command's.
    let output = bed.output(&["exec", "box", "echo", "-d", "--", "-t"])?.success()?;
    expect_eq!(output.out(), "-d -- -t\n", "arguments that look like options");
    Ok(())
}

fn namespaces(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let host = Process::this().namespaces()?;
    let mut sets = vec![&[][..], &["--ns", "pid,mnt"], &["--ns", "mnt"], &["--ns", "user,pid,uts,mnt"]];
    sets.push(&["--ns", "mnt,net,ipc,user"]);
    if host.contains_key("time") {
        sets.push(&["--boottime-offset", "1000"]);
    }
    for options in sets {
        let (first, command) = in_front(&bed, options)?;
        let (second, other) = exec_cat(&bed, &[])?;
        let (wanted, got) = (command.namespaces()?, other.namespaces()?);
        expect!(wanted != host, "namespaces of the container's own {options:?}", "{wanted:?}");
        expect_eq!(got, wanted, "namespaces of a process by `exec` in a container with {options:?}");
        if wanted["pid"] != host["pid"] {
            let number = other.pids()?.last().copied();
            expect!(number > Some(1), "a number above 1 in the container {options:?}", "{number:?}");
        }
        end(second)?;
        end(first)?;
    }
    Ok(())
}

fn cgroup(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (first, command) = in_front(&bed, &["--ns", "pid,uts,ipc,mnt,net", "--pids-limit", "2"])?;
    let groups = command.text("cgroup")?;
    expect!(groups != Process::this().text("cgroup")?, "groups of the container's own", "{groups:?}");
    for turn in 1..=3 {
        let words = ["exec", "-i", "box", "/probe", "__probe", "groups"];
        let mut running = bed.call(&words).start()?;
        let count: usize = running.read_line()?.parse()?;
        let seen = (0..count).map(|_| running.read_line()).collect::<Result<Vec<_>>>()?;
        expect_eq!(
            seen,
            groups.lines().collect::<Vec<_>>(),
            "/proc/self/cgroup at the start of `exec` ({turn})"
        );
        end(running)?;
    }
    // The first process and this one are two, so there is no room for a third.
    let mut running = bed.call(&["exec", "-i", "box", "/probe", "__probe", "forks", "1"]).start()?;
    expect_eq!(running.read_line()?, "0 EAGAIN", "children of a process by `exec` under --pids-limit 2");
    end(running)?;
    end(first)
}

fn mounts(process: Process) -> Result<Vec<(String, String, Vec<String>)>> {
    let line = |mount: Mount| (mount.point, mount.fstype, mount.options);
    Ok(process.mounts()?.into_iter().map(line).collect())
}

fn root(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = subject.scratch().join("source");
    std::fs::create_dir(&source)?;
    crate::subject::write_file(&source.join("file"), "of the volume", 0o644)?;
    let volume = bind(&source, "/data");
    let script = "cat /data/file; echo; touch /made 2>/dev/null && echo made; touch /data/new && pwd";
    for (options, wanted) in [
        (&[][..], "of the volume\nmade\n/\n"),
        (&["--read-only"], "of the volume\n/\n"),
        (&["--chroot"], "of the volume\nmade\n/\n"),
    ] {
        let (first, command) = in_front(&bed, &[&["-v", &volume], options].concat())?;
        let (second, other) = exec_cat(&bed, &[])?;
        for link in ["root", "cwd"] {
            let (first, exec) = (identity(&command.path(link))?, identity(&other.path(link))?);
            expect_eq!(exec, first, "what is the {link} of a process by `exec` {options:?}");
        }
        expect_eq!(mounts(other)?, mounts(command)?, "the mounts that it sees {options:?}");
        end(second)?;
        let output = bed.output(&["exec", "box", "sh", "-c", script])?.success()?;
        expect_eq!(output.out(), wanted, "what it reads and writes in a container with {options:?}");
        expect!(source.join("new").exists(), "a file of the volume on the host", "none");
        end(first)?;
    }
    Ok(())
}

fn powers(subject: &Subject) -> Verdict {
    const FIELDS: [&str; 12] = [
        "CapInh",
        "CapPrm",
        "CapEff",
        "CapBnd",
        "CapAmb",
        "NoNewPrivs",
        "Seccomp",
        "SigBlk",
        "SigIgn",
        "SigCgt",
        "Umask",
        "Groups",
    ];
    let bed = Bed::new(subject);
    for options in [&[][..], &["--ns", "user,pid,mnt"]] {
        let (first, command) = in_front(&bed, options)?;
        let launch = bed.call(&["exec", "-i", "box", "cat"]);
        // SAFETY: both are single system calls on plain numbers.
        let launch = unsafe {
            launch.hook(|| {
                libc::umask(0o077);
                libc::signal(libc::SIGHUP, libc::SIG_IGN);
                Ok(())
            })
        };
        let (second, other) = start_cat(|_| launch)?;
        for field in FIELDS {
            let (first, exec) = (command.status(field)?, other.status(field)?);
            expect_eq!(exec, first, "{field} of a process by `exec` {options:?}");
        }
        end(second)?;
        end(first)?;
    }
    Ok(())
}
