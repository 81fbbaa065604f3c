//! /etc/resolv.conf of a container: the host's, without what only the host can reach. resolv.conf(5).

use super::{Kind, pasta, remark};
use anyhow::{Context, Result};
use std::fs;
use std::io::ErrorKind;
use std::net::{IpAddr, Ipv4Addr};

const HOST: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers that it asks itself, when the file in /etc names nobody but systemd-resolved.
const BEHIND_RESOLVED: &str = "/run/systemd/resolve/resolv.conf";

/// The text for a container with a network of this kind; `asked` are the servers of `--dns`.
pub fn text(kind: Kind, asked: &[IpAddr]) -> Result<String> {
    let host = read(HOST)?;
    let own: Vec<IpAddr> = match kind {
        _ if !asked.is_empty() => asked.to_vec(),
        // It has the host's loopback, and everything that listens there.
        Kind::Host => return Ok(host),
        Kind::Pasta => vec![pasta::RESOLVER.into()],
        Kind::None => vec![],
        Kind::Bridge => {
            let mut servers = reachable(&host);
            if servers.is_empty() {
                servers = reachable(&read(BEHIND_RESOLVED)?);
            }
            if servers.is_empty() {
                remark(format_args!(
                    "no server in {HOST} can be reached from a container, so it resolves no names but its network's; \
                     --dns names a server"
                ));
            }
            servers.into_iter().map(IpAddr::V4).collect()
        }
    };
    Ok(rewrite(&host, &own))
}

fn read(path: &str) -> Result<String> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(String::new()),
        result => result.with_context(|| format!("read {path}")),
    }
}

/// The servers that can be reached from elsewhere: not those on the host's loopback, and not those with IPv6, for a
/// container has no route there.
fn reachable(text: &str) -> Vec<Ipv4Addr> {
    let servers = text.lines().filter_map(server).filter_map(|address| address.parse().ok());
    servers.filter(|address: &Ipv4Addr| !address.is_loopback() && !address.is_unspecified()).collect()
}

fn server(line: &str) -> Option<&str> {
    let mut words = line.split_whitespace();
    (words.next()? == "nameserver").then(|| words.next())?
}

/// The host's lines, with these servers instead of its own.
fn rewrite(host: &str, servers: &[IpAddr]) -> String {
    let kept = host.lines().filter(|line| {
        let first = line.split_whitespace().next().unwrap_or_default();
        ["search", "domain", "options", "sortlist"].contains(&first)
    });
    let mut text: String = servers.iter().map(|server| format!("nameserver {server}\n")).collect();
    text.extend(kept.map(|line| format!("{line}\n")));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "# a comment\nsearch example.org\nnameserver 127.0.0.53\nnameserver\t192.0.2.53\n\
                        nameserver ::1\nnameserver 2001:db8::53\nnameserver fe80::1%eth0\nnameserver 127.1.2.3\n\
                        nameserver\noptions edns0 trust-ad\n";

    #[test]
    fn what_listens_on_the_host_s_loopback_is_left_out() {
        assert_eq!(reachable(TEXT), [Ipv4Addr::new(192, 0, 2, 53)]);
        assert!(reachable("nameserver 127.0.0.53\nnameserver ::1\n").is_empty());
    }

    #[test]
    fn the_rest_of_the_host_s_lines_stays() {
        let text = rewrite(TEXT, &["192.0.2.53".parse().unwrap()]);
        assert_eq!(text, "nameserver 192.0.2.53\nsearch example.org\noptions edns0 trust-ad\n");
    }

    #[test]
    fn asked_for_servers_stand_instead_of_the_host_s() {
        let text =
            text(Kind::Bridge, &["192.0.2.1".parse().unwrap(), "2001:db8::1".parse().unwrap()]).unwrap();
        let servers: Vec<_> = text.lines().filter_map(server).collect();
        assert_eq!(servers, ["192.0.2.1", "2001:db8::1"]);
    }
}
