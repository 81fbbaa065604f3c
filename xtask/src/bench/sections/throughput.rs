//! What a bridge and a published port let through, by iperf3. All bytes stay within this machine.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use grade::need::program;
use serde_json::Value;

use super::{Bench, NETWORK};
use crate::bench::interrupt;
use crate::bench::line::Line;
use crate::bench::results::{Row, Unit};
use crate::bench::timing::Measured;

/// The name of the image, and of the server's container.
const NAME: &str = "iperf";
const SECONDS: u32 = 1;

/// One way to send.
struct Way {
    group: &'static str,
    row: Row,
    client: Line,
    rates: Vec<f64>,
}

pub fn run(bench: &Bench) -> Result<Measured> {
    let mut measured = Measured::default();
    let Some(iperf3) = program("iperf3") else {
        measured.absent("iperf3", &anyhow::anyhow!("not installed"));
        return Ok(measured);
    };
    let folder = image(bench, &iperf3)?;
    let mut ways = ours(bench, &folder)?;
    if bench.peers.docker.is_some() {
        match docker(bench, &folder) {
            Ok(more) => ways.extend(more),
            Err(error) => measured.absent("docker, throughput", &error),
        }
    }
    // The servers need a moment until they listen.
    sleep(Duration::from_secs(1));
    let result = take_turns(&mut ways, bench.pace.divided(6).runs * bench.pace.rounds);
    bench.step(NETWORK)?.clear()?;
    if let Some(docker) = &bench.peers.docker {
        docker.line(&format!("rm -f {NAME}")).output()?;
        docker.line(&format!("rmi -f {NAME}")).output()?;
    }
    result?;
    for way in ways {
        let figures = Row::of(&way.row.id, &way.row.name, Unit::Gigabits, &way.rates);
        measured.row(way.group, Row { ours: way.row.ours, beside: way.row.beside, ..figures });
    }
    Ok(measured)
}

/// In a new order each time, so that none is always after the same other.
fn take_turns(ways: &mut [Way], runs: usize) -> Result<()> {
    for run in 0..runs {
        interrupt::check()?;
        let count = ways.len();
        for at in 0..count {
            let way = &mut ways[(at + run) % count];
            let rate = received(&way.client.output().with_context(|| way.row.name.clone())?);
            way.rates.push(rate.with_context(|| format!("{}: iperf3 has no rate", way.row.name))?);
        }
    }
    Ok(())
}

/// In Gbit/s.
fn received(report: &str) -> Option<f64> {
    let report: Value = serde_json::from_str(report).ok()?;
    Some(report["end"]["sum_received"]["bits_per_second"].as_f64()? / 1e9)
}

fn ours(bench: &Bench, folder: &Path) -> Result<Vec<Way>> {
    let ours = bench.step(NETWORK)?;
    let archive = folder.with_extension("tar");
    Line::of("tar -cf").word(&archive).with("-C").word(folder).with(".").output()?;
    ours.line("import").word(&archive).with(NAME).output()?;
    let server = format!("run -d --name {NAME} -p 15201:5201 {NAME} /bin/iperf3 -s");
    ours.line(&server).timed(&bench.place.words())?;
    let addresses = addresses(&ours.line(&format!("inspect {NAME}")).output()?)?;
    let run = ours.line(&format!("run --rm {NAME}"));
    Ok(ways(run, &addresses, 15201, |group, row| (group, Row { id: group.to_owned(), ..row.ours() })))
}

fn docker(bench: &Bench, folder: &Path) -> Result<Vec<Way>> {
    let docker = bench.peers.docker.as_ref().context("no docker")?;
    docker.import(folder, NAME)?;
    let server = format!("run -d --name {NAME} -p 15202:5201 {NAME} /bin/iperf3 -s");
    docker.line(&server).timed(&bench.place.words())?;
    let format = "{{.NetworkSettings.IPAddress}} {{.NetworkSettings.Gateway}}";
    let addresses = docker.line(&format!("inspect {NAME} --format")).word(format).output()?;
    let run = docker.line(&format!("run --rm {NAME}"));
    let theirs = |group: &'static str, row: Row| {
        (group, Row { id: format!("docker-{group}"), name: "docker".to_owned(), ..row }.beside(group))
    };
    Ok(ways(run, &addresses, 15202, theirs))
}

/// The address of the only container in what inspect prints, and that of its gateway.
fn addresses(inspected: &str) -> Result<String> {
    let record: Value = serde_json::from_str(inspected).context("read what inspect prints")?;
    let network = &record[0]["networks"]["bridge"];
    let own = network["IPv4Address"].as_str().and_then(|address| address.split_once('/'));
    let own = own.context("inspect names no address")?.0;
    Ok(format!("{own} {}", network["Gateway"].as_str().context("inspect names no gateway")?))
}

fn ways(
    run: Line,
    addresses: &str,
    port: u16,
    named: impl Fn(&'static str, Row) -> (&'static str, Row),
) -> Vec<Way> {
    let mut addresses = addresses.split_whitespace();
    let (own, gateway) = (addresses.next().unwrap_or_default(), addresses.next().unwrap_or_default());
    let options = format!("-J -t {SECONDS} -c");
    let clients = [
        ("between", run.with(&format!("/bin/iperf3 {options} {own}"))),
        ("published", Line::of(&format!("iperf3 {options} {gateway} -p {port}"))),
    ];
    let way = |(group, client)| {
        let (group, row) = named(group, Row::of("", NETWORK, Unit::Gigabits, &[]));
        Way { group, row, client, rates: Vec::new() }
    };
    clients.into_iter().map(way).collect()
}

/// The root of all others, with iperf3 and its libraries.
fn image(bench: &Bench, iperf3: &Path) -> Result<PathBuf> {
    let folder = bench.place.path().join("iperf-root");
    Line::of("cp -a").word(&bench.peers.root).word(&folder).output()?;
    let libraries = Line::of("ldd").word(iperf3).output()?;
    let libraries = libraries.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from);
    for file in libraries.map(|file| (file.clone(), file)).chain([(iperf3.to_owned(), "/bin/iperf3".into())])
    {
        let to = folder.join(file.1.strip_prefix("/").context("an absolute path")?);
        let above = to.parent().context("a file in a folder")?;
        fs::create_dir_all(above).with_context(|| format!("make {}", above.display()))?;
        fs::copy(&file.0, &to).with_context(|| format!("copy {}", file.0.display()))?;
    }
    let temporary = folder.join("tmp");
    fs::create_dir_all(&temporary).with_context(|| format!("make {}", temporary.display()))?;
    ensure!(folder.join("bin/iperf3").is_file(), "no iperf3 in {}", folder.display());
    Ok(folder)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_receivers_rate_counts() {
        let report = r#"{"end":{"sum_sent":{"bits_per_second":9e9},"sum_received":{"bits_per_second":8e9}}}"#;
        assert_eq!(received(report), Some(8.0));
        assert_eq!(received("{}"), None);
        assert_eq!(received("iperf3: error"), None);
    }

    #[test]
    fn the_addresses_are_those_of_the_bridge() {
        let record = r#"[{"networks":{"bridge":{"IPv4Address":"10.0.0.2/22","Gateway":"10.0.0.1"}}}]"#;
        assert_eq!(addresses(record).unwrap(), "10.0.0.2 10.0.0.1");
        assert!(addresses("[]").is_err());
    }

    #[test]
    fn a_server_is_reached_by_its_own_address_and_by_its_gateways() {
        let ways = ways(Line::of("echo"), "10.0.0.2 10.0.0.1", 7, |group, row| (group, row));
        assert_eq!(ways[0].client.output().unwrap(), "/bin/iperf3 -J -t 1 -c 10.0.0.2\n");
        assert_eq!(ways[1].group, "published");
    }
}
