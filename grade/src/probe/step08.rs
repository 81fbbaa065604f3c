//! A server that tells who asks, and somebody who asks.

use std::ffi::OsString;
use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, ToSocketAddrs, UdpSocket};
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, bail};

fn words<const N: usize>(arguments: &[OsString]) -> Result<[&str; N]> {
    let words: Vec<&str> = arguments.iter().filter_map(|word| word.to_str()).collect();
    words.try_into().ok().with_context(|| format!("{N} words, not {arguments:?}"))
}

/// Answers `NAME ADDRESS`, the asker's address, on TCP and UDP, at the port that is given, for ever; prints `ready` first.
pub(super) fn serve(arguments: &[OsString]) -> Result<()> {
    let [name, port] = words(arguments)?;
    let (name, port) = (name.to_owned(), port.parse::<u16>()?);
    let tcp = TcpListener::bind(("0.0.0.0", port)).context("listen")?;
    let udp = UdpSocket::bind(("0.0.0.0", port)).context("bind")?;
    let answer = |name: &str, who: SocketAddr| format!("{name} {}", who.ip());
    println!("ready");
    let own = name.clone();
    thread::spawn(move || {
        while let Ok((_, who)) = udp.recv_from(&mut [0; 64]) {
            // Who does not listen any more has gone.
            let _ = udp.send_to(answer(&own, who).as_bytes(), who);
        }
    });
    loop {
        let (mut asker, who) = tcp.accept().context("accept")?;
        let _ = asker.write_all(answer(&name, who).as_bytes());
    }
}

/// Asks over `tcp` or `udp` an address, or a name, and a port, and prints the answer; `nothing` when none has come within
/// so many milliseconds.
pub(super) fn ask(arguments: &[OsString]) -> Result<()> {
    let [protocol, host, port, patience] = words(arguments)?;
    let patience = Duration::from_millis(patience.parse()?);
    let place = (host, port.parse::<u16>()?).to_socket_addrs().ok().and_then(|mut all| all.next());
    let answer = place.and_then(|place| match protocol {
        "tcp" => over_tcp(place, patience).ok(),
        _ => over_udp(place, patience).ok(),
    });
    println!("{}", answer.unwrap_or_else(|| "nothing".to_owned()));
    Ok(())
}

fn over_tcp(place: SocketAddr, patience: Duration) -> Result<String> {
    let mut stream = TcpStream::connect_timeout(&place, patience)?;
    stream.set_read_timeout(Some(patience))?;
    let mut text = String::new();
    stream.read_to_string(&mut text)?;
    if text.is_empty() {
        bail!("it has hung up");
    }
    Ok(text)
}

fn over_udp(place: SocketAddr, patience: Duration) -> Result<String> {
    let socket = UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0))?;
    socket.set_read_timeout(Some(patience))?;
    socket.connect(place)?;
    socket.send(b"who?")?;
    let mut text = [0; 64];
    let length = socket.recv(&mut text)?;
    Ok(String::from_utf8_lossy(&text[..length]).into_owned())
}

/// Sends to an address and a port from one port of its own, ten times a second and for ever, and prints every answer.
pub(super) fn insist(arguments: &[OsString]) -> Result<()> {
    let [host, port] = words(arguments)?;
    let socket = UdpSocket::bind((IpAddr::from([0, 0, 0, 0]), 0))?;
    socket.set_read_timeout(Some(Duration::from_millis(100)))?;
    loop {
        // Where nobody listens, the next call says so; it is tried again.
        let _ = socket.send_to(b"who?", (host, port.parse::<u16>()?));
        let mut text = [0; 64];
        if let Ok((length, _)) = socket.recv_from(&mut text) {
            println!("{}", String::from_utf8_lossy(&text[..length]));
            thread::sleep(Duration::from_millis(100));
        }
    }
}
