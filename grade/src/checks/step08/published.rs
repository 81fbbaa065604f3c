//! Behaviour 50, the way in: published ports, from everywhere.

use std::net::TcpListener;
use std::time::Duration;

use super::host::{Asker, HOST, Host, NEEDS, PORT, Up, WORLD, address};
use crate::{Check, Need, Subject, Verdict, expect_eq};

const PUBLISHED: Check = Check {
    step: 8,
    behaviours: &[50],
    points: 4,
    section: "08-network.html#ways",
    needs: NEEDS,
    after: &["reach-all"],
    timeout: Duration::from_secs(90),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "publish-everywhere",
        title: "a published port answers the world, the host on each of its addresses, siblings, other networks and the container itself",
        hints: &[
            "Packets from outside pass prerouting; the host's own pass output and never prerouting.",
            "127.0.0.1 as a source may not leave the machine: route_localnet, and a masquerade.",
            "A sibling's answer must come back the way it went, or it names the wrong sender: masquerade, and hairpin mode.",
        ],
        run: everywhere,
        ..PUBLISHED
    },
    Check {
        id: "publish-one-address",
        title: "a port that is published on one address answers there and nowhere else; 0.0.0.0 is all of them",
        points: 2,
        hints: &["The map's key has the address in it."],
        after: &["publish-everywhere"],
        run: one_address,
        ..PUBLISHED
    },
    Check {
        id: "publish-loopback-guarded",
        title: "what listens on the host's 127.0.0.1 stays out of the containers' reach",
        points: 3,
        hints: &["route_localnet is on for the bridge: drop what comes in through it for 127.0.0.0/8."],
        after: &["publish-everywhere"],
        run: guarded,
        ..PUBLISHED
    },
    Check {
        id: "publish-no-nft",
        title: "without nft the host's 127.0.0.1 stays out of reach, and -p is refused in one line, with a table there and without",
        points: 2,
        hints: &["route_localnet without the rule that guards it would open the host's loopback."],
        after: &["publish-loopback-guarded"],
        run: no_nft,
        ..PUBLISHED
    },
    Check {
        id: "publish-low-port",
        title: "in a network namespace of its own, an ordinary user of the container may listen on a port below 1024",
        points: 1,
        hints: &["ip(7): net.ipv4.ip_unprivileged_port_start. Each network namespace has its own."],
        run: low_port,
        ..PUBLISHED
    },
    Check {
        id: "publish-web-server",
        title: "a file of a web server in a container is read with curl from the world",
        points: 2,
        hints: &["busybox httpd -f -p 80 -h /www"],
        needs: &[
            Need::Root,
            Need::Program("ip"),
            Need::Program("nsenter"),
            Need::Nat,
            Need::Program("curl"),
            Need::Program("python3"),
        ],
        run: web_server,
        ..PUBLISHED
    },
    Check {
        id: "publish-ranges",
        title: "ranges, ports that the kernel chooses and UDP are published, and `port` and `ps` show them as they are",
        points: 2,
        hints: &["-p 8000-8002:80-82, -p 80, -p 53:53/udp; `port` prints `80/tcp -> 0.0.0.0:8080`"],
        after: &["publish-everywhere"],
        run: ranges,
        ..PUBLISHED
    },
];

fn low_port(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let web = host.server("web", &["-u", "1000:1000"])?;
    let gateway = host.gateway("bridge")?;
    host.answers(Asker::Host, "tcp", (&address(&web)?, PORT), &format!("web {gateway}"))
}

fn everywhere(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let web = host.server("web", &["-p", "8080:80", "-p", "8080:80/udp"])?;
    let app = host.server("app", &[])?;
    host.bed.ok(&["network", "create", "other"])?;
    let stranger = host.server("stranger", &["--network", "other"])?;
    let gateway = host.gateway("bridge")?;
    let stranger_address = address(&stranger)?;
    for filtered in [false, true] {
        host.filter_bridges(filtered)?;
        for protocol in ["tcp", "udp"] {
            let answers = |who, address: &str, seen: &str| {
                host.answers(who, protocol, (address, "8080"), &format!("web {seen}"))
            };
            answers(Asker::World, HOST, WORLD)?;
            answers(Asker::Host, HOST, HOST)?;
            answers(Asker::Host, "127.0.0.1", &gateway)?;
            answers(Asker::Host, &gateway, &gateway)?;
            for address in [HOST, &gateway] {
                answers(Asker::Container(&app), address, &gateway)?;
                answers(Asker::Container(&web), address, &gateway)?;
                answers(Asker::Container(&stranger), address, &stranger_address)?;
            }
        }
    }
    // The container's own port is no port of the host's.
    host.silent(Asker::World, "tcp", (HOST, PORT))
}

fn one_address(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let outside = format!("{HOST}:9090:80");
    host.server("web", &["-p", "127.0.0.1:8080:80", "-p", &outside, "-p", "0.0.0.0:7070:80"])?;
    let gateway = host.gateway("bridge")?;
    host.answers(Asker::Host, "tcp", ("127.0.0.1", "8080"), &format!("web {gateway}"))?;
    host.answers(Asker::World, "tcp", (HOST, "9090"), &format!("web {WORLD}"))?;
    host.answers(Asker::World, "tcp", (HOST, "7070"), &format!("web {WORLD}"))?;
    host.all_silent(&[
        (Asker::Host, "tcp", (HOST, "8080")),
        (Asker::World, "tcp", (HOST, "8080")),
        (Asker::Host, "tcp", ("127.0.0.1", "9090")),
    ])
}

fn guarded(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let web = host.server("web", &["-p", "8080:80"])?;
    let gateway = host.gateway("bridge")?;
    no_way_to_loopback(&host, &web, &gateway)
}

fn no_way_to_loopback(host: &Host, up: &Up, gateway: &str) -> Verdict {
    // The container's lo would keep these packets to itself.
    host.inside(
        up,
        &format!(
            "echo 1 > /proc/sys/net/ipv4/conf/eth0/route_localnet
             ip addr del 127.0.0.1/8 dev lo
             ip route add 127.0.0.0/8 via {gateway}"
        ),
    )?;
    let _secret = host.serve(false, "secret")?;
    host.answers(Asker::Host, "tcp", ("127.0.0.1", PORT), "secret 127.0.0.1")?;
    host.silent(Asker::Container(up), "tcp", ("127.0.0.1", PORT))
}

fn no_nft(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    let without = |words: &[&str]| host.bed.call(words).env("PATH", "/nowhere").output();
    let image = subject.probe_image();
    let image = image.to_string_lossy();
    let output = without(&["run", "-d", &image, "/bin/sleep", "1000"])?.success()?;
    let up = Up::of(output.out().trim_end())?;
    let refused = || -> Verdict {
        let output = without(&["run", "-p", "80", &image, "/bin/true"])?;
        host.bed.own_error(&output, 125, "nftables", "-p without nft")
    };
    refused()?;
    no_way_to_loopback(&host, &up, &host.gateway("bridge")?)?;
    host.bed.launch(&["--rm"], &["true"]).output()?.success()?;
    refused()?;
    let output = without(&["network", "create", "n"])?;
    host.bed.own_error(&output, 125, "nftables", "`network create` beside a table, without nft")?;
    expect_eq!(without(&["ps", "-q"])?.success()?.err(), "", "stderr of `ps` without nft after that");
    host.bed.refused(&["network", "rm", "n"], "no network n")
}

fn web_server(subject: &Subject) -> Verdict {
    const SERVER: &str = "exec python3 -m http.server --directory /srv 80";
    let host = Host::new(subject)?;
    // A root with a Python in it: the machine's own, read-only.
    let root = subject.scratch().join("root");
    for folder in ["usr", "etc", "srv", "tmp"] {
        std::fs::create_dir_all(root.join(folder))?;
    }
    for link in ["bin", "lib", "lib64", "sbin"] {
        std::os::unix::fs::symlink(format!("usr/{link}"), root.join(link))?;
    }
    std::fs::write(root.join("srv/page"), "hello from a container\n")?;
    let launch =
        subject.launch_in(&root, &["-d", "-p", "8080:80", "-v", "/usr:/usr:ro"], &["sh", "-c", SERVER]);
    launch.env("FORK_TO_VETH_ROOT", &host.bed.data).output()?.success()?;
    let curl = format!("curl -s --retry 20 --retry-delay 1 --retry-all-errors http://{HOST}:8080/page");
    expect_eq!(host.outside(&curl)?, "hello from a container", "the page, read from the world");
    Ok(())
}

fn ranges(subject: &Subject) -> Verdict {
    let host = Host::new(subject)?;
    // The range's first port is somebody's.
    let _taken = TcpListener::bind("127.0.0.1:9000")?;
    let up = host.bed.idle(&[
        "--name",
        "box",
        "-p",
        "8000-8002:80-82",
        "-p",
        "53:53/udp",
        "-p",
        "127.0.0.1:9000-9010:90",
        "-p",
        "70",
    ])?;
    let shown = host.bed.ok(&["port", "box"])?;
    let mut lines: Vec<&str> = shown.lines().collect();
    let chosen = lines.pop().unwrap_or_default();
    let port: u16 = chosen.strip_prefix("70/tcp -> 0.0.0.0:").and_then(|port| port.parse().ok()).unwrap_or(0);
    crate::expect!(port > 1023, "a port that the kernel has chosen", "{chosen:?}");
    let wanted = [
        "80/tcp -> 0.0.0.0:8000",
        "81/tcp -> 0.0.0.0:8001",
        "82/tcp -> 0.0.0.0:8002",
        "53/udp -> 0.0.0.0:53",
        "90/tcp -> 127.0.0.1:9001",
    ];
    expect_eq!(lines, wanted, "lines of `port`");
    expect_eq!(host.bed.ok(&["port", "box", "53/udp"])?, "0.0.0.0:53\n", "stdout of `port box 53/udp`");
    host.bed.refused(&["port", "box", "53"], "53/tcp")?;
    let row = host.bed.ps(&[])?.remove(0);
    let ports = row["Ports"].as_str().unwrap_or_default();
    crate::expect!(ports.starts_with("0.0.0.0:8000->80/tcp, "), "the ports in `ps`", "{ports:?}");
    host.bed.ok(&["stop", "-t", "0", &up.id])?;
    expect_eq!(host.bed.ok(&["port", "box"])?, "", "stdout of `port` of what has ended");
    expect_eq!(
        host.bed.ps(&["-a"])?[0]["Ports"].as_str(),
        Some(""),
        "the ports in `ps -a` of what has ended"
    );
    Ok(())
}
