//! Behaviour 44 after a crash: what is true is found out by the next command, and nobody else is taken for the dead.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::process::CommandExt;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::fcntl::{Flock, FlockArg};
use nix::sys::signal::Signal;
use serde_json::{Value, json};

use super::super::common::{send, start_cat};
use super::bed::{Bed, SOON, Up, stat, until_all_gone};
use crate::subject::PATIENCE;
use crate::{Check, Process, Subject, Verdict, expect, expect_eq, until};

const STATE: Check = Check {
    step: 7,
    behaviours: &[44],
    points: 2,
    section: "07-detach.html#state",
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "state-killed-supervisor",
        title: "after `kill -9` of the supervisor the container is dead, and the next command says so: 137",
        points: 3,
        hints: &[
            "PR_SET_PDEATHSIG ends the command; nobody is left to write that down.",
            "A lock that the kernel lets go of tells a dead runtime from a living one.",
        ],
        section: "07-detach.html#break-supervisor",
        run: killed_supervisor,
        ..STATE
    },
    Check {
        id: "state-killed-freed",
        title: "and it frees what was held: groups, mounts, and with --rm the files and the name",
        points: 3,
        hints: &["Not only the next `run` clears away: `ps` and `prune` do, too."],
        after: &["state-killed-supervisor"],
        section: "07-detach.html#sweep",
        run: killed_freed,
        ..STATE
    },
    Check {
        id: "state-after-reboot",
        title: "a container of another boot does not run, whoever has its process's number now",
        points: 3,
        hints: &["/proc/sys/kernel/random/boot_id is another after each boot."],
        after: &["state-killed-supervisor"],
        section: "07-detach.html#process",
        run: other_boot,
        ..STATE
    },
    Check {
        id: "state-reused-pid",
        title: "a process that has got a dead container's number is not taken for it, and gets no signal",
        points: 3,
        hints: &["Compare the start time behind pidfd_open(2), and then send through the pidfd."],
        after: &["state-killed-supervisor"],
        section: "07-detach.html#break-number",
        run: reused_pid,
        ..STATE
    },
];

fn kill_supervisor(up: &Up) -> Verdict {
    let members = up.members()?;
    send(up.runtime, Signal::SIGKILL)?;
    until_all_gone(&members, "of the container after `kill -9` of its supervisor")
}

fn killed_supervisor(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "(trap '' TERM HUP; sleep 1000) & echo ready; sleep 1000";
    for (name, options) in [("plain", &[][..]), ("init", &["--init"])] {
        let up = bed.script(&[&["--name", name], options].concat(), script)?;
        kill_supervisor(&up)?;
        let row = bed.ps(&["-a", "--filter", &format!("name={name}")])?;
        let status = row.first().map(|row| row["Status"].as_str().unwrap_or_default().to_owned());
        let right = status.as_deref().is_some_and(|it| it.starts_with("Exited (137)"));
        expect!(right, "`Exited (137)` in `ps -a` after `kill -9` of the supervisor", "{status:?}");
        bed.expect_exited(name, 137, "after `kill -9` of the supervisor")?;
        let record: Value = serde_json::from_slice(&fs::read(bed.folder(&up.id).join("container.json"))?)?;
        let state = &record["state"];
        expect!(state["finished"].is_string(), "the time of its end in the record", "{state}");
        expect_eq!(state["exit_code"], json!(137), "the exit code in the record");
        expect_eq!(bed.ps(&[])?.len(), 0, "containers that run");
        expect_eq!(bed.ok(&["wait", name])?, "137\n", "stdout of `wait`");
        bed.ok(&["start", name])?;
        expect_eq!(bed.state(name)?.0, "running", "status after another start");
        bed.ok(&["rm", "-f", name])?;
    }
    // The foreground's runtime is the same program.
    let (mut running, command) = start_cat(|words| bed.launch(&["--name", "fore"], words))?;
    // The command may be up before its runtime has written that down.
    until(SOON, "the start in the record", || (bed.state("fore").ok()?.0 == "running").then_some(()))?;
    running.signal(Signal::SIGKILL)?;
    running.wait(PATIENCE)?;
    until_all_gone(&[command], "after `kill -9` of a runtime in the foreground")?;
    bed.expect_exited("fore", 137, "after `kill -9` of a runtime in the foreground")
}

fn killed_freed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for (words, options) in
        [(&["ps", "-a"][..], &["--name", "box"][..]), (&["images"], &["--rm", "--name", "box"])]
    {
        let up = bed.idle(options)?;
        let groups = up.groups()?;
        kill_supervisor(&up)?;
        bed.ok(words)?;
        let left = || groups.iter().filter(|dir| dir.exists()).cloned().collect();
        Bed::expect_swept(left, &format!("after `{}`", words.join(" ")))?;
        bed.expect_no_mounts("after `kill -9` of the supervisor")?;
        if !options.contains(&"--rm") {
            bed.ok(&["rm", "box"])?;
        }
        bed.expect_nothing(&groups, "after `kill -9` of the supervisor and the commands that came next")?;
    }
    // What a start has made that was killed before it had a record.
    fs::create_dir_all(bed.folder("0123456789ab").join("upper"))?;
    bed.ok(&["ps"])?;
    bed.expect_nothing(&BTreeSet::new(), "of a start that was never finished")?;
    // Nor is one that is gone already a hindrance.
    let up = bed.idle(&["--name", "box"])?;
    let groups = up.groups()?;
    kill_supervisor(&up)?;
    for dir in &groups {
        until(SOON, "the end of an empty group", || {
            (fs::remove_dir(dir).is_ok() || !dir.exists()).then_some(())
        })?;
    }
    bed.expect_exited("box", 137, "when its groups had been deleted")?;
    bed.ok(&["start", "box"])?;
    bed.ok(&["rm", "-f", "box"])?;
    bed.expect_nothing(&groups, "after `rm -f`")
}

/// A process of the host that no command of the runtime may touch. It ends with the check.
struct Stranger(Child);

impl Stranger {
    fn new() -> Result<Stranger> {
        let mut command = Command::new(crate::need::program("sleep").context("there is no sleep")?);
        command.arg("1000").stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.process_group(0);
        let stranger = Stranger(command.spawn().context("start sleep")?);
        // Start times are counted in hundredths of a second: nobody else shall have this one.
        std::thread::sleep(Duration::from_millis(50));
        Ok(stranger)
    }

    fn process(&self) -> Process {
        Process(self.0.id().cast_signed())
    }

    fn untouched(&self, when: &str) -> Verdict {
        let state = self.process().state();
        expect!(matches!(state, Some('S')), "a process of somebody else's to go on {when}", "{state:?}");
        Ok(())
    }
}

impl Drop for Stranger {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries on a dead container everything that would send a signal to a living one's process.
fn disturb(bed: &Bed, name: &str, stranger: &Stranger, when: &str) -> Verdict {
    expect_eq!(bed.state(name)?.0, "exited", "status {when}");
    expect_eq!(bed.ps(&[])?.len(), 0, "containers that run {when}");
    for words in
        [&["stop", "-t", "0"][..], &["kill"], &["kill", "-s", "STOP"], &["pause"], &["exec"], &["top"]]
    {
        let words = [words, &[name]].concat();
        let words = if words[0] == "exec" { [&words[..], &["true"]].concat() } else { words };
        let output = bed.output(&words)?;
        let wanted = if words[0] == "stop" { 0 } else { 125 };
        expect_eq!(output.code(), wanted, "exit status of `{}` {when}", words.join(" "));
        stranger.untouched(&format!("after `{}` {when}", words.join(" ")))?;
    }
    Ok(())
}

/// A container of which the supervisor was killed, and a record as it was before that.
fn dead(bed: &Bed, name: &str) -> Result<(String, Value)> {
    let up = bed.idle(&["--name", name])?;
    let record = serde_json::from_slice(&fs::read(bed.folder(&up.id).join("container.json"))?)?;
    kill_supervisor(&up)?;
    Ok((up.id, record))
}

/// Disturbs it with nobody at work on it, and while its folder is locked as another command would for a moment: then
/// nobody may write its end down, and the record alone has to do.
fn disturb_both(bed: &Bed, change: impl Fn(&mut Value), stranger: &Stranger, when: &str) -> Verdict {
    for locked in [true, false] {
        let name = if locked { "locked" } else { "free" };
        let (id, record) = dead(bed, name)?;
        bed.edit(&id, |document| {
            *document = record;
            change(&mut document["state"]["process"]);
        })?;
        let lock = locked.then(|| fs::File::open(bed.folder(&id))).transpose()?;
        let lock = lock.map(|file| Flock::lock(file, FlockArg::LockShared).map_err(|(_, error)| error));
        let lock = lock.transpose()?;
        if locked {
            for words in [&["kill", name][..], &["kill", "-s", "STOP", name], &["stop", "-t", "0", name]] {
                // `stop` may wait for whoever has the lock.
                let mut running = bed.call(words).start()?;
                running.wait(Duration::from_millis(500)).ok();
                running.signal(Signal::SIGKILL).ok();
                running.wait(PATIENCE)?;
                stranger.untouched(&format!("after `{}` {when}", words.join(" ")))?;
            }
        } else {
            disturb(bed, name, stranger, when)?;
        }
        drop(lock);
        bed.ok(&["rm", "-f", name])?;
        stranger.untouched(&format!("after `rm -f` {when}"))?;
    }
    Ok(())
}

fn other_boot(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let stranger = Stranger::new()?;
    let start = stat(stranger.process(), 22)?;
    let change = |process: &mut Value| {
        process["pid"] = json!(stranger.process().0);
        process["start_time"] = json!(start);
        process["boot"] = json!("00000000-0000-4000-8000-000000000000");
    };
    disturb_both(&bed, change, &stranger, "after another boot")
}

fn reused_pid(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let stranger = Stranger::new()?;
    let change = |process: &mut Value| process["pid"] = json!(stranger.process().0);
    disturb_both(&bed, change, &stranger, "with a number that is another's now")
}
