//! One more command in a container that runs.

use anyhow::{Context, Result};

use super::docker::Docker;
use super::ours::{Ours, Sweep};
use super::place::Place;
use super::runc::Runc;
use super::timing::{self, Entry, Pace};

/// Times `exec` of `true` with the first of `all`; the last is step 04, whose image is the other runtimes' root.
pub fn run(all: &[Ours], pace: &Pace, place: &Place) -> Result<()> {
    let (ours, plain) = (&all[0], all.last().context("no step")?);
    plain.prepare()?;
    let root = plain.root();
    let _sweep = Sweep(ours);
    ours.output(ours.run("-d", "sleep 100000").split_whitespace())?;
    let id = ours.containers()?.pop().context("the container is gone")?;
    let mut entries =
        vec![Entry::ours(&format!("{} exec", ours.step), ours.line(&format!("exec {id} true")))];
    let runc = Runc::find(place)?;
    if let Some(runc) = &runc {
        runc.live(&root)?;
        entries.push(Entry::peer("runc exec", &runc.exec()));
    }
    let docker = Docker::find(&root)?;
    if let Some(docker) = &docker {
        docker.live()?;
        entries.push(Entry::peer("docker exec", &docker.exec()));
    }
    entries.iter().try_for_each(Entry::try_once)?;
    timing::table("exec of `true` in a running container", &entries, pace, place)
}
