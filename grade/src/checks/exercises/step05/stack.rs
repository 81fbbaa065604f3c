//! Layers that overlayfs gets by descriptor.

use std::io;
use std::path::Path;

use anyhow::{Context, Result};
use nix::errno::Errno;

use crate::checks::common::start_cat;
use crate::checks::step05::own::{Held, Own};
use crate::kernel::Mount;
use crate::{Subject, Verdict, expect, expect_eq};

/// What only the layer with this number has, from the bottom up.
const MARKS: [&str; 3] = ["bin/sh", "second", "third"];

/// A store with an image of three layers, `check/three`.
fn three(subject: &Subject) -> Result<Own<'_>> {
    let own = Own::new(subject);
    own.import_small("check/one")?;
    for (image, mark) in [("check/one", "second"), ("check/two", "third")] {
        own.sh(image, &["--name", mark], &format!("echo {mark} >/{mark}; echo {mark} >/etc/top"))?;
        own.ok(&["commit", mark, if mark == "second" { "check/two" } else { "check/three" }])?;
    }
    Ok(own)
}

fn root_of(held: &Held) -> Result<Mount> {
    let mounts = held.command.mounts()?;
    mounts.into_iter().rfind(|mount| mount.point == "/").context("the container has no root")
}

fn expect_descriptors(own: &Own) -> Verdict {
    for (options, throwaway) in [(&["--rm"][..], true), (&["--name", "kept"], false)] {
        let held = own.hold("check/three", options)?;
        let root = root_of(&held)?;
        let of = |key: &str| -> Vec<String> {
            let values = root.super_options.iter().filter_map(|option| option.strip_prefix(key));
            values.map(str::to_owned).collect()
        };
        let layers = of("lowerdir+=");
        expect_eq!(layers.len(), MARKS.len(), "layers that the kernel shows as lowerdir+ ({root:?})");
        for (layer, mark) in layers.iter().rev().zip(MARKS) {
            let there = Path::new(layer).is_absolute() && Path::new(layer).join(mark).exists();
            expect!(
                there,
                "the layer with {mark}, from the bottom up, at a path from the root",
                "{layers:?}"
            );
        }
        expect!(of("upperdir=").iter().all(|upper| upper.starts_with('/')), "upperdir, too", "{root:?}");
        expect!(root.options.iter().any(|option| option == "nodev"), "nodev on the root", "{root:?}");
        let has = |flag: &str| root.super_options.iter().any(|option| option == flag);
        expect!(has("userxattr"), "userxattr", "{root:?}");
        // Linux 6.18 writes it in another way.
        let volatile = has("volatile") || has("fsync=volatile");
        expect_eq!(volatile, throwaway, "volatile, with {options:?}");
        held.end()?;
    }
    own.ok(&["rm", "kept"])?;
    Ok(())
}

pub(super) fn by_descriptors(subject: &Subject) -> Verdict {
    let own = three(subject)?;
    expect_descriptors(&own)?;
    let seen =
        own.sh("check/three", &["--name", "writer"], "cat /etc/top; echo new >/etc/top; rm /second")?;
    expect_eq!(seen, "third\n", "a file that two layers have");
    let changed = own.ok(&["diff", "writer"])?.out();
    expect_eq!(changed, "C /etc\nC /etc/top\nD /second\n", "what `diff` finds");
    Ok(())
}

pub(super) fn on_older_kernels(subject: &Subject) -> Verdict {
    let own = three(subject)?;
    expect_descriptors(&own)?;
    let (running, command) = start_cat(|words| {
        let launch = own.launch("check/three", &["--rm"], words);
        // SAFETY: prctl(2) alone, with what is on the stack.
        unsafe { launch.hook(refuse_descriptors) }
    })?;
    let held = Held { running, command };
    let root = root_of(&held)?;
    expect_eq!(root.fstype, "overlay", "the root of a container where fsconfig(2) takes no descriptors");
    for mark in MARKS {
        expect!(held.path(mark).exists(), "{mark} of a layer, there", "none");
    }
    let mut running = held.running;
    running.close_stdin();
    let output = running.wait(crate::subject::PATIENCE)?.success()?;
    expect_eq!(output.err(), "", "what is said about it");
    Ok(())
}

/// Lets fsconfig(2) fail with EINVAL when it is given a descriptor, as before Linux 6.13: seccomp(2).
fn refuse_descriptors() -> io::Result<()> {
    const FSCONFIG_SET_FD: u32 = 5;
    // Offsets in struct seccomp_data: the number of the call, and the lower half of its second argument.
    const NUMBER: u32 = 0;
    const COMMAND: u32 = if cfg!(target_endian = "little") { 24 } else { 28 };
    let load = |offset| libc::sock_filter {
        code: (libc::BPF_LD | libc::BPF_W | libc::BPF_ABS) as u16,
        jt: 0,
        jf: 0,
        k: offset,
    };
    let unless = |value, skip| libc::sock_filter {
        code: (libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K) as u16,
        jt: 0,
        jf: skip,
        k: value,
    };
    let answer =
        |value| libc::sock_filter { code: (libc::BPF_RET | libc::BPF_K) as u16, jt: 0, jf: 0, k: value };
    let mut filter = [
        load(NUMBER),
        unless(libc::SYS_fsconfig as u32, 3),
        load(COMMAND),
        unless(FSCONFIG_SET_FD, 1),
        answer(libc::SECCOMP_RET_ERRNO | Errno::EINVAL as u32),
        answer(libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog { len: filter.len() as u16, filter: filter.as_mut_ptr() };
    // SAFETY: the program outlives the call, and its length is that of the filter.
    let set = unsafe {
        libc::prctl(
            libc::PR_SET_SECCOMP,
            libc::SECCOMP_MODE_FILTER,
            &raw const program as libc::c_ulong,
            0,
            0,
        )
    };
    Errno::result(set).map(drop).map_err(Into::into)
}
