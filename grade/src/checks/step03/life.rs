//! Behaviour 20: no group outlives its container.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::signal::Signal;

use super::super::common::until_gone;
use super::group::{directories, exists, hold, release};
use crate::subject::PATIENCE;
use crate::{Check, Need, Process, Running, Subject, Verdict, expect, expect_eq, until};

/// What a check of a container's groups needs.
const COUNTED: &[Need] =
    &[Need::CgroupController("cpu"), Need::CgroupController("memory"), Need::CgroupController("pids")];

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "cgroup-gone-after-exit",
        step: 3,
        behaviours: &[20],
        title: "a container's groups are gone when the runtime ends, however the command ended",
        points: 2,
        hints: &[
            "rmdir(2) of a group fails with EBUSY while a process is in it, a zombie on its way out included.",
            "Wait for the command, then remove; do it on the error paths, too (`Drop`).",
        ],
        section: "03-cgroups.html#cleanup",
        needs: COUNTED,
        after: &["cgroup-own"],
        run: after_exit,
        ..Check::NEW
    },
    Check {
        id: "cgroup-gone-after-failure",
        step: 3,
        behaviours: &[19, 20],
        title: "a start that fails after its groups were made removes them again",
        points: 2,
        hints: &["`strace -f -e mkdir` shows what was made. Who removes it when exec fails?"],
        section: "03-cgroups.html#cleanup",
        needs: &[Need::CgroupController("pids"), Need::Strace],
        after: &["cgroup-gone-after-exit"],
        timeout: Duration::from_secs(60),
        run: after_failure,
        ..Check::NEW
    },
    Check {
        id: "cgroup-gone-after-kill",
        step: 3,
        behaviours: &[20],
        title: "groups of a runtime that was killed are gone after the next run, and those of the living stay",
        points: 3,
        hints: &[
            "Nobody can clean up after its own SIGKILL: the next one has to.",
            "How does it know whether a group has an owner? A lock is let go by the kernel: flock(2).",
        ],
        section: "03-cgroups.html#cleanup",
        needs: COUNTED,
        after: &["cgroup-gone-after-exit", "kill-ends-command"],
        run: after_kill,
        ..Check::NEW
    },
    Check {
        id: "cgroup-gone-nested",
        step: 3,
        behaviours: &[20],
        title: "groups that were made inside a container's group go with it",
        points: 2,
        hints: &[
            "A container may run systemd, or another runtime, and both make groups of their own.",
            "Remove the deepest first. There are no files to delete: rmdir(2) alone.",
        ],
        section: "03-cgroups.html#cleanup",
        needs: COUNTED,
        after: &["cgroup-gone-after-kill"],
        run: nested,
        ..Check::NEW
    },
    Check {
        id: "cgroup-gone-with-leftovers",
        step: 3,
        behaviours: &[20],
        title: "processes that outlive the command, without a PID namespace, go with its groups",
        points: 1,
        hints: &[
            "cgroup.procs lists who is left. On v2 there is cgroup.kill.",
            "Without --ns pid there is no PID 1 whose end would end the others.",
        ],
        section: "03-cgroups.html#cleanup",
        needs: COUNTED,
        after: &["cgroup-gone-after-exit"],
        run: leftovers,
        ..Check::NEW
    },
    Check {
        id: "cgroup-parallel-starts",
        step: 3,
        behaviours: &[20],
        title: "many containers that start and end at once do not take each other's groups",
        points: 1,
        hints: &["Between making a group and locking it another run may think that nobody owns it."],
        section: "03-cgroups.html#cleanup",
        needs: &[Need::CgroupController("pids")],
        timeout: Duration::from_secs(90),
        run: parallel,
        ..Check::NEW
    },
    Check {
        id: "cgroup-caller-unmoved",
        step: 3,
        behaviours: &[20, 21],
        title: "the caller's own group is as before: same members, same cgroup.subtree_control, no group more",
        points: 1,
        hints: &["In a delegated group a runtime may have to step aside into a leaf. It must step back."],
        section: "03-cgroups.html#delegation",
        needs: &[Need::NotRoot, Need::CgroupV2("pids")],
        run: caller_unmoved,
        ..Check::NEW
    },
];

/// A container that is up, and its groups.
fn up(subject: &Subject, options: &[&str]) -> Result<(Running, Process, Vec<PathBuf>)> {
    let (running, command) = hold(subject, options)?;
    let dirs = directories(command)?;
    for dir in &dirs {
        expect!(exists(dir), "the group {dir:?} of a running container", "nothing there");
    }
    Ok((running, command, dirs))
}

fn expect_gone(dirs: &[PathBuf], when: &str) -> Verdict {
    let left: Vec<&PathBuf> = dirs.iter().filter(|dir| exists(dir)).collect();
    expect!(left.is_empty(), "no group of a container {when}", "{left:?}");
    Ok(())
}

/// Waits for the end of groups whose runtime was killed, after a run that should have seen to it.
fn swept(dirs: &[PathBuf]) -> Verdict {
    // Another check's run may be at it already, and the one that was asked leaves it to that.
    let gone = || (!dirs.iter().any(|dir| exists(dir))).then_some(());
    until(Duration::from_secs(5), &format!("the end of {dirs:?}, whose runtime was killed"), gone)
}

fn after_exit(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"], &["--memory", "64m", "--cpus", "0.5", "--pids-limit", "20"]] {
        let (mut running, _, dirs) = up(subject, options)?;
        release(&mut running)?;
        expect_gone(&dirs, &format!("after its exit, {options:?}"))?;
    }
    let (mut running, command, dirs) = up(subject, &[])?;
    super::super::common::send(command, Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    expect_gone(&dirs, "after the command was killed")?;
    let mut running = subject.probe(&[], "catch", &["1"])?.start()?;
    running.read_line()?;
    let dirs = directories(running.command()?)?;
    running.signal(Signal::SIGTERM)?;
    running.wait(PATIENCE)?;
    expect_gone(&dirs, "after a SIGTERM to the runtime")
}

/// The groups that were made, by a trace of mkdir(2) and mkdirat(2) with absolute paths.
fn made(trace: &Path) -> Result<Vec<PathBuf>> {
    let mounts = Process::this().mounts()?;
    let tops: Vec<_> = mounts.iter().filter(|mount| mount.fstype.starts_with("cgroup")).collect();
    let text = fs::read_to_string(trace).context("read the trace")?;
    let made = text.lines().filter(|line| line.contains("mkdir") && line.trim_end().ends_with("= 0"));
    let paths = made.filter_map(|line| Some(PathBuf::from(line.split('"').nth(1)?)));
    Ok(paths.filter(|path| tops.iter().any(|top| path.starts_with(&top.point))).collect())
}

fn after_failure(subject: &Subject) -> Verdict {
    let trace = subject.scratch().join("trace");
    let words = ["strace", "-f", "-s", "4096", "-e", "trace=mkdir,mkdirat", "-o"];
    let mut words: Vec<_> = words.map(std::ffi::OsString::from).to_vec();
    words.push(trace.clone().into());
    for (command, code) in [("no-such-command", 127), ("/", 126)] {
        let output = subject.launch(&["--pids-limit", "20"], &[command]).under(&words).output()?;
        expect_eq!(output.code(), code, "exit status of {command} ({})", output.err());
        let made = made(&trace)?;
        expect!(!made.is_empty(), "groups made before exec of {command} failed", "none in the trace");
        expect_gone(&made, "whose command could not be executed")?;
    }
    Ok(())
}

fn after_kill(subject: &Subject) -> Verdict {
    let (mut living, lives, kept) = up(subject, &[])?;
    for options in [&[][..], &["--init"]] {
        let (mut running, command, dirs) = up(subject, options)?;
        running.signal(Signal::SIGKILL)?;
        running.wait(PATIENCE)?;
        until_gone(command, PATIENCE, "the end of the command after `kill -9` of the runtime")?;
        subject.run(&[], &["true"])?.success()?;
        swept(&dirs)?;
    }
    expect!(lives.alive(), "a container that lives on while others are cleaned up", "{:?}", lives.state());
    expect!(kept.iter().all(|dir| exists(dir)), "the groups of the living, {kept:?}", "fewer");
    release(&mut living)?;
    expect_gone(&kept, "after its exit")
}

/// A container with a child, which is moved into groups made inside the container's.
fn nest(subject: &Subject) -> Result<(Running, Process, Vec<PathBuf>)> {
    let mut running = subject.start(&[], &["sh", "-c", "sleep 1000 & echo up; read end"])?;
    running.read_line()?;
    let command = running.command()?;
    let child = *command.children().first().context("the shell has no child")?;
    let dirs = directories(command)?;
    for dir in &dirs {
        let deepest = dir.join("inner/deep");
        fs::create_dir_all(&deepest).with_context(|| format!("make {}", deepest.display()))?;
        fs::create_dir(dir.join("empty"))?;
        let file = deepest.join("cgroup.procs");
        fs::write(&file, child.0.to_string()).with_context(|| format!("write {}", file.display()))?;
    }
    Ok((running, command, dirs))
}

fn nested(subject: &Subject) -> Verdict {
    let (mut running, _, dirs) = nest(subject)?;
    running.close_stdin();
    running.wait(PATIENCE)?;
    expect_gone(&dirs, "with groups inside, after its exit")?;
    let (mut running, command, dirs) = nest(subject)?;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    until_gone(command, PATIENCE, "the end of the command after `kill -9` of the runtime")?;
    subject.run(&[], &["true"])?.success()?;
    swept(&dirs)
}

fn leftovers(subject: &Subject) -> Verdict {
    let script = "sleep 1000 & echo up; read end; exit 6";
    let mut running = subject.start(&["--ns", "uts,ipc,mnt,cgroup"], &["sh", "-c", script])?;
    running.read_line()?;
    let command = running.command()?;
    let child = *command.children().first().context("the shell has no child")?;
    let dirs = directories(command)?;
    running.close_stdin();
    expect_eq!(running.wait(PATIENCE)?.code(), 6, "exit status of a shell that leaves a process behind");
    expect_gone(&dirs, "with a process left behind")?;
    until_gone(child, PATIENCE, "the end of a process that was left behind")
}

fn parallel(subject: &Subject) -> Verdict {
    for _ in 0..3 {
        let mut all =
            (0..8).map(|_| subject.start(&["--pids-limit", "20"], &["cat"])).collect::<Result<Vec<_>>>()?;
        for running in &mut all {
            running.close_stdin();
        }
        for running in &mut all {
            let output = running.wait(PATIENCE)?;
            expect_eq!(
                (output.code(), output.err()),
                (0, String::new()),
                "status and stderr of one of eight"
            );
        }
    }
    Ok(())
}

fn caller_unmoved(subject: &Subject) -> Verdict {
    let this = Process::this();
    let dir = this.cgroup_dir("pids")?;
    let look = || -> Result<(String, String)> {
        Ok((this.text("cgroup")?, fs::read_to_string(dir.join("cgroup.subtree_control"))?))
    };
    let before = look()?;
    let (mut running, _) = hold(subject, &["--pids-limit", "20"])?;
    release(&mut running)?;
    expect_eq!(look()?, before, "the caller's groups and what its group gives to those below");
    Ok(())
}
