//! What the kernel must be told before it passes packets on, Documentation/networking/ip-sysctl.rst.

use crate::explain::{self, explain};
use anyhow::{Context, Result};
use std::fs;
use std::path::Path;

/// Makes the machine a router, if it is none. Others may come to rely on it, so it stays one.
pub fn switch_on() -> Result<()> {
    const PATH: &str = "/proc/sys/net/ipv4/ip_forward";
    let state = fs::read_to_string(PATH).with_context(|| format!("read {PATH}"))?;
    if state.trim_end() != "0" {
        return Ok(());
    }
    write(PATH, "1").context(
        "a network with a way out needs net.ipv4.ip_forward, and it cannot be switched on here; \
         --network none and networks made with --internal go without",
    )?;
    explain::tell(format_args!(
        "switched net.ipv4.ip_forward on: containers reach the outside through this machine"
    ));
    Ok(())
}

/// Lets the host's 127.0.0.1 be one end of a connection that leaves through this link: what is published there could not
/// be reached otherwise.
pub fn allow_loopback(link: &str) -> Result<()> {
    write(&format!("/proc/sys/net/ipv4/conf/{link}/route_localnet"), "1")
}

/// Keeps IPv6 from a link. Our networks have none, and the address that the kernel would give to the link by itself, RFC
/// 4862, would be a way to the host past all that is said of IPv4.
pub fn refuse_ipv6(link: &str) -> Result<()> {
    let path = format!("/proc/sys/net/ipv6/conf/{link}/disable_ipv6");
    // A kernel may have no IPv6 at all.
    if Path::new(&path).exists() { write(&path, "1") } else { Ok(()) }
}

/// Lets everybody in this network namespace listen on ports below 1024, and send pings, as Docker does: there is nobody
/// whom that would harm. ip(7), icmp(7).
pub fn open_to_users() -> Result<()> {
    write("/proc/sys/net/ipv4/ip_unprivileged_port_start", "0")?;
    write("/proc/sys/net/ipv4/ping_group_range", "0 2147483647")
}

fn write(path: &str, value: &str) -> Result<()> {
    fs::write(path, value).with_context(|| format!("write {value:?} to {path}"))?;
    explain!("write({path:?}, {value:?}) = {}", value.len());
    Ok(())
}
