//! The exercise no-directory-stream.

use std::fs::{self, File};
use std::io::Write;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::fs::OpenOptionsExt;
use std::os::unix::net::UnixStream;

use anyhow::Result;

use super::super::super::common::expect_own_error;
use crate::{Check, Output, Subject, Verdict, expect, expect_eq};

const SECTION: &str = "04-chroot-proc.html#ex-no-directory-stream";

pub(super) const REFUSED: Check = Check {
    id: "directory-stream-refused",
    step: 4,
    title: "a directory as stdin or stdout is one message that names the stream; as stderr, too, it is exit status 125",
    points: 2,
    hints: &["Three descriptors, one question. Who answers it before anything is made?"],
    section: SECTION,
    run: refused,
    ..Check::NEW
};

pub(super) const ALONE: Check = Check {
    id: "directory-stream-alone",
    step: 4,
    title: "a directory is refused however it was opened, and a socket, a file and /dev/null are not",
    points: 2,
    hints: &[
        "A descriptor that was opened with O_PATH cannot be read, and leads out all the same.",
        "The types of inode(7) are numbers, not bits: S_IFSOCK has the bit of S_IFDIR in it.",
    ],
    section: SECTION,
    run: alone,
    ..Check::NEW
};

const ECHO: [&str; 2] = ["echo", "started"];

fn expect_named(subject: &Subject, output: &Output, stream: &str, how: &str) -> Result<()> {
    expect_own_error(subject, output, 125, &format!("a run whose {stream} is a directory {how}"))?;
    expect!(output.err().contains(stream), "{stream} in the message", "{:?}", output.err());
    Ok(())
}

fn refused(subject: &Subject) -> Verdict {
    for options in [&[][..], &["--init"], &["--chroot"], &["--ns", "mnt"]] {
        let output = subject.launch(options, &ECHO).stdin(File::open("/")?).output()?;
        expect_named(subject, &output, "stdin", &format!("with {options:?}"))?;
    }
    let output = subject.launch(&[], &ECHO).stdout(File::open(subject.scratch())?).output()?;
    expect_named(subject, &output, "stdout", "of the caller's")?;
    // Nobody can be told why.
    let output = subject.launch(&[], &ECHO).stderr(File::open("/")?).output()?;
    expect_eq!(output.code(), 125, "exit status of a run whose stderr is a directory");
    expect_eq!(output.out(), "", "stdout of a run whose stderr is a directory");
    Ok(())
}

fn alone(subject: &Subject) -> Verdict {
    let closed = File::options().read(true).custom_flags(libc::O_PATH).open("/")?;
    let output = subject.launch(&[], &ECHO).stdin(closed).output()?;
    expect_named(subject, &output, "stdin", "that was opened with O_PATH")?;
    let (mut near, far) = UnixStream::pair()?;
    near.write_all(b"hello\n")?;
    near.shutdown(Shutdown::Write)?;
    let file = subject.scratch().join("file");
    fs::write(&file, "hello\n")?;
    let inputs: [(&str, OwnedFd, &str); 3] = [
        ("a socket", far.into(), "hello\n"),
        ("a file", File::open(&file)?.into(), "hello\n"),
        ("/dev/null", File::open("/dev/null")?.into(), ""),
    ];
    for (what, input, text) in inputs {
        let output = subject.launch(&[], &["cat"]).stdin(input).output()?.success()?;
        expect_eq!(output.out(), text, "what `cat` reads from {what}");
    }
    Ok(())
}
