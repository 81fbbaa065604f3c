//! Docker: a daemon of our own, or the one that `FORK_TO_VETH_DOCKER` names. Never one that serves somebody else.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use grade::need::{docker_socket, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::bench::interrupt;
use crate::bench::line::{Line, said};
use crate::bench::place::Place;

/// The image's name.
pub const IMAGE: &str = "xtask-bench";

/// How long a daemon may take until it answers, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

pub struct Docker {
    address: String,
    /// Ended when this is dropped; `None` for somebody else's.
    daemon: Option<Daemon>,
}

impl Docker {
    /// Makes an image of `root`.
    pub fn start(root: &Path, place: &Place) -> Result<Docker> {
        let docker = match docker_socket() {
            Some(address) => Docker { address, daemon: None },
            None => Daemon::start(place)?,
        };
        docker.import(root, IMAGE)?;
        Ok(docker)
    }

    /// Makes an image of a folder.
    pub fn import(&self, root: &Path, name: &str) -> Result<()> {
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root).args(["-c", "."]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut tar = tar.spawn().context("start tar")?;
        let archive = tar.stdout.take().context("tar has no stdout")?;
        let mut import = self.line("import -").with(name).command();
        let imported = import.stdin(archive).stdout(Stdio::null()).status().context("start docker")?;
        let packed = tar.wait().context("wait for tar")?;
        ensure!(packed.success() && imported.success(), "tar: {packed}; docker import: {imported}");
        Ok(())
    }

    pub fn line(&self, words: &str) -> Line {
        Line::of("docker -H").word(&self.address).with(words)
    }

    /// Runs `true` and leaves nothing behind.
    pub fn run(&self, options: &str) -> Line {
        self.line(&format!("run --rm {options} {IMAGE} /bin/true"))
    }

    /// Starts a container that lives on.
    pub fn live(&self, options: &str) -> Line {
        self.line(&format!("run -d {options} {IMAGE} /bin/sleep 100000"))
    }

    /// Ends and removes all containers of our image.
    pub fn clear(&self) -> Result<()> {
        let ids = self.line("ps -aq --filter").word(format!("ancestor={IMAGE}")).output()?;
        if !ids.trim().is_empty() {
            self.line("rm -f").with(&ids).output()?;
        }
        Ok(())
    }

    pub fn versions(&self) -> Vec<(String, String)> {
        let version = |format: &str| self.line("version --format").word(format).output();
        let client = version("{{.Client.Version}}").map(|said| ("docker, client".to_owned(), said));
        let parts =
            version("{{range .Server.Components}}{{.Name}} {{.Version}}\n{{end}}").unwrap_or_default();
        let parts = parts.lines().filter_map(|line| line.split_once(' '));
        let part = |(name, version): (&str, &str)| (format!("docker, {name}"), version.to_owned());
        let all = client.into_iter().chain(parts.map(part));
        all.map(|(name, version)| (name, version.trim().to_owned())).filter(|(_, v)| !v.is_empty()).collect()
    }
}

impl Drop for Docker {
    /// From somebody else's daemon it takes away what it has put there.
    fn drop(&mut self) {
        if self.daemon.is_none() {
            let cleaned = self.clear().and_then(|()| self.line("rmi -f").with(IMAGE).output());
            if let Err(error) = cleaned {
                eprintln!("xtask: {error:#}");
            }
        }
    }
}

/// Dropped, it asks the daemon to end, which ends its containerd.
struct Daemon(Child);

impl Daemon {
    /// Starts one, with everything that it keeps in our folder, and waits until it answers.
    fn start(place: &Place) -> Result<Docker> {
        let dockerd = program("dockerd").context("there is no dockerd; apt-get install docker.io")?;
        let folder = place.folder("docker")?;
        let log = folder.join("log");
        let told = File::create(&log).with_context(|| format!("make {}", log.display()))?;
        let address = format!("unix://{}/socket", folder.display());
        let mut command = Command::new(dockerd);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--host", &address]);
        command.arg("--cgroup-parent").arg(format!("/{}", place.group));
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(folder.join(name));
        }
        command.stdin(Stdio::null()).stdout(told.try_clone().context("share the log")?).stderr(told);
        let mut daemon = Daemon(command.spawn().context("start dockerd")?);
        daemon.wait_for(&address, &log)?;
        Ok(Docker { address, daemon: Some(daemon) })
    }

    fn wait_for(&mut self, address: &str, log: &PathBuf) -> Result<()> {
        let start = Instant::now();
        while said(Command::new("docker").args(["-H", address, "version"])).is_err() {
            interrupt::check()?;
            let ended = self.0.try_wait().context("look after dockerd")?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let words = fs::read_to_string(log).unwrap_or_default();
                bail!("dockerd does not answer; its last words: {}", words.lines().last().unwrap_or("none"));
            }
            sleep(Duration::from_millis(100));
        }
        Ok(())
    }

    fn end(&mut self) -> Result<()> {
        let pid = Pid::from_raw(self.0.id().try_into().context("dockerd's process ID")?);
        kill(pid, Signal::SIGTERM).context("end dockerd")?;
        let start = Instant::now();
        while self.0.try_wait().context("wait for dockerd")?.is_none() {
            ensure!(start.elapsed() < PATIENCE, "dockerd does not end");
            sleep(Duration::from_millis(50));
        }
        Ok(())
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if let Err(error) = self.end() {
            eprintln!("xtask: {error:#}");
        }
    }
}
