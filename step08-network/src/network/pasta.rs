//! The driver for ordinary users: pasta(1), of the project passt.
//!
//! Who is not root may not plug a cable into the host. But a program of hers may open connections, and so pasta makes a
//! tap device in the container's network namespace, reads the packets that come out of it, and does with sockets of the
//! host's what they ask for. Published ports are sockets on which it listens.

use super::ports::Protocol;
use super::{Endpoint, Network, NetworkDriver, Port};
use crate::container::Process;
use crate::explain::explain;
use anyhow::{Context, Result, bail, ensure};
use nix::errno::Errno;
use nix::libc::{self, SIGKILL};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::unistd::{Pid, geteuid};
use std::fs;
use std::io::{self, ErrorKind};
use std::net::Ipv4Addr;
use std::os::fd::AsFd;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::{Command, Stdio};

/// Where a container's packets for a resolver go: pasta passes them to the host's own, even if that listens on the host's
/// loopback alone.
pub const RESOLVER: Ipv4Addr = Ipv4Addr::new(169, 254, 1, 1);

pub struct Pasta;

pub fn is_installed() -> Result<bool> {
    match Command::new("pasta").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status() {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        result => result.map(|status| status.success()).context("run pasta"),
    }
}

impl NetworkDriver for Pasta {
    fn create(&self, _network: &Network) -> Result<()> {
        ensure!(!geteuid().is_root(), "--network pasta: it is for ordinary users; root has bridges");
        ensure!(is_installed()?, "--network pasta: it is not installed; Debian's package passt has it");
        Ok(())
    }

    fn delete(&self, _network: &Network) -> Result<()> {
        Ok(())
    }

    /// Starts pasta and waits until it has made the device. From then on it runs by itself.
    fn connect(&self, _network: &Network, endpoint: &Endpoint, process: i32) -> Result<()> {
        let mut command = Command::new("pasta");
        command.args(["--config-net", "--quiet", "--ipv4-only", "--no-map-gw", "--dns-forward"]);
        command.arg(RESOLVER.to_string()).arg("--pid").arg(pid_file(endpoint));
        for (option, protocol) in [("-t", Protocol::Tcp), ("-u", Protocol::Udp)] {
            for forward in forwards(&endpoint.ports, protocol) {
                command.args([option, &forward]);
            }
        }
        // The container does not get at the host's own ports.
        command.args(["-T", "none", "-U", "none"]).arg(process.to_string());
        // SAFETY: between fork and exec this makes one system call, and needs no memory and no lock.
        unsafe { command.pre_exec(leave_descriptors) };
        let output = command.stdin(Stdio::null()).output().context("run pasta")?;
        if !output.status.success() {
            let complaint = String::from_utf8_lossy(&output.stderr);
            bail!("pasta: {}", complaint.lines().next_back().unwrap_or("it failed without a word"));
        }
        explain!("wait4({command:?}) = 0");
        Ok(())
    }

    fn disconnect(&self, _network: &Network, endpoint: &Endpoint) -> Result<()> {
        self.clean_up(endpoint)
    }

    /// pasta holds the network namespace, and so it would not end by itself.
    fn clean_up(&self, endpoint: &Endpoint) -> Result<()> {
        let path = pid_file(endpoint);
        let text = match fs::read_to_string(&path) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            result => result.with_context(|| format!("read {}", path.display()))?,
        };
        let pid = Pid::from_raw(text.trim().parse().with_context(|| format!("read {}", path.display()))?);
        // The number may be another's by now; ours was told to write this very file.
        let words = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        if words.split(|byte| *byte == 0).any(|word| word == path.as_os_str().as_bytes()) {
            end(&Process::of(pid)?)?;
        }
        fs::remove_file(&path).with_context(|| format!("remove {}", path.display()))
    }
}

/// Leaves to this process what it has got from its caller: if it is killed, pasta is there until the next command comes, and
/// nobody should wait so long for the end of a pipe. close_range(2), Linux 5.11.
fn leave_descriptors() -> io::Result<()> {
    // SAFETY: the call takes three integers.
    let result = unsafe { libc::syscall(libc::SYS_close_range, 3, u32::MAX, libc::CLOSE_RANGE_CLOEXEC) };
    Ok(Errno::result(result).map(drop)?)
}

/// Ends a process and waits until it has ended: its ports are free then.
fn end(process: &Process) -> Result<()> {
    let Some(pidfd) = process.open()? else { return Ok(()) };
    process.kill(SIGKILL)?;
    loop {
        match poll(&mut [PollFd::new(pidfd.as_fd(), PollFlags::POLLIN)], PollTimeout::NONE) {
            Err(Errno::EINTR) => {}
            result => return result.map(drop).context("wait for pasta's end"),
        }
    }
}

fn pid_file(endpoint: &Endpoint) -> PathBuf {
    endpoint.folder.join("pasta.pid")
}

/// Ports in pasta's words, `ADDRESS/HOST:CONTAINER`. Each is an option of its own: in a list, an address would stand for
/// all of it.
fn forwards(ports: &[Port], protocol: Protocol) -> Vec<String> {
    let address = |port: &Port| port.address.map(|address| format!("{address}/")).unwrap_or_default();
    let forward = |port: &Port| format!("{}{}:{}", address(port), port.host, port.container);
    let list: Vec<_> = ports.iter().filter(|port| port.protocol == protocol).map(forward).collect();
    if list.is_empty() { vec!["none".to_owned()] } else { list }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_in_pasta_s_words() {
        let port = |address: Option<&str>, host, container, protocol| Port {
            address: address.map(|address| address.parse().unwrap()),
            host,
            container,
            protocol,
        };
        let ports = [port(None, 8080, 80, Protocol::Tcp), port(Some("127.0.0.1"), 8443, 443, Protocol::Tcp)];
        assert_eq!(forwards(&ports, Protocol::Tcp), ["8080:80", "127.0.0.1/8443:443"]);
        assert_eq!(forwards(&ports, Protocol::Udp), ["none"]);
    }
}
