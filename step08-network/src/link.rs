//! The socket between parent and child: "go" in one direction, a failure in the other.
//!
//! Both ends are close-on-exec. When the child becomes the command, its end closes by itself, and the parent
//! reads the end of the stream: that silence is how it learns that execve(2) succeeded.

use crate::failure::{Failure, exit_code};
use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recv, recvmsg, sendmsg};
use std::io::{ErrorKind, IoSlice, IoSliceMut, Read, Write};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

pub struct HostEnd {
    stream: UnixStream,
    /// The terminal that the container has made for itself, from its other side.
    pub terminal: Option<OwnedFd>,
}

pub struct ContainerEnd(UnixStream);

/// A connected pair, made before the clone; each side drops the other's end.
pub fn pair() -> Result<(HostEnd, ContainerEnd)> {
    let (host, container) = UnixStream::pair().context("make a socket pair")?;
    Ok((HostEnd { stream: host, terminal: None }, ContainerEnd(container)))
}

impl HostEnd {
    /// Everything that only the host can set up is done: the child may go on.
    pub fn go(&mut self) -> Result<()> {
        match self.stream.write_all(b"g") {
            // The child is gone already; what it reported, or its exit status, says why.
            Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
            result => result.context("tell the child to go"),
        }
    }

    /// Waits until the child has become the command, or returns what it failed at.
    pub fn wait_for_exec(&mut self) -> Result<()> {
        let mut report = Vec::new();
        loop {
            match self.receive(&mut report) {
                Ok(0) => break,
                Ok(_) => {}
                // It failed with "go" still unread, and its report was read before this.
                Err(Errno::ECONNRESET) if !report.is_empty() => break,
                result => drop(result.context("read the child's report")?),
            }
        }
        match report.split_first() {
            None => Ok(()),
            Some((&code, text)) => {
                Err(Failure { code, message: String::from_utf8_lossy(text).into_owned() }.into())
            }
        }
    }
}

impl HostEnd {
    /// Takes what comes next: a piece of a report, or a terminal, which comes with one byte. Returns the number of bytes.
    fn receive(&mut self, report: &mut Vec<u8>) -> nix::Result<usize> {
        let mut piece = [0; 4096];
        let mut parts = [IoSliceMut::new(&mut piece)];
        let mut space = nix::cmsg_space!([RawFd; 1]);
        let message =
            recvmsg::<()>(self.stream.as_raw_fd(), &mut parts, Some(&mut space), MsgFlags::MSG_CMSG_CLOEXEC)?;
        let length = message.bytes;
        for control in message.cmsgs()? {
            if let ControlMessageOwned::ScmRights(sent) = control {
                // SAFETY: the kernel has just made these descriptors for us, and nothing else owns them.
                self.terminal = sent.into_iter().map(|fd| unsafe { OwnedFd::from_raw_fd(fd) }).next();
                return Ok(length);
            }
        }
        report.extend_from_slice(&piece[..length]);
        Ok(length)
    }
}

impl ContainerEnd {
    /// Hands the parent one side of a terminal: SCM_RIGHTS, unix(7).
    pub fn send(&self, terminal: &OwnedFd) -> Result<()> {
        let sent = [terminal.as_raw_fd()];
        let parts = [IoSlice::new(b"t")];
        let control = [ControlMessage::ScmRights(&sent)];
        let result = sendmsg::<()>(self.0.as_raw_fd(), &parts, &control, MsgFlags::MSG_NOSIGNAL, None);
        result.map(drop).context("send the terminal to the parent")
    }

    /// Waits for the parent. When it has died instead, so must the child: nobody is left to wait for it.
    pub fn wait_for_go(&mut self) -> Result<()> {
        self.0.read_exact(&mut [0]).context("wait for the parent")?;
        self.check_parent()
    }

    /// Fails when the parent is gone. A parent that dies before `PR_SET_PDEATHSIG` is set sends no signal, so this is
    /// asked once it is: the parent's end of the socket closes with it.
    pub fn check_parent(&self) -> Result<()> {
        let flags = MsgFlags::MSG_PEEK | MsgFlags::MSG_DONTWAIT;
        match recv(self.0.as_raw_fd(), &mut [0], flags) {
            Err(Errno::EAGAIN) => Ok(()),
            _ => bail!("the parent is gone"),
        }
    }

    /// Sends an error to the parent, which prints it: one message, from one place.
    pub fn report(&mut self, error: &anyhow::Error) {
        let mut report = vec![exit_code(error)];
        report.extend_from_slice(format!("{error:#}").as_bytes());
        // A parent that is gone has nobody to print it for.
        let _ = self.0.write_all(&report);
    }
}

impl AsFd for ContainerEnd {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}
