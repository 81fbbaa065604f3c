//! Behaviours 2, 26 and 27: --read-only, --workdir, and where the runtime's options end.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::common::{expect_own_error, plain, start_cat};
use crate::subject::{PATIENCE, write_file};
use crate::{Check, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "read-only-root",
        step: 4,
        behaviours: &[26],
        title: "with --read-only nothing can be written to the root, and without it everything can",
        points: 2,
        hints: &[
            "`ro` on the mount of `/`, not on the host's filesystem.",
            "Make what has to be made in the root first, then close it.",
        ],
        section: "04-chroot-proc.html#read-only",
        after: &["root-mounts"],
        run: read_only,
        ..Check::NEW
    },
    Check {
        id: "read-only-mounts",
        step: 4,
        behaviours: &[26],
        title: "with --read-only /dev/shm and a tmpfs that is mounted later can still be written",
        points: 1,
        hints: &["mount_setattr(2) with AT_RECURSIVE closes everything below, too."],
        section: "04-chroot-proc.html#read-only",
        after: &["read-only-root"],
        run: read_only_mounts,
        ..Check::NEW
    },
    Check {
        id: "workdir-made",
        step: 4,
        behaviours: &[27],
        title: "-w goes there, and makes the folder and those above it when they are not there",
        points: 1,
        hints: &["Make it after pivot_root: then no symlink of the image leads out."],
        section: "04-chroot-proc.html#workdir",
        run: workdir_made,
        ..Check::NEW
    },
    Check {
        id: "workdir-refused",
        step: 4,
        behaviours: &[27],
        title: "a -w that is relative, or that is a file, is one error that names it, exit status 125",
        points: 1,
        hints: &["Relative to what? Docker refuses it, too."],
        section: "04-chroot-proc.html#workdir",
        run: workdir_refused,
        ..Check::NEW
    },
    Check {
        id: "words-after-image",
        step: 4,
        behaviours: &[2],
        title: "all words after the image are the command's, its first one, too, when it looks like an option",
        points: 2,
        hints: &[
            "`docker run busybox --read-only` looks for a program of this name.",
            "clap's `trailing_var_arg` begins at the first word of the last argument: which one is the image in?",
        ],
        section: "04-chroot-proc.html#command-line",
        after: &["arguments-verbatim", "read-only-root"],
        run: words_after_image,
        ..Check::NEW
    },
];

fn read_only(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    let tries = "touch /new; echo x >>/etc/passwd; mkdir /tmp/new; rm /etc/group; chmod 700 /etc; true";
    let run = |options: &[&str]| subject.launch_in(&image, options, &["sh", "-c", tries]).output();
    let output = run(&["--read-only"])?.success()?;
    let refused = output.err().lines().filter(|line| line.contains("Read-only file system")).count();
    expect_eq!(refused, 5, "writes refused as EROFS ({})", output.err());
    expect!(
        !image.join("new").exists() && image.join("etc/group").exists(),
        "an image as before",
        "changes in it"
    );
    let (_running, command) = start_cat(|words| subject.launch_in(&image, &["--read-only"], words))?;
    let mounts = command.mounts()?;
    let root = mounts.iter().find(|mount| mount.point == "/");
    let closed = root.is_some_and(|root| root.options.iter().any(|option| option == "ro"));
    expect!(closed, "`ro` on the mount of /", "{root:?}");
    let output = run(&[])?.success()?;
    expect_eq!(output.err(), "", "stderr of the same writes without --read-only");
    Ok(())
}

fn read_only_mounts(subject: &Subject) -> Verdict {
    let script = "echo shm >/dev/shm/file && cat /dev/shm/file && echo x >/dev/null";
    let output = subject.run(&["--read-only"], &["sh", "-c", script])?.success()?;
    expect_eq!(output.out(), "shm\n", "a file in /dev/shm with --read-only");
    let mut running = subject.probe(&["--read-only"], "tmpfs", &["/tmp"])?.start()?;
    expect_eq!(running.read_line()?, "ready", "first line of a command that mounts a tmpfs on /tmp");
    let mark = running.command()?.path("root/tmp/mark");
    expect!(mark.exists(), "a file in the tmpfs on /tmp", "none");
    running.close_stdin();
    running.wait(PATIENCE)?.success()?;
    Ok(())
}

fn workdir_made(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    symlink("/etc", image.join("link"))?;
    for (asked, wanted) in [
        ("/etc", "/etc"),
        ("/", "/"),
        ("/new/deep/er", "/new/deep/er"),
        ("/two words", "/two words"),
        ("/etc/../home/./", "/home"),
        ("/link", "/etc"),
        ("/link/../../..", "/"),
    ] {
        let (_running, command) = start_cat(|words| subject.launch_in(&image, &["-w", asked], words))?;
        expect_eq!(cwd(command)?, wanted, "the working directory with -w {asked:?}");
    }
    let script = "stat -c %a /made && stat -c %u /made";
    let launch = subject.launch_in(&image, &["--workdir", "/made"], &["sh", "-c", script]);
    // SAFETY: umask is a system call on a plain number.
    let launch = unsafe {
        launch.hook(|| {
            libc::umask(0o077);
            Ok(())
        })
    };
    let output = launch.output()?.success()?;
    expect_eq!(
        output.out(),
        "755\n0\n",
        "mode and owner of a working directory that was made under a caller's umask of 077"
    );
    Ok(())
}

/// The working directory as the process itself names it: /proc/PID/cwd would show where the host has it.
fn cwd(command: Process) -> anyhow::Result<String> {
    use std::os::unix::fs::MetadataExt;
    let here = fs::metadata(command.path("cwd/."))?;
    for name in ["/", "/etc", "/home", "/new/deep/er", "/two words"] {
        let place = fs::metadata(command.path(&format!("root{name}/.")));
        if place.is_ok_and(|place| (place.dev(), place.ino()) == (here.dev(), here.ino())) {
            return Ok(name.to_string());
        }
    }
    anyhow::bail!(
        "expected a known working directory, the kernel showed {:?}",
        fs::read_link(command.path("cwd"))?
    )
}

fn workdir_refused(subject: &Subject) -> Verdict {
    for asked in ["relative", "./etc", "..", "", "/etc/passwd", "/etc/passwd/below"] {
        let output = subject.run(&["-w", asked], &["echo", "started"])?;
        expect_own_error(subject, &output, 125, &format!("a run with -w {asked:?}"))?;
        expect!(output.err().contains(asked), "{asked:?} in the message", "{:?}", output.err());
    }
    let (_running, command) = start_cat(plain(subject, &[]))?;
    expect_eq!(cwd(command)?, "/", "the working directory without -w");
    expect_eq!(
        fs::metadata(command.path("cwd/."))?.permissions().mode() & 0o700,
        0o700,
        "what the owner may there"
    );
    Ok(())
}

/// Prints its words and says what options of the runtime would have changed.
const PROGRAM: &str =
    "#!/bin/sh\nprintf '<%s>' \"$@\"; touch /written && echo \"$PWD ${A-unset} $(id -u) $$\"\n";

fn words_after_image(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    let options =
        ["--read-only", "-c", "-e", "--env", "-w", "-u", "--init", "--chroot", "--explain", "--help", "--"];
    for name in options {
        write_file(&image.join("bin").join(name), PROGRAM, 0o755)?;
        let words = [name, "A=b", "--read-only", "-w", "/etc", "-u", "1", "--init", "--", "--explain"];
        let output = subject.launch_in(&image, &[], &words).output()?.success()?;
        let seen = "<A=b><--read-only><-w></etc><-u><1><--init><--><--explain>/ unset 0 1\n";
        expect_eq!(output.out(), seen, "what a program called {name} sees of its words and its container");
        expect_eq!(output.err(), "", "stderr of a program called {name}");
    }
    for words in [["--memory", "true"], ["-x", "true"], ["--no-such-option", "true"]] {
        let output = subject.launch_in(&image, &[], &words).output()?;
        expect_own_error(subject, &output, 127, &format!("a run of {words:?}"))?;
        expect!(
            output.err().contains(words[0]),
            "the word in the message about {words:?}",
            "{:?}",
            output.err()
        );
    }
    Ok(())
}
