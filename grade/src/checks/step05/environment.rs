//! Behaviour 6, with images: variables that can be read but once, and such as are no text.

use std::ffi::{OsStr, OsString};
use std::fs::{self, File};
use std::io::Write;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::OpenOptionsExt;
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::json;

use super::super::common::start_cat;
use super::config::configured;
use super::own::{Held, Own};
use crate::subject::PATIENCE;
use crate::{Check, Output, Subject, Verdict, expect_eq, until};

const ENVIRONMENT: Check = Check {
    step: 5,
    behaviours: &[6],
    points: 1,
    section: "05-aufs-overlay.html#config",
    after: &["config-environment"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "env-file-once",
        title: "`--env-file` reads its file once, so that it can be a FIFO, for a container that is kept, too",
        hints: &["Put the variables together once: for the command and for the container's record."],
        run: file_once,
        ..ENVIRONMENT
    },
    Check {
        id: "env-any-bytes",
        title: "`-e` sets a name and a value that are no UTF-8 byte for byte, and once",
        hints: &["What is written down as text is not what was asked for: keep the bytes beside it."],
        run: any_bytes,
        ..ENVIRONMENT
    },
];

const SHOW: &str = "echo $A $B $C $D";

/// The container's variables: of the image, of a FIFO, and of `-e`.
fn run_with_fifo(own: &Own, image: &str, options: &[&str]) -> Result<Output> {
    let fifo = own.subject.scratch().join("variables");
    mkfifo(&fifo, Mode::from_bits_truncate(0o600))?;
    let path = fifo.to_str().context("the scratch folder has an odd name")?;
    let options = [options, &["--env-file", path, "-e", "C=option"]].concat();
    let mut running = own.launch(image, &options, &["sh", "-c", SHOW]).start()?;
    running.close_stdin();
    // fifo(7): to open one for writing without waiting succeeds when somebody reads it.
    let open = || File::options().write(true).custom_flags(libc::O_NONBLOCK).open(&fifo).ok();
    let mut written = until(PATIENCE, "a reader of the environment file", open)?;
    // Whoever wants to read it again finds none.
    fs::remove_file(&fifo)?;
    written.write_all(b"B=file\nC=file\nD=file\n")?;
    drop(written);
    running.wait(PATIENCE)?.success()
}

fn file_once(subject: &Subject) -> Verdict {
    const SHOWN: &str = "image file option file\n";
    let own = Own::new(subject);
    let image = configured(&own, 0, json!({ "Env": ["A=image", "B=image", "C=image"] }))?;
    for options in [&["--rm"][..], &["--name", "kept"]] {
        let shown = run_with_fifo(&own, &image, options)?.out();
        expect_eq!(shown, SHOWN, "the variables of a run with {options:?} and a FIFO as environment file");
    }
    own.ok(&["commit", "kept", "check/two"])?;
    let shown = own.sh("check/two", &["--rm"], SHOW)?;
    expect_eq!(shown, SHOWN, "the variables of an image that was made of the kept one");
    Ok(())
}

fn any_bytes(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let image = configured(&own, 0, json!({ "Env": ["PLAIN=image"] }))?;
    let asked: [&[u8]; 4] = [b"CALLERS\xfd", b"NA\xffME=plain", b"TWICE\xfc=\xfe", b"TWICE\xfc=\xfb"];
    let asked = asked.map(OsStr::from_bytes).into_iter().chain([OsStr::from_bytes(b"VALUE=\xc3(\xff")]);
    let asked: Vec<OsString> = asked.flat_map(|variable| ["-e".into(), variable.into()]).collect();
    let wanted: [&[u8]; 5] =
        [b"CALLERS\xfd=\xfa", b"NA\xffME=plain", b"PLAIN=image", b"TWICE\xfc=\xfb", b"VALUE=\xc3(\xff"];
    let shown = |variable: &[u8]| variable.escape_ascii().to_string();
    for options in [&["--rm"][..], &["--name", "kept"]] {
        let start = |argv: &[&str]| {
            let words = |words: &[&str]| words.iter().map(OsString::from).collect::<Vec<_>>();
            let front = words(&[&["run"], options].concat());
            let all = [front, asked.clone(), words(&[&[image.as_str()], argv].concat())].concat();
            let launch = subject.raw(&all).env("FORK_TO_VETH_ROOT", &own.data);
            launch.env(OsStr::from_bytes(b"CALLERS\xfd"), OsStr::from_bytes(b"\xfa"))
        };
        let (running, command) = start_cat(start)?;
        let environment = command.read("environ")?;
        let defaults: [&[u8]; 4] = [b"HOME=", b"HOSTNAME=", b"PATH=", b"TERM="];
        let is_asked = |variable: &&[u8]| {
            !variable.is_empty() && !defaults.iter().any(|name| variable.starts_with(name))
        };
        let mut found: Vec<&[u8]> = environment.split(|&byte| byte == 0).filter(is_asked).collect();
        found.sort_unstable();
        let found: Vec<String> = found.into_iter().map(shown).collect();
        expect_eq!(found, wanted.map(shown), "the command's variables with {options:?}");
        Held { running, command }.end()?;
    }
    // What is written down of them is a record that can be read.
    expect_eq!(own.ok(&["diff", "kept"])?.out(), "", "diff of the kept one");
    Ok(())
}
