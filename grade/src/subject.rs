//! The binary under test, and how a check starts it.

use std::ffi::{OsStr, OsString};
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::fixture;
use crate::launch::Launch;
use crate::running::{Output, Running};

/// The first step whose `run` takes an image.
pub const FIRST_STEP_WITH_IMAGES: u8 = 4;

/// How long a run may take when a check does not say otherwise.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// The binary under test, with a folder for its data and one for the check's own files.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The binary.
    pub bin: PathBuf,
    /// Its step, 1 to 8.
    pub step: u8,
    root: PathBuf,
    scratch: PathBuf,
}

impl Subject {
    /// `root` is the harness's folder: it holds the data (with the base image, built once), the probe's
    /// image, and a scratch folder for each check.
    #[must_use]
    pub fn new(bin: &Path, step: u8, root: &Path, check: &str) -> Subject {
        let scratch = root.join("scratch").join(check);
        Subject { bin: bin.to_path_buf(), step, root: root.to_path_buf(), scratch }
    }

    /// The harness's folder, which holds all that its checks write.
    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// A folder for this check alone; it is deleted afterwards.
    #[must_use]
    pub fn scratch(&self) -> &Path {
        &self.scratch
    }

    /// `FORK_TO_VETH_ROOT` of the runs: shared by all checks of a leg. A check that needs an empty one
    /// gives its own with [`Launch::env`].
    #[must_use]
    pub fn data(&self) -> PathBuf {
        self.root.join("data")
    }

    /// Whether `run` takes an image in this step.
    #[must_use]
    pub fn has_images(&self) -> bool {
        self.step >= FIRST_STEP_WITH_IMAGES
    }

    /// The image folder with a shell, the usual tools and the probe, shared by all checks of a leg.
    #[must_use]
    pub fn probe_image(&self) -> PathBuf {
        fixture::image_in(&self.root)
    }

    /// A copy of the same in this check's scratch folder, to be spoilt at will.
    ///
    /// # Errors
    /// When it cannot be copied.
    pub fn own_image(&self, name: &str) -> Result<PathBuf> {
        let image = self.scratch.join(name);
        fixture::copy_tree(&self.probe_image(), &image)?;
        Ok(image)
    }

    /// The binary with exactly these arguments.
    pub fn raw<A: AsRef<OsStr>>(&self, args: &[A]) -> Launch {
        Launch::new(self, args.iter().map(|arg| arg.as_ref().to_owned()).collect())
    }

    /// `run OPTIONS [base] ARGV`: the image from step 04 on.
    pub fn launch<A: AsRef<OsStr>>(&self, options: &[&str], argv: &[A]) -> Launch {
        self.launch_in(OsStr::new("base"), options, argv)
    }

    /// `run OPTIONS IMAGE ARGV`; steps without images ignore `image`.
    pub fn launch_in<A: AsRef<OsStr>>(
        &self,
        image: impl AsRef<OsStr>,
        options: &[&str],
        argv: &[A],
    ) -> Launch {
        let mut args: Vec<OsString> = vec!["run".into()];
        args.extend(options.iter().map(Into::into));
        if self.has_images() {
            args.push(image.as_ref().to_owned());
        }
        args.extend(argv.iter().map(|arg| arg.as_ref().to_owned()));
        Launch::new(self, args)
    }

    /// Runs it to its end with stdin empty and both outputs captured.
    ///
    /// # Errors
    /// When it cannot be started or is not done within [`PATIENCE`].
    pub fn run<A: AsRef<OsStr>>(&self, options: &[&str], argv: &[A]) -> Result<Output> {
        self.launch(options, argv).output()
    }

    /// Starts it with a pipe to its stdin, which stays open until [`Running::close_stdin`].
    ///
    /// # Errors
    /// When it cannot be started.
    pub fn start<A: AsRef<OsStr>>(&self, options: &[&str], argv: &[A]) -> Result<Running> {
        self.launch(options, argv).start()
    }

    /// A launch of the probe `name` (see [`crate::probe`]) as the command, in whatever way this step can reach it.
    ///
    /// # Errors
    /// When the checks' executable cannot be found.
    pub fn probe<A: AsRef<OsStr>>(&self, options: &[&str], name: &str, args: &[A]) -> Result<Launch> {
        let mut argv = self.probe_argv(name)?;
        argv.extend(args.iter().map(|arg| arg.as_ref().to_owned()));
        Ok(self.launch_in(self.probe_image(), options, &argv))
    }

    /// The words with which a command inside [`Subject::probe_image`] (or any container of steps 01 to 03) starts
    /// the probe.
    ///
    /// # Errors
    /// When the checks' executable cannot be found.
    pub fn probe_argv(&self, name: &str) -> Result<Vec<OsString>> {
        let program = if self.has_images() { fixture::PROBE.into() } else { crate::own_executable()? };
        Ok(vec![program.into(), crate::probe::PROBE.into(), name.into()])
    }

    /// Runs the probe to its end.
    ///
    /// # Errors
    /// As [`Subject::run`].
    pub fn run_probe<A: AsRef<OsStr>>(&self, options: &[&str], name: &str, args: &[A]) -> Result<Output> {
        self.probe(options, name, args)?.output()
    }
}

/// Makes a file with this content and mode in the scratch folder.
///
/// # Errors
/// When it cannot be written.
pub fn write_file(path: &Path, content: impl AsRef<[u8]>, mode: u32) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    fs::write(path, content).with_context(|| format!("write {}", path.display()))?;
    fs::set_permissions(path, fs::Permissions::from_mode(mode))
        .with_context(|| format!("set the mode of {}", path.display()))
}
