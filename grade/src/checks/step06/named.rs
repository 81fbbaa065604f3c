//! Behaviour 38: volumes with names, and without.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use anyhow::Result;

use super::bed::{Bed, end, expect_mounted, names};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "volume-named",
        step: 6,
        behaviours: &[38, 40],
        title: "a named volume is made when missing, lies in DATA/volumes/NAME/_data, and keeps what it holds",
        points: 3,
        hints: &["A named volume is a bind mount of a folder whose place the runtime chose."],
        section: "06-volumes.html#named",
        after: &["bind-folder"],
        run: named,
        ..Check::NEW
    },
    Check {
        id: "volume-shared",
        step: 6,
        behaviours: &[38],
        title: "two containers that run at the same time have one and the same volume",
        points: 1,
        hints: &["Mount it, do not copy it."],
        section: "06-volumes.html#named",
        after: &["volume-named"],
        run: shared,
        ..Check::NEW
    },
    Check {
        id: "volume-commands",
        step: 6,
        behaviours: &[38],
        title: "`volume create`, `ls` and `inspect` tell the same names and places, and making one twice does no harm",
        points: 2,
        hints: &[
            "`docker volume create`, `ls -q`, `inspect` are the models; the state is the folders themselves.",
        ],
        section: "06-volumes.html#named",
        after: &["volume-named"],
        run: commands,
        ..Check::NEW
    },
    Check {
        id: "volume-names",
        step: 6,
        behaviours: &[38, 39],
        title: "a volume's name is [a-zA-Z0-9][a-zA-Z0-9_.-]+; another is one error, and nothing is made or removed",
        points: 2,
        hints: &["The name becomes part of a path of the host: `..` would be the folder of all volumes."],
        section: "06-volumes.html#named",
        after: &["volume-named"],
        run: bad_names,
        ..Check::NEW
    },
    Check {
        id: "volume-anonymous",
        step: 6,
        behaviours: &[38, 40],
        title: "-v DST is a new volume without a name of one's own, which goes with a --rm container",
        points: 2,
        hints: &[
            "Docker gives it 64 hex digits for a name. Whoever has a name was wanted longer than the container.",
        ],
        section: "06-volumes.html#life",
        after: &["volume-named"],
        run: anonymous,
        ..Check::NEW
    },
];

fn named(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // The caller's umask is not the volume's: whoever runs inside under -u has to get in.
    let launch =
        bed.launch(&["-v", "keep:/data"], &["sh", "-c", "stat -c %a:%u /data; echo first >/data/file"]);
    // SAFETY: umask is a system call on a plain number.
    let launch = unsafe {
        launch.hook(|| {
            libc::umask(0o077);
            Ok(())
        })
    };
    expect_eq!(launch.output()?.success()?.out(), "755:0\n", "mode and owner of a new volume, inside");
    let content = bed.content("keep");
    expect_eq!(fs::read_to_string(content.join("file"))?, "first\n", "the volume's file on the host");
    let ways = [["-v", "keep:/data"], ["--mount", "type=volume,source=keep,target=/data"]];
    for [option, value] in ways.into_iter().chain([["--mount", "src=keep,dst=/data"]]) {
        let (mut running, command) = bed.up(&[option, value])?;
        let mount = expect_mounted(command, "/data", &content)?;
        expect!(mount.propagation.is_empty(), "a private mount", "{:?}", mount.propagation);
        end(&mut running)?;
        let output = bed.sh(&[option, value], "cat /data/file")?.success()?;
        expect_eq!(output.out(), "first\n", "the file of the first container with {option} {value}");
    }
    bed.sh(&["-v", "other:/data"], "echo other >/data/file")?.success()?;
    expect_eq!(fs::read_to_string(content.join("file"))?, "first\n", "the file of another volume");
    expect_eq!(bed.volumes()?, ["keep", "other"], "the volumes");
    Ok(())
}

fn shared(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let (mut one, first) = bed.up(&["-v", "both:/one"])?;
    let (mut two, second) = bed.up(&["-v", "both:/two:ro"])?;
    expect_mounted(first, "/one", &bed.content("both"))?;
    expect_mounted(second, "/two", &bed.content("both"))?;
    bed.sh(&["-v", "both:/three"], "echo third >/three/file")?.success()?;
    for path in [first.path("root/one/file"), second.path("root/two/file")] {
        expect_eq!(fs::read_to_string(path)?, "third\n", "what a third container wrote, in the running ones");
    }
    end(&mut one)?;
    end(&mut two)?;
    Ok(())
}

fn commands(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    expect_eq!(bed.volumes()?, Vec::<String>::new(), "volumes of a new data folder");
    for name in ["beta", "alpha"] {
        expect_eq!(
            bed.volume(&["create", name])?.success()?.out(),
            format!("{name}\n"),
            "what create prints"
        );
        expect!(bed.content(name).is_dir(), "a folder for {name}", "none");
    }
    fs::write(bed.content("beta").join("file"), "kept")?;
    expect_eq!(bed.volume(&["create", "beta"])?.success()?.out(), "beta\n", "what a second create prints");
    expect_eq!(fs::read_to_string(bed.content("beta").join("file"))?, "kept", "the content after it");
    let made = bed.volume(&["create"])?.success()?.out();
    let made = made.trim_end();
    expect!(made.len() > 1 && bed.content(made).is_dir(), "the name of a new volume", "{made:?}");
    let mut wanted = vec!["alpha".to_string(), "beta".to_string(), made.to_string()];
    wanted.sort();
    expect_eq!(bed.volumes()?, wanted, "names that `volume ls -q` prints");
    let table = bed.volume(&["ls"])?.success()?.out();
    expect_eq!(table.lines().count(), 4, "lines of `volume ls`: a heading and three volumes");
    let mut found = Vec::new();
    for line in bed.volume(&["ls", "--format", "json"])?.success()?.out().lines() {
        let volume: serde_json::Value = serde_json::from_str(line)?;
        expect_eq!(volume["Driver"], "local", "the driver in {line}");
        found.push(volume["Name"].as_str().unwrap_or_default().to_string());
    }
    expect_eq!(found, wanted, "names that `volume ls --format json` prints");
    inspect(&bed)
}

fn inspect(bed: &Bed) -> Verdict {
    let text = bed.volume(&["inspect", "beta", "alpha"])?.success()?.out();
    let volumes: Vec<serde_json::Value> = serde_json::from_str(&text)?;
    expect_eq!(volumes.len(), 2, "volumes that `volume inspect beta alpha` prints");
    for (volume, name) in volumes.iter().zip(["beta", "alpha"]) {
        expect_eq!(volume["Name"], name, "the name");
        expect_eq!(volume["Driver"], "local", "the driver");
        let place = volume["Mountpoint"].as_str().unwrap_or_default();
        expect_eq!(place, bed.content(name).display().to_string(), "the mount point");
        let made = volume["CreatedAt"].as_str().unwrap_or_default();
        // 2026-01-31T12:00:00Z, or with an offset for the Z: RFC 3339.
        let shape: String = made.chars().take(19).map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
        expect_eq!(shape, "0000-00-00T00:00:00", "the shape of the time {made:?}");
    }
    for names in [&["inspect", "missing"][..], &["rm", "missing"]] {
        bed.own_error(&bed.volume(names)?, "missing", &format!("volume {names:?}"))?;
    }
    Ok(())
}

/// Everything below the data folder's `volumes`, two deep.
fn listing(bed: &Bed) -> Result<Vec<String>> {
    let top = bed.data.join("volumes");
    let mut found = Vec::new();
    for name in names(&top)? {
        if top.join(&name).is_dir() {
            found.extend(names(&top.join(&name))?.into_iter().map(|below| format!("{name}/{below}")));
        }
        found.push(name);
    }
    Ok(found)
}

fn bad_names(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for name in ["ab", "A0", "0_.-", "a.b", "a..b", &"x".repeat(255)] {
        bed.volume(&["create", name])?.success()?;
        expect!(bed.content(name).is_dir(), "a folder for {name}", "none");
    }
    fs::write(bed.content("ab").join("file"), "kept")?;
    bed.sh(&[], "true")?.success()?;
    let (before, outer) = (listing(&bed)?, names(&bed.data)?);
    let long = "x".repeat(256);
    for name in
        ["..", ".", "a/b", "../ab", "/ab", ".hidden", "_x", "a", "a b", "a\nb", "ä-umlaut", "ab/", &long]
    {
        for verb in ["create", "rm", "inspect"] {
            let output = bed.volume(&[verb, name])?;
            bed.own_error(&output, "", &format!("volume {verb} {name:?}"))?;
        }
        let mount = format!("type=volume,src={name},dst=/data");
        let output = bed.launch(&["--mount", &mount], &["echo", "started"]).output()?;
        bed.own_error(&output, "", &format!("a run with --mount {mount:?}"))?;
    }
    for name in ["a/b", "ab/../ab", "_x", "a", "a b"] {
        bed.refused(&["-v", &format!("{name}:/data")], name)?;
    }
    expect_eq!(listing(&bed)?, before, "the folders of volumes after names that were refused");
    expect_eq!(names(&bed.data)?, outer, "names in the data folder after names that were refused");
    expect_eq!(fs::read_to_string(bed.content("ab").join("file"))?, "kept", "the content of a volume");
    Ok(())
}

fn anonymous(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let options = ["--rm", "-v", "/data", "--mount", "type=volume,dst=/more", "-v", "named:/named"];
    let (mut running, command) = bed.up(&options)?;
    let volumes = bed.volumes()?;
    expect_eq!(volumes.len(), 3, "volumes while it runs, {volumes:?}");
    let mut places = Vec::new();
    for name in &volumes {
        places.push(super::bed::identity(&bed.content(name))?);
    }
    for point in ["data", "more", "named"] {
        let inside = super::bed::identity(&command.path(&format!("root/{point}")))?;
        expect!(places.contains(&inside), "one of the volumes on /{point}", "{inside:?}");
    }
    let mode = fs::metadata(command.path("root/data"))?.permissions().mode() & 0o7777;
    expect_eq!(mode, 0o755, "the mode of the volume");
    end(&mut running)?;
    expect_eq!(bed.volumes()?, ["named"], "volumes after the end of a --rm container");
    expect_eq!(bed.folders()?, ["named"], "folders of volumes then");
    // Each run gets a new one.
    let output = bed.sh(&["--rm", "-v", "/data"], "ls /data; echo x >/data/file")?.success()?;
    expect_eq!(output.out(), "", "names in a new volume");
    Ok(())
}
