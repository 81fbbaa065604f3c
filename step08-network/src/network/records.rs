//! Networks on disk: `networks/NAME.json` in the data directory, and beside it `NAME.leases`, who is connected now, and
//! `NAME.last`, the address that was given last.
//!
//! Who only looks needs no lock: files are replaced whole. Who changes anything, on disk or in the kernel, holds the lock
//! of the folder from its first look to its last change.

use super::documents::{read, remove, write};
use super::{Endpoint, Kind, Network};
use crate::image::store::Store;
use anyhow::{Context, Error, Result, bail, ensure};
use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};
use std::fs::{self, DirBuilder, File};
use std::io::ErrorKind;
use std::net::Ipv4Addr;
use std::ops::Deref;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;

/// The network of who does not ask for any.
pub const DEFAULT: &str = "bridge";

/// The networks in a data directory, to look at.
#[derive(Clone)]
pub struct Networks {
    pub place: PathBuf,
}

/// The same, and nobody else changes anything.
pub struct Locked {
    networks: Networks,
    _lock: Flock<File>,
}

/// Who is connected to a network.
#[derive(Default, Serialize, Deserialize)]
pub struct Leases {
    /// The address that was given last: the search for the next one begins behind it, when nobody has it any more, too.
    #[serde(skip)]
    pub last: Option<Ipv4Addr>,
    pub endpoints: Vec<Endpoint>,
}

impl Networks {
    pub fn of(store: &Store) -> Networks {
        Networks { place: store.data.join("networks") }
    }

    pub fn lock(&self) -> Result<Locked> {
        let made = DirBuilder::new().recursive(true).mode(0o700).create(&self.place);
        made.with_context(|| format!("make {}", self.place.display()))?;
        let folder = File::open(&self.place).with_context(|| format!("open {}", self.place.display()))?;
        let lock = Flock::lock(folder, FlockArg::LockExclusive).map_err(|(_, error)| error);
        let lock = lock.with_context(|| format!("lock {}", self.place.display()))?;
        // The firewall's table is named after the place, and there may be more than one path to it.
        let place = self.place.canonicalize().with_context(|| format!("resolve {}", self.place.display()))?;
        Ok(Locked { networks: Networks { place }, _lock: lock })
    }

    /// The names of all that have a record, in their order.
    pub fn names(&self) -> Result<Vec<String>> {
        let entries = match fs::read_dir(&self.place) {
            // Before the first one there is no folder.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
            result => result.with_context(|| format!("list {}", self.place.display()))?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let file = entry?.file_name();
            let name = file.to_str().and_then(|file| file.strip_suffix(".json"));
            names.extend(name.filter(|name| !name.starts_with('.')).map(str::to_owned));
        }
        names.sort();
        Ok(names)
    }

    /// All that have a record that can be read.
    pub fn all(&self) -> Result<Vec<Network>> {
        Ok(self.names()?.iter().filter_map(|name| self.record(name).ok()?).collect())
    }

    /// The names of those whose record cannot be read.
    pub fn damaged(&self) -> Result<Vec<String>> {
        let mut names = self.names()?;
        names.retain(|name| self.record(name).is_err());
        Ok(names)
    }

    /// All networks, and who is connected to them. A file that cannot be read concerns only who wants that very network: the
    /// others go on without it.
    pub fn look(&self, damage: &mut dyn FnMut(Error)) -> Result<Vec<(Network, Leases)>> {
        let names = self.names()?;
        let recorded = names.iter().filter_map(|name| self.record(name).transpose());
        let with_leases = |network: Result<Network>| {
            let network = network?;
            let leases = self.leases(&network.name)?;
            Ok((network, leases))
        };
        let all = recorded.chain(built_in().map(Ok)).map(with_leases);
        Ok(all.filter_map(|found| found.map_err(&mut *damage).ok()).collect())
    }

    /// A network by its name, its id, or the first digits of an id that no other's has.
    pub fn find(&self, wanted: &str) -> Result<Network> {
        ensure!(!wanted.is_empty(), "no network has an empty name: 'network ls' lists them");
        let mut found = self.all()?;
        found.extend(built_in());
        if self.names()?.iter().any(|name| name == wanted) {
            found.extend(self.record(wanted)?);
        }
        if let Some(named) = found.iter().position(|network| network.name == wanted) {
            return Ok(found.swap_remove(named));
        }
        found.retain(|network| network.id.starts_with(wanted));
        match (found.pop(), found.is_empty()) {
            (Some(_), false) => {
                bail!("network {wanted}: more than one id starts like this; give more digits")
            }
            (Some(network), true) => Ok(network),
            (None, _) => bail!("no network {wanted}: 'network ls' lists them"),
        }
    }

    /// A network's record; none when it has just been removed.
    fn record(&self, name: &str) -> Result<Option<Network>> {
        let path = self.record_path(name);
        let parse = |text: Vec<u8>| -> Result<Network> {
            let network: Network = serde_json::from_slice(&text)?;
            ensure!(network.name == name, "it is one of network {}", network.name);
            Ok(network)
        };
        let record = read(&path).and_then(|text| text.map(parse).transpose());
        record.with_context(|| {
            let path = path.display();
            format!("network {name}: its record, {path}, cannot be read; 'network rm {name}' removes it")
        })
    }

    /// Nobody when there is no file, or an empty one, which is what a power failure may leave.
    pub fn leases(&self, name: &str) -> Result<Leases> {
        let path = self.leases_path(name);
        let text = read(&path)?.filter(|text| !text.is_empty());
        let parsed = text.map(|text| serde_json::from_slice(&text)).transpose();
        let parsed = parsed.with_context(|| {
            let path = path.display();
            format!(
                "network {name}: its leases cannot be read; once its containers have ended, remove {path}"
            )
        })?;
        // To have forgotten it does no harm.
        let last = read(&self.last_path(name))?.and_then(|text| serde_json::from_slice(&text).ok());
        Ok(Leases { last, ..parsed.unwrap_or_default() })
    }

    /// Every endpoint of every network.
    pub fn endpoints(&self) -> Result<Vec<Endpoint>> {
        Ok(self.look(&mut drop)?.into_iter().flat_map(|(_, leases)| leases.endpoints).collect())
    }

    pub fn endpoints_of(&self, container: &str) -> Result<Vec<Endpoint>> {
        let all = self.endpoints()?.into_iter();
        Ok(all.filter(|endpoint| endpoint.container == container).collect())
    }

    fn record_path(&self, name: &str) -> PathBuf {
        self.place.join(format!("{name}.json"))
    }

    fn leases_path(&self, name: &str) -> PathBuf {
        self.place.join(format!("{name}.leases"))
    }

    fn last_path(&self, name: &str) -> PathBuf {
        self.place.join(format!("{name}.last"))
    }
}

impl Deref for Locked {
    type Target = Networks;

    fn deref(&self) -> &Networks {
        &self.networks
    }
}

impl Locked {
    /// Keeps a new network, under a name by Docker's rule.
    pub fn add(&self, network: &Network) -> Result<()> {
        let name = &network.name;
        let plain = |c: char| c.is_ascii_alphanumeric() || "_.-".contains(c);
        ensure!(
            name.starts_with(|c: char| c.is_ascii_alphanumeric())
                && name.chars().all(plain)
                && name.len() <= 128,
            "network {name:?}: a name has letters, digits, and '_', '.', '-' behind the first"
        );
        ensure!(
            !self.names()?.contains(name) && built_in().iter().all(|other| other.name != *name),
            "network {name}: it is there already"
        );
        self.replace(network)
    }

    pub fn replace(&self, network: &Network) -> Result<()> {
        write(&self.record_path(&network.name), network, true)
    }

    pub fn remove(&self, name: &str) -> Result<()> {
        remove(&self.leases_path(name))?;
        remove(&self.last_path(name))?;
        remove(&self.record_path(name))
    }

    /// Removes what killed runtimes have not brought to its place: who writes holds the lock.
    pub fn remove_drafts(&self) -> Result<()> {
        for entry in fs::read_dir(&self.place).with_context(|| format!("list {}", self.place.display()))? {
            let entry = entry?;
            if entry.file_name().as_encoded_bytes().starts_with(b".") {
                remove(&entry.path())?;
            }
        }
        Ok(())
    }

    /// Whoever holds a lease dies with the machine, and so these need not outlive a power failure. Where nobody is connected
    /// there is no file.
    pub fn keep(&self, network: &Network, leases: &Leases) -> Result<()> {
        let path = self.leases_path(&network.name);
        leases.last.map_or(Ok(()), |last| write(&self.last_path(&network.name), &last, false))?;
        if leases.endpoints.is_empty() { remove(&path) } else { write(&path, leases, false) }
    }
}

/// The networks that are there without a record: nothing about them can be chosen.
pub fn built_in() -> [Network; 3] {
    [Kind::Host, Kind::None, Kind::Pasta].map(|driver| Network {
        name: driver.name().to_owned(),
        id: String::new(),
        driver,
        addresses: None,
        internal: false,
        complete: true,
    })
}
