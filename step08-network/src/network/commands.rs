//! `network`: what can be done with networks, whether a container is connected to them or not.

use super::flags::Joined;
use super::records::{Networks, built_in};
use super::shown::describe;
use super::subnet::Subnet;
use super::{Kind, Network, joining, life};
use crate::image::store::Store;
use crate::{output, table};
use anyhow::Result;
use clap::Subcommand;
use std::net::Ipv4Addr;

#[derive(Subcommand)]
pub enum Command {
    /// Make a network
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network create --subnet 10.1.2.0/24 backstage"))]
    Create {
        /// Its addresses, between /16 and /30; some that the host has no route to when this is not given
        #[arg(long, value_name = "CIDR")]
        subnet: Option<Subnet>,
        /// The host's own address on it; the first when this is not given
        #[arg(long, value_name = "ADDRESS", requires = "subnet")]
        gateway: Option<Ipv4Addr>,
        /// How it is made
        #[arg(short, long, value_name = "DRIVER", default_value = "bridge")]
        driver: Kind,
        /// Give it no way out and no way in
        #[arg(long)]
        internal: bool,
        name: String,
    },
    /// List the networks
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network ls"))]
    Ls {
        /// Print ids alone
        #[arg(short, long)]
        quiet: bool,
        /// Print one JSON document a line
        #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
        format: Option<String>,
    },
    /// Tell all that is known of networks, as JSON
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network inspect bridge"))]
    Inspect {
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
    },
    /// Connect a container that runs to one more network, now and whenever it is started again
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network connect backstage box"))]
    Connect {
        /// Ask for this address of the network
        #[arg(long, value_name = "ADDRESS")]
        ip: Option<Ipv4Addr>,
        network: String,
        container: String,
    },
    /// Disconnect a container from a network
    ///
    /// The network of its `run` has it again from its next start on. Until then its published ports lead nowhere, and stay
    /// taken.
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network disconnect backstage box"))]
    Disconnect { network: String, container: String },
    /// Remove networks that no container is connected to
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " network rm backstage"))]
    Rm {
        #[arg(required = true, value_name = "NETWORK")]
        networks: Vec<String>,
    },
}

impl Command {
    pub fn run(&self, store: &Store) -> Result<()> {
        let networks = Networks::of(store);
        match self {
            Command::Create { subnet, gateway, driver, internal, name } => {
                let network = life::make(&networks.lock()?, name, *subnet, *gateway, *driver, *internal)?;
                output::print_line(&network.id)
            }
            Command::Ls { quiet, format } => list(&networks, *quiet, format.is_some()),
            Command::Inspect { networks: names } => {
                let document = |name: &String| {
                    let network = networks.find(name)?;
                    Ok(describe(&network, &networks.leases(&network.name)?))
                };
                let found = names.iter().map(document).collect::<Result<Vec<_>>>()?;
                output::print_line(&serde_json::to_string_pretty(&found)?)
            }
            Command::Connect { ip, network, container } => {
                joining::connect(store, &Joined { network: network.clone(), ip: *ip }, container)
            }
            Command::Disconnect { network, container } => joining::disconnect(store, network, container),
            Command::Rm { networks: names } => life::remove_each(&networks.lock()?, names),
        }
    }
}

fn list(networks: &Networks, quiet: bool, json: bool) -> Result<()> {
    let mut all = networks.all()?;
    all.extend(built_in());
    let row = |network: &Network| {
        vec![network.id.clone(), network.name.clone(), network.driver.name().to_owned(), "local".to_owned()]
    };
    let text: String = if quiet {
        all.iter()
            .filter(|network| !network.id.is_empty())
            .map(|network| format!("{}\n", network.id))
            .collect()
    } else if json {
        // Of leases that cannot be read, the sweep has told already.
        let leases = |network: &Network| networks.leases(&network.name).unwrap_or_default();
        all.iter().map(|network| format!("{}\n", describe(network, &leases(network)))).collect()
    } else {
        let title = ["NETWORK ID", "NAME", "DRIVER", "SCOPE"].map(str::to_owned).to_vec();
        table::aligned(&[vec![title], all.iter().map(row).collect()].concat())
    };
    output::print(text.as_bytes())
}
