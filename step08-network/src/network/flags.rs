//! The options of `run` that have to do with networks.

use super::Kind;
use super::ports::Publish;
use anyhow::{Context, Result, ensure};
use clap::Args;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr};

#[derive(Args, Clone, Default, Serialize, Deserialize)]
// The name of clap's group would be the type's, which the volumes' options have.
#[group(id = "network-flags")]
#[command(next_help_heading = "Network")]
pub struct Flags {
    /// Connect the container to this network; none for no network, host for the host's own
    #[arg(long, visible_alias = "net", value_name = "NAME")]
    pub network: Option<String>,
    /// Let a port of the host lead to one of the container; ranges FIRST-LAST are ports too
    ///
    /// With pasta, UDP from this machine itself is answered at 127.0.0.1, and not at the machine's other addresses.
    #[arg(short, long, value_name = "[[ADDRESS:][HOST]:]CONTAINER[/udp]")]
    pub publish: Vec<Publish>,
    /// Ask for this address of the network
    #[arg(long, value_name = "ADDRESS")]
    pub ip: Option<Ipv4Addr>,
    /// Let the container ask this resolver for names, instead of the host's
    #[arg(long, value_name = "ADDRESS")]
    pub dns: Vec<IpAddr>,
    /// Give the container another name for an address; host-gateway stands for the host's on the network
    #[arg(long, value_name = "NAME:ADDRESS", value_parser = extra_host)]
    pub add_host: Vec<ExtraHost>,
    /// What `network connect` has added.
    #[arg(skip)]
    #[serde(default)]
    pub joined: Vec<Joined>,
}

/// One more network, and the address on it that was asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Joined {
    pub network: String,
    pub ip: Option<Ipv4Addr>,
}

impl Flags {
    /// Whether the container is asked to share the host's network.
    pub fn is_host(&self) -> bool {
        self.network.as_deref() == Some(Kind::Host.name())
    }

    /// The same for a container with a network namespace of its own, or without: `--ns` may leave it out.
    pub fn fit(&self, own_namespace: bool) -> Result<Flags> {
        ensure!(
            own_namespace || self.network.is_none() || self.is_host(),
            "--network: the container has the host's network, for --ns leaves net out"
        );
        let host = Some(Kind::Host.name().to_owned());
        Ok(Flags { network: if own_namespace { self.network.clone() } else { host }, ..self.clone() })
    }
}

/// A name for /etc/hosts, and its address; the network's gateway when there is none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExtraHost {
    pub name: String,
    pub address: Option<IpAddr>,
}

fn extra_host(text: &str) -> Result<ExtraHost> {
    let (name, address) = text.split_once([':', '=']).context("it is not NAME:ADDRESS")?;
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
    ensure!(!name.is_empty() && name.chars().all(plain), "{name:?} is no name of a host");
    let address = match address {
        "host-gateway" => None,
        _ => Some(address.parse().ok().with_context(|| format!("{address:?} is no address"))?),
    };
    Ok(ExtraHost { name: name.to_owned(), address })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn without_a_namespace_there_is_the_host_s_network() {
        let flags = |network: Option<&str>| Flags { network: network.map(str::to_owned), ..Flags::default() };
        let fit = |network, own| flags(network).fit(own).map(|flags| flags.network);
        assert_eq!(fit(None, true).unwrap(), None);
        assert_eq!(fit(Some("web"), true).unwrap().as_deref(), Some("web"));
        assert_eq!(fit(None, false).unwrap().as_deref(), Some("host"));
        assert_eq!(fit(Some("host"), false).unwrap().as_deref(), Some("host"));
        assert!(fit(Some("web"), false).is_err());
    }

    #[test]
    fn names_for_addresses() {
        let read = |text: &str| {
            extra_host(text).map(|host| (host.name, host.address.map(|address| address.to_string())))
        };
        let host = |name: &str, address: Option<&str>| (name.to_owned(), address.map(str::to_owned));
        assert_eq!(read("db:10.1.2.3").unwrap(), host("db", Some("10.1.2.3")));
        assert_eq!(read("six:::1").unwrap(), host("six", Some("::1")));
        assert_eq!(read("host.docker.internal:host-gateway").unwrap(), host("host.docker.internal", None));
        for text in ["", "db", "db:", ":10.1.2.3", "db:example", "d b:10.1.2.3", "db\n:10.1.2.3"] {
            assert!(extra_host(text).is_err(), "{text:?}");
        }
    }
}
