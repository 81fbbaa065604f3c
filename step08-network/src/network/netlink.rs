//! A netlink socket, netlink(7): it carries requests to the kernel's networking, and the kernel's answers.
//!
//! A request is a header, a fixed part and attributes, each of which says its own type and length. Asked for an
//! acknowledgement, the kernel always has a last word: an error message, whose code is 0 when all is well, or the end of
//! a list. So one loop reads the answer to everything.

use anyhow::{Context, Result};
use netlink_packet_core::{
    NLM_F_ACK, NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload,
    NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;
use std::marker::PhantomData;

/// A socket that speaks one of netlink's protocols. It works on the network namespace that it was opened in, wherever
/// its owner goes.
pub struct Netlink<M> {
    socket: Socket,
    sequence: u32,
    speaks: PhantomData<M>,
}

impl<M: NetlinkSerializable + NetlinkDeserializable> Netlink<M> {
    /// Opens a socket for a protocol: `NETLINK_ROUTE`, `NETLINK_NETFILTER`.
    pub fn open(protocol: isize) -> Result<Netlink<M>> {
        let socket =
            Socket::new(protocol).map_err(|error| Errno::from_raw(error.raw_os_error().unwrap_or(0)));
        let mut socket = socket.context("open a netlink socket")?;
        socket.bind_auto().context("bind a netlink socket")?;
        Ok(Netlink { socket, sequence: 0, speaks: PhantomData })
    }

    /// Sends a request and returns what the kernel has to say to it. The error is the kernel's own; what was asked for,
    /// the caller knows.
    pub fn ask(&mut self, request: M, flags: u16) -> Result<Vec<M>> {
        self.ask_at_once([(request, NLM_F_ACK | flags)])
    }

    /// Sends requests with their flags in one datagram. The kernel's last word is to the one that asks for it, or to the
    /// first that it refuses.
    pub fn ask_at_once(&mut self, requests: impl IntoIterator<Item = (M, u16)>) -> Result<Vec<M>> {
        let mut datagram = Vec::new();
        for (request, flags) in requests {
            self.sequence += 1;
            let mut header = NetlinkHeader::default();
            header.flags = NLM_F_REQUEST | flags;
            header.sequence_number = self.sequence;
            let mut message = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
            message.finalize();
            let start = datagram.len();
            datagram.resize(start + message.buffer_len(), 0);
            message.serialize(&mut datagram[start..]);
        }
        self.socket.send_to(&datagram, &SocketAddr::new(0, 0), 0).context("send to netlink")?;
        self.answer()
    }

    fn answer(&mut self) -> Result<Vec<M>> {
        let mut answers = Vec::new();
        loop {
            // One datagram may hold many messages, each on a multiple of four bytes.
            let (datagram, _) = self.socket.recv_from_full().context("read from netlink")?;
            let mut rest = &datagram[..];
            while !rest.is_empty() {
                let message = NetlinkMessage::<M>::deserialize(rest).context("read netlink's answer")?;
                let length = message.header.length.next_multiple_of(4) as usize;
                rest = rest.get(length..).unwrap_or_default();
                match message.payload {
                    NetlinkPayload::Error(error) if error.raw_code() != 0 => {
                        return Err(Errno::from_raw(-error.raw_code()).into());
                    }
                    NetlinkPayload::Done(done) if done.code != 0 => {
                        return Err(Errno::from_raw(-done.code).into());
                    }
                    NetlinkPayload::Error(_) | NetlinkPayload::Done(_) => return Ok(answers),
                    NetlinkPayload::InnerMessage(answer) => answers.push(answer),
                    _ => {}
                }
            }
        }
    }
}
