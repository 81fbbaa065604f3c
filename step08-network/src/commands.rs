//! The commands beside `run`: what can be done with images, and with containers that were kept.

use crate::container::{self, Container};
use crate::image::name::Name;
use crate::image::store::Store;
use crate::image::{commit, import, listing, load, removal, save};
use crate::storage::Kind;
use crate::{network, output, pack, volumes, worker};
use anyhow::Result;
use clap::Subcommand;
use std::path::PathBuf;

#[derive(Subcommand)]
pub enum Command {
    /// List the images of the store
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " images"))]
    Images {
        /// Print ids alone
        #[arg(short, long)]
        quiet: bool,
        /// Print one JSON document a line
        #[arg(long, value_name = "FORMAT", value_parser = ["json"])]
        format: Option<String>,
    },
    /// Make an image of the archive of a root filesystem
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " import rootfs.tar.gz debian:12"))]
    Import {
        /// A tar archive, plain or compressed with gzip; - for stdin
        archive: PathBuf,
        /// The image's name
        name: Name,
    },
    /// Take in images that docker save, podman save or skopeo wrote
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " load alpine.tar"))]
    Load {
        /// An archive of docker save, or an OCI image layout: as tar, compressed or not, or as a folder; - for stdin, as is
        /// none
        #[arg(default_value = "-", conflicts_with = "input")]
        archive: PathBuf,
        /// The archive, as docker load has it
        #[arg(short, long, value_name = "FILE")]
        input: Option<PathBuf>,
    },
    /// Write images into an archive that docker load, podman load and skopeo read
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " save base -o base.tar"))]
    Save {
        /// Images, by name or id
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
        /// The archive; stdout when it is not given
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make an image of what a container has written
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " commit box greeted"))]
    Commit {
        container: String,
        /// The image's name
        name: Name,
    },
    /// List what a container has added (A), changed (C) and deleted (D)
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " diff box"))]
    Diff { container: String },
    /// Remove images
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " rmi greeted"))]
    Rmi {
        /// Images, by name or id
        #[arg(required = true, value_name = "IMAGE")]
        images: Vec<String>,
    },
    /// Write all files that a container sees into an archive
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " export box -o box.tar"))]
    Export {
        container: String,
        /// The archive; stdout when it is not given
        #[arg(short, long, value_name = "FILE")]
        output: Option<PathBuf>,
    },
    /// Make, list, join and remove networks
    Network {
        #[command(subcommand)]
        command: network::Command,
    },
    /// List the ports of the host that lead to a container
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " port box"))]
    Port {
        container: String,
        /// Only where this port of the container is published
        #[arg(value_name = "PORT[/udp]")]
        port: Option<network::ContainerPort>,
    },
    /// Make, list and remove volumes
    Volume {
        #[command(subcommand)]
        command: volumes::Command,
    },
}

impl Command {
    /// Does what was asked for; the exit code is 0, or the one that the error asks for.
    pub fn run(&self, driver: Option<Kind>) -> Result<u8> {
        let store = Store::open()?;
        let form = || Kind::choose(driver, &store.data).map(|kind| kind.driver().form());
        container::sweep(&store)?;
        match self {
            Command::Images { quiet, format } => {
                worker::run(|| listing::images(&store, *quiet, format.is_some()))?;
            }
            Command::Import { archive, name } => {
                let form = form()?;
                worker::run(|| import::import(&store, archive, form, name))?;
            }
            Command::Load { archive, input } => {
                let form = form()?;
                worker::run(|| load::load(&store, input.as_ref().unwrap_or(archive), form))?;
            }
            Command::Save { images, output } => save::save(&store, images, output.as_deref())?,
            Command::Commit { container, name } => {
                let container = Container::find(&store, container)?;
                worker::run(|| commit::commit(&store, &container, name))?;
            }
            Command::Diff { container } => {
                let container = Container::find(&store, container)?;
                worker::run(|| {
                    let (before, now) = container.trees()?;
                    output::print_changes(&now.changes_since(&before)?)
                })?;
            }
            Command::Rmi { images } => {
                worker::run(|| removal::remove(&store, images))?;
            }
            Command::Export { container, output } => {
                let container = Container::find(&store, container)?;
                worker::run(|| {
                    let (_, now) = container.trees()?;
                    output::write_archive(output.as_deref(), |to| pack::everything(&now, to))
                })?;
            }
            Command::Network { command } => command.run(&store)?,
            Command::Port { container, port } => network::list_ports(&store, container, port.as_ref())?,
            Command::Volume { command } => command.run(&store)?,
        }
        Ok(0)
    }
}
