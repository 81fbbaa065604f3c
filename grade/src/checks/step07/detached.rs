//! Behaviour 42: `run -d` tells when the command runs, and then lets go of its caller.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::unistd::pipe2;

use super::bed::{Bed, Up, bind, holds, ours, parent, stat};
use crate::subject::{PATIENCE, write_file};
use crate::{Check, Need, Process, Subject, Terminal, Verdict, expect, expect_eq};

const DETACHED: Check = Check {
    step: 7,
    behaviours: &[42],
    points: 2,
    section: "07-detach.html#detach",
    after: &["detach-returns"],
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "detach-returns",
        title: "`run -d` prints the id and returns, and by then the command has been executed and goes on",
        points: 3,
        hints: &[
            "Fork before anything is made: the child does the work, the parent waits for what it says.",
            "The end of the socket that is closed by execve(2) tells that the command runs.",
        ],
        after: &["exit-status-own"],
        run: returns,
        ..DETACHED
    },
    Check {
        id: "detach-start-fails",
        title: "a detached start that fails is 127, 126 or 125 with one error, and leaves nothing at all",
        points: 3,
        hints: &["The caller may leave only when it knows; the error travels back over the same socket."],
        after: &["detach-returns", "exit-status-not-found"],
        run: fails,
        ..DETACHED
    },
    Check {
        id: "detach-lets-go",
        title: "afterwards no process of the container or its supervisor has the caller's pipes, files or folder",
        points: 3,
        hints: &[
            "close_range(2) for what was inherited, dup2(2) of /dev/null for 0, 1 and 2, chdir(2) to /.",
            "A pipeline such as `id=$(… run -d …)` ends when the last holder of its pipe closes it.",
        ],
        run: lets_go,
        ..DETACHED
    },
    Check {
        id: "detach-own-session",
        title: "the supervisor leads a session without a terminal, and the end of the caller's session is nothing to it",
        hints: &["setsid(2).", "SIGHUP goes to the session whose terminal is hung up."],
        needs: &[Need::Terminal],
        run: session,
        ..DETACHED
    },
    Check {
        id: "detach-throwaway",
        title: "of a detached container with --rm nothing is left when its command ends by itself",
        hints: &["It is the supervisor that clears away: nobody else is there."],
        behaviours: &[42, 47],
        run: throwaway,
        ..DETACHED
    },
];

fn returns(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let mut running = bed.launch(&["-d"], &["sleep", "1000"]).start()?;
    let output = running.wait(PATIENCE)?.success()?;
    let text = output.out();
    expect_eq!(output.err(), "", "stderr of `run -d`");
    expect_eq!(text.lines().count(), 1, "lines on stdout of `run -d`: {text:?}");
    let up = Up::of(text.trim_end())?;
    expect_eq!(up.command.argv()?, [b"sleep".to_vec(), b"1000".to_vec()], "arguments of the command");
    expect_eq!(bed.folders()?, [up.id.as_str()], "folders of containers");
    // A start that takes its time, so that an id that comes too early is seen to.
    let points: Vec<String> = (0..30).map(|number| format!("/tmp/{number}")).collect();
    let options: Vec<&str> = points.iter().flat_map(|point| ["--tmpfs", point]).chain(["-d"]).collect();
    for _ in 0..3 {
        let mut running = bed.launch(&options, &["sleep", "1001"]).start()?;
        let id = running.read_line()?;
        let hostname = format!("HOSTNAME={id}");
        let there = ours().into_iter().any(|it| it.environ().is_ok_and(|all| all.contains(&hostname)));
        expect!(there, "the command to run when its id is printed", "no process of {id}");
        running.wait(PATIENCE)?.success()?;
    }
    Ok(())
}

fn fails(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let plain = subject.scratch().join("plain");
    write_file(&plain, "not a program", 0o644)?;
    let mounted = bind(&plain, "/plain");
    let missing = subject.scratch().join("no-such-image");
    let cases: [(&str, &[&str], &[&str], i32); 5] = [
        ("no-such-command", &["--name", "a"], &["no-such-command"], 127),
        ("/no/such/file", &["--rm"], &["/no/such/file"], 127),
        ("/plain", &["-v", &mounted], &["/plain"], 126),
        ("no-such-user", &["-u", "no-such-user", "--name", "a"], &["true"], 125),
        ("/plain", &["-v", &mounted, "-w", "/plain"], &["true"], 125),
    ];
    for (named, options, argv, code) in cases {
        let output = bed.launch(&[&["-d"], options].concat(), argv).output()?;
        bed.own_error(&output, code, named, &format!("`run -d {options:?} {argv:?}`"))?;
        bed.expect_nothing(&BTreeSet::new(), &format!("after a start of {argv:?} that failed"))?;
    }
    let missing = missing.to_str().context("the scratch folder has an odd name")?;
    bed.refused(&["run", "-d", missing, "true"], "no-such-image")?;
    bed.expect_nothing(&BTreeSet::new(), "after a start without an image")?;
    expect_eq!(bed.ps(&["-a"])?.len(), 0, "containers in `ps -a` afterwards");
    Ok(())
}

/// A pipe of which the binary inherits both ends, and a file.
struct Inherited {
    pipe: (OwnedFd, OwnedFd),
    file: File,
}

impl Inherited {
    fn new(path: &Path) -> Result<Inherited> {
        write_file(path, "of the caller", 0o644)?;
        let inherited = Inherited { pipe: pipe2(OFlag::O_CLOEXEC)?, file: File::open(path)? };
        fcntl(&inherited.pipe.0, FcntlArg::F_SETFD(FdFlag::empty()))?;
        fcntl(&inherited.pipe.1, FcntlArg::F_SETFD(FdFlag::empty()))?;
        fcntl(&inherited.file, FcntlArg::F_SETFD(FdFlag::empty()))?;
        Ok(inherited)
    }

    fn names(&self) -> Result<BTreeSet<String>> {
        let this = Process::this().descriptors()?;
        let own = [self.pipe.0.as_raw_fd(), self.pipe.1.as_raw_fd(), self.file.as_raw_fd()];
        Ok(own.iter().filter_map(|number| this.get(number).cloned()).collect())
    }
}

fn lets_go(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let file = subject.scratch().join("file");
    let folder = subject.scratch().join("folder");
    std::fs::create_dir_all(&folder)?;
    let inherited = Inherited::new(&file)?;
    let here: BTreeSet<String> = Process::this().descriptors()?.into_values().collect();
    for options in [&["-d"][..], &["-d", "--init"], &["-d", "-i", "--rm"]] {
        let launch = bed.launch(options, &["sleep", "1000"]).cwd(&folder);
        let mut running = launch.start()?;
        // The ends that the binary has of the pipes to its stdin, stdout and stderr.
        let streams = running.runtime().descriptors().unwrap_or_default();
        let streams: BTreeSet<String> = streams.into_values().filter(|it| it.starts_with("pipe:")).collect();
        let output = running.wait(PATIENCE)?.success()?;
        let forbidden: BTreeSet<String> = inherited.names()?.into_iter().chain(streams).collect();
        let everybody = ours();
        expect!(everybody.len() >= 2, "a supervisor and a command", "{everybody:?}");
        for process in everybody {
            let all = process.descriptors()?;
            let kept: Vec<_> = all.iter().filter(|(_, it)| forbidden.contains(*it)).collect();
            expect!(kept.is_empty(), "nothing of the caller's in {process:?}", "{kept:?}");
            // Pipes that this check has itself, whoever made them.
            let kept: Vec<_> =
                all.iter().filter(|(_, it)| it.starts_with("pipe:") && here.contains(*it)).collect();
            expect!(kept.is_empty(), "no pipe of the check's in {process:?}", "{kept:?}");
            expect!(!holds(process, &file)?, "the caller's file closed in {process:?}", "it is open");
            let cwd = std::fs::read_link(process.path("cwd"))?;
            expect!(!cwd.starts_with(subject.scratch()), "no process in the caller's folder", "{cwd:?}");
        }
        bed.ok(&["rm", "-f", output.out().trim_end()])?;
    }
    Ok(())
}

fn session(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let terminal = Terminal::open()?;
    let mut running = bed.launch(&["-d", "--name", "box"], &["sleep", "1000"]).start_on(&terminal)?;
    let caller = running.runtime();
    running.wait(PATIENCE)?.success()?;
    let id = bed.inspect("box")?["id"].as_str().unwrap_or_default().to_owned();
    let up = Up::of(&id)?;
    for process in [up.runtime, up.command] {
        expect_eq!(stat(process, 7)?, 0, "the terminal of process {}", process.0);
        let (group, session) = (stat(process, 5)?, stat(process, 6)?);
        expect!(
            group != i64::from(caller.0) && session != i64::from(caller.0),
            "another session and process group than the caller's",
            "{session} and {group}"
        );
        expect!(session != stat(Process::this(), 6)?, "another session than the check's", "the same");
    }
    expect_eq!(stat(up.runtime, 6)?, i64::from(up.runtime.0), "the session of the supervisor");
    let reaper = Process(nix::unistd::getppid().as_raw());
    expect_eq!(parent(up.runtime)?, reaper, "the supervisor's parent, which is the reaper of orphans");
    // What the kernel does when a terminal is closed, and a shell to its jobs.
    drop(terminal);
    // SAFETY: kill takes two integers; the group is the caller's own, and it may be empty by now.
    unsafe { libc::kill(-caller.0, libc::SIGHUP) };
    std::thread::sleep(Duration::from_millis(200));
    expect!(up.runtime.alive() && up.command.alive(), "both to outlive the caller's session", "an end");
    expect_eq!(bed.state("box")?.0, "running", "status after the end of the caller's session");
    Ok(())
}

fn throwaway(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let options = ["--rm", "--name", "box", "-v", "/data"];
    let up =
        bed.script(&options, "touch /data/x; echo ready; until [ -e /data/end ]; do sleep 0.02; done")?;
    let groups = up.groups()?;
    let volumes = bed.data.join("volumes");
    let folder = std::fs::read_dir(&volumes)?.flatten().find(|it| it.path().is_dir());
    let folder = folder.context("there is no volume")?.path();
    write_file(&folder.join("_data/end"), "", 0o644)?;
    bed.expect_nothing(&groups, "after the end of the command")?;
    expect!(!folder.exists(), "its volume without a name gone", "it is there");
    expect_eq!(bed.ps(&["-a"])?.len(), 0, "containers in `ps -a`");
    // One that has ended before anybody looks.
    bed.launch(&["-d", "--rm", "--name", "box"], &["true"]).output()?.success()?;
    bed.expect_nothing(&groups, "after a second one of the same name")
}
