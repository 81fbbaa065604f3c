//! Behaviour 14: the loopback interface and the clock since boot.

use anyhow::Context;

use super::super::common::{expect_own_error, plain, start_cat};
use super::super::step01::timing::expect_times;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "loopback-up",
        step: 2,
        behaviours: &[14],
        title: "in a new network namespace `lo` is there alone, up, and answers at 127.0.0.1",
        points: 2,
        hints: &[
            "`ip link` in `unshare -n`: what state is `lo` in?",
            "ioctl(2) SIOCSIFFLAGS with IFF_UP on any socket, netdevice(7). The kernel adds the address itself.",
        ],
        section: "02-namespaces.html#loopback",
        needs: &[Need::UserNamespaces],
        run: loopback,
        ..Check::NEW
    },
    Check {
        id: "boottime-offset",
        step: 2,
        behaviours: &[14],
        title: "--boottime-offset moves /proc/uptime inside and nowhere else",
        points: 2,
        hints: &[
            "time_namespaces(7): the offsets can be written only while nobody is in the namespace.",
            "unshare(CLONE_NEWTIME), write `boottime SECONDS 0` to /proc/self/timens_offsets, then have a child.",
        ],
        section: "02-namespaces.html#time",
        needs: &[Need::UserNamespaces, Need::Namespace("time")],
        run: offset,
        ..Check::NEW
    },
    Check {
        id: "boottime-offset-impossible",
        step: 2,
        behaviours: &[14],
        title: "an offset that would put the clock before zero, or is no number, is one error",
        points: 1,
        hints: &["The kernel answers ERANGE; say on what."],
        section: "02-namespaces.html#time",
        needs: &[Need::UserNamespaces, Need::Namespace("time")],
        after: &["boottime-offset"],
        run: impossible,
        ..Check::NEW
    },
    Check {
        id: "explain-timing-with-offset",
        step: 2,
        behaviours: &[14],
        title: "`--explain=timing` tells the same clock's microseconds on both sides of a time namespace",
        points: 1,
        hints: &[
            "Which of the clocks of clock_gettime(2) does `--boottime-offset` shift, and which does the narration read?",
        ],
        section: "02-namespaces.html#time",
        needs: &[Need::UserNamespaces, Need::Namespace("time")],
        after: &["explain-timing", "boottime-offset"],
        run: |subject| expect_times(subject, &["--boottime-offset", "1000000"]),
        ..Check::NEW
    },
];

fn loopback(subject: &Subject) -> Verdict {
    // Step 08 adds a device, unless it is asked for none.
    let options: &[&str] = if subject.step < 8 { &[] } else { &["--network", "none"] };
    let (_running, command) = start_cat(plain(subject, options))?;
    let devices = command.text("net/dev")?;
    let names: Vec<&str> = devices.lines().filter_map(|line| Some(line.split_once(':')?.0.trim())).collect();
    expect_eq!(names, ["lo"], "network devices of the container");
    let addresses = command.text("net/fib_trie")?;
    expect!(addresses.contains("127.0.0.1"), "127.0.0.1 in /proc/PID/net/fib_trie", "{:?}", addresses);
    let output = subject.run_probe::<&str>(options, "loopback", &[])?.success()?;
    expect_eq!(output.out(), "connected\n", "a call to 127.0.0.1 inside");
    Ok(())
}

/// Seconds since boot as /proc/uptime says them.
fn uptime(text: &str) -> anyhow::Result<f64> {
    Ok(text.split_whitespace().next().with_context(|| format!("/proc/uptime is {text:?}"))?.parse()?)
}

fn offset(subject: &Subject) -> Verdict {
    const OFFSET: i32 = 1_000_000;
    let host = || uptime(&std::fs::read_to_string("/proc/uptime")?);
    for options in [&[][..], &["--init"], &["--ns", "mnt,pid,uts,time"]] {
        let options = [&["--boottime-offset", "1000000"][..], options].concat();
        let before = host()?;
        let output = subject.run(&options, &["cat", "/proc/uptime"])?.success()?;
        let inside = uptime(&output.out())?;
        let after = host()?;
        let ahead = inside - f64::from(OFFSET);
        let fits = ahead >= before - 0.1 && ahead <= after + 0.1;
        expect!(
            fits,
            "/proc/uptime inside {OFFSET} s ahead of {before} to {after}",
            "{inside} with {:?}",
            options
        );
        expect!(
            after - before < f64::from(OFFSET) / 2.0,
            "the host's uptime as it was",
            "{before}, then {after}"
        );
    }
    let (_running, command) = start_cat(plain(subject, &["--boottime-offset", "1000000"]))?;
    expect!(command.ns("time")? != Process::this().ns("time")?, "a time namespace of its own", "the host's");
    Ok(())
}

fn impossible(subject: &Subject) -> Verdict {
    for seconds in ["-1000000000000", "soon", "99999999999999999999"] {
        let output = subject.run(&[&format!("--boottime-offset={seconds}")], &["true"])?;
        expect_own_error(subject, &output, 125, &format!("--boottime-offset {seconds}"))?;
    }
    Ok(())
}
