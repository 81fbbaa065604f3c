//! A network namespace that stands in for the host, and another that stands in for the rest of the world.
//!
//! The first is the check's own, which its guard has made; nothing of what happens here is seen on the machine.

use std::ffi::OsString;
use std::fs;
use std::path::Path;
use std::process::{Child, Command};
use std::time::Duration;

use anyhow::{Context, Result, ensure};

pub(crate) use super::super::step07::bed::{Bed, SOON, Up};
use crate::need::search_path;
use crate::probe::PROBE;
use crate::subject::write_file;
use crate::{Need, Process, Subject, Verdict, expect, expect_eq, own_executable, until};

/// What these checks need of the machine.
pub(crate) const LINKS: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("nsenter")];

/// What those need that look at packets on their way past a bridge.
pub(crate) const NEEDS: &[Need] = &[Need::Root, Need::Program("ip"), Need::Program("nsenter"), Need::Nat];

/// The host's address, and the world's: RFC 5737.
pub(crate) const HOST: &str = "203.0.113.1";
pub(crate) const WORLD: &str = "203.0.113.2";

/// The port at which all servers answer.
pub(crate) const PORT: &str = "80";

pub(crate) struct Host<'a> {
    pub bed: Bed<'a>,
    world: Child,
}

/// Who asks.
#[derive(Clone, Copy)]
pub(crate) enum Asker<'a> {
    Host,
    World,
    Container(&'a Up),
}

impl<'a> Host<'a> {
    pub fn new(subject: &'a Subject) -> Result<Host<'a>> {
        let world = Command::new("unshare").args(["-n", "sleep", "1000"]).spawn().context("run unshare")?;
        let outside = Process(world.id().cast_signed());
        let own = Process::this().ns("net")?;
        until(SOON, "a world", || outside.ns("net").ok().filter(|other| *other != own))?;
        let host = Host { bed: Bed::new(subject), world };
        // Nobody else has an IPv6 address here: the kernel need not look around for two seconds before it gives one.
        host.sh(&format!(
            "for links in all default; do echo 0 > /proc/sys/net/ipv6/conf/$links/accept_dad; done
             ip link set lo up
             ip link add up0 type veth peer name out0 netns {}
             echo 1 > /proc/sys/net/ipv6/conf/up0/disable_ipv6
             ip addr add {HOST}/24 dev up0
             ip link set up0 up
             ip route add default via {WORLD}",
            outside.0
        ))?;
        // Who is out there may try to send to containers directly.
        host.outside(&format!(
            "ip link set lo up
             ip addr add {WORLD}/24 dev out0
             ip link set out0 up
             ip route add 10.0.0.0/8 via {HOST}"
        ))?;
        Ok(host)
    }

    /// Runs a script on the host.
    pub fn sh(&self, script: &str) -> Result<String> {
        output(Command::new("sh").args(["-ec", script]))
    }

    /// Runs a script in the world.
    pub fn outside(&self, script: &str) -> Result<String> {
        self.sh_in(self.world.id(), script)
    }

    /// Runs a script in a container's network namespace.
    pub fn inside(&self, up: &Up, script: &str) -> Result<String> {
        self.sh_in(up.command.0.cast_unsigned(), script)
    }

    fn sh_in(&self, pid: u32, script: &str) -> Result<String> {
        output(Command::new("nsenter").args(["-t", &pid.to_string(), "-n", "sh", "-ec", script]))
    }

    /// A container that answers with this name.
    pub fn server(&self, name: &str, options: &[&str]) -> Result<Up> {
        let argv = self.bed.subject.probe_argv("serve")?;
        let argv: Vec<String> = argv.iter().map(|word| word.to_string_lossy().into_owned()).collect();
        let mut words: Vec<&str> = argv.iter().map(String::as_str).collect();
        words.extend([name, PORT]);
        let up = self.bed.up(&[&["--name", name], options].concat(), &words)?;
        self.bed.until_logged(&up.id, "ready\n")?;
        Ok(up)
    }

    /// A server that is no container, on the host or in the world.
    pub fn serve(&self, world: bool, name: &str) -> Result<Child> {
        let mut command = Command::new(own_executable()?);
        if world {
            command = Command::new("nsenter");
            command.args(["-t", &self.world.id().to_string(), "-n"]).arg(own_executable()?);
        }
        let child = command.args([PROBE, "serve", name, PORT]).spawn()?;
        let pid = Process(child.id().cast_signed());
        let listens = || pid.text("net/tcp").ok()?.contains(":0050 00000000:0000 0A").then_some(());
        until(SOON, &format!("the server {name}"), listens)?;
        Ok(child)
    }

    /// Somebody in the world who sends by UDP from one port all the time; the answers go to a file.
    pub fn insist(&self, address: &str, port: &str, answers: &Path) -> Result<Process> {
        let mut command = Command::new("nsenter");
        command.args(["-t", &self.world.id().to_string(), "-n"]).arg(own_executable()?);
        command.args([PROBE, "insist", address, port]).stdout(fs::File::create(answers)?);
        let client = Process(command.spawn()?.id().cast_signed());
        until(SOON, "a client that sends", || {
            client.text("net/udp").ok().filter(|sockets| sockets.lines().count() > 1)
        })?;
        Ok(client)
    }

    fn ask(&self, who: Asker, protocol: &str, address: &str, port: &str, patience: u32) -> Result<String> {
        let pid = match who {
            Asker::Host => Process::this(),
            Asker::World => Process(self.world.id().cast_signed()),
            Asker::Container(up) => up.command,
        };
        let mut command = Command::new("nsenter");
        command.args(["-t", &pid.0.to_string(), "-n"]).arg(own_executable()?);
        output(command.args([PROBE, "ask", protocol, address, port, &patience.to_string()]))
    }

    /// Ends the check unless this is the answer.
    pub fn answers(&self, who: Asker, protocol: &str, place: (&str, &str), answer: &str) -> Verdict {
        let (address, port) = place;
        let got = self.ask(who, protocol, address, port, 3000)?;
        expect_eq!(got, answer, "the answer that {} gets over {protocol} from {address}:{port}", who.name());
        Ok(())
    }

    /// Ends the check when there is an answer.
    pub fn silent(&self, who: Asker, protocol: &str, place: (&str, &str)) -> Verdict {
        let (address, port) = place;
        let got = self.ask(who, protocol, address, port, 700)?;
        expect_eq!(got, "nothing", "what {} gets over {protocol} from {address}:{port}", who.name());
        Ok(())
    }

    /// The same for many, who ask at once.
    pub fn all_silent(&self, asked: &[(Asker, &str, (&str, &str))]) -> Verdict {
        std::thread::scope(|scope| {
            let ask = |(who, protocol, place)| scope.spawn(move || self.silent(who, protocol, place));
            let asking: Vec<_> = asked.iter().copied().map(ask).collect();
            asking.into_iter().try_for_each(|one| one.join().expect("who asks does not panic"))
        })
    }

    /// The gateway of the containers' network: its first address.
    pub fn gateway(&self, network: &str) -> Result<String> {
        let text = self.bed.ok(&["network", "inspect", network])?;
        let found: serde_json::Value =
            serde_json::from_str(&text).with_context(|| format!("read {text:?}"))?;
        let gateway = found[0]["IPAM"]["Config"][0]["Gateway"].as_str();
        Ok(gateway.with_context(|| format!("a gateway in {text}"))?.to_owned())
    }

    /// Whether the firewall sees what a bridge passes on: br_netfilter. Where that is loaded, it does, by default.
    pub fn filter_bridges(&self, on: bool) -> Verdict {
        let switch = Path::new("/proc/sys/net/bridge/bridge-nf-call-iptables");
        if switch.exists() {
            fs::write(switch, if on { "1" } else { "0" })?;
        }
        Ok(())
    }

    /// All that a network could leave behind.
    pub fn traces(&self) -> Result<String> {
        self.sh("ip -o link; ip -o addr; ip route show table all; ip -6 route
             if command -v nft > /dev/null; then nft list ruleset; fi")
    }

    /// The same, once nothing of it changes any more.
    pub fn settled(&self) -> Result<String> {
        let mut last = String::new();
        until(Duration::from_secs(12), "an end to the changes of the host's links and rules", || {
            let now = self.traces().ok()?;
            if now == last && at_rest(&now) {
                return Some(now);
            }
            last = now;
            std::thread::sleep(Duration::from_millis(100));
            None
        })
    }

    /// Waits until the host is as it was.
    pub fn is_again(&self, before: &str, when: &str) -> Verdict {
        let now = || self.traces().ok().filter(|now| now == before);
        if until(SOON, "the host's links and rules as before", now).is_err() {
            let now = self.traces()?;
            let new = now.lines().filter(|line| !before.contains(line));
            let lost = before.lines().filter(|line| !now.contains(line));
            let (new, lost): (Vec<_>, Vec<_>) = (new.collect(), lost.collect());
            expect!(
                now == before,
                "the host's links and rules as before {when}",
                "new {new:?}, lost {lost:?}"
            );
        }
        Ok(())
    }

    /// How many addresses the network's records hold.
    pub fn leases(&self, network: &str) -> Result<usize> {
        let text = self.bed.ok(&["network", "inspect", network])?;
        Ok(text.matches("\"IPv4Address\": \"1").count())
    }
}

impl Asker<'_> {
    fn name(&self) -> &str {
        match self {
            Asker::Host => "the host",
            Asker::World => "the world",
            Asker::Container(up) => &up.id,
        }
    }
}

/// Whether the kernel has drawn its conclusions: it takes up to a second to tell that a bridge is idle, or a cable plugged
/// in, and an IPv6 address is `tentative` until it has a route.
fn at_rest(traces: &str) -> bool {
    let told = |line: &str| {
        let flags = line.split_once('<').and_then(|(_, rest)| rest.split_once('>'));
        let flags: Vec<&str> = flags.map_or(Vec::new(), |(flags, _)| flags.split(',').collect());
        let said = line.contains(" state UP ") || line.contains(" state UNKNOWN ");
        !flags.contains(&"UP") || flags.contains(&"LOWER_UP") == said
    };
    !traces.contains(" tentative") && traces.lines().filter(|line| line.contains(" state ")).all(told)
}

/// The address of a container's first interface, as its network namespace has it.
pub(crate) fn address(up: &Up) -> Result<String> {
    let trie = up.command.text("net/fib_trie")?;
    let mut last = "";
    for line in trie.lines() {
        if line.contains("host LOCAL") && !last.starts_with("127.") {
            return Ok(last.to_owned());
        }
        last = line.rsplit_once("-- ").map_or(last, |(_, address)| address);
    }
    anyhow::bail!("no address in {trie}")
}

/// A search path on which this script stands before the program of that name, which the script itself still finds.
pub(crate) fn path_with(subject: &Subject, program: &str, script: &str) -> Result<OsString> {
    let (folder, path) = (subject.scratch().join("bin"), search_path());
    fs::create_dir_all(&folder)?;
    write_file(&folder.join(program), format!("#!/bin/sh\nPATH='{path}'\n{script}\n"), 0o755)?;
    Ok(std::env::join_paths(std::iter::once(folder).chain(std::env::split_paths(&path)))?)
}

fn output(command: &mut Command) -> Result<String> {
    let output = command.env("PATH", search_path()).output().context("run a tool")?;
    let error = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "{command:?} ended with {}: {}", output.status, error.trim_end());
    Ok(String::from_utf8_lossy(&output.stdout).trim_end().to_owned())
}
