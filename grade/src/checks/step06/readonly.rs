//! Behaviours 26 and 38: volumes that cannot be written, and those that can when the root cannot.

use std::fs;
use std::path::Path;

use super::bed::{Bed, end, expect_mounted, host_tmpfs, itself, mount_apart, mount_at, names, spec};
use super::submounts::crowded;
use crate::{Check, Need, Process, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "volume-read-only",
        step: 6,
        behaviours: &[38],
        title: "with `:ro`, `ro` or `readonly` nothing can be written inside, and the host's own side still can be",
        points: 2,
        hints: &[
            "Read-only is an option of the mount, not of the filesystem: mount(8), `bind,ro`.",
            "The flags of MS_BIND alone are ignored: remount, or mount_setattr(2).",
        ],
        section: "06-volumes.html#read-only",
        after: &["bind-folder"],
        run: closed,
        ..Check::NEW
    },
    Check {
        id: "volume-read-only-submounts",
        step: 6,
        behaviours: &[38],
        title: "`:ro` holds for what is mounted below the source, too, and not on the host's side",
        points: 3,
        hints: &[
            "A remount changes one mount and leaves those below it writable.",
            "mount_setattr(2) with AT_RECURSIVE, on the copy, before it is attached.",
        ],
        section: "06-volumes.html#read-only",
        needs: &[Need::Root],
        after: &["volume-read-only", "bind-submounts"],
        run: closed_below,
        ..Check::NEW
    },
    Check {
        id: "volume-read-only-everywhere",
        step: 6,
        behaviours: &[38],
        title: "with `:ro` on a folder of the host that has mounts below, `ro` stands on each of them",
        points: 2,
        hints: &["`grep /host /proc/PID/mountinfo`: the sixth column."],
        section: "06-volumes.html#read-only",
        after: &["volume-read-only", "bind-submounts"],
        run: closed_everywhere,
        ..Check::NEW
    },
    Check {
        id: "volume-writable-root-not",
        step: 6,
        behaviours: &[26, 38],
        title: "with --read-only volumes can be written, also where the image has no folder for them",
        points: 2,
        hints: &["Make the mount points first, then close the root, and the root alone."],
        section: "06-volumes.html#read-only",
        after: &["bind-folder", "read-only-root"],
        run: open_in_closed,
        ..Check::NEW
    },
];

fn closed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let path = source.display();
    bed.volume(&["create", "named"])?.success()?;
    fs::write(bed.content("named").join("file"), "of the source")?;
    let bind = |rest: &str| format!("type=bind,src={path},dst=/data{rest}");
    let volume = |rest: &str| format!("type=volume,src=named,dst=/data{rest}");
    let ways = [
        ("-v", spec(&source, "/data:ro"), true),
        ("-v", "named:/data:ro".to_string(), true),
        ("--mount", bind(",readonly"), true),
        ("--mount", bind(",ro"), true),
        ("--mount", bind(",ro=true"), true),
        ("--mount", volume(",readonly=true"), true),
        ("-v", spec(&source, "/data:rw"), false),
        ("-v", "named:/data:rw".to_string(), false),
        ("--mount", bind(",readonly=false"), false),
        ("--mount", volume(""), false),
    ];
    let script =
        "echo x >/data/new; echo x >>/data/file; mkdir /data/dir; chmod 700 /data; rm /data/file; true";
    for (option, value, closed) in &ways {
        let options = [*option, value.as_str()];
        let (mut running, command) = bed.up(&options)?;
        let mount = mount_at(command, "/data")?;
        expect!(itself(&mount, "ro") == *closed, "`ro` {closed} with {options:?}", "{:?}", mount.options);
        end(&mut running)?;
        let output = bed.sh(&options, script)?.success()?;
        let refused = output.err().lines().filter(|line| line.contains("Read-only file system")).count();
        expect_eq!(refused, if *closed { 5 } else { 0 }, "writes refused as EROFS with {options:?}");
        if !closed {
            for dir in [&source, &bed.content("named")] {
                fs::write(dir.join("file"), "of the source")?;
                fs::remove_file(dir.join("new")).ok();
                fs::remove_dir(dir.join("dir")).ok();
            }
        }
        expect_eq!(names(&source)?, ["file"], "names in the source after {options:?}");
    }
    let (mut running, command) = bed.up(&["-v", &spec(&source.join("file"), "/etc/passwd:ro")])?;
    expect!(itself(&mount_at(command, "/etc/passwd")?, "ro"), "`ro` on a file", "none");
    fs::write(source.join("file"), "changed by the host")?;
    let inside = fs::read_to_string(command.path("root/etc/passwd"))?;
    expect_eq!(inside, "changed by the host", "the file inside after the host wrote to it");
    end(&mut running)?;
    Ok(())
}

fn closed_below(subject: &Subject) -> Verdict {
    mount_apart(false)?;
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    host_tmpfs(&source.join("below"))?;
    host_tmpfs(&source.join("below/deeper"))?;
    let before = Process::this().text("mountinfo")?;
    let (mut running, command) = bed.up(&["-v", &spec(&source, "/data:ro")])?;
    for point in ["/data", "/data/below", "/data/below/deeper"] {
        let mount = mount_at(command, point)?;
        expect!(itself(&mount, "ro"), "`ro` on {point}", "{:?}", mount.options);
    }
    expect_eq!(Process::this().text("mountinfo")?, before, "the host's mount table meanwhile");
    end(&mut running)?;
    let script = "for dir in /data /data/below /data/below/deeper; do
            cat $dir/file >/dev/null && echo x >$dir/new; echo x >>$dir/file; done; true";
    let output = bed.sh(&["-v", &spec(&source, "/data:ro")], script)?.success()?;
    let refused = output.err().lines().filter(|line| line.contains("Read-only file system")).count();
    expect_eq!(refused, 6, "writes refused as EROFS ({})", output.err());
    fs::write(source.join("below/deeper/host"), "")?;
    fs::write(source.join("below/host"), "")?;
    expect_eq!(names(&source.join("below/deeper"))?, ["file", "host"], "names in the innermost mount");
    Ok(())
}

fn closed_everywhere(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (top, below) = crowded()?;
    let (mut running, command) = bed.up(&["-v", &spec(Path::new(top), "/host:ro")])?;
    let mounts = command.mounts()?;
    let inside: Vec<_> = mounts.iter().filter(|mount| Path::new(&mount.point).starts_with("/host")).collect();
    let least = below.len() + 1;
    expect!(inside.len() >= least, "{least} mounts on /host and below", "{inside:?}");
    for mount in inside {
        let point = &mount.point;
        expect!(itself(mount, "ro"), "`ro` on {point}", "{:?}", mount.options);
    }
    end(&mut running)?;
    Ok(())
}

fn open_in_closed(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let file = bed.source("other")?.join("file");
    let (folder, one) = (spec(&source, "/new/data"), spec(&file, "/etc/made"));
    let options =
        ["--read-only", "-v", &folder, "-v", &one, "-v", "named:/new/volume", "--tmpfs", "/new/memory"];
    let (mut running, command) = bed.up(&options)?;
    expect_mounted(command, "/new/data", &source)?;
    expect!(itself(&mount_at(command, "/")?, "ro"), "`ro` on the root", "none");
    end(&mut running)?;
    let script = "for dir in data volume memory; do echo x >/new/$dir/new && cat /new/$dir/new; done
        echo x >/etc/made; echo x >/new/file";
    let output = bed.sh(&options, script)?;
    expect_eq!(output.out(), "x\nx\nx\n", "files written to volumes under --read-only ({})", output.err());
    let refused = output.err().contains("Read-only file system") && output.err().lines().count() == 1;
    expect!(refused, "EROFS for the root alone", "{:?}", output.err());
    expect_eq!(fs::read_to_string(&file)?, "x\n", "a file that was mounted, after a write to it");
    expect_eq!(fs::read_to_string(source.join("new"))?, "x\n", "a file in the source");
    expect_eq!(fs::read_to_string(bed.content("named").join("new"))?, "x\n", "a file in the volume");
    let root_closed =
        bed.sh(&["--read-only", "-v", &spec(&source, "/new/data:ro")], "echo x >/new/data/no")?;
    expect!(root_closed.code() != 0, "an error from a write to a volume with :ro", "0");
    Ok(())
}
