//! A reader that writes down what is read, so that a stream need not be read twice.

use crate::sparse;
use anyhow::{Context, Result};
use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

pub struct Copying<R> {
    from: R,
    to: File,
    length: u64,
}

impl<R: Read> Copying<R> {
    /// Writes into a new file.
    pub fn new(from: R, to: &Path) -> Result<Copying<R>> {
        let options = File::options().read(true).write(true).create_new(true).open(to);
        Ok(Copying { from, to: options.with_context(|| format!("make {}", to.display()))?, length: 0 })
    }

    /// The file. Its end may be a hole, so its length has to be set.
    pub fn finish(self) -> Result<File> {
        self.to.set_len(self.length).context("set the length of the copy")?;
        Ok(self.to)
    }
}

impl<R: Read> Read for Copying<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        sparse::write_data(&buffer[..count], &self.to, self.length)?;
        self.length += count as u64;
        Ok(count)
    }
}
