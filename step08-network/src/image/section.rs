//! A part of a file, read by its place: several parts of one file can be read at once.

use anyhow::{Result, bail, ensure};
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// The longest document that is read. Registries take none that is longer.
const LONGEST_DOCUMENT: u64 = 4 << 20;

pub struct Section {
    file: File,
    offset: u64,
    left: u64,
}

impl Section {
    pub fn new(file: File, offset: u64, size: u64) -> Section {
        Section { file, offset, left: size }
    }

    /// How many bytes are still to be read.
    pub fn left(&self) -> u64 {
        self.left
    }

    pub fn check_size(&self, wanted: Option<u64>) -> Result<()> {
        let size = self.left;
        match wanted {
            Some(wanted) if size != wanted => bail!("its size is {size} bytes, and should be {wanted}"),
            _ => Ok(()),
        }
    }

    /// Reads all of it, if it is not too long for a document.
    pub fn document(mut self) -> Result<Vec<u8>> {
        let size = self.left;
        ensure!(
            size <= LONGEST_DOCUMENT,
            "it is {size} bytes long, and a document has {LONGEST_DOCUMENT} at most"
        );
        let mut document = Vec::new();
        self.read_to_end(&mut document)?;
        Ok(document)
    }
}

impl Read for Section {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.left).unwrap_or(usize::MAX).min(buffer.len());
        let count = self.file.read_at(&mut buffer[..most], self.offset)?;
        if count == 0 && most > 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the file has become shorter"));
        }
        self.offset += count as u64;
        self.left -= count as u64;
        Ok(count)
    }
}
