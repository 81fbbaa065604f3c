//! Behaviour 56: ordinary users, with pasta and without.

use std::io::Read;
use std::net::{TcpListener, TcpStream};
use std::process::Command;
use std::time::Duration;

use super::super::step07::bed::everybody;
use super::host::{Bed, SOON, path_with};
use crate::need::search_path;
use crate::probe::PROBE;
use crate::{Check, Need, Process, Subject, Verdict, expect_eq, own_executable, until};

const USER: Check = Check {
    step: 8,
    behaviours: &[56],
    points: 2,
    section: "08-network.html#pasta",
    needs: &[Need::NotRoot, Need::UserNamespaces],
    after: &["detach-returns"],
    timeout: Duration::from_secs(60),
    ..Check::NEW
};

pub(crate) const CHECKS: &[Check] = &[
    Check {
        id: "user-told",
        title: "an ordinary user without pasta has `lo`, in silence; whoever asks for more is told what is missing",
        hints: &["Whether to say a line on every start depends on who reads it: isatty(3)."],
        run: told,
        ..USER
    },
    Check {
        id: "user-pasta",
        title: "with pasta a port of an ordinary user's container answers, and pasta ends with the container",
        points: 3,
        hints: &["pasta holds the network namespace: it has to be ended."],
        needs: &[Need::NotRoot, Need::UserNamespaces, Need::Program("pasta"), Need::Tun, Need::DefaultRoute],
        run: pasta,
        ..USER
    },
    Check {
        id: "user-outside",
        title: "with pasta an ordinary user's container reaches the world from its first moment on, under the host's address",
        hints: &["pasta --config-net PID: the container gets an interface, an address and a route."],
        needs: &[
            Need::NotRoot,
            Need::UserNamespaces,
            Need::Program("pasta"),
            Need::Tun,
            Need::Program("ip"),
            Need::Program("nsenter"),
        ],
        after: &["user-told"],
        run: outside,
        ..USER
    },
];

fn told(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    let without =
        |options: &[&str], argv: &[&str]| bed.launch(options, argv).env("PATH", "/nowhere").output();
    let output = without(&[], &["/bin/cat", "/proc/self/net/dev"])?.success()?;
    expect_eq!(output.err(), "", "stderr of a start without pasta");
    expect_eq!(output.out().matches(':').count(), 1, "devices: {:?}", output.out());
    for options in [&["-p", "8080:80"][..], &["--network", "pasta"], &["-d", "--network", "pasta"]] {
        bed.own_error(
            &without(options, &["/bin/true"])?,
            125,
            "passt",
            &format!("{options:?} without pasta"),
        )?;
    }
    bed.refused(&["network", "create", "n"], "pasta")?;
    let bridge = bed.launch(&["--network", "bridge"], &["true"]).output()?;
    bed.own_error(&bridge, 125, "pasta", "--network bridge of an ordinary user")
}

fn pasta(subject: &Subject) -> Verdict {
    let bed = Bed::new(subject);
    // It leaves its parent, but not the guard.
    let running = || {
        let name = |process: Process| process.text("comm").unwrap_or_default();
        everybody()
            .into_iter()
            .map(name)
            .filter(|name| name.starts_with("pasta") || name.starts_with("passt"))
            .count()
    };
    let port = TcpListener::bind("127.0.0.1:0")?.local_addr()?.port();
    let argv = subject.probe_argv("serve")?;
    let argv: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
    let publish = format!("{port}:80");
    let options = ["--network", "pasta", "--name", "web", "-p", &publish];
    let up = bed.up(&options, &[&argv[..], &["web", "80"]].concat())?;
    bed.until_logged(&up.id, "ready\n")?;
    let answer = || {
        let mut text = String::new();
        TcpStream::connect(("127.0.0.1", port)).ok()?.read_to_string(&mut text).ok()?;
        text.starts_with("web ").then_some(())
    };
    until(SOON, "an answer through pasta", answer)?;
    expect_eq!(running(), 1, "pasta processes while the container runs");
    bed.ok(&["rm", "-f", "web"])?;
    expect_eq!(running(), 0, "pasta processes after `rm -f`");
    TcpListener::bind(("127.0.0.1", port))?;
    Ok(())
}

/// A host, and a world with a server: this user is root in the namespaces that both are made in.
const HOST_AND_WORLD: &str = "
    unshare -n \"$@\" & world=$!
    until grep -q ':0050 00000000:0000 0A' /proc/$world/net/tcp; do sleep 0.02; done
    ip link set lo up
    ip link add up0 type veth peer name out0 netns $world
    ip addr add 203.0.113.1/24 dev up0
    ip link set up0 up
    ip route add default via 203.0.113.2
    nsenter -t $world -n sh -ec 'ip addr add 203.0.113.2/24 dev out0; ip link set out0 up'
    exec sleep 1000";

fn outside(subject: &Subject) -> Verdict {
    let mut command = Command::new("unshare");
    command.args(["-r", "-n", "sh", "-ec", HOST_AND_WORLD, "sh"]).arg(own_executable()?);
    let host = command.args([PROBE, "serve", "world", "80"]).env("PATH", search_path()).spawn()?;
    let pid = host.id().to_string();
    let is_made =
        || Process(host.id().cast_signed()).text("comm").ok().filter(|name| name.trim_end() == "sleep");
    until(SOON, "a host and a world", is_made)?;
    // Who comes in is root there, and no more so one namespace further in.
    let enter = ["nsenter", "-t", &pid, "-U", "-n", "--preserve-credentials"];
    let under = [&enter[..], &["unshare", "-U", "--map-user=1000", "--map-group=1000"]].concat();
    let argv = subject.probe_argv("ask")?;
    let argv: Vec<&str> = argv.iter().filter_map(|word| word.to_str()).collect();
    let words = [&argv[..], &["tcp", "203.0.113.2", "80", "3000"]].concat();
    // One that takes its time to make the interface.
    let slow = path_with(subject, "pasta", "[ $1 = --version ] || sleep 0.3\nexec pasta \"$@\"")?;
    for options in [&["--rm"][..], &["--rm", "--network", "pasta"]] {
        let launch = Bed::new(subject).launch(options, &words).under(&under).env("PATH", &slow);
        let output = launch.output()?.success()?;
        expect_eq!(output.out(), "world 203.0.113.1\n", "the world's answer with {options:?}");
    }
    Ok(())
}
