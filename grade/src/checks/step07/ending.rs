//! Behaviour 47: `stop`, `kill`, `rm` and `wait`; and what comes after an end, `start` and `restart`.

use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::super::step05::own::small_layer;
use super::bed::{Bed, SOON, Up, contained, until_all_gone};
use crate::archive::image::{self, Image};
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

const ENDING: Check = Check {
    step: 7,
    behaviours: &[47],
    points: 2,
    section: "07-detach.html#stop",
    after: &["state-exit-codes"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "stop-asks-first",
        title: "`stop` sends SIGTERM, and a command that ends by itself gives its own exit code",
        points: 3,
        hints: &["poll(2) on the pidfd with the patience as its timeout."],
        run: asks_first,
        ..ENDING
    },
    Check {
        id: "stop-kills-then",
        title: "a command that ignores SIGTERM, or as PID 1 does not hear it, is killed after -t seconds: 137",
        points: 3,
        hints: &["PID 1 gets no signal that it has no handler for, but SIGKILL from outside."],
        section: "07-detach.html#break-deaf",
        slow: true,
        run: kills_then,
        ..ENDING
    },
    Check {
        id: "stop-takes-all",
        title: "after `stop` no process of the container is left, in whatever group, session or orphanage it was",
        points: 3,
        hints: &["When PID 1 of a PID namespace ends, the kernel kills all others in it."],
        section: "07-detach.html#what-ends",
        run: takes_all,
        ..ENDING
    },
    Check {
        id: "stop-takes-group",
        title: "and where the container shares the host's processes, its cgroup tells which ones are its own",
        hints: &[
            "What is in the group is killed before the group is removed: cgroup.kill, or each by its number.",
        ],
        section: "07-detach.html#what-ends",
        needs: &[Need::Root, Need::CgroupController("pids")],
        after: &["stop-takes-all"],
        run: takes_group,
        ..ENDING
    },
    Check {
        id: "stop-again",
        title: "`stop` of a container that has ended is no error and changes nothing",
        hints: &["Docker says nothing either."],
        points: 1,
        run: again,
        ..ENDING
    },
    Check {
        id: "stop-paused",
        title: "`stop`, `kill` and `rm -f` work on a paused container; `stop` lets its handler run",
        hints: &["What is frozen hears no signal: thaw it. On v1 it cannot even die."],
        needs: &[Need::CgroupV2Tree],
        after: &["stop-asks-first"],
        section: "07-detach.html#pause",
        run: paused,
        ..ENDING
    },
    Check {
        id: "stop-signal-of-image",
        title: "`stop` sends the signal that the image asks for instead of SIGTERM",
        hints: &["StopSignal in the image's document."],
        points: 1,
        after: &["stop-asks-first"],
        run: image_signal,
        ..ENDING
    },
];

/// Ends with status 3 on SIGTERM, after it has said so.
pub(super) const POLITE: &str = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done";

/// Hears no SIGTERM.
pub(super) const STUBBORN: &str = "trap '' TERM HUP INT; echo ready; while :; do sleep 0.05; done";

fn asks_first(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let up = bed.script(&["--name", "box"], POLITE)?;
    let before = Instant::now();
    expect_eq!(bed.ok(&["stop", "-t", "30", "box"])?, "box\n", "stdout of `stop`");
    expect!(
        before.elapsed() < Duration::from_secs(5),
        "`stop` to end with the command",
        "{:?}",
        before.elapsed()
    );
    expect!(!up.command.alive(), "no command after `stop`", "it runs");
    until_all_gone(&[up.runtime], "that looked after it")?;
    bed.expect_exited("box", 3, "of a command that ended by itself")?;
    expect_eq!(bed.log(&up.id)?, b"ready\nasked\n", "what it has written");
    bed.expect_no_mounts("after `stop`")
}

fn kills_then(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for deaf in [false, true] {
        let up = if deaf { bed.idle(&[])? } else { bed.script(&[], STUBBORN)? };
        let groups = up.groups()?;
        let before = Instant::now();
        bed.ok(&["stop", "-t", "1", &up.id])?;
        let took = before.elapsed();
        expect!(took >= Duration::from_secs(1), "a second of patience", "{took:?}");
        expect!(took < Duration::from_secs(4), "an end after a second", "{took:?}");
        expect!(!up.command.alive(), "no command after `stop`", "it runs");
        bed.expect_exited(&up.id, 137, "of a command that was killed")?;
        expect_eq!(groups.iter().find(|dir| dir.exists()), None, "a group that is left after `stop`");
    }
    let up = bed.script(&[], STUBBORN)?;
    let before = Instant::now();
    bed.ok(&["stop", "--time", "0", &up.id])?;
    expect!(before.elapsed() < SOON, "no patience with `--time 0`", "{:?}", before.elapsed());
    bed.expect_exited(&up.id, 137, "of a command that was killed at once")
}

fn takes_all(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // Children, orphans of a parent that is gone, and one whose session and group are its own; all of them deaf.
    let script = "trap '' TERM HUP INT
        sleep 1000 & (sleep 1000 & sleep 1000 &) ; (sh -c 'sleep 1000 & exec sleep 1000' &)
        /probe __probe terminal >/dev/null 2>&1
        set -m; sleep 1000 & set +m
        trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done";
    for (words, code) in [(&["stop", "-t", "5"][..], 4), (&["kill"], 137), (&["stop", "-t", "0"], 137)] {
        for options in [&[][..], &["--init"]] {
            let up = bed.script(options, script)?;
            let members = up.members()?;
            expect!(members.len() >= 7, "at least seven processes", "{members:?}");
            bed.ok(&[words, &[&up.id]].concat())?;
            expect_eq!(
                bed.ok(&["wait", &up.id])?,
                format!("{code}\n"),
                "exit code after `{}`",
                words.join(" ")
            );
            let left: Vec<_> = members.into_iter().filter(|it| it.alive()).collect();
            expect!(left.is_empty(), "no process of the container after {words:?}", "{left:?}");
            expect!(contained().is_empty(), "no process in a container", "{:?}", contained());
        }
    }
    Ok(())
}

fn takes_group(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let script = "trap '' HUP; (sleep 1000 & sleep 1000 &)
        trap 'exit 4' TERM; echo ready; while :; do sleep 0.05; done";
    for words in [&["stop", "-t", "10"][..], &["rm", "-f"]] {
        let up = bed.script(&["--ns", "mnt,uts,ipc,net"], script)?;
        let procs = fs::read_to_string(up.command.cgroup_dir("pids")?.join("cgroup.procs"))?;
        let members: Vec<Process> = procs.lines().filter_map(|line| line.parse().ok().map(Process)).collect();
        expect!(members.len() >= 3, "at least three processes in its group", "{members:?}");
        expect_eq!(up.command.ns("pid")?, Process::this().ns("pid")?, "the PID namespace of its command");
        bed.ok(&[words, &[&up.id]].concat())?;
        let left: Vec<_> =
            members.into_iter().filter(|it| it.alive() && it.argv().is_ok_and(|it| !it.is_empty())).collect();
        expect!(left.is_empty(), "no process of the container after {words:?}", "{left:?}");
    }
    Ok(())
}

fn again(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    bed.script(&["--name", "box"], POLITE)?;
    bed.ok(&["stop", "box"])?;
    let before = bed.inspect("box")?;
    for _ in 0..2 {
        expect_eq!(bed.ok(&["stop", "-t", "0", "box"])?, "box\n", "stdout of another `stop`");
        expect_eq!(bed.inspect("box")?, before, "`inspect` after another `stop`");
    }
    bed.refused(&["kill", "box"], "box")?;
    expect_eq!(bed.inspect("box")?, before, "`inspect` after `kill` of what has ended");
    bed.refused(&["stop", "no-such"], "no-such")?;
    // Two at once.
    let up = bed.script(&[], POLITE)?;
    let mut all = (0..4).map(|_| bed.call(&["stop", &up.id]).start()).collect::<Result<Vec<_>>>()?;
    for running in &mut all {
        running.wait(Duration::from_secs(10))?.success()?;
    }
    bed.expect_exited(&up.id, 3, "after four `stop` at once")
}

fn paused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let pause = |name: &str, script: &str| -> Result<Up> {
        let up = bed.script(&["--name", name], script)?;
        bed.ok(&["pause", name])?;
        Ok(up)
    };
    let up = pause("polite", POLITE)?;
    bed.ok(&["stop", "-t", "10", "polite"])?;
    bed.expect_exited("polite", 3, "of a paused command that was asked to end")?;
    until_all_gone(&[up.command, up.runtime], "after `stop` of a paused container")?;
    for words in
        [&["stop", "-t", "1", "x"][..], &["kill", "x"], &["kill", "-s", "9", "x"], &["rm", "-f", "x"]]
    {
        let up = pause("x", STUBBORN)?;
        let members = up.members()?;
        bed.ok(words)?;
        until_all_gone(&members, &format!("after `{}` of a paused container", words.join(" ")))?;
        if words[0] != "rm" {
            expect_eq!(bed.ok(&["wait", "x"])?, "137\n", "exit code after `{}`", words.join(" "));
            bed.ok(&["rm", "x"])?;
        }
    }
    bed.ok(&["rm", "polite"])?;
    bed.expect_nothing(&up.groups().unwrap_or_default(), "after the last one")
}

fn image_signal(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let layer = small_layer()?;
    for (number, signal) in ["SIGUSR1", "10", "USR1"].into_iter().enumerate() {
        let name = format!("check/signal:{number}");
        let mut image = Image::new(&name, vec![layer.clone()]);
        image.config = serde_json::json!({ "StopSignal": signal });
        let file = subject.scratch().join("image.tar");
        fs::write(&file, image::pack(&image::docker(&[image])?))?;
        bed.ok(&["load", file.to_str().context("the scratch folder has an odd name")?])?;
        let script = "trap 'exit 5' USR1; trap 'exit 6' TERM; echo ready; while :; do sleep 0.05; done";
        let output = bed.ok(&["run", "-d", &name, "sh", "-c", script])?;
        bed.until_logged(output.trim_end(), "ready\n")?;
        bed.ok(&["stop", "-t", "10", output.trim_end()])?;
        bed.expect_exited(output.trim_end(), 5, &format!("after `stop` with StopSignal {signal}"))?;
    }
    Ok(())
}
