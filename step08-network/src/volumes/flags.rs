//! The options of `run` that mount something.

use super::spec::Spec;
use super::{mount_option, spec, tmpfs};
use clap::Args;
use clap::builder::{OsStringValueParser, TypedValueParser};
use std::ffi::OsString;

#[derive(Args, Clone, Default)]
#[command(next_help_heading = "Volumes")]
pub struct Flags {
    /// Mount a path of the host, or a volume by its name; a new volume when there is no source
    #[arg(short, long, value_name = "[SOURCE:]DESTINATION[:ro]", value_parser = parser(spec::volume))]
    pub volume: Vec<Spec>,
    /// The same in more words: type=bind|volume|tmpfs, source=, target=, readonly, volume-nocopy, tmpfs-size=,
    /// tmpfs-mode=
    #[arg(long, value_name = "KEY=VALUE,...", value_parser = parser(mount_option::mount))]
    pub mount: Vec<Spec>,
    /// Mount an empty filesystem in memory, with options of mount(8) such as size=64m
    #[arg(long, value_name = "DESTINATION[:OPTIONS]", value_parser = parser(tmpfs::tmpfs))]
    pub tmpfs: Vec<Spec>,
}

/// A path may hold any byte, so values are not read as text.
fn parser(read: fn(OsString) -> anyhow::Result<Spec>) -> impl TypedValueParser<Value = Spec> {
    OsStringValueParser::new().try_map(read)
}
