//! Subnets: a block of IPv4 addresses, written as CIDR does, RFC 4632.

use anyhow::{Context, Error, Result, ensure};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::net::Ipv4Addr;
use std::str::FromStr;

/// The addresses whose first `prefix` bits are those of `first`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Subnet {
    first: u32,
    pub prefix: u8,
}

impl Subnet {
    /// The block of this size that an address is in.
    pub fn around(address: Ipv4Addr, prefix: u8) -> Subnet {
        Subnet { first: address.to_bits() & mask(prefix), prefix }
    }

    /// The network's own address: no host may have it, RFC 1122 section 3.2.1.3.
    pub fn address(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.first)
    }

    /// The address of everybody in it, which no host may have either.
    pub fn broadcast(self) -> Ipv4Addr {
        Ipv4Addr::from_bits(self.last())
    }

    fn last(self) -> u32 {
        self.first | !mask(self.prefix)
    }

    /// The addresses that hosts may have, as numbers.
    pub fn hosts(self) -> impl Iterator<Item = Ipv4Addr> {
        (self.first + 1..self.last()).map(Ipv4Addr::from_bits)
    }

    pub fn has_host(self, address: Ipv4Addr) -> bool {
        (self.first + 1..self.last()).contains(&address.to_bits())
    }

    pub fn overlaps(self, other: Subnet) -> bool {
        self.first <= other.last() && other.first <= self.last()
    }

    /// Cuts it into blocks of a longer prefix.
    pub fn cut(self, prefix: u8) -> impl Iterator<Item = Subnet> {
        (self.first..=self.last()).step_by(1 << (32 - prefix)).map(move |first| Subnet { first, prefix })
    }
}

fn mask(prefix: u8) -> u32 {
    u32::MAX.checked_shl(32 - u32::from(prefix)).unwrap_or(0)
}

impl FromStr for Subnet {
    type Err = Error;

    /// Reads a subnet that a network can have: /30 has two hosts, the gateway and one container, and /16 is as large as
    /// Docker's are.
    fn from_str(text: &str) -> Result<Subnet> {
        let form = || format!("{text:?} is no subnet, such as 10.1.2.0/24");
        let (address, prefix) = text.split_once('/').with_context(form)?;
        let address: Ipv4Addr = address.parse().ok().with_context(form)?;
        let prefix: u8 = prefix.parse().ok().filter(|prefix| *prefix <= 32).with_context(form)?;
        ensure!((16..=30).contains(&prefix), "{text}: a network is between /16 and /30");
        let subnet = Subnet::around(address, prefix);
        ensure!(subnet.address() == address, "{text}: {address} is inside of {subnet}; write that");
        let usable = !(address.is_multicast() || address.is_loopback() || address.is_unspecified());
        ensure!(usable && address.octets()[0] < 240, "{text}: these addresses are not for hosts");
        Ok(subnet)
    }
}

impl fmt::Display for Subnet {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{}/{}", self.address(), self.prefix)
    }
}

impl TryFrom<String> for Subnet {
    type Error = Error;

    fn try_from(text: String) -> Result<Subnet> {
        text.parse()
    }
}

impl From<Subnet> for String {
    fn from(subnet: Subnet) -> String {
        subnet.to_string()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subnet(text: &str) -> Subnet {
        text.parse().unwrap()
    }

    #[test]
    fn the_ends_are_no_hosts() {
        let smallest = subnet("10.1.2.4/30");
        assert_eq!(
            smallest.hosts().collect::<Vec<_>>(),
            ["10.1.2.5", "10.1.2.6"].map(|it| it.parse::<Ipv4Addr>().unwrap())
        );
        assert_eq!(smallest.broadcast().to_string(), "10.1.2.7");
        let largest = subnet("172.20.0.0/16");
        assert_eq!(largest.hosts().count(), 65534);
        assert!(largest.has_host("172.20.1.0".parse().unwrap()));
        for outside in ["172.20.0.0", "172.20.255.255", "172.21.0.1", "172.19.255.255"] {
            assert!(!largest.has_host(outside.parse().unwrap()), "{outside}");
        }
    }

    #[test]
    fn blocks_overlap_when_one_is_in_the_other() {
        let middle = subnet("10.1.2.0/24");
        for (other, prefix, overlaps) in [
            ("10.1.2.0", 24, true),
            ("10.1.2.128", 25, true),
            ("10.1.2.255", 32, true),
            ("10.0.0.0", 8, true),
            ("0.0.0.0", 0, true),
            ("10.1.1.0", 24, false),
            ("10.1.3.0", 24, false),
            ("10.1.1.255", 32, false),
        ] {
            let other = Subnet::around(other.parse().unwrap(), prefix);
            assert_eq!((middle.overlaps(other), other.overlaps(middle)), (overlaps, overlaps), "{other}");
        }
    }

    #[test]
    fn a_block_is_cut_into_all_of_its_parts() {
        let parts: Vec<_> = subnet("10.1.0.0/22").cut(24).map(|part| part.to_string()).collect();
        assert_eq!(parts, ["10.1.0.0/24", "10.1.1.0/24", "10.1.2.0/24", "10.1.3.0/24"]);
    }

    #[test]
    fn what_is_no_network_is_refused() {
        for text in
            ["", "10.1.2.0", "10.1.2.0/", "10.1.2.0/33", "10.1.2.0/15", "10.1.2.0/31", "10.1.2.1/24", "a/24"]
        {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
        for text in
            ["127.0.0.0/16", "224.0.0.0/24", "0.0.0.0/16", "240.1.0.0/16", "255.255.255.0/24", "::/64"]
        {
            assert!(text.parse::<Subnet>().is_err(), "{text}");
        }
        assert!("10.1.2.5/24".parse::<Subnet>().unwrap_err().to_string().contains("10.1.2.0/24"));
    }
}
