//! Names: /etc/hosts, /etc/hostname and /etc/resolv.conf of a container. They are files in its folder, bound into its
//! root: the runtime writes them, and not even an image that is read-only has to change.
//!
//! A container's /etc/hosts has the names of all that are on its networks. When one comes or goes, the files of the others
//! are written again, in place: a bind mount shows the file that was there when it was made, and would go on showing it
//! if another took its place.

use super::records::Locked;
use super::{Endpoint, Kind, Network, resolver};
use anyhow::{Context, Result};
use std::ffi::OsStr;
use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read, Seek, SeekFrom, Write};
use std::net::IpAddr;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

/// The files, by their names in a container's folder, and where the container sees them.
pub const FILES: [(&str, &str); 3] =
    [(HOSTS, "/etc/hosts"), (HOSTNAME, "/etc/hostname"), ("resolv.conf", "/etc/resolv.conf")];

const HOSTS: &str = "hosts";
pub const HOSTNAME: &str = "hostname";

/// For the name of who has no address of its own: another one of the loopback's, as Debian has it.
const ALONE: &str = "127.0.1.1";

/// Everybody's first lines, as Debian and Docker have them.
const LOCAL: &str = "127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n";

/// Writes a container's files as they are before it is connected to anything.
pub fn write(
    folder: &Path,
    hostname: &OsStr,
    kind: Kind,
    dns: &[IpAddr],
    extra: &[(String, IpAddr)],
) -> Result<()> {
    let mut hosts = match kind {
        Kind::Host => match fs::read("/etc/hosts") {
            Err(error) if error.kind() == ErrorKind::NotFound => vec![],
            result => result.context("read /etc/hosts")?,
        },
        // Whoever gets an address of its own, finds it here when it is connected.
        _ => [LOCAL.as_bytes(), ALONE.as_bytes(), b"\t", hostname.as_bytes(), b"\n"].concat(),
    };
    if !hosts.ends_with(b"\n") {
        hosts.push(b'\n');
    }
    hosts.extend(lines(extra).into_bytes());
    let contents = [hosts, [hostname.as_bytes(), b"\n"].concat(), resolver::text(kind, dns)?.into_bytes()];
    for ((name, _), content) in FILES.iter().zip(contents) {
        let path = folder.join(name);
        fs::write(&path, content)
            // Whoever the command runs as reads them, whatever the caller's umask is.
            .and_then(|()| fs::set_permissions(&path, Permissions::from_mode(0o644)))
            .with_context(|| format!("write {}", path.display()))?;
    }
    Ok(())
}

fn lines(extra: &[(String, IpAddr)]) -> String {
    extra.iter().map(|(name, address)| format!("{address}\t{name}\n")).collect()
}

/// Tells everybody on a network of one who has come, and is on no other: its line goes behind theirs. To write all of their
/// files anew would take as many lines as there are pairs of containers.
pub fn welcome(all: &[Endpoint], newcomer: &Endpoint) -> Result<()> {
    if newcomer.plug.is_none() {
        return Ok(());
    }
    let others = all.iter().filter(|other| other.container != newcomer.container);
    for other in others.filter(|other| other.plug.is_some()) {
        append(&other.folder.join(HOSTS), &line(newcomer, None))?;
    }
    replace(&newcomer.folder.join(HOSTS), &hosts(newcomer, all))
}

/// Writes /etc/hosts of everybody on a network, after somebody came or went; who went may be on others still.
pub fn refresh(networks: &Locked, network: &Network, gone: &[Endpoint]) -> Result<()> {
    let all = networks.endpoints()?;
    let here = all.iter().filter(|endpoint| endpoint.network == network.name);
    here.chain(gone)
        .filter(|endpoint| endpoint.plug.is_some())
        .try_for_each(|endpoint| replace(&endpoint.folder.join(HOSTS), &hosts(endpoint, &all)))
}

/// The text for a container: its own names come first, and of those its hostname, hostname(1); then the names of who shares
/// a network with it.
fn hosts(own: &Endpoint, all: &[Endpoint]) -> String {
    let is_own = |other: &&Endpoint| other.container == own.container;
    let mine: Vec<&Endpoint> = all.iter().filter(is_own).collect();
    let shared = |other: &&Endpoint| !is_own(other) && mine.iter().any(|mine| mine.network == other.network);
    let mut text = LOCAL.to_owned();
    if mine.is_empty() {
        text += &format!("{ALONE}\t{}\n{}", own.hostname, lines(&own.extra_hosts));
    }
    text.extend(mine.iter().map(|endpoint| lines(&endpoint.extra_hosts)));
    for endpoint in mine.iter().copied().chain(all.iter().filter(shared)) {
        text += &line(endpoint, Some(&own.hostname).filter(|_| is_own(&endpoint)));
    }
    text
}

/// The line with an endpoint's names, for itself with its hostname in front.
fn line(endpoint: &Endpoint, hostname: Option<&String>) -> String {
    let Some(plug) = &endpoint.plug else { return String::new() };
    let hostname = hostname.filter(|name| !endpoint.names.contains(name));
    let names: Vec<_> = hostname.into_iter().chain(&endpoint.names).map(String::as_str).collect();
    format!("{}\t{}\n", plug.address, names.join(" "))
}

/// Adds a line to a file. The container may have written to it as well, and left its last line open.
fn append(path: &Path, line: &str) -> Result<()> {
    let appended = File::options().read(true).append(true).open(path).and_then(|mut file| {
        let mut last = [b'\n'];
        if file.seek(SeekFrom::End(-1)).is_ok() {
            file.read_exact(&mut last)?;
        }
        let end = if last == *b"\n" { "" } else { "\n" };
        file.write_all(format!("{end}{line}").as_bytes())
    });
    or_gone(path, appended)
}

/// Writes over what is in a file, and only then cuts off what is left of it: at no time does a reader find it empty.
fn replace(path: &Path, text: &str) -> Result<()> {
    let written = File::options().write(true).open(path).and_then(|mut file| {
        file.write_all(text.as_bytes())?;
        file.set_len(text.len() as u64)
    });
    or_gone(path, written)
}

/// A container that has just been removed has no file any more.
fn or_gone(path: &Path, written: io::Result<()>) -> Result<()> {
    match written {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        result => result.with_context(|| format!("write {}", path.display())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::container::Process;
    use crate::network::Plug;
    use nix::unistd::getpid;

    fn endpoint(container: &str, network: &str, address: &str) -> Endpoint {
        Endpoint {
            id: format!("{container}-{network}"),
            network: network.to_owned(),
            container: container.to_owned(),
            names: vec![container.to_owned(), format!("{container}-id")],
            hostname: format!("{container}-id"),
            extra_hosts: vec![],
            folder: "/nowhere".into(),
            plug: Some(Plug::new(address.parse().unwrap(), "eth0")),
            ports: vec![],
            holder: Process::of(getpid()).unwrap(),
        }
    }

    #[test]
    fn containers_know_who_shares_a_network_with_them() {
        let mut web = endpoint("web", "front", "10.1.0.2");
        web.hostname = "www".to_owned();
        web.extra_hosts = vec![("registry".to_owned(), "192.0.2.7".parse().unwrap())];
        let all = [
            endpoint("db", "back", "10.2.0.2"),
            web,
            endpoint("app", "front", "10.1.0.3"),
            endpoint("app", "back", "10.2.0.3"),
        ];
        let lines = |own: &Endpoint| hosts(own, &all).strip_prefix(LOCAL).unwrap().to_owned();
        assert_eq!(lines(&all[1]), "192.0.2.7\tregistry\n10.1.0.2\twww web web-id\n10.1.0.3\tapp app-id\n");
        assert_eq!(lines(&all[0]), "10.2.0.2\tdb db-id\n10.2.0.3\tapp app-id\n");
        let everybody =
            "10.1.0.3\tapp app-id\n10.2.0.3\tapp app-id\n10.2.0.2\tdb db-id\n10.1.0.2\tweb web-id\n";
        assert_eq!(lines(&all[2]), everybody);
    }

    #[test]
    fn a_file_is_written_in_its_place() {
        let path = std::env::temp_dir().join(format!("fork-to-veth-hosts-{}", std::process::id()));
        fs::write(&path, "a long line that was there before\n").unwrap();
        let before = File::open(&path).unwrap();
        replace(&path, "short\n").unwrap();
        assert_eq!(std::io::read_to_string(before).unwrap(), "short\n");
        fs::remove_file(&path).unwrap();
        replace(&path, "nobody's\n").unwrap();
        assert!(!path.exists());
    }
}
