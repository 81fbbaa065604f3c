//! Behaviour 38: folders and files of the host in the container.

use std::fs;
use std::path::Path;

use super::bed::{Bed, end, expect_mounted, itself, mount_at, names, spec};
use crate::subject::write_file;
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "bind-folder",
        step: 6,
        behaviours: &[38],
        title: "-v SRC:DST and --mount type=bind show that very folder of the host, and both sides can write",
        points: 3,
        hints: &[
            "A bind mount: `mount --bind SRC DST` by hand, open_tree(2) and move_mount(2) by descriptor.",
            "The source is the host's: open it before pivot_root; attach it inside, before the old root is gone.",
        ],
        section: "06-volumes.html#source",
        after: &["root-mounts"],
        run: folder,
        ..Check::NEW
    },
    Check {
        id: "bind-file",
        step: 6,
        behaviours: &[38],
        title: "a file can be mounted on a file, and where there is none an empty one is made for it",
        points: 2,
        hints: &[
            "A mount point is of the kind of what is mounted: mount(2), ENOTDIR. /etc/resolv.conf is such a mount.",
        ],
        section: "06-volumes.html#source",
        after: &["bind-folder"],
        run: file,
        ..Check::NEW
    },
    Check {
        id: "bind-kinds",
        step: 6,
        behaviours: &[38],
        title: "a folder on a file, or a file on a folder, is one error that names the destination",
        points: 1,
        hints: &["The kernel says ENOTDIR for both. Which of the two is the folder?"],
        section: "06-volumes.html#destination",
        after: &["bind-file"],
        run: kinds,
        ..Check::NEW
    },
    Check {
        id: "bind-nested",
        step: 6,
        behaviours: &[38],
        title: "a destination inside another one is not covered by it, in whatever order they are given",
        points: 2,
        hints: &["Mount the shorter paths first."],
        section: "06-volumes.html#destination",
        after: &["bind-folder"],
        run: nested,
        ..Check::NEW
    },
    Check {
        id: "bind-with-options",
        step: 6,
        behaviours: &[38],
        title: "volumes are there with --init, with --chroot and with every storage driver",
        points: 1,
        hints: &["They are mounted into the new root before it becomes the root, whatever it is made of."],
        section: "06-volumes.html#diff",
        after: &["bind-folder"],
        run: with_options,
        ..Check::NEW
    },
    Check {
        id: "bind-no-descriptor",
        step: 6,
        behaviours: &[5, 23, 38],
        title: "the command gets no descriptor of a source, of a destination or of the volumes' folder",
        points: 2,
        hints: &[
            "A descriptor of a folder of the host is a way out: CVE-2024-21626. O_CLOEXEC, OPEN_TREE_CLOEXEC.",
        ],
        section: "06-volumes.html#diff",
        after: &["bind-folder"],
        run: no_descriptor,
        ..Check::NEW
    },
];

fn folder(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let path = source.display();
    let ways: [[String; 2]; 5] = [
        ["-v".into(), spec(&source, "/data")],
        ["--volume".into(), spec(&source, "/data:rw")],
        ["--mount".into(), format!("type=bind,source={path},target=/data")],
        ["--mount".into(), format!("type=bind,src={path},dst=/data")],
        ["--mount".into(), format!("destination=/data,type=bind,src={path}")],
    ];
    for way in &ways {
        let options = [way[0].as_str(), way[1].as_str()];
        let (mut running, command) = bed.up(&options)?;
        let mount = expect_mounted(command, "/data", &source)?;
        expect!(mount.propagation.is_empty(), "a private mount with {options:?}", "{:?}", mount.propagation);
        expect!(itself(&mount, "rw"), "`rw` on the mount with {options:?}", "{:?}", mount.options);
        end(&mut running)?;
        let script = "cat /data/file && echo inside >/data/new && rm /data/file";
        let output = bed.sh(&options, script)?.success()?;
        expect_eq!(output.out(), "of the source", "the file of the host, read inside");
        expect_eq!(names(&source)?, ["new"], "names in the folder of the host afterwards");
        expect_eq!(fs::read_to_string(source.join("new"))?, "inside\n", "the file that was written inside");
        fs::remove_file(source.join("new"))?;
        bed.source("source")?;
    }
    Ok(())
}

fn file(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?.join("file");
    let image = subject.own_image("image")?;
    for point in ["/etc/passwd", "/etc/new", "/new/below/file"] {
        let options = ["-v", &spec(&source, point)];
        let (mut running, command) =
            super::super::common::start_cat(|words| bed.launch_in(&image, &options, words))?;
        expect_mounted(command, point, &source)?;
        end(&mut running)?;
        let script = format!("cat {point}; echo inside >{point}");
        let output = bed.launch_in(&image, &options, &["sh", "-c", &script]).output()?.success()?;
        expect_eq!(output.out(), "of the source", "the file at {point}");
        expect_eq!(fs::read_to_string(&source)?, "inside\n", "the file of the host after a write to {point}");
        write_file(&source, "of the source", 0o644)?;
    }
    let passwd = fs::read_to_string(image.join("etc/passwd"))?;
    expect!(passwd.starts_with("root:"), "the image's own /etc/passwd as before", "{passwd:?}");
    expect!(!image.join("etc/new").exists() && !image.join("new").exists(), "nothing new in the image", "it");
    Ok(())
}

fn kinds(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    bed.volume(&["create", "kinds"])?.success()?;
    bed.refused(&["-v", &spec(&source, "/etc/passwd")], "/etc/passwd")?;
    bed.refused(&["-v", &spec(&source.join("file"), "/etc")], "/etc")?;
    bed.refused(&["-v", "kinds:/etc/passwd"], "/etc/passwd")?;
    bed.refused(&["--tmpfs", "/etc/passwd"], "/etc/passwd")?;
    bed.refused(&["-v", &spec(&source, "/etc/passwd/below")], "/etc/passwd")?;
    expect_eq!(names(&source)?, ["file"], "names in the source after refusals");
    expect_eq!(fs::read_to_string(source.join("file"))?, "of the source", "the source after refusals");
    Ok(())
}

fn nested(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (outer, inner) = (bed.source("outer")?, bed.source("inner")?);
    fs::create_dir(outer.join("in"))?;
    let specs = [spec(&outer, "/data"), spec(&inner, "/data/in"), spec(&inner, "/data/in/deeper")];
    fs::create_dir(inner.join("deeper"))?;
    for order in [[0, 1, 2], [2, 1, 0], [1, 2, 0]] {
        let options: Vec<&str> = order.iter().flat_map(|at| ["-v", specs[*at].as_str()]).collect();
        let (mut running, command) =
            bed.up(&[&options[..], &["--tmpfs", "/data/in/deeper/deeper"]].concat())?;
        expect_mounted(command, "/data", &outer)?;
        expect_mounted(command, "/data/in", &inner)?;
        expect_mounted(command, "/data/in/deeper", &inner)?;
        expect_eq!(mount_at(command, "/data/in/deeper/deeper")?.fstype, "tmpfs", "the type of the innermost");
        end(&mut running)?;
    }
    expect_eq!(names(&outer)?, ["file", "in"], "names in the outer source");
    expect_eq!(names(&outer.join("in"))?, Vec::<String>::new(), "names in the outer source's folder");
    Ok(())
}

fn with_options(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let bind = spec(&source, "/data");
    for options in [&["--init"][..], &["--chroot"], &["--init", "--chroot"], &["-w", "/data"]] {
        let (mut running, command) = bed.up(&[options, &["-v", &bind, "-v", "named:/volume"]].concat())?;
        expect_mounted(command, "/data", &source)?;
        expect_mounted(command, "/volume", &bed.content("named"))?;
        end(&mut running)?;
    }
    let image = subject.probe_image().display().to_string();
    let tail =
        ["-v", &bind, "-v", "named:/etc", "--tmpfs", "/run", &image, "cat", "/data/file", "/etc/group"];
    for driver in ["overlay", "vfs"] {
        let words = [&["--storage-driver", driver, "run", "--rm"], &tail[..]].concat();
        let output = bed.raw(&words).output()?.success()?;
        let wanted = "of the sourceroot:x:0:\nstudent:x:1000:\n";
        expect_eq!(output.out(), wanted, "a file of the source and one of the volume, with {driver}");
    }
    Ok(())
}

fn no_descriptor(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let (folder, one) = (spec(&source, "/data:ro"), spec(&source.join("file"), "/one/file"));
    let options =
        ["-v", &folder, "-v", &one, "-v", "named:/var", "-v", "/anonymous", "--tmpfs", "/run", "--rm"];
    for init in [&[][..], &["--init"]] {
        let (mut running, command) = bed.up(&[init, &options].concat())?;
        let mut processes = vec![command];
        if !init.is_empty() {
            processes.extend(running.runtime().descendants().into_iter().filter(|p| is_init(*p)));
        }
        for process in processes {
            let open = process.descriptors()?;
            // A number above 2 is fine where it leads to no file: a pipe, a signalfd of the init process.
            let bad = open.iter().find(|(number, target)| **number > 2 && Path::new(target).is_absolute());
            expect!(bad.is_none(), "no file or folder open but 0, 1 and 2, {init:?}", "{open:?}");
        }
        end(&mut running)?;
    }
    Ok(())
}

/// Whether it is number 1 in a PID namespace below the host's.
fn is_init(process: crate::Process) -> bool {
    process.pids().is_ok_and(|pids| pids.len() > 1 && pids.last() == Some(&1))
}
