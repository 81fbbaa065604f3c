//! Docker, where a daemon was started for this: never one that serves somebody else.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};
use grade::need::docker_socket;

use super::ours::said;

/// The image's name, and the one container's.
const NAME: &str = "xtask-bench";

/// Dropped, it removes the container and the image.
pub struct Docker {
    socket: String,
}

impl Docker {
    /// Makes an image of `root`. `None` where no daemon answers; a line says so.
    pub fn find(root: &Path) -> Result<Option<Docker>> {
        let Some(socket) = docker_socket() else {
            println!("docker is left out: FORK_TO_VETH_DOCKER names no daemon that answers");
            return Ok(None);
        };
        let docker = Docker { socket };
        let mut tar = Command::new("tar");
        tar.arg("-C").arg(root).args(["-c", "."]).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut tar = tar.spawn().context("start tar")?;
        let archive = tar.stdout.take().context("tar has no stdout")?;
        let mut import = docker.command(&["import", "-", NAME]);
        let imported = import.stdin(archive).stdout(Stdio::null()).status().context("start docker")?;
        let packed = tar.wait().context("wait for tar")?;
        ensure!(packed.success() && imported.success(), "tar: {packed}; docker import: {imported}");
        Ok(Some(docker))
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new("docker");
        command.arg("-H").arg(&self.socket).args(words);
        command
    }

    /// The line that runs `true`.
    pub fn run(&self) -> String {
        format!("docker -H {} run --rm --network none {NAME} /bin/true", self.socket)
    }

    /// Starts a container that lives on.
    pub fn live(&self) -> Result<()> {
        let words = ["run", "-d", "--name", NAME, "--network", "none", NAME, "sleep", "100000"];
        said(&mut self.command(&words)).map(drop)
    }

    pub fn exec(&self) -> String {
        format!("docker -H {} exec {NAME} /bin/true", self.socket)
    }
}

impl Drop for Docker {
    fn drop(&mut self) {
        // By force: it is no error when there is no container.
        for words in [["rm", "-f", NAME], ["rmi", "-f", NAME]] {
            if let Err(error) = said(&mut self.command(&words)) {
                eprintln!("xtask: {error:#}");
            }
        }
    }
}
