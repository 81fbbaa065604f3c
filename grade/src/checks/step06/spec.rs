//! Behaviour 38: what -v and --mount take, and what they refuse.

use super::bed::{Bed, end, expect_mounted, itself, mount_at, names, spec};
use crate::{Check, Subject, Verdict, expect, expect_eq};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "volume-spec-refused",
        step: 6,
        behaviours: &[38],
        title: "a -v that says nothing sensible is one error that shows it, exit status 125, and nothing is made",
        points: 2,
        hints: &[
            "Split at `:` first, then judge the parts: none empty, at most three, the last one ro or rw.",
        ],
        section: "06-volumes.html#spec",
        after: &["bind-folder"],
        run: volume_refused,
        ..Check::NEW
    },
    Check {
        id: "mount-spec-refused",
        step: 6,
        behaviours: &[38],
        title: "a --mount with an unknown key, a missing one, or one of another type is one error that names it",
        points: 2,
        hints: &["The reader of the message wants to know which of the keys it was."],
        section: "06-volumes.html#spec",
        after: &["bind-folder"],
        run: mount_refused,
        ..Check::NEW
    },
    Check {
        id: "mount-spec-volume",
        step: 6,
        behaviours: &[38],
        title: "--mount without a type is a volume, without a source one without a name; keys come in any order",
        points: 1,
        hints: &[
            "`type=volume` is Docker's default; src and source, dst and target and destination are the same.",
        ],
        section: "06-volumes.html#spec",
        after: &["volume-anonymous"],
        run: mount_defaults,
        ..Check::NEW
    },
    Check {
        id: "destination-twice",
        step: 6,
        behaviours: &[38],
        title: "two mounts on one destination are one error that names it, however each is written",
        points: 1,
        hints: &[
            "Compare what is left when `.`, `..` and slashes at the end are gone; -v, --mount and --tmpfs together.",
        ],
        section: "06-volumes.html#destination",
        after: &["destination-normal"],
        run: twice,
        ..Check::NEW
    },
    Check {
        id: "volume-many",
        step: 6,
        behaviours: &[38],
        title: "a container can have a hundred volumes",
        points: 1,
        hints: &["A descriptor for each is fine; a fixed number of them is not."],
        section: "06-volumes.html#spec",
        after: &["volume-named"],
        run: many,
        ..Check::NEW
    },
];

fn volume_refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    bed.sh(&[], "true")?.success()?;
    let before = names(&bed.data)?;
    for rest in ["/data:bogus", "/data:ro:rw", "/data:", "/data:RO", "/data:ro,rw", ""] {
        let value = spec(&source, rest);
        bed.refused(&["-v", &value], rest)?;
    }
    for (value, named) in [
        ("", "volume"),
        (":", ":"),
        (":/data", ":/data"),
        ("::", ":"),
        ("name:", "name"),
        ("name:/data:bogus", "bogus"),
        ("name", "name"),
        ("relative/path:/data", "relative/path"),
        ("name:/data:ro:ro", "name:/data:ro:ro"),
        ("name:data", "data"),
        ("./only", "only"),
    ] {
        bed.refused(&["-v", value], named)?;
    }
    expect_eq!(names(&source)?, ["file"], "names in the source after runs that were refused");
    expect_eq!(bed.volumes()?, Vec::<String>::new(), "volumes after runs that were refused");
    expect_eq!(names(&bed.data)?, before, "names in the data folder after runs that were refused");
    Ok(())
}

fn mount_refused(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let bind = format!("type=bind,src={}", source.display());
    for (rest, named) in [
        ("", ""),
        (",dst=/data,bogus=1", "bogus"),
        (",dst=/data,bogus", "bogus"),
        (",dst=/data,readonly=perhaps", "perhaps"),
        (",dst=/data,volume-nocopy", "volume-nocopy"),
        (",dst=/data,tmpfs-size=1m", "tmpfs-size"),
        (",dst=/data,tmpfs-mode=700", "tmpfs-mode"),
        (",dst=data", "data"),
        (",dst=", ""),
    ] {
        bed.refused(&["--mount", &format!("{bind}{rest}")], named)?;
    }
    for (value, named) in [
        ("", ""),
        ("type=bind,dst=/data", ""),
        ("type=bind,src=,dst=/data", ""),
        ("type=bind,src=relative,dst=/data", "relative"),
        ("type=other,src=/tmp,dst=/data", "other"),
        ("type=,src=name,dst=/data", "type"),
        ("src=name", ""),
        ("type=volume,src=name,dst=/data,tmpfs-size=1m", "tmpfs-size"),
        ("type=tmpfs,dst=/data,volume-nocopy", "volume-nocopy"),
        ("type=volume,src=/tmp,dst=/data", "/tmp"),
        ("name:/data", "name:/data"),
    ] {
        bed.refused(&["--mount", value], named)?;
    }
    expect_eq!(bed.volumes()?, Vec::<String>::new(), "volumes after runs that were refused");
    Ok(())
}

fn mount_defaults(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    for value in ["src=named,dst=/data", "dst=/data,source=named", "target=/data,src=named,type=volume"] {
        let (mut running, command) = bed.up(&["--mount", value])?;
        let mount = expect_mounted(command, "/data", &bed.content("named"))?;
        expect!(itself(&mount, "rw"), "`rw` with {value}", "{:?}", mount.options);
        end(&mut running)?;
    }
    let (mut running, command) = bed.up(&["--rm", "--mount", "destination=/data,readonly"])?;
    let volumes = bed.volumes()?;
    expect_eq!(volumes.len(), 2, "volumes with one without a name, {volumes:?}");
    expect!(itself(&mount_at(command, "/data")?, "ro"), "`ro` on it", "none");
    end(&mut running)?;
    expect_eq!(bed.volumes()?, ["named"], "volumes after the end of that container");
    Ok(())
}

fn twice(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let (bind, again) = (spec(&source, "/data"), spec(&source, "/etc/../data/"));
    let (mount, memory) = ("type=volume,src=twice,dst=/data", "type=tmpfs,dst=/data/.");
    for options in [
        ["-v", &bind, "-v", &bind],
        ["-v", &bind, "-v", "twice:/data"],
        ["-v", &bind, "-v", &again],
        ["-v", &bind, "--mount", mount],
        ["--tmpfs", "/data", "-v", &bind],
        ["--tmpfs", "/data", "--mount", memory],
        ["--tmpfs", "/data:size=1m", "--tmpfs", "/data:size=2m"],
        ["-v", "/data", "-v", "twice:/data:ro"],
    ] {
        bed.refused(&options, "/data")?;
    }
    let between = spec(&source, "/other");
    bed.refused(&["-v", &bind, "-v", &between, "-v", "twice:/data"], "/data")?;
    expect_eq!(bed.volumes()?, Vec::<String>::new(), "volumes after runs that were refused");
    // One source on two destinations is another matter.
    let (mut running, command) = bed.up(&["-v", &bind, "-v", &spec(&source, "/other:ro")])?;
    expect_mounted(command, "/data", &source)?;
    expect_mounted(command, "/other", &source)?;
    end(&mut running)?;
    Ok(())
}

fn many(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let source = bed.source("source")?;
    let specs: Vec<String> = (0..50)
        .flat_map(|n| [spec(&source, &format!("/many/{n}/bind")), format!("named-{n}:/many/{n}/volume:ro")])
        .collect();
    let options: Vec<&str> = specs.iter().flat_map(|spec| ["-v", spec.as_str()]).collect();
    let (mut running, command) = bed.up(&options)?;
    for n in 0..50 {
        expect_mounted(command, &format!("/many/{n}/bind"), &source)?;
        expect_mounted(command, &format!("/many/{n}/volume"), &bed.content(&format!("named-{n}")))?;
    }
    end(&mut running)?;
    expect_eq!(bed.volumes()?.len(), 50, "volumes");
    Ok(())
}
