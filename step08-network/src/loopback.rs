//! A new network namespace has one interface, `lo`, and it is down: even 127.0.0.1 does not answer.

use crate::explain::explain;
use anyhow::{Context, Result};
use nix::errno::Errno;
use nix::sys::socket::{AddressFamily, SockFlag, SockType, socket};
use std::mem;
use std::os::fd::AsRawFd;

/// Brings `lo` up: SIOCSIFFLAGS in netdevice(7). The kernel gives it 127.0.0.1 and ::1 by itself.
pub fn up() -> Result<()> {
    let socket = socket(AddressFamily::Inet, SockType::Datagram, SockFlag::SOCK_CLOEXEC, None)
        .context("open a socket to configure lo with")?;
    // SAFETY: ifreq is plain data, for which zeroes are a valid value.
    let mut request: libc::ifreq = unsafe { mem::zeroed() };
    for (to, from) in request.ifr_name.iter_mut().zip(b"lo") {
        *to = *from as libc::c_char;
    }
    let flags = libc::IFF_UP | libc::IFF_RUNNING;
    request.ifr_ifru.ifru_flags = flags as libc::c_short;
    // SAFETY: the request names an interface and its flags, and outlives the call, as SIOCSIFFLAGS wants.
    Errno::result(unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS as _, &raw const request) })
        .context("bring lo up")?;
    explain!("ioctl({}, SIOCSIFFLAGS, lo: IFF_UP|IFF_RUNNING) = 0", socket.as_raw_fd());
    Ok(())
}
