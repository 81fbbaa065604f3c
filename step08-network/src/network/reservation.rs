//! Ports of the host, held for a container: a socket that is bound, and never accepts, keeps every other program from its
//! port, and other containers too. bind(2), ip(7).

use super::ports::{Port, Protocol, Publish};
use crate::explain::explain;
use anyhow::{Error, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::sockopt::ReuseAddr;
use nix::sys::socket::{
    AddressFamily, Backlog, SockFlag, SockType, SockaddrIn, bind, getsockname, listen, setsockopt, socket,
};
use std::net::{Ipv4Addr, SocketAddrV4};
use std::os::fd::{AsRawFd, OwnedFd};

impl Publish {
    /// Takes a port of the host for each port of the container. They are held as long as the sockets are open.
    pub fn reserve(&self) -> Result<Vec<(Port, OwnedFd)>> {
        self.container
            .clone()
            .enumerate()
            .map(|(place, container)| self.reserve_for(container, place))
            .collect()
    }

    fn reserve_for(&self, container: u16, place: usize) -> Result<(Port, OwnedFd)> {
        let hosts = match &self.host {
            // The kernel chooses.
            None => 0..=0,
            // Any of them will do for a single port.
            Some(hosts) if self.container.len() == 1 => hosts.clone(),
            Some(hosts) => {
                let host = hosts.start() + u16::try_from(place)?;
                host..=host
            }
        };
        for host in hosts.clone() {
            match take(self.address, host, self.protocol) {
                Ok((host, socket)) => {
                    let Publish { address, protocol, .. } = *self;
                    return Ok((Port { address, host, container, protocol }, socket));
                }
                Err(Errno::EADDRINUSE) => {}
                Err(error) => return Err(self.refused(host, error)),
            }
        }
        let ports = if hosts.len() == 1 {
            hosts.start().to_string()
        } else {
            format!("{}-{}", hosts.start(), hosts.end())
        };
        bail!("port {ports}/{}: another container or program of the host has it", self.protocol)
    }

    fn refused(&self, port: u16, error: Errno) -> Error {
        let error = Error::new(error);
        let error = match (error.downcast_ref(), self.address) {
            (Some(Errno::EADDRNOTAVAIL), Some(address)) => {
                error.context(format!("{address} is no address of the host's"))
            }
            (Some(Errno::EACCES), _) => {
                error.context("ports below net.ipv4.ip_unprivileged_port_start are root's")
            }
            (Some(Errno::EMFILE), _) => {
                error.context("each takes a file descriptor; 'ulimit -n' sets how many there are")
            }
            _ => error,
        };
        error.context(format!("port {port}/{}", self.protocol))
    }
}

/// Binds a socket to a port; the kernel chooses one for 0.
fn take(address: Option<Ipv4Addr>, port: u16, protocol: Protocol) -> nix::Result<(u16, OwnedFd)> {
    let kind = match protocol {
        Protocol::Tcp => SockType::Stream,
        Protocol::Udp => SockType::Datagram,
    };
    let socket = socket(AddressFamily::Inet, kind, SockFlag::SOCK_CLOEXEC, None)?;
    let place = SocketAddrV4::new(address.unwrap_or(Ipv4Addr::UNSPECIFIED), port);
    let bind = || bind(socket.as_raw_fd(), &SockaddrIn::from(place));
    match bind() {
        // A connection that has ended keeps its port for a minute, TIME_WAIT in tcp(7), from those who do not say that they
        // know of it. Among those who do, only one that listens keeps the others out.
        Err(Errno::EADDRINUSE) if protocol == Protocol::Tcp => {
            setsockopt(&socket, ReuseAddr, &true)?;
            bind()?;
            listen(&socket, Backlog::new(0)?)?;
        }
        result => result?,
    }
    let bound: SockaddrIn = getsockname(socket.as_raw_fd())?;
    explain!("bind({}, {}:{}) = 0", socket.as_raw_fd(), place.ip(), bound.port());
    Ok((bound.port(), socket))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::{TcpListener, TcpStream, UdpSocket};

    fn read(text: &str) -> Publish {
        text.parse().unwrap()
    }

    #[test]
    fn a_reserved_port_is_nobody_else_s() {
        let (port, socket) = read("127.0.0.1::80").reserve().unwrap().pop().unwrap();
        assert!(TcpListener::bind((Ipv4Addr::LOCALHOST, port.host)).is_err());
        let again = read(&format!("127.0.0.1:{}:80", port.host));
        assert!(again.reserve().unwrap_err().to_string().contains("another container or program"));
        drop(socket);
        assert_eq!(again.reserve().unwrap().pop().unwrap().0, port);
        let (port, _socket) = read("127.0.0.1::80/udp").reserve().unwrap().pop().unwrap();
        assert!(UdpSocket::bind((Ipv4Addr::LOCALHOST, port.host)).is_err());
    }

    #[test]
    fn a_connection_that_has_ended_does_not_keep_its_port() {
        let server = TcpListener::bind("127.0.0.1:0").unwrap();
        let place = server.local_addr().unwrap();
        let client = TcpStream::connect(place).unwrap();
        // Who closes first waits: the other's last words may get lost.
        drop(server.accept().unwrap());
        drop(client);
        let wanted = read(&format!("{place}:80"));
        assert!(wanted.reserve().is_err());
        drop(server);
        let _held = wanted.reserve().unwrap();
        assert!(TcpListener::bind(place).is_err());
        assert!(wanted.reserve().is_err());
    }

    #[test]
    fn of_a_range_for_one_port_the_next_free_one_is_taken() {
        let (taken, _first) = read("127.0.0.1::80").reserve().unwrap().pop().unwrap();
        let Some(next) = taken.host.checked_add(20) else { return };
        let wanted = read(&format!("127.0.0.1:{}-{next}:80", taken.host));
        let (port, _second) = wanted.reserve().unwrap().pop().unwrap();
        assert!(port.host > taken.host && port.host <= next && port.container == 80);
    }
}
