//! Published ports: which port of the host leads to which port of a container, and how `-p` asks for it.

use anyhow::{Context, Error, Result, bail, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::ops::RangeInclusive;
use std::str::FromStr;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    Tcp,
    Udp,
}

/// The value of one `-p`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Publish {
    /// One address of the host; all of them when there is none.
    pub address: Option<Ipv4Addr>,
    /// Ports of the host; any that is free when there are none.
    pub host: Option<RangeInclusive<u16>>,
    pub container: RangeInclusive<u16>,
    pub protocol: Protocol,
}

/// A port of the host that leads to a container.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    pub address: Option<Ipv4Addr>,
    pub host: u16,
    pub container: u16,
    pub protocol: Protocol,
}

/// A port of a container, as `port` is asked for it.
#[derive(Clone, Debug)]
pub struct ContainerPort {
    number: u16,
    protocol: Protocol,
}

impl ContainerPort {
    pub fn is(&self, port: &Port) -> bool {
        (self.number, self.protocol) == (port.container, port.protocol)
    }
}

impl FromStr for ContainerPort {
    type Err = Error;

    fn from_str(text: &str) -> Result<ContainerPort> {
        let (number, protocol) = protocol(text)?;
        let number =
            self::number(number).with_context(|| format!("{number:?} is no port from 1 to 65535"))?;
        Ok(ContainerPort { number, protocol })
    }
}

impl fmt::Display for ContainerPort {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol)
    }
}

/// Cuts the protocol off: TCP, when none is named.
fn protocol(text: &str) -> Result<(&str, Protocol)> {
    match text.split_once('/').unwrap_or((text, "tcp")) {
        (rest, "tcp") => Ok((rest, Protocol::Tcp)),
        (rest, "udp") => Ok((rest, Protocol::Udp)),
        (_, other) => bail!("{other:?} is neither tcp nor udp"),
    }
}

impl FromStr for Publish {
    type Err = Error;

    /// Reads `[[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]`; HOST and CONTAINER are ports or ranges of them.
    fn from_str(text: &str) -> Result<Publish> {
        let (places, protocol) = protocol(text)?;
        ensure!(!places.contains(['[', ']']), "only IPv4 addresses can be published on");
        let parts: Vec<&str> = places.split(':').collect();
        let (address, host, container) = match parts[..] {
            [container] => (None, None, container),
            [host, container] => (None, Some(host), container),
            [address, host, container] => (Some(address), Some(host), container),
            _ => bail!("{text:?} is not [[ADDRESS:][HOST]:]CONTAINER[/PROTOCOL]"),
        };
        let container = range("the container's port", container)?;
        let host = host.filter(|host| !host.is_empty() && *host != "0");
        let host = host.map(|host| range("the host's port", host)).transpose()?;
        if let Some(host) = &host {
            ensure!(
                host.len() == container.len() || container.len() == 1,
                "{} ports of the host cannot lead to {} of the container",
                host.len(),
                container.len()
            );
        }
        Ok(Publish { address: address.map_or(Ok(None), one_address)?, host, container, protocol })
    }
}

/// One port, or `FIRST-LAST`. clap shows the first words of an error alone, so they say all.
fn range(whose: &str, text: &str) -> Result<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let port =
        |text: &str| number(text).with_context(|| format!("{whose}: {text:?} is no port from 1 to 65535"));
    let range = port(first)?..=port(last)?;
    ensure!(!range.is_empty(), "{whose}: {text:?} ends before it begins");
    Ok(range)
}

/// Digits alone: `parse` would take a sign, too.
fn number(text: &str) -> Option<u16> {
    let digits = text.bytes().all(|byte| byte.is_ascii_digit());
    text.parse().ok().filter(|port| digits && *port > 0)
}

fn one_address(text: &str) -> Result<Option<Ipv4Addr>> {
    let address: Ipv4Addr = text.parse().ok().with_context(|| format!("{text:?} is no IPv4 address"))?;
    Ok(Some(address).filter(|address| !address.is_unspecified()))
}

impl fmt::Display for Protocol {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        f.write_str(match self {
            Protocol::Tcp => "tcp",
            Protocol::Udp => "udp",
        })
    }
}

impl fmt::Display for Port {
    /// As Docker's `port` does.
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{} -> {}", self.container, self.protocol, self.place())
    }
}

impl Port {
    /// Where on the host it is.
    pub fn place(&self) -> String {
        format!("{}:{}", self.address.unwrap_or(Ipv4Addr::UNSPECIFIED), self.host)
    }

    /// As Docker's `ps` does.
    pub fn arrow(&self) -> String {
        format!("{}->{}/{}", self.place(), self.container, self.protocol)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Publish {
        text.parse().unwrap()
    }

    #[test]
    fn docker_s_forms_are_read() {
        let plain = |host, container| Publish { address: None, host, container, protocol: Protocol::Tcp };
        assert_eq!(read("80"), plain(None, 80..=80));
        assert_eq!(read("0:80"), plain(None, 80..=80));
        assert_eq!(read("8080:80"), plain(Some(8080..=8080), 80..=80));
        assert_eq!(read("0.0.0.0:8080:80/tcp"), plain(Some(8080..=8080), 80..=80));
        assert_eq!(read("8000-8009:80-89"), plain(Some(8000..=8009), 80..=89));
        assert_eq!(read("8000-8009:80"), plain(Some(8000..=8009), 80..=80));
        assert_eq!(read("80-89"), plain(None, 80..=89));
        let local = Publish {
            address: Some(Ipv4Addr::LOCALHOST),
            host: None,
            container: 53..=53,
            protocol: Protocol::Udp,
        };
        assert_eq!(read("127.0.0.1::53/udp"), local);
        assert_eq!(read("127.0.0.1:5353:53/udp"), Publish { host: Some(5353..=5353), ..local });
    }

    #[test]
    fn what_names_no_port_is_refused() {
        for text in [
            "",
            ":",
            "8080:",
            "0",
            "a",
            "80:a",
            "65536:80",
            "80/",
            "80/sctp",
            "80/tcp/udp",
            "1:2:3:4",
            "-1:80",
            "+80:80",
            "0-5:80",
            "0-5",
        ] {
            assert!(text.parse::<Publish>().is_err(), "{text}");
        }
        for text in [
            "9-8:9-8",
            "1-2:1-3",
            "1-3:1-2",
            "80:1-2",
            "[::1]:80:80",
            "localhost:80:80",
            "1.2.3:80:80",
            ":80:80",
        ] {
            assert!(text.parse::<Publish>().is_err(), "{text}");
        }
    }

    #[test]
    fn the_first_words_of_an_error_say_what_is_wrong() {
        for (text, why) in
            [("65536", "65536"), ("80:", "container's port"), ("8e1:80", "8e1"), ("3-1:80", "3-1")]
        {
            let error = text.parse::<Publish>().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("port"), "{text}: {error}");
        }
    }

    #[test]
    fn ports_are_shown_as_docker_shows_them() {
        let port = Port { address: None, host: 8080, container: 80, protocol: Protocol::Tcp };
        assert_eq!(port.to_string(), "80/tcp -> 0.0.0.0:8080");
        assert_eq!(port.arrow(), "0.0.0.0:8080->80/tcp");
        let of = |text: &str| text.parse::<ContainerPort>().unwrap().is(&port);
        assert_eq!([of("80"), of("80/tcp"), of("80/udp"), of("8080")], [true, true, false, false]);
    }
}
