//! From start to exit: a container of `true`.

use anyhow::Result;

use super::docker::Docker;
use super::found;
use super::ours::{Ours, quoted};
use super::place::Place;
use super::podman::Podman;
use super::runc::Runc;
use super::timing::{self, Entry, Pace};

const LIMITS: &str = "--memory 64m --pids-limit 50";

/// Times the first of `all`, the step that was asked for, beside the other steps, of which the last is step 04, and beside
/// other runtimes. Those have step 04's image as their root, a plain folder, and so have no union to mount.
pub fn run(all: &[Ours], pace: &Pace, place: &Place) -> Result<()> {
    all.iter().try_for_each(Ours::prepare)?;
    let (ours, root) = (&all[0], all[all.len() - 1].root());
    let mut entries = vec![
        Entry::ours(&ours.step, ours.line(&ours.run("", "true"))),
        Entry::ours(&format!("{} {LIMITS}", ours.step), ours.line(&ours.run(LIMITS, "true"))),
    ];
    for other in &all[1..] {
        entries.push(Entry {
            name: other.step.clone(),
            line: other.line(&other.run("", "true")),
            beside: Some(0),
        });
    }
    let mut peers = Vec::new();
    if found("bwrap") {
        let bind = format!("--unshare-all --bind {} / --proc /proc --dev /dev", quoted(&root));
        peers.push(Entry::peer("bwrap", &format!("bwrap {bind} /bin/true")));
    } else {
        println!("bwrap is not installed: apt-get install bubblewrap");
    }
    // What they leave behind is removed when these go.
    let runc = Runc::find(place)?;
    let podman = Podman::find(place);
    let docker = Docker::find(&root)?;
    if let Some(runc) = &runc {
        peers.push(Entry::peer("runc", &runc.run("free", &root, false)?));
        let limited = Entry::peer("runc with the same limits", &runc.run("limited", &root, true)?);
        peers.push(Entry { beside: Some(1), ..limited });
    }
    if let Some(podman) = &podman {
        peers.push(Entry::peer("podman run --network none", &podman.run(&root)));
    }
    if let Some(docker) = &docker {
        peers.push(Entry::peer("docker run --network none", &docker.run()));
    }
    for peer in peers {
        match peer.try_once() {
            Ok(()) => entries.push(peer),
            Err(error) => println!("{} does not work here: {error:#}", peer.name),
        }
    }
    timing::table("start to exit of `true`", &entries, pace, place)
}
