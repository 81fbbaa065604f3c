//! Behaviour 16: memory.

use std::time::Duration;

use super::group::{Group, hold, release};
use crate::{Check, Need, Output, Subject, Verdict, expect, expect_eq};

const MIB: u64 = 1024 * 1024;

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "memory-oom-137",
        step: 3,
        behaviours: &[16],
        title: "a command that outgrows --memory is killed: exit status 137, and the message names the OOM kill",
        points: 3,
        hints: &[
            "Nobody tells the parent why SIGKILL came. Which file of the group counts such kills?",
            "`oom_kill` is in memory.events on v2, in memory.oom_control on v1.",
            "Read it after the command's end and before the group is removed.",
        ],
        section: "03-cgroups.html#memory",
        needs: &[Need::CgroupController("memory")],
        after: &["exit-status-own"],
        timeout: Duration::from_secs(60),
        run: oom,
        ..Check::NEW
    },
    Check {
        id: "memory-oom-child",
        step: 3,
        behaviours: &[16],
        title: "when the kernel kills a child for its memory, the command goes on and keeps its exit status",
        points: 1,
        hints: &[
            "The exit status is that of the command; what became of its children is its own affair.",
            "On v2 memory.oom.group would end all of them together. Docker leaves it off.",
        ],
        section: "03-cgroups.html#memory",
        needs: &[Need::CgroupController("memory")],
        after: &["memory-oom-137"],
        timeout: Duration::from_secs(60),
        run: oom_child,
        ..Check::NEW
    },
    Check {
        id: "memory-below-limit",
        step: 3,
        behaviours: &[16],
        title: "a command that stays below --memory is left alone, and nothing is said",
        points: 1,
        hints: &["What the runtime itself needs between clone and exec counts against the limit."],
        section: "03-cgroups.html#memory",
        needs: &[Need::CgroupController("memory")],
        timeout: Duration::from_secs(60),
        run: below,
        ..Check::NEW
    },
    Check {
        id: "memory-swap-rules",
        step: 3,
        behaviours: &[16],
        title: "--memory-swap counts memory and swap together: twice the memory by default, -1 for no limit",
        points: 3,
        hints: &[
            "v1's memory.memsw.limit_in_bytes is memory and swap, v2's memory.swap.max is swap alone.",
            "Write memsw after the memory's own limit: the kernel refuses it below that.",
            "A kernel that does not count swap has neither file.",
        ],
        section: "03-cgroups.html#swap",
        needs: &[Need::CgroupController("memory")],
        run: swap_rules,
        ..Check::NEW
    },
];

fn says_oom(output: &Output) -> bool {
    let text = output.err().to_lowercase();
    text.contains("out of memory") || text.contains("oom")
}

fn oom(subject: &Subject) -> Verdict {
    // Neither Docker's default for swap nor a swap as large as the machine has may let it by.
    for options in [&["--memory", "32m"][..], &["--memory", "32m", "--memory-swap", "32m"]] {
        let output = subject.run_probe(options, "hog", &["256"])?;
        expect_eq!(output.code(), 137, "exit status of a hog of 256 MiB with {options:?} ({})", output.err());
        expect_eq!(output.out(), "", "what the hog says, which it does after the last MiB");
        let named = says_oom(&output) && output.err().lines().count() == 1;
        expect!(named, "one line on stderr that names the OOM kill", "{:?}", output.err());
    }
    Ok(())
}

fn oom_child(subject: &Subject) -> Verdict {
    let mut argv = vec!["sh".into(), "-c".into(), "\"$@\"; echo $?; exit 5".into(), "sh".into()];
    argv.extend(subject.probe_argv("hog")?);
    argv.push("256".into());
    let output = subject.launch_in(subject.probe_image(), &["--memory", "32m"], &argv).output()?;
    expect_eq!(output.out(), "137\n", "what the shell sees of its child ({})", output.err());
    expect_eq!(output.code(), 5, "exit status of a shell whose child was killed");
    Ok(())
}

fn below(subject: &Subject) -> Verdict {
    let output = subject.run_probe(&["--memory", "96m"], "hog", &["32"])?;
    expect_eq!(
        (output.code(), output.out()),
        (0, "done\n".to_string()),
        "status and output of a hog of 32 MiB"
    );
    expect_eq!(output.err(), "", "stderr of a hog of 32 MiB under 96m");
    // Docker's least is enough for a small command.
    subject.run(&["--memory", "6m"], &["true"])?.success()?;
    Ok(())
}

/// Memory and swap together and swap alone.
type Swap = Option<(u64, u64)>;

/// Options, then memory and swap together and swap alone, in bytes; `None` for no limit.
const SWAP: [(&[&str], Swap); 5] = [
    (&["--memory", "64m"], Some((128 * MIB, 64 * MIB))),
    (&["-m", "64m", "--memory-swap", "96m"], Some((96 * MIB, 32 * MIB))),
    (&["--memory-swap=64m", "--memory=64m"], Some((64 * MIB, 0))),
    (&["--memory", "64m", "--memory-swap", "64.5m"], Some((64 * MIB + MIB / 2, MIB / 2))),
    (&["--memory", "64m", "--memory-swap", "-1"], None),
];

fn swap_rules(subject: &Subject) -> Verdict {
    for (options, want) in SWAP {
        let (mut running, command) = hold(subject, options)?;
        let group = Group::of(command, "memory")?;
        let limit = group.number(group.file("memory.limit_in_bytes", "memory.max"))?;
        expect_eq!(limit, 64 * MIB, "the limit on memory with {options:?}");
        let file = group.file("memory.memsw.limit_in_bytes", "memory.swap.max");
        if !group.has(file) {
            return Err(crate::skip(format!("this kernel does not count swap: no {file}")));
        }
        let text = group.text(file)?;
        match want {
            Some((total, swap)) => {
                let want = if group.v2 { swap } else { total };
                expect_eq!(text, want.to_string(), "{file} with {options:?}");
            }
            // v1 has no word for it, and shows the largest number that it can count.
            None => {
                let none = text == "max" || text.parse::<u64>().is_ok_and(|bytes| bytes > 1 << 60);
                expect!(none, "no limit in {file} with {options:?}", "{text:?}");
            }
        }
        release(&mut running)?;
    }
    Ok(())
}
