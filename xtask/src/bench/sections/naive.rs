//! Each naive variant, and the real one with the same command.

use anyhow::{Result, ensure};

use super::{Bench, Section};
use crate::bench::timing::{Entry, Measured};

pub fn run(bench: &Bench) -> Result<Measured> {
    ensure!(!bench.naive.is_empty(), "there is no patch in xtask/naive");
    let mut entries = Vec::new();
    for variant in &bench.naive {
        let real = format!("{}-real", variant.row());
        let name = format!("{} {}", variant.real.step, variant.run);
        entries.push(Entry::ours("naive", &real, &name, variant.real.line(&variant.run)));
        let line = variant.naive.line(&variant.run);
        entries.push(Entry::peer("naive", &variant.row(), &variant.about, line, &real));
        for ours in [&variant.real, &variant.naive] {
            ours.prepare()?;
            if let Some(prepare) = &variant.prepare {
                ours.line(prepare).timed(&bench.place.words())?;
            }
        }
    }
    let measured = bench.measure(Section::Naive, entries, bench.pace);
    for variant in &bench.naive {
        variant.real.clear()?;
        variant.naive.clear()?;
    }
    measured
}
