//! Behaviours 38 and 39: where a volume is mounted.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use super::super::common::start_cat;
use super::bed::{Bed, end, expect_mounted, names, spec};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "destination-made",
        step: 6,
        behaviours: &[30, 38],
        title: "a destination that is missing is made with those above it, mode 755, and not in the image",
        points: 2,
        hints: &[
            "mkdir by mkdir, each step opened before the next; the caller's umask is not the container's.",
        ],
        section: "06-volumes.html#destination",
        after: &["bind-folder"],
        run: made,
        ..Check::NEW
    },
    Check {
        id: "destination-normal",
        step: 6,
        behaviours: &[38],
        title: "`.`, `..` and doubled slashes in a destination are taken out before it is looked up, as Docker does",
        points: 1,
        hints: &["filepath.Clean in Go. `/a/../b` is `/b` even where there is no `/a`."],
        section: "06-volumes.html#destination",
        after: &["destination-made"],
        run: normal,
        ..Check::NEW
    },
    Check {
        id: "destination-refused",
        step: 6,
        behaviours: &[38],
        title: "a destination that is relative, `/`, or in /proc or /sys is one error that names it",
        points: 2,
        hints: &[
            "By components: /processes is not in /proc.",
            "What is mounted over /proc decides what the container believes, and what protects the host.",
        ],
        section: "06-volumes.html#destination",
        after: &["bind-folder"],
        run: refused,
        ..Check::NEW
    },
    Check {
        id: "destination-in-dev",
        step: 6,
        behaviours: &[38],
        title: "a volume can be mounted in /dev, on /dev/shm, too",
        points: 1,
        hints: &["After the container's own /dev is there, else that covers it."],
        section: "06-volumes.html#destination",
        after: &["bind-folder"],
        run: in_dev,
        ..Check::NEW
    },
    Check {
        id: "destination-symlink",
        step: 6,
        behaviours: &[39],
        title: "a symlink of the image in a destination is followed as the container would follow it",
        points: 3,
        hints: &[
            "Many images have /var/run -> /run. Refusing symlinks altogether is not enough.",
            "An absolute symlink starts at the container's root, and `..` stops there: RESOLVE_IN_ROOT.",
        ],
        section: "06-volumes.html#destination",
        after: &["destination-made"],
        run: by_symlink,
        ..Check::NEW
    },
];

fn made(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, image) = (bed.source("source")?, subject.own_image("image")?);
    fs::set_permissions(&source, fs::Permissions::from_mode(0o711))?;
    let before = names(&image)?;
    let options = ["-v", &spec(&source, "/new/deep/er"), "-v", "named:/var/lib/new"];
    let script = "stat -c %a:%u:%g /new /new/deep /new/deep/er /var/lib /var/lib/new";
    let launch = bed.launch_in(&image, &options, &["sh", "-c", script]);
    // SAFETY: umask is a system call on a plain number.
    let launch = unsafe {
        launch.hook(|| {
            libc::umask(0o077);
            Ok(())
        })
    };
    let output = launch.output()?.success()?;
    // The source keeps its own mode; its owner is the caller, who is root inside.
    let wanted = "755:0:0\n755:0:0\n711:0:0\n755:0:0\n755:0:0\n";
    expect_eq!(output.out(), wanted, "modes and owners of what was made under a caller's umask of 077");
    expect_eq!(names(&image)?, before, "names in the image afterwards");
    expect_eq!(names(&image.join("var"))?, Vec::<String>::new(), "names in the image's /var afterwards");
    Ok(())
}

fn normal(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    for (asked, wanted) in [
        ("/data/", "/data"),
        ("//data//in", "/data/in"),
        ("/./data/.", "/data"),
        ("/no/../data", "/data"),
        ("/../../../../data", "/data"),
        ("/proc/../data", "/data"),
        ("/etc/new/../../data/x", "/data/x"),
    ] {
        let (mut running, command) = bed.up(&["-v", &spec(&source, asked)])?;
        expect_mounted(command, wanted, &source)?;
        let left = ["no", "etc/new"].into_iter().find(|name| command.path(&format!("root/{name}")).exists());
        expect!(left.is_none(), "no folder made for a part that `..` takes out of {asked}", "{left:?}");
        end(&mut running)?;
    }
    Ok(())
}

/// Destinations, and what the message has of them whether it is cleaned up before or not.
const REFUSED: [(&str, &str); 15] = [
    ("relative", "relative"),
    ("./etc", "etc"),
    ("/", "/"),
    ("//", "/"),
    ("/.", "/"),
    ("/etc/..", "/"),
    ("/proc", "/proc"),
    ("/proc/", "/proc"),
    ("/proc/new", "/proc/new"),
    ("/proc/self/fd", "/proc/self/fd"),
    ("/sys", "/sys"),
    ("/sys/kernel", "/sys/kernel"),
    ("/etc/../proc", "/proc"),
    ("//sys/./fs/cgroup", "/sys"),
    ("/../proc", "/proc"),
];

fn refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    for (asked, named) in REFUSED {
        bed.refused(&["-v", &spec(&source, asked)], named)?;
        bed.refused(&["-v", &format!("never-made:{asked}")], named)?;
        bed.refused(&["--mount", &format!("type=tmpfs,dst={asked}")], named)?;
        bed.refused(&["--tmpfs", asked], named)?;
    }
    expect_eq!(bed.volumes()?, Vec::<String>::new(), "volumes after runs that were refused");
    expect_eq!(names(&source)?, ["file"], "names in the source after runs that were refused");
    for asked in ["/process", "/proc-files", "/system", "/etc/proc", "/etc/sys/kernel"] {
        let (mut running, command) = bed.up(&["-v", &spec(&source, asked)])?;
        expect_mounted(command, asked, &source)?;
        end(&mut running)?;
    }
    Ok(())
}

fn in_dev(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let options = ["-v", &spec(&source, "/dev/shm"), "-v", &spec(&source, "/dev/new")];
    let output = bed.sh(&options, "cat /dev/shm/file /dev/new/file && echo x >/dev/null")?.success()?;
    expect_eq!(output.out(), "of the sourceof the source", "the source's file in /dev/shm and /dev/new");
    Ok(())
}

fn by_symlink(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (source, image) = (bed.source("source")?, subject.own_image("image")?);
    fs::create_dir_all(image.join("real/in"))?;
    let links = [
        ("absolute", "/real"),
        ("relative", "real/in"),
        ("chain", "absolute/in"),
        ("above", "../../../../../../../../../../real"),
        ("real/back", "../../real/in"),
        ("round", "/above/../absolute"),
        ("nowhere", "/made/for/it"),
    ];
    for (name, target) in links {
        symlink(target, image.join(name))?;
    }
    for (asked, wanted) in [
        ("/absolute", "/real"),
        ("/absolute/new/deep", "/real/new/deep"),
        ("/relative", "/real/in"),
        ("/chain/x", "/real/in/x"),
        ("/above/in", "/real/in"),
        ("/real/back", "/real/in"),
        ("/round/in", "/real/in"),
    ] {
        for (rest, volume) in [(spec(&source, asked), false), (format!("named:{asked}"), true)] {
            let (mut running, command) = start_cat(|words| bed.launch_in(&image, &["-v", &rest], words))?;
            let there = if volume { bed.content("named") } else { source.clone() };
            expect_mounted(command, wanted, &there)?;
            end(&mut running)?;
        }
    }
    // What a symlink promises and does not hold may be made inside (Docker) or refused.
    let rest = spec(&source, "/nowhere/x");
    let output = bed.launch_in(&image, &["-v", &rest], &["cat", "/made/for/it/x/file"]).output()?;
    if output.code() != 0 {
        bed.own_error(&output, "nowhere", "a destination below a symlink that leads nowhere")?;
    }
    expect!(
        !image.join("made").exists() && names(&image.join("real"))?.len() == 2,
        "the image as before",
        "more"
    );
    Ok(())
}
