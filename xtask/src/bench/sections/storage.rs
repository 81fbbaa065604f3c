//! How much of a start is the writable layer.

use anyhow::Result;

use super::{Bench, PLAIN};
use crate::bench::timing::Entry;

pub fn entries(bench: &Bench) -> Result<Vec<Entry>> {
    let ours = bench.step(PLAIN)?;
    let entry = |driver: &str| {
        let line = ours.run(&format!("--storage-driver {driver}"));
        Entry::ours("storage", driver, &format!("{PLAIN} --storage-driver {driver}"), line)
    };
    let (overlay, mut vfs) = (entry("overlay"), entry("vfs"));
    vfs.row = vfs.row.beside("overlay");
    Ok(vec![overlay, vfs])
}
