//! `volume`: what can be done with volumes, whether a container has them or not.

use super::named::{self, Held, Name, Volume};
use crate::image::store::Store;
use crate::output;
use anyhow::{Result, bail};
use clap::Subcommand;
use serde_json::{Value, json};

#[derive(Subcommand)]
pub enum Command {
    /// Make a volume, if it is not there
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " volume create data"))]
    Create {
        /// Its name; a random one when it is not given
        name: Option<Name>,
    },
    /// List the volumes
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " volume ls"))]
    Ls {
        /// Print names alone
        #[arg(short, long)]
        quiet: bool,
        /// Print one JSON document a line
        #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
        format: Option<String>,
    },
    /// Tell where volumes are on the host, as JSON
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " volume inspect data"))]
    Inspect {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Name>,
    },
    /// Remove volumes that no container has, and all that they hold
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " volume rm data"))]
    Rm {
        #[arg(required = true, value_name = "NAME")]
        names: Vec<Name>,
    },
}

impl Command {
    pub fn run(&self, store: &Store) -> Result<()> {
        match self {
            Command::Create { name } => create(store, name.clone()),
            Command::Ls { quiet, format } => list(store, *quiet, format.is_some()),
            Command::Inspect { names } => {
                let found = names.iter().map(|name| describe(&find(store, name)?));
                let found = found.collect::<Result<Vec<_>>>()?;
                output::print_line(&serde_json::to_string_pretty(&found)?)
            }
            Command::Rm { names } => names.iter().try_for_each(|name| remove(store, name)),
        }
    }
}

fn create(store: &Store, name: Option<Name>) -> Result<()> {
    let name = name.map_or_else(|| Ok(Held::anonymous()?.name), Ok::<_, anyhow::Error>)?;
    Volume::at(&named::place(store), &name).make(store)?;
    output::print_line(&name.to_string())
}

fn list(store: &Store, quiet: bool, json: bool) -> Result<()> {
    if !quiet && !json {
        output::print_line("DRIVER    VOLUME NAME")?;
    }
    for volume in named::all(store)? {
        match (quiet, json) {
            (true, _) => output::print_line(&volume.name.to_string())?,
            (false, true) => output::print_line(&describe(&volume)?.to_string())?,
            (false, false) => output::print_line(&format!("local     {}", volume.name))?,
        }
    }
    Ok(())
}

/// Docker's keys. `local` is the one driver there is: a directory of this machine.
fn describe(volume: &Volume) -> Result<Value> {
    Ok(json!({
        "CreatedAt": volume.created()?.rfc3339(),
        "Driver": "local",
        "Mountpoint": volume.content().to_string_lossy(),
        "Name": volume.name,
        "Scope": "local",
    }))
}

fn remove(store: &Store, name: &Name) -> Result<()> {
    // From a start's choice of volumes to the record that holds them, nothing is removed.
    let alone = store.lock_alone()?;
    let volume = find(store, name)?;
    if let Some(user) = volume.user(store, "")? {
        bail!("volume {name}: container {} has it", user.title());
    }
    volume.remove(store, Some(alone))?;
    output::print_line(&name.to_string())
}

fn find(store: &Store, name: &Name) -> Result<Volume> {
    match Volume::at(&named::place(store), name) {
        volume if volume.exists() => Ok(volume),
        _ => bail!("no volume {name}: 'volume ls' lists them"),
    }
}
