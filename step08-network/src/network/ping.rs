//! What ping(8) does: it sends an echo request, and who is there sends it back. RFC 792, raw(7).

use crate::explain::explain;
use anyhow::{Context, Result};
use nix::sys::socket::{AddressFamily, SockFlag, SockProtocol, SockType, socket};
use std::io::ErrorKind;
use std::net::{Ipv4Addr, UdpSocket};
use std::os::fd::AsRawFd;
use std::process;
use std::time::{Duration, Instant};

const PATIENCE: Duration = Duration::from_secs(1);
const ECHO_REPLY: u8 = 0;
const ECHO_REQUEST: u8 = 8;

/// How long the answer takes to come; none when it does not. Such messages are root's to send: with them a program could pass
/// for the kernel.
pub fn ping(address: Ipv4Addr) -> Result<Option<Duration>> {
    let raw = socket(AddressFamily::Inet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::Icmp);
    // The standard library's socket for messages: sending and receiving are the same for all kinds of them.
    let socket = UdpSocket::from(raw.context("open a raw socket")?);
    socket.connect((address, 0)).with_context(|| format!("look for the way to {address}"))?;
    socket.set_read_timeout(Some(PATIENCE)).context("set a time to wait")?;
    let (begun, [high, low]) = (Instant::now(), (process::id() as u16).to_be_bytes());
    socket.send(&request(high, low)).with_context(|| format!("ping {address}"))?;
    explain!("sendto({}, echo request to {address}) = 8", socket.as_raw_fd());
    let mut packet = [0; 64];
    while begun.elapsed() < PATIENCE {
        let length = match socket.recv(&mut packet) {
            Err(error) if error.kind() == ErrorKind::WouldBlock => break,
            result => result.with_context(|| format!("wait for {address}"))?,
        };
        // The header of IP comes first; its length, in words of four bytes, is in its first byte.
        let message = packet[..length].get(usize::from(packet[0] & 15) * 4..);
        if let Some([ECHO_REPLY, 0, _, _, id @ ..]) = message
            && id.starts_with(&[high, low])
        {
            return Ok(Some(begun.elapsed()));
        }
    }
    Ok(None)
}

/// The message: type, code, checksum, the number by which the sender knows its answers, and the first of them. The checksum
/// is the complement of the sum of all words, and without it nobody would answer. RFC 1071.
fn request(high: u8, low: u8) -> [u8; 8] {
    let sum = u32::from(u16::from_be_bytes([ECHO_REQUEST, 0])) + u32::from(u16::from_be_bytes([high, low]));
    let [first, second] = (!((sum + (sum >> 16)) as u16)).to_be_bytes();
    [ECHO_REQUEST, 0, first, second, high, low, 0, 0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_words_of_a_request_add_up_to_ones() {
        for id in [0u16, 1, 0x1234, 0xf7ff, 0xf800, 0xffff] {
            let [high, low] = id.to_be_bytes();
            let words = request(high, low);
            let sum: u32 =
                words.chunks(2).map(|word| u32::from(u16::from_be_bytes([word[0], word[1]]))).sum();
            assert_eq!((sum & 0xffff) + (sum >> 16), 0xffff, "{id:x}");
        }
    }
}
