//! Behaviour 52: a taken port is an error before the container starts.

use std::net::{TcpListener, UdpSocket};
use std::time::Duration;

use super::host::{HOST, Host, LINKS, NEEDS};
use crate::{Check, Subject, Verdict, expect, expect_eq};

const TAKEN: Check = Check {
    step: 8,
    behaviours: &[52],
    points: 2,
    section: "08-network.html#reservation",
    needs: NEEDS,
    after: &["publish-everywhere"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "port-taken",
        title: "a port that a container or a program of the host has is one error, and the command does not start",
        hints: &[
            "bind(2) answers EADDRINUSE before there is a process.",
            "Keep the socket: then nobody else gets the port.",
        ],
        run: taken,
        ..TAKEN
    },
    Check {
        id: "port-held",
        title: "no program of the host gets a published port while the container runs, and any does afterwards",
        hints: &["The supervisor holds the socket as long as the container lives."],
        after: &["port-taken"],
        run: held,
        ..TAKEN
    },
    Check {
        id: "port-wrong",
        title: "what is no port, range, protocol or address of the host is one error",
        points: 1,
        hints: &["Ranges of different lengths do not lead anywhere."],
        needs: LINKS,
        run: wrong,
        ..TAKEN
    },
];

fn taken(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let mark = subject.scratch().join("mark");
    let refused = |port: &str, named: &str| -> Verdict {
        let bind = format!("{}:/out", subject.scratch().display());
        for detached in [&["-d"][..], &[]] {
            let options = [detached, &["-v", &bind, "-p", port]].concat();
            let output = host.bed.launch(&options, &["touch", "/out/mark"]).output()?;
            host.bed.own_error(&output, 125, named, &format!("a run with -p {port}, which is taken"))?;
            expect!(!mark.exists(), "a command that has not run", "its file");
        }
        Ok(())
    };
    host.bed.idle(&["--name", "first", "-p", "8080:80", "-p", "5353:53/udp"])?;
    refused("8080:81", "8080")?;
    refused("127.0.0.1:8080:81", "8080")?;
    refused("5353:53/udp", "5353")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    let port = listener.local_addr()?.port().to_string();
    refused(&format!("{port}:80"), &port)?;
    let socket = UdpSocket::bind("0.0.0.0:0")?;
    let port = socket.local_addr()?.port().to_string();
    refused(&format!("{port}:80/udp"), &port)?;
    // TCP and UDP are not in each other's way, and neither are two addresses.
    host.bed.idle(&["-p", "8080:80/udp", "-p", "5353:53", "-p", "127.0.0.1:7070:80"])?;
    host.bed.idle(&["-p", &format!("{HOST}:7070:80")])?;
    expect_eq!(host.bed.folders()?.len(), 3, "folders of containers");
    Ok(())
}

fn held(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let bind = || TcpListener::bind("0.0.0.0:8080").is_ok() && UdpSocket::bind("0.0.0.0:8080").is_ok();
    expect!(bind(), "a free port 8080", "one that is taken");
    let up = host.bed.idle(&["--name", "box", "-p", "8080:80", "-p", "8080:80/udp"])?;
    expect!(
        TcpListener::bind("0.0.0.0:8080").is_err(),
        "TCP port 8080 to be held",
        "a program that has got it"
    );
    expect!(
        UdpSocket::bind("0.0.0.0:8080").is_err(),
        "UDP port 8080 to be held",
        "a program that has got it"
    );
    host.bed.ok(&["stop", "-t", "0", "box"])?;
    expect!(bind(), "port 8080 to be free after `stop`", "one that is taken");
    host.bed.ok(&["start", "box"])?;
    expect!(!bind(), "port 8080 to be held after `start`", "a program that has got it");
    host.bed.ok(&["rm", "-f", &up.id])?;
    expect!(bind(), "port 8080 to be free after `rm -f`", "one that is taken");
    Ok(())
}

fn wrong(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    for port in [
        "",
        "0",
        "a",
        "8080:",
        "65536:80",
        "80/sctp",
        "1-2:1-3",
        "9-8:9-8",
        "1:2:3:4",
        "0-5:80",
        "+80:80",
        "[::1]:80:80",
        "1.2.3:80:80",
    ] {
        let output = host.bed.launch(&[&format!("--publish={port}")], &["true"]).output()?;
        host.bed.own_error(&output, 125, "publish", &format!("a run with --publish={port}"))?;
    }
    let output = host.bed.launch(&["-p", "192.0.2.77:80:80"], &["true"]).output()?;
    host.bed.own_error(&output, 125, "192.0.2.77", "a port on an address that is not the host's")
}
