//! `--userns-remap`: the root of the container is somebody else on the host.

use std::time::Duration;

use nix::sys::signal::Signal;
use nix::unistd::{Gid, setgroups};

use super::super::super::common::{expect_own_error, plain, start_cat, until_gone};
use super::expect_known;
use crate::subject::write_file;
use crate::{Process, Subject, Verdict, expect, expect_eq};

/// Its bit in the sets of /proc/PID/status, linux/capability.h.
const CAP_SYS_ADMIN: u64 = 1 << 21;

const OPTIONS: [&str; 2] = ["--userns-remap", "100000:65536"];

fn words(text: &str) -> Vec<&str> {
    text.split_whitespace().collect()
}

pub(super) fn ids(subject: &Subject) -> Verdict {
    expect_known(subject, &OPTIONS)?;
    for options in [&OPTIONS[..], &["--userns-remap", "300000:10", "--init", "--ns", "pid,uts"]] {
        let (first, count) = options[1].split_once(':').unwrap_or_default();
        // SAFETY: the hook makes one system call, on a constant.
        let launch = |words: &[&str]| unsafe {
            let groups = || Ok(setgroups(&[Gid::from_raw(0), Gid::from_raw(4242)])?);
            subject.launch(options, words).hook(groups)
        };
        let (_running, command) = start_cat(launch)?;
        for map in ["uid_map", "gid_map"] {
            expect_eq!(words(&command.text(map)?), ["0", first, count], "{map} with {options:?}");
        }
        for field in ["Uid", "Gid"] {
            expect_eq!(command.status(field)?, [first; 4], "{field} in /proc/PID/status with {options:?}");
        }
        expect_eq!(command.status("Groups")?, [""; 0], "Groups in /proc/PID/status with {options:?}");
        expect!(
            command.ns("user")? != Process::this().ns("user")?,
            "a user namespace of the command's own",
            "the host's"
        );
    }
    Ok(())
}

pub(super) fn root_inside(subject: &Subject) -> Verdict {
    expect_known(subject, &OPTIONS)?;
    let secret = subject.scratch().join("secret");
    write_file(&secret, "of the host's root\n", 0o600)?;
    let script = format!("id -u; id -g; grep CapEff /proc/self/status; cat '{}'", secret.display());
    let output = subject.run(&OPTIONS, &["sh", "-c", &script])?;
    let (out, err) = (output.out(), output.err());
    let lines: Vec<&str> = out.lines().collect();
    expect!(
        lines.len() == 3 && lines[..2] == ["0", "0"],
        "user 0 and group 0 inside",
        "{:?}, {:?}",
        out,
        err
    );
    let set = u64::from_str_radix(lines[2].trim_start_matches("CapEff:").trim(), 16)?;
    expect!(set & CAP_SYS_ADMIN != 0, "CAP_SYS_ADMIN inside", "{:?}", lines[2]);
    expect!(err.contains("Permission denied"), "the file of the host's root to be refused", "{:?}", err);
    Ok(())
}

pub(super) fn dies_with_runtime(subject: &Subject) -> Verdict {
    expect_known(subject, &OPTIONS)?;
    for options in [&OPTIONS[..], &[OPTIONS[0], OPTIONS[1], "--init"]] {
        let (running, command) = start_cat(plain(subject, options))?;
        running.signal(Signal::SIGKILL)?;
        let what = format!("the end of the command after `kill -9` of the runtime with {options:?}");
        until_gone(command, Duration::from_secs(1), &what)?;
    }
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let run = |range: &str| subject.run(&["--userns-remap", range], &["echo", "started"]);
    for range in ["0:1000", "4294967290:5"] {
        expect_eq!(run(range)?.success()?.out(), "started\n", "stdout with --userns-remap {range}");
    }
    for range in
        ["100000", "100000:", ":65536", "a:b", "100000:0", "4294967290:6", "4294967296:1", "1:2:3", ""]
    {
        let output = run(range)?;
        expect_own_error(subject, &output, 125, &format!("--userns-remap {range:?}"))?;
    }
    Ok(())
}
