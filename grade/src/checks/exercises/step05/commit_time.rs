//! `SOURCE_DATE_EPOCH`: the time that the documents of new images have.

use std::fs::File;
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result};

use crate::archive::tar;
use crate::checks::step05::own::{Own, id_in, small_root};
use crate::tree::expect_alike;
use crate::{Launch, Subject, Verdict, expect, expect_eq};

const EPOCH: &str = "SOURCE_DATE_EPOCH";

/// A value, and the time that `images` shows for it.
const VALUE: (&str, &str) = ("1000000000", "2001-09-09 01:46:40 +0000 UTC");
const ZERO: (&str, &str) = ("0", "1970-01-01 00:00:00 +0000 UTC");

/// Longer than the second in which two documents could have the same time.
const A_SECOND: Duration = Duration::from_millis(1100);

fn with(launch: Launch, value: Option<&str>) -> Launch {
    match value {
        Some(value) => launch.env(EPOCH, value),
        None => launch,
    }
}

/// Ends the check unless every image was made at this time.
fn expect_created(own: &Own, created: &str, what: &str) -> Verdict {
    for line in own.ok(&["images", "--format", "json"])?.out().lines() {
        let image: serde_json::Value = serde_json::from_str(line)?;
        if image["Repository"].as_str().is_some_and(|name| name.starts_with("made/")) {
            let found = image["CreatedAt"].as_str().unwrap_or_default();
            expect_eq!(found, created, "the time of {what}");
        }
    }
    Ok(())
}

/// Makes images in one way, with the variable and without: `make` returns the id.
fn held_to(own: &Own, what: &str, make: &dyn Fn(Option<&str>, &str) -> Result<String>) -> Verdict {
    for (value, created) in [ZERO, VALUE] {
        let first = make(Some(value), "made/first")?;
        sleep(A_SECOND);
        let second = make(Some(value), "made/second")?;
        expect_created(own, created, &format!("{what} with {EPOCH}={value}"))?;
        expect_eq!(second, first, "the id of a second {what} with {EPOCH}={value}");
    }
    let (set, clock) = (make(Some(VALUE.0), "other/set")?, make(None, "other/first")?);
    expect!(set != clock, "another id without {EPOCH}", "the same for {what}");
    sleep(A_SECOND);
    let later = make(None, "other/second")?;
    expect!(later != clock, "another id a second later without {EPOCH}", "the same for {what}");
    Ok(())
}

pub(super) fn commit(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "box"], "echo hello >/greeting")?;
    own.sh("check/one", &["--name", "same"], "true")?;
    for container in ["box", "same"] {
        held_to(&own, &format!("a commit of {container}"), &|value, name| {
            let output = with(own.call(&["commit", container, name]), value).output()?.success()?;
            id_in(&output.out())
        })?;
    }
    own.ok(&["commit", "box", "check/box"])?;
    expect_eq!(own.sh("check/box", &["--rm"], "cat /greeting")?, "hello\n", "a run of a commit");
    Ok(())
}

pub(super) fn import(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    let path = own.file("root.tar", &tar(small_root()?))?;
    held_to(&own, "an import of a file", &|value, name| {
        id_in(&with(own.call(&["import", &path, name]), value).output()?.success()?.out())
    })?;
    held_to(&own, "an import of stdin", &|value, name| {
        let launch = own.call(&["import", "-", name]).stdin(File::open(&path)?);
        id_in(&with(launch, value).output()?.success()?.out())
    })?;
    expect_eq!(own.sh("made/second", &["--rm"], "echo up")?, "up\n", "a run of an import");
    Ok(())
}

pub(super) fn refused(subject: &Subject) -> Verdict {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    own.sh("check/one", &["--name", "box"], "echo hello >/greeting")?;
    let path = own.file("other.tar", &tar(small_root()?.into_iter().skip(1)))?;
    let before = own.listing()?;
    for value in ["", "yesterday", "1.5", "-1", "0x10", "1000000000 ", "253402300800", "99999999999999999999"]
    {
        for args in [["commit", "box", "check/two"], ["import", &path, "check/two"]] {
            let what = format!("`{}` with {EPOCH}={value:?}", args[0]);
            own.refused(own.call(&args).env(EPOCH, value), EPOCH, &what)?;
        }
    }
    expect_alike(&own.listing()?, &before, "the store after times that were refused")?;
    // The last second that a document can hold.
    let last = own.call(&["commit", "box", "made/last"]).env(EPOCH, "253402300799").output()?.success()?;
    id_in(&last.out()).context("a commit in the last second of the year 9999")?;
    expect_created(&own, "9999-12-31 23:59:59 +0000 UTC", "a commit in the last second of the year 9999")
}
