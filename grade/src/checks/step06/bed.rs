//! What the checks of volumes share.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use nix::mount::{MsFlags, mount};
use nix::sched::{CloneFlags, unshare};

use super::super::common::{expect_own_error, start_cat};
use crate::kernel::Mount;
use crate::subject::{PATIENCE, write_file};
use crate::{Launch, Output, Process, Running, Subject, Verdict, expect, expect_eq};

/// A data folder of one check's own: volumes of checks that run at the same time do not meet.
pub(crate) struct Bed<'a> {
    pub subject: &'a Subject,
    pub data: PathBuf,
}

impl<'a> Bed<'a> {
    pub fn new(subject: &'a Subject) -> Bed<'a> {
        Bed { subject, data: subject.scratch().join("data") }
    }

    /// `run OPTIONS IMAGE ARGV` in the image with the probe.
    pub fn launch<A: AsRef<OsStr>>(&self, options: &[&str], argv: &[A]) -> Launch {
        self.launch_in(&self.subject.probe_image(), options, argv)
    }

    /// The same in another image. A container that is not given a name to be kept by is not kept, in any step:
    /// what it leaves, an ordinary user could not delete with the scratch folder.
    pub fn launch_in<A: AsRef<OsStr>>(&self, image: &Path, options: &[&str], argv: &[A]) -> Launch {
        let kept = options.iter().any(|option| ["--rm", "--name"].contains(option));
        let options = [if kept { &[][..] } else { &["--rm"] }, options].concat();
        self.here(self.subject.launch_in(image, &options, argv))
    }

    /// The binary with exactly these arguments.
    pub fn raw<A: AsRef<OsStr>>(&self, args: &[A]) -> Launch {
        self.here(self.subject.raw(args))
    }

    fn here(&self, launch: Launch) -> Launch {
        launch.env("FORK_TO_VETH_ROOT", &self.data)
    }

    /// Runs a shell script in a container to its end.
    pub fn sh(&self, options: &[&str], script: &str) -> Result<Output> {
        self.launch(options, &["sh", "-c", script]).output()
    }

    /// A container that is up and waits for the end of its stdin.
    pub fn up(&self, options: &[&str]) -> Result<(Running, Process)> {
        start_cat(|words| self.launch(options, words))
    }

    /// `volume ARGS`.
    pub fn volume(&self, args: &[&str]) -> Result<Output> {
        self.raw(&[&["volume"], args].concat()).output()
    }

    /// The names that `volume ls -q` prints.
    pub fn volumes(&self) -> Result<Vec<String>> {
        Ok(self.volume(&["ls", "-q"])?.success()?.out().lines().map(String::from).collect())
    }

    /// The folders in which the host has volumes, sorted: what is there whether or not it is listed.
    pub fn folders(&self) -> Result<Vec<String>> {
        let top = self.data.join("volumes");
        Ok(names(&top)?.into_iter().filter(|name| top.join(name).is_dir()).collect())
    }

    /// Where the host has what a volume holds.
    pub fn content(&self, volume: &str) -> PathBuf {
        self.data.join("volumes").join(volume).join("_data")
    }

    /// A folder of the host with a file `file` in it, to be mounted.
    pub fn source(&self, name: &str) -> Result<PathBuf> {
        let dir = self.subject.scratch().join(name);
        fs::create_dir_all(&dir).with_context(|| format!("make {}", dir.display()))?;
        write_file(&dir.join("file"), "of the source", 0o644)?;
        Ok(dir)
    }

    /// Ends the check unless a run with these options is one error of the runtime that has `named` in it.
    pub fn refused(&self, options: &[&str], named: &str) -> Verdict {
        let output = self.launch(options, &["echo", "started"]).output()?;
        self.own_error(&output, named, &format!("a run with {options:?}"))
    }

    pub fn own_error(&self, output: &Output, named: &str, what: &str) -> Verdict {
        expect_own_error(self.subject, output, 125, what)?;
        expect!(output.err().contains(named), "{named:?} in the message of {what}", "{:?}", output.err());
        Ok(())
    }
}

/// Ends a container of [`Bed::up`], so that nothing of it is left in the scratch folder.
pub(crate) fn end(running: &mut Running) -> Result<Output> {
    running.close_stdin();
    running.wait(PATIENCE)?.success()
}

/// `SOURCE:REST`, as `-v` takes it.
pub(crate) fn spec(source: &Path, rest: &str) -> String {
    format!("{}:{rest}", source.display())
}

/// The one mount on `point` in the container.
pub(crate) fn mount_at(command: Process, point: &str) -> Result<Mount> {
    let mut found = command.mounts()?;
    found.retain(|mount| mount.point == point);
    match <[Mount; 1]>::try_from(found) {
        Ok([mount]) => Ok(mount),
        Err(found) => bail!("expected one mount on {point}, the kernel showed {found:?}"),
    }
}

/// Whether the mount itself has this option: a filesystem that is writable as a whole can be mounted read-only.
pub(crate) fn itself(mount: &Mount, option: &str) -> bool {
    mount.options.iter().any(|own| own == option)
}

/// What a path leads to, whatever its name: device and inode numbers.
pub(crate) fn identity(path: &Path) -> Result<(u64, u64)> {
    let there = fs::metadata(path).with_context(|| format!("look at {}", path.display()))?;
    Ok((there.dev(), there.ino()))
}

/// Ends the check unless the container has exactly `source` at `point`, which holds no symlink.
pub(crate) fn expect_mounted(command: Process, point: &str, source: &Path) -> Result<Mount> {
    let mount = mount_at(command, point)?;
    let inside = identity(&command.path(&format!("root{point}")))?;
    expect_eq!(inside, identity(source)?, "device and inode of {point}, which is {}", source.display());
    Ok(mount)
}

/// The names in a folder, sorted.
pub(crate) fn names(dir: &Path) -> Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(dir).with_context(|| format!("list {}", dir.display()))? {
        names.push(entry?.file_name().to_string_lossy().into_owned());
    }
    names.sort();
    Ok(names)
}

/// A folder of the host with a file in it, which no container may reach.
pub(crate) struct Victim(pub PathBuf);

impl Victim {
    pub fn new(subject: &Subject) -> Result<Victim> {
        let dir = subject.scratch().join("victim");
        fs::create_dir_all(&dir)?;
        write_file(&dir.join("canary"), "of the host", 0o600)?;
        Ok(Victim(dir))
    }

    /// Ends the check when something was written.
    pub fn untouched(&self, what: &str) -> Verdict {
        expect_eq!(names(&self.0)?, ["canary"], "names in a folder of the host after {what}");
        let text = fs::read_to_string(self.0.join("canary"))?;
        expect_eq!(text, "of the host", "a file of the host after {what}");
        let mode = fs::metadata(self.0.join("canary"))?.mode() & 0o7777;
        expect_eq!(mode, 0o600, "the mode of a file of the host after {what}");
        Ok(())
    }
}

/// Moves this check into a mount namespace of its own, in which it may mount: what it leaves goes with it. With
/// `shared`, every mount passes on what happens to it, as systemd has it.
pub(crate) fn mount_apart(shared: bool) -> Result<()> {
    unshare(CloneFlags::CLONE_NEWNS)?;
    // Private first: nothing that happens here may reach the host itself.
    mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_PRIVATE, None::<&str>)?;
    if shared {
        mount(None::<&str>, "/", None::<&str>, MsFlags::MS_REC | MsFlags::MS_SHARED, None::<&str>)?;
    }
    Ok(())
}

/// Mounts a tmpfs with a file `file` in it on a folder of the host; needs root.
pub(crate) fn host_tmpfs(point: &Path) -> Result<()> {
    fs::create_dir_all(point)?;
    mount(Some("below"), point, Some("tmpfs"), MsFlags::empty(), None::<&str>)
        .with_context(|| format!("mount a tmpfs on {}", point.display()))?;
    write_file(&point.join("file"), "of the mount below", 0o644)
}
