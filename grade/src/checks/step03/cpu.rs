//! Behaviour 17: CPU time, its quota, its shares, and the CPUs themselves.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use nix::sched::{CpuSet, sched_getaffinity};
use nix::unistd::Pid;

use super::group::{Group, hold, release};
use crate::{Check, Need, Process, Running, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "cpu-quota-written",
        step: 3,
        behaviours: &[17],
        title: "--cpus gives quota and period in the proportion that was asked for",
        points: 1,
        hints: &[
            "v2: `cpu.max` takes `QUOTA PERIOD`, in microseconds, in one write.",
            "Read the file back: a write that the kernel refuses is an error, not a limit.",
        ],
        section: "03-cgroups.html#cpus",
        needs: &[Need::CgroupController("cpu")],
        run: quota_written,
        ..Check::NEW
    },
    Check {
        id: "cpu-quota-measured",
        step: 3,
        behaviours: &[17],
        title: "a busy command under `--cpus 0.5` gets half a CPU, within a tenth",
        points: 3,
        hints: &[
            "utime and stime in /proc/PID/stat count ticks of CPU time.",
            "A quota of 50000 in a period of 100000 is half of one CPU, however many there are.",
        ],
        section: "03-cgroups.html#cpus",
        needs: &[Need::CgroupController("cpu")],
        after: &["cpu-quota-written"],
        timeout: Duration::from_secs(90),
        run: quota_measured,
        ..Check::NEW
    },
    Check {
        id: "cpu-shares-divide",
        step: 3,
        behaviours: &[17],
        title: "two busy commands with shares of 2:1 divide one CPU about 2:1",
        points: 3,
        hints: &[
            "Shares say nothing while there is CPU time left. Put both on the same CPU.",
            "v2 has no shares: cpu.weight is 1 + (shares - 2) * 9999 / 262142.",
            "Groups compete with their siblings: put all containers below the same parent.",
        ],
        section: "03-cgroups.html#shares",
        needs: &[Need::CgroupController("cpu")],
        timeout: Duration::from_secs(90),
        run: shares_divide,
        ..Check::NEW
    },
    Check {
        id: "cpuset-cpus",
        step: 3,
        behaviours: &[17],
        title: "--cpuset-cpus holds the command to these CPUs",
        points: 2,
        hints: &[
            "`Cpus_allowed_list` in /proc/PID/status is what the scheduler goes by.",
            "On v1 a new cpuset group is empty: nobody can join it before it has both cpus and mems.",
        ],
        section: "03-cgroups.html#cpuset",
        needs: &[Need::CgroupController("cpuset")],
        run: cpuset,
        ..Check::NEW
    },
];

fn quota_written(subject: &Subject) -> Verdict {
    for (asked, want) in [("0.5", 0.5), ("0.01", 0.01), ("1", 1.0), (".25", 0.25)] {
        let (mut running, command) = hold(subject, &["--cpus", asked])?;
        let got = Group::of(command, "cpu")?.cpus()?;
        let exact = got.is_some_and(|got| (got - want).abs() < 1e-4);
        expect!(exact, "a quota of {want} CPUs with --cpus {asked}", "{got:?}");
        release(&mut running)?;
    }
    let (mut running, command) = hold(subject, &["--memory", "64m"])?;
    expect_eq!(Group::of(command, "cpu")?.cpus()?, None, "CPUs of a command without --cpus");
    release(&mut running)?;
    Ok(())
}

/// utime and stime of the process. proc_pid_stat(5).
fn cpu_time(process: Process) -> Result<Duration> {
    let text = process.text("stat")?;
    let words: Vec<&str> = text.rsplit_once(") ").context("a name in stat")?.1.split(' ').collect();
    let ticks: u64 = words[11].parse::<u64>()? + words[12].parse::<u64>()?;
    // SAFETY: sysconf takes a number.
    let hertz = u64::try_from(unsafe { libc::sysconf(libc::_SC_CLK_TCK) })?;
    Ok(Duration::from_millis(ticks * 1000 / hertz))
}

/// A process that keeps one CPU busy until its stdin ends.
fn burn(subject: &Subject, options: &[&str], cpu: usize) -> Result<(Running, Process)> {
    let mut running = subject.probe(options, "burn", &[cpu.to_string()])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of the probe");
    let command = running.command()?;
    Ok((running, command))
}

/// The CPUs on which a process may run.
fn cpus(process: Pid) -> Result<Vec<usize>> {
    let allowed = sched_getaffinity(process)?;
    Ok((0..CpuSet::count()).filter(|cpu| allowed.is_set(*cpu).unwrap_or(false)).collect())
}

fn quota_measured(subject: &Subject) -> Verdict {
    // The check of shares, which may run at the same time, keeps the first CPU busy.
    let cpu = *cpus(Pid::this())?.last().context("no CPU is allowed")?;
    let (mut running, command) = burn(subject, &["--cpus", "0.5"], cpu)?;
    let group = Group::of(command, "cpu")?;
    let periods = || -> Result<(u64, u64)> {
        Ok((group.keyed("cpu.stat", "nr_periods")?, group.keyed("cpu.stat", "nr_throttled")?))
    };
    // A host that is busy with other things may have less than half a CPU to give. Then the kernel did not have
    // to hold the command back in every period, and the measurement says nothing about the lower bound.
    for _ in 0..10 {
        let (start, used, (all, held)) = (Instant::now(), cpu_time(command)?, periods()?);
        std::thread::sleep(Duration::from_secs(2));
        let (end, used_then, (all_then, held_then)) = (start.elapsed(), cpu_time(command)?, periods()?);
        let share = (used_then - used).as_secs_f64() / end.as_secs_f64();
        let bounded = share <= 0.6;
        expect!(bounded, "at most 0.5 CPUs over two seconds, within a tenth", "{share:.2}");
        if share >= 0.4 {
            release(&mut running)?;
            return Ok(());
        }
        let (all, held) = (all_then - all, held_then - held);
        expect!(
            held * 10 < all * 9,
            "0.5 CPUs, within a tenth",
            "{share:.2}, held in {held} of {all} periods"
        );
    }
    Err(crate::skip("the host was too busy to give anybody half a CPU"))
}

fn shares_divide(subject: &Subject) -> Verdict {
    let cpu = *cpus(Pid::this())?.first().context("no CPU is allowed")?;
    let (mut light, one) = burn(subject, &["-c", "512"], cpu)?;
    let (mut heavy, two) = burn(subject, &["--cpu-shares", "1024"], cpu)?;
    expect_shares(one, 512)?;
    expect_shares(two, 1024)?;
    // Until both have had a second's worth, ticks and turns of the scheduler blur the picture.
    let before = [cpu_time(one)?, cpu_time(two)?];
    let used =
        crate::until(Duration::from_secs(60), "a second of CPU time for each of two busy commands", || {
            let used = [cpu_time(one).ok()? - before[0], cpu_time(two).ok()? - before[1]];
            used.iter().all(|time| time.as_secs_f64() > 1.0).then_some(used)
        })?;
    let ratio = used[1].as_secs_f64() / used[0].as_secs_f64();
    expect!((1.5..=2.7).contains(&ratio), "CPU time about 2:1", "{ratio:.2}:1, {used:?}");
    release(&mut light)?;
    release(&mut heavy)?;
    Ok(())
}

fn expect_shares(command: Process, shares: u64) -> Verdict {
    let group = Group::of(command, "cpu")?;
    let want = if group.v2 { 1 + (shares - 2) * 9999 / 262_142 } else { shares };
    expect_eq!(
        group.number(group.file("cpu.shares", "cpu.weight"))?,
        want,
        "the weight for shares of {shares}"
    );
    Ok(())
}

fn cpuset(subject: &Subject) -> Verdict {
    let all = cpus(Pid::this())?;
    let [first, .., last] = all[..] else {
        return Err(crate::skip("with one CPU there is nothing to choose from"));
    };
    for list in
        [first.to_string(), last.to_string(), format!("{first},{last}"), format!("{first}-{first},{last}")]
    {
        let (mut running, command) = hold(subject, &["--cpuset-cpus", &list])?;
        let want: Vec<usize> = if list.contains(',') { vec![first, last] } else { vec![list.parse()?] };
        let got = cpus(Pid::from_raw(command.0))?;
        expect_eq!(got, want, "the CPUs of a command with --cpuset-cpus {list}");
        release(&mut running)?;
    }
    Ok(())
}
