//! Files with holes: ranges that read as zeros and take no room on the disk (lseek(2), "Seeking file data and holes").

use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::FileExt;

/// Holes come in the filesystem's blocks, which are hardly ever smaller.
const BLOCK: usize = 4096;

/// Writes what a reader has into a new file from `offset` on, blocks of zeros excepted: they become holes. The file's
/// length is the caller's to set. Returns how many bytes there were.
pub fn write(mut from: impl Read, to: &File, offset: u64) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * BLOCK];
    let mut done = 0;
    loop {
        let length = fill(&mut from, &mut buffer)?;
        write_data(&buffer[..length], to, offset + done)?;
        done += length as u64;
        if length < buffer.len() {
            return Ok(done);
        }
    }
}

/// Writes the runs of blocks that are not all zeros.
pub fn write_data(bytes: &[u8], to: &File, offset: u64) -> io::Result<()> {
    let mut start = None;
    for (number, block) in bytes.chunks(BLOCK).enumerate() {
        let here = number * BLOCK;
        let is_hole = block.iter().all(|byte| *byte == 0);
        match start {
            None if !is_hole => start = Some(here),
            Some(from) if is_hole => {
                to.write_all_at(&bytes[from..here], offset + from as u64)?;
                start = None;
            }
            _ => {}
        }
    }
    match start {
        Some(from) => to.write_all_at(&bytes[from..], offset + from as u64),
        None => Ok(()),
    }
}

/// Reads until the buffer is full or the reader at its end.
pub fn fill(from: &mut impl Read, buffer: &mut [u8]) -> io::Result<usize> {
    let mut length = 0;
    while length < buffer.len() {
        match from.read(&mut buffer[length..]) {
            Ok(0) => break,
            Ok(more) => length += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(length)
}
