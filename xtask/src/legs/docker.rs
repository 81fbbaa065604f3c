//! The checks that need a Docker daemon, with one that is started for them and shares nothing with any other.

use std::fs::{self, File};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use grade::need::{Need, program};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::programs;
use crate::scratch::Scratch;

#[derive(clap::Args)]
pub struct Args {
    /// Check only this step (step05); may be given more than once
    #[arg(long = "step", value_name = "STEP")]
    steps: Vec<String>,
    /// Append the checks' log, JSON lines, to this file
    #[arg(long, value_name = "FILE")]
    log: Option<PathBuf>,
}

const LEG: &str = "docker";

/// How long a daemon may take until it answers, and to end.
const PATIENCE: Duration = Duration::from_secs(60);

/// A daemon in namespaces of its own, so that neither its links nor its mounts are the host's.
struct Daemon {
    process: Child,
    folder: Scratch,
}

/// Runs, for each step, the checks that need the daemon.
pub fn run(args: &Args) -> Result<()> {
    ensure!(nix::unistd::geteuid().is_root(), "only root can start a Docker daemon; run this as root");
    let programs = programs::build(&args.steps)?;
    let daemon = Daemon::start()?;
    let log = daemon.folder.path().join("checks.jsonl");
    programs::fresh_log(&log)?;
    let bin = daemon.folder.path().join("bin");
    fs::create_dir(&bin).with_context(|| format!("make {}", bin.display()))?;
    let mut failed = Vec::new();
    for program in &programs {
        let checks = checks_of(&program.step);
        if checks.is_empty() {
            continue;
        }
        println!("== {LEG}: {}", program.step);
        program.stage(&bin)?;
        for check in checks {
            let mut command = Command::new(bin.join(program.checks()));
            command.args([check.as_str(), "--exact"]).env("FORK_TO_VETH_LEG", LEG);
            command.env("FORK_TO_VETH_DOCKER", daemon.address()).env("FORK_TO_VETH_CHECK_LOG", &log);
            command.env("FORK_TO_VETH_BIN", bin.join(&program.step));
            if !command.status().with_context(|| format!("start {command:?}"))?.success() {
                failed.push(format!("{}: {check}", program.step));
            }
        }
    }
    if let Some(kept) = &args.log {
        programs::keep_log(&log, kept)?;
    }
    daemon.end()?;
    ensure!(failed.is_empty(), "{LEG}: failed: {}", failed.join(", "));
    Ok(())
}

/// The names, as the tests have them, of this step's checks that need the daemon.
fn checks_of(step: &str) -> Vec<String> {
    let number = step.trim_start_matches("step").parse().unwrap_or(0);
    let wanted =
        |check: &&grade::Check| check.applies_to(number) && check.needs.contains(&Need::DockerDaemon);
    grade::all().into_iter().filter(wanted).map(grade::Check::test_name).collect()
}

impl Daemon {
    /// Starts it and waits until it answers.
    fn start() -> Result<Daemon> {
        let dockerd = program("dockerd").context("there is no dockerd; apt-get install docker.io")?;
        let folder = Scratch::new("docker")?;
        let log = folder.path().join("log");
        let told = File::create(&log).with_context(|| format!("make {}", log.display()))?;
        // It ends with this process, however that ends, and then ends its containerd.
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "TERM", "unshare", "--mount", "--net"]).arg(dockerd);
        command.args(["--bridge=none", "--iptables=false", "--ip6tables=false"]);
        command.args(["--exec-opt", "native.cgroupdriver=cgroupfs", "--cgroup-parent", &cgroup()]);
        for (option, name) in [("--data-root", "data"), ("--exec-root", "exec"), ("--pidfile", "pid")] {
            command.arg(option).arg(folder.path().join(name));
        }
        command.stdin(Stdio::null()).stdout(told.try_clone().context("share the log")?).stderr(told);
        let process = command.arg("--host").arg(address(&folder)).spawn().context("start setpriv")?;
        let mut daemon = Daemon { process, folder };
        let start = Instant::now();
        while !daemon.answers()? {
            let ended = daemon.process.try_wait().context("look after dockerd")?;
            if ended.is_some() || start.elapsed() > PATIENCE {
                let words = fs::read_to_string(&log).unwrap_or_default();
                bail!("dockerd does not answer; its last words: {}", words.lines().last().unwrap_or("none"));
            }
            std::thread::sleep(Duration::from_millis(100));
        }
        Ok(daemon)
    }

    fn address(&self) -> String {
        address(&self.folder)
    }

    fn answers(&self) -> Result<bool> {
        let mut version = Command::new("docker");
        version.args(["--host", &self.address(), "version"]).stdout(Stdio::null()).stderr(Stdio::null());
        Ok(version.status().context("start docker")?.success())
    }

    /// Ends it as its own documentation asks, and removes the groups that it leaves.
    fn end(mut self) -> Result<()> {
        let pid = Pid::from_raw(self.process.id().try_into().context("dockerd's process ID")?);
        kill(pid, Signal::SIGTERM).context("end dockerd")?;
        let start = Instant::now();
        while self.process.try_wait().context("wait for dockerd")?.is_none() {
            ensure!(start.elapsed() < PATIENCE, "dockerd does not end");
            std::thread::sleep(Duration::from_millis(50));
        }
        let roots = fs::read_dir("/sys/fs/cgroup").context("list the cgroup hierarchies")?;
        let roots =
            roots.filter_map(|entry| Some(entry.ok()?.path())).chain([PathBuf::from("/sys/fs/cgroup")]);
        for group in roots.map(|root| root.join(&cgroup()[1..])).filter(|group| group.is_dir()) {
            fs::remove_dir(&group).with_context(|| format!("remove {}", group.display()))?;
        }
        Ok(())
    }
}

/// What fails in between leaves neither a daemon nor its data.
impl Drop for Daemon {
    fn drop(&mut self) {
        if matches!(self.process.try_wait(), Ok(None)) {
            // It has not ended: these can only fail when it does so now.
            let _ = self.process.kill();
            let _ = self.process.wait();
        }
    }
}

fn address(folder: &Scratch) -> String {
    format!("unix://{}/docker.sock", folder.path().display())
}

/// The group above all its containers' groups.
fn cgroup() -> String {
    format!("/xtask-docker-{}", std::process::id())
}
