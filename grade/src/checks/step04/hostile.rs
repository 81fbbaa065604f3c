//! Behaviour 28: an image is hostile input.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use anyhow::{Context, Result};
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use super::super::common::{expect_own_error, start_cat};
use crate::subject::write_file;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "image-mount-point-symlink",
        step: 4,
        behaviours: &[28],
        title: "an image whose /proc, /sys or /dev is a symlink is refused, and nothing is written through it",
        points: 3,
        hints: &[
            "mount(2) follows symlinks in its target, on the host if the path is the host's.",
            "openat2(2) with RESOLVE_IN_ROOT and RESOLVE_NO_SYMLINKS, then mount on the descriptor.",
        ],
        section: "04-chroot-proc.html#hostile-images",
        after: &["root-mounts"],
        run: symlinks,
        ..Check::NEW
    },
    Check {
        id: "image-mount-point-file",
        step: 4,
        behaviours: &[28],
        title: "an image whose /proc, /sys or /dev is a file is refused with an error that names it",
        points: 1,
        hints: &["ENOTDIR is right and says little: which of them is no folder?"],
        section: "04-chroot-proc.html#hostile-images",
        after: &["root-mounts"],
        run: files,
        ..Check::NEW
    },
    Check {
        id: "image-without-mount-points",
        step: 4,
        behaviours: &[28],
        title: "an image without /proc, /sys and /dev works",
        points: 2,
        hints: &["Images made by hand often hold nothing but a program. Docker makes what is missing."],
        section: "04-chroot-proc.html#hostile-images",
        after: &["mounts-flags"],
        run: without,
        ..Check::NEW
    },
    Check {
        id: "image-dev-content",
        step: 4,
        behaviours: &[28],
        title: "what an image has inside its /proc, /sys and /dev is covered, not followed",
        points: 1,
        hints: &["Mount first, then make nodes and links in what was mounted."],
        section: "04-chroot-proc.html#hostile-images",
        after: &["dev-nodes"],
        run: content,
        ..Check::NEW
    },
    Check {
        id: "image-passwd-outside",
        step: 4,
        behaviours: &[27, 28],
        title: "an image's /etc/passwd that leads out of it, or is a FIFO, tells nothing and stops nothing",
        points: 2,
        hints: &[
            "Whoever reads files of an image from outside follows its symlinks on the host.",
            "openat2(2) with RESOLVE_IN_ROOT; O_NONBLOCK, and see that it is a file.",
        ],
        section: "04-chroot-proc.html#hostile-images",
        after: &["user-unknown"],
        run: passwd,
        ..Check::NEW
    },
    Check {
        id: "image-passwd-renames",
        step: 4,
        behaviours: &[27],
        title: "an image whose /etc/passwd is a link with `..` starts while files are renamed elsewhere on the machine",
        points: 1,
        hints: &["openat2(2) says EAGAIN when it cannot tell where a `..` has led: ask again."],
        section: "04-chroot-proc.html#hostile-images",
        after: &["image-passwd-outside"],
        timeout: Duration::from_secs(90),
        run: renames,
        ..Check::NEW
    },
    Check {
        id: "image-bin-outside",
        step: 4,
        behaviours: &[28],
        title: "an absolute symlink at /bin leads into the image: nothing of the host is executed",
        points: 2,
        hints: &["Look the command up after the root is changed."],
        section: "04-chroot-proc.html#hostile-images",
        after: &["root-mounts"],
        run: bin,
        ..Check::NEW
    },
    Check {
        id: "image-workdir-outside",
        step: 4,
        behaviours: &[27, 28],
        title: "a working directory below a symlink of the image is not made on the host",
        points: 2,
        hints: &["The folder is made as the container would: inside, after pivot_root."],
        section: "04-chroot-proc.html#hostile-images",
        after: &["workdir-made"],
        run: workdir,
        ..Check::NEW
    },
];

/// A folder of the host with a file in it, which no container may change.
struct Outside(PathBuf);

impl Outside {
    fn new(subject: &Subject) -> Result<Outside> {
        let dir = subject.scratch().join("outside");
        fs::create_dir_all(&dir)?;
        write_file(&dir.join("canary"), "of the host", 0o644)?;
        Ok(Outside(dir))
    }

    /// Ends the check when something was written.
    fn untouched(&self, what: &str) -> Verdict {
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0)? {
            names.push(entry?.file_name().to_string_lossy().into_owned());
        }
        expect_eq!(names, ["canary"], "names in the folder outside after {what}");
        let text = fs::read_to_string(self.0.join("canary"))?;
        expect_eq!(text, "of the host", "the file outside after {what}");
        Ok(())
    }
}

const POINTS: [&str; 3] = ["proc", "sys", "dev"];

fn replace(image: &Path, name: &str) -> Result<PathBuf> {
    let place = image.join(name);
    if fs::symlink_metadata(&place).is_ok_and(|old| old.is_dir()) {
        fs::remove_dir_all(&place).with_context(|| format!("remove {}", place.display()))?;
    } else if fs::symlink_metadata(&place).is_ok() {
        fs::remove_file(&place)?;
    }
    Ok(place)
}

fn symlinks(subject: &Subject) -> Verdict {
    let (outside, image) = (Outside::new(subject)?, subject.own_image("image")?);
    let relative = Path::new("../outside");
    for name in POINTS {
        for target in [outside.0.as_path(), relative, Path::new("/etc"), Path::new("/no/such/place")] {
            symlink(target, replace(&image, name)?)?;
            let what = format!("a run of an image whose /{name} leads to {}", target.display());
            let output = subject.launch_in(&image, &[], &["echo", "started"]).output()?;
            expect_own_error(subject, &output, 125, &what)?;
            expect!(
                output.err().contains(&format!("/{name}")),
                "/{name} in the message",
                "{:?}",
                output.err()
            );
            outside.untouched(&what)?;
            expect!(!image.join("no").exists(), "no folder made at the end of the symlink", "one");
        }
        fs::create_dir(replace(&image, name)?)?;
    }
    subject.launch_in(&image, &[], &["true"]).output()?.success()?;
    Ok(())
}

fn files(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    for name in POINTS {
        write_file(&replace(&image, name)?, "a file", 0o644)?;
        let output = subject.launch_in(&image, &[], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("a run of an image whose /{name} is a file"))?;
        expect!(output.err().contains(&format!("/{name}")), "/{name} in the message", "{:?}", output.err());
        expect_eq!(fs::read_to_string(image.join(name))?, "a file", "the file at /{name}");
        fs::create_dir(replace(&image, name)?)?;
    }
    Ok(())
}

fn without(subject: &Subject) -> Verdict {
    let image = subject.own_image("image")?;
    for entry in fs::read_dir(&image)? {
        let name = entry?.file_name();
        let needed = ["bin", "lib", "lib64", "usr", "probe"].iter().any(|needed| name == *needed);
        if !needed {
            replace(&image, &name.to_string_lossy())?;
        }
    }
    let (_running, command) = start_cat(|words| subject.launch_in(&image, &[], words))?;
    let points: Vec<String> = command.mounts()?.into_iter().map(|mount| mount.point).collect();
    for point in ["/proc", "/sys", "/dev", "/dev/pts", "/dev/shm"] {
        expect!(points.iter().any(|own| own == point), "a mount on {point}", "{points:?}");
    }
    Ok(())
}

fn content(subject: &Subject) -> Verdict {
    let (outside, image) = (Outside::new(subject)?, subject.own_image("image")?);
    let canary = outside.0.join("canary");
    for name in ["null", "zero", "tty", "ptmx", "fd", "core"] {
        symlink(&canary, image.join("dev").join(name))?;
    }
    for name in ["pts", "shm", "mqueue"] {
        symlink(&outside.0, image.join("dev").join(name))?;
    }
    fs::create_dir_all(image.join("proc/self"))?;
    symlink(&canary, image.join("proc/sysrq-trigger"))?;
    symlink(&canary, image.join("proc/kcore"))?;
    symlink(&outside.0, image.join("proc/sys"))?;
    symlink(&outside.0, image.join("sys/firmware"))?;
    let script =
        "echo x >/dev/null; echo x >/dev/shm/x; cat /proc/self/comm; stat -c %F /dev/null /dev/pts /dev/shm";
    let output = subject.launch_in(&image, &[], &["sh", "-c", script]).output()?.success()?;
    let wanted = "cat\ncharacter special file\ndirectory\ndirectory\n";
    expect_eq!(
        output.out(),
        wanted,
        "/proc/self/comm of a cat, and the kinds of /dev/null, /dev/pts and /dev/shm"
    );
    outside.untouched("a run of an image with a /dev full of symlinks")
}

fn passwd(subject: &Subject) -> Verdict {
    let (outside, image) = (Outside::new(subject)?, subject.own_image("image")?);
    let file = subject.scratch().join("passwd");
    write_file(&file, "root:x:0:0::/root:/bin/sh\nintruder:x:4444:4444::/:/bin/sh\n", 0o644)?;
    for target in [file.as_path(), Path::new("../../passwd"), Path::new("/proc/self/root/../passwd")] {
        symlink(target, replace(&image, "etc/passwd")?)?;
        let output = subject.launch_in(&image, &["-u", "intruder"], &["echo", "started"]).output()?;
        expect_own_error(subject, &output, 125, &format!("-u of a name that {} has", target.display()))?;
        expect!(output.err().contains("intruder"), "the name in the message", "{:?}", output.err());
    }
    mkfifo(&replace(&image, "etc/passwd")?, Mode::from_bits_truncate(0o644))?;
    mkfifo(&replace(&image, "etc/group")?, Mode::from_bits_truncate(0o644))?;
    subject.launch_in(&image, &[], &["true"]).output()?.success()?;
    replace(&image, "etc")?;
    symlink(&outside.0, image.join("etc"))?;
    subject.launch_in(&image, &[], &["true"]).output()?.success()?;
    outside.untouched("a run of an image whose /etc leads out")
}

fn renames(subject: &Subject) -> Verdict {
    let (image, scratch) = (subject.own_image("image")?, subject.scratch());
    let places = ["one", "other"].map(|name| scratch.join(name));
    write_file(&places[0], "", 0o644)?;
    write_file(&image.join("etc/users"), "root:x:0:0::/root:/bin/sh\n", 0o644)?;
    // Longer, and a lookup lasts as long as dozens of renames: then no number of attempts is enough.
    symlink("../etc/".repeat(8) + "users", replace(&image, "etc/passwd")?)?;
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let renaming = scope.spawn(|| -> std::io::Result<()> {
            while !over.load(Ordering::Relaxed) {
                fs::rename(&places[0], &places[1])?;
                fs::rename(&places[1], &places[0])?;
            }
            Ok(())
        });
        let run = |_| subject.launch_in(&image, &["-u", "root"], &["true"]).output()?.success().map(drop);
        let started: Verdict = (0..30).try_for_each(run);
        over.store(true, Ordering::Relaxed);
        renaming.join().expect("the thread does not panic").context("rename files")?;
        started
    })
}

fn bin(subject: &Subject) -> Verdict {
    let (outside, image) = (subject.scratch().join("bin"), subject.own_image("image")?);
    crate::fixture::copy_tree(&image.join("bin"), &outside)?;
    replace(&image, "bin")?;
    // The loader's folders would let a program of the host run if it were found.
    symlink(&outside, image.join("bin"))?;
    let output = subject.launch_in(&image, &[], &["sh", "-c", "echo started"]).output()?;
    expect_own_error(subject, &output, 127, "a run of an image whose /bin leads out")?;
    let path = outside.join("sh").display().to_string();
    let output = subject.launch_in(&image, &[], &[path.as_str(), "-c", "echo started"]).output()?;
    expect_own_error(subject, &output, 127, "a run of the host's own path")?;
    // An absolute symlink that leads into the image is what most distributions have.
    replace(&image, "bin")?;
    fs::create_dir_all(image.join("usr"))?;
    crate::fixture::copy_tree(&outside, &image.join("usr/tools"))?;
    symlink("/usr/tools", image.join("bin"))?;
    let output = subject.launch_in(&image, &[], &["sh", "-c", "echo started"]).output()?.success()?;
    expect_eq!(output.out(), "started\n", "stdout of a shell below an absolute symlink into the image");
    Ok(())
}

fn workdir(subject: &Subject) -> Verdict {
    let (outside, image) = (Outside::new(subject)?, subject.own_image("image")?);
    symlink(&outside.0, image.join("absolute"))?;
    symlink("../outside", image.join("relative"))?;
    for asked in ["/absolute/made", "/relative/made", "/absolute", "/../outside/made"] {
        // Whether it is made inside or refused is the runtime's choice.
        let output = subject.launch_in(&image, &["-w", asked], &["sh", "-c", "echo x >file"]).output()?;
        outside.untouched(&format!("a run with -w {asked}"))?;
        expect!([0, 125].contains(&output.code()), "0 or 125 with -w {asked}", "{}", output.code());
    }
    Ok(())
}
