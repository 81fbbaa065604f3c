//! A tar archive, read as a stream from its first block to its last: tar(5).
//!
//! The crate `tar` lays out the blocks' fields. Its own walk through an archive ends records of extended headers at a
//! newline, which names and attributes may hold, and takes an archive that was cut off between two entries for whole.

use crate::header::{Entry, Extensions, Kind, Piece, number, until_zero};
use crate::{pax, sparse};
use anyhow::{Context, Result, bail};
use std::io::{self, Read};
use tar::{GnuExtSparseHeader, GnuSparseHeader, Header};

const BLOCK: usize = 512;

/// The largest extended header, and the most pieces of a file with holes: an archive must not decide how much memory
/// is used.
const MOST: u64 = 1 << 20;

pub struct Archive<R> {
    source: R,
    /// Bytes of the current entry's data that have not been read yet, and what fills up its last block.
    unread: u64,
    padding: u64,
}

impl<R: Read> Archive<R> {
    pub fn new(source: R) -> Archive<R> {
        Archive { source, unread: 0, padding: 0 }
    }

    /// Goes on to the next entry. At the end of the archive, reads what the source still has: a digest of all its
    /// bytes may be wanted, and a compressed stream has its checksum at the end.
    pub fn next(&mut self) -> Result<Option<Entry>> {
        let mut extensions = Extensions::default();
        loop {
            self.skip(self.unread.saturating_add(self.padding))?;
            let Some(header) = self.header()? else {
                if extensions != Extensions::default() {
                    bail!("the archive is corrupt: it ends where an entry was announced");
                }
                io::copy(&mut self.source, &mut io::sink()).context("read the archive to its end")?;
                return Ok(None);
            };
            match header.as_old().linkflag[0] {
                b'L' => extensions.path = Some(self.name(&header)?),
                b'K' => extensions.link = Some(self.name(&header)?),
                b'x' => extensions.records.append(&mut pax::parse(&self.extension(&header)?)?),
                // What is said of all entries that follow: a comment, as a rule. Docker does not heed it either.
                b'g' => _ = self.extension(&header)?,
                _ => {
                    let path = extensions.path(&header);
                    let entry = self.entry(&header, extensions).with_context(|| format!("entry {path:?}"));
                    return entry.map(Some);
                }
            }
        }
    }

    /// Reads the block of a header. There is none where the archive ends, with two blocks of zeros: of some programs'
    /// the second is missing.
    fn header(&mut self) -> Result<Option<Header>> {
        let mut header = Header::new_old();
        if !self.block(header.as_mut_bytes())? {
            bail!("the archive is truncated: the blocks of zeros that end it are missing");
        }
        if is_zero(header.as_bytes()) {
            if self.block(header.as_mut_bytes())? && !is_zero(header.as_bytes()) {
                bail!("the archive is corrupt: it goes on after a block of zeros");
            }
            return Ok(None);
        }
        let bytes = header.as_bytes().iter().enumerate();
        // The checksum counts as eight spaces.
        let sum: u64 =
            bytes.map(|(at, byte)| if (148..156).contains(&at) { 32 } else { u64::from(*byte) }).sum();
        if number(&header.as_old().cksum).ok() != Some(sum) {
            bail!("the archive is corrupt, or is no tar archive: a header has a wrong checksum");
        }
        Ok(Some(header))
    }

    /// Reads a block, if the source has one.
    fn block(&mut self, block: &mut [u8; BLOCK]) -> Result<bool> {
        match sparse::fill(&mut self.source, block).context("read the archive")? {
            0 => Ok(false),
            BLOCK => Ok(true),
            _ => bail!("the archive is truncated: it ends within a block"),
        }
    }

    fn skip(&mut self, length: u64) -> Result<()> {
        let skipped =
            io::copy(&mut (&mut self.source).take(length), &mut io::sink()).context("read the archive")?;
        if skipped < length {
            bail!("the archive is truncated: it ends within an entry");
        }
        (self.unread, self.padding) = (0, 0);
        Ok(())
    }

    /// Says how much data follows; blocks are whole.
    fn expect(&mut self, length: u64) {
        self.unread = length;
        self.padding = length.wrapping_neg() % BLOCK as u64;
    }

    fn extension(&mut self, header: &Header) -> Result<Vec<u8>> {
        let length = number(&header.as_old().size).context("an extended header has no length")?;
        if length > MOST {
            bail!("an extended header of {length} bytes is too long");
        }
        self.expect(length);
        let mut text = Vec::new();
        self.read_to_end(&mut text).context("read an extended header")?;
        Ok(text)
    }

    /// Reads a long name as GNU tar writes it.
    fn name(&mut self, header: &Header) -> Result<Vec<u8>> {
        Ok(until_zero(&self.extension(header)?).to_vec())
    }

    fn entry(&mut self, header: &Header, extensions: Extensions) -> Result<Entry> {
        let path = extensions.path(header);
        if extensions.records.keys().any(|key| key.starts_with(b"GNU.sparse.")) {
            bail!(
                "its holes are described in POSIX headers, which is not supported: make the archive with --format=gnu"
            );
        }
        let kind = extensions.kind(header, &path)?;
        let mut stored = extensions.number("size", &header.as_old().size)?;
        if !matches!(kind, Kind::File) {
            // Some programs tell the length of the file that a link leads to: no data follows.
            stored = 0;
        }
        let (length, pieces) = match header.as_old().linkflag[0] {
            b'S' => self.pieces(header, stored)?,
            _ => (stored, vec![Piece { offset: 0, length: stored }]),
        };
        self.expect(stored);
        Ok(Entry { path, kind, attributes: extensions.attributes(header)?, length, pieces })
    }

    /// Reads the map of a file with holes: GNU tar's manual, "Storing Sparse Files", the old format.
    fn pieces(&mut self, header: &Header, stored: u64) -> Result<(u64, Vec<Piece>)> {
        let gnu = header.as_gnu().context("it has the type of GNU's files with holes in another's header")?;
        let length = number(&gnu.realsize).context("its length")?;
        let mut pieces = Vec::new();
        add_pieces(&mut pieces, &gnu.sparse)?;
        let mut more = gnu.is_extended();
        while more {
            let mut next = GnuExtSparseHeader::new();
            if !self.block(next.as_mut_bytes())? || pieces.len() as u64 > MOST {
                bail!("the map of its holes has no end");
            }
            add_pieces(&mut pieces, next.sparse())?;
            more = next.is_extended();
        }
        let (mut end, mut stored_until) = (0, 0_u64);
        for piece in &pieces {
            if piece.offset < end {
                bail!("the map of its holes is not in order");
            }
            if stored_until % BLOCK as u64 != 0 && piece.length > 0 {
                bail!("the map of its holes does not fit its blocks");
            }
            end = piece.offset.checked_add(piece.length).context("the map of its holes is corrupt")?;
            stored_until += piece.length;
        }
        if end > length || stored_until != stored {
            bail!("the map of its holes does not fit its length");
        }
        Ok((length, pieces))
    }
}

/// Reads the data of the current entry. That the source ends before is an error.
impl<R: Read> Read for Archive<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let most = usize::try_from(self.unread).unwrap_or(usize::MAX).min(buffer.len());
        if most == 0 {
            return Ok(0);
        }
        let length = self.source.read(&mut buffer[..most])?;
        if length == 0 {
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the archive is truncated"));
        }
        self.unread -= length as u64;
        Ok(length)
    }
}

fn add_pieces(pieces: &mut Vec<Piece>, blocks: &[GnuSparseHeader]) -> Result<()> {
    for block in blocks.iter().filter(|block| !block.is_empty()) {
        pieces.push(Piece { offset: number(&block.offset)?, length: number(&block.numbytes)? });
    }
    Ok(())
}

fn is_zero(block: &[u8]) -> bool {
    block.iter().all(|byte| *byte == 0)
}
