//! Reads what tar archives hold, with nothing left out: names and records may have any byte in them.

use std::borrow::Cow;

use anyhow::{Context, Result, bail};
use tar::Header;

use super::Entry;
use super::image::Files;

const BLOCK: usize = 512;

/// The entries of a plain tar archive, with the records and long names of PAX and GNU tar put where they belong.
///
/// # Errors
/// When the archive is cut, a checksum is wrong, or the two empty blocks at its end are missing.
pub fn entries(mut bytes: &[u8]) -> Result<Vec<Entry>> {
    let mut found = Vec::new();
    let (mut pax, mut name, mut link) = (Vec::new(), None, None);
    loop {
        let block = take(&mut bytes, BLOCK)?;
        if block.iter().all(|byte| *byte == 0) {
            let second = take(&mut bytes, BLOCK)?;
            if second.iter().any(|byte| *byte != 0) {
                bail!("one empty block in the middle of the archive");
            }
            return Ok(found);
        }
        let header = Header::from_byte_slice(block);
        let entry = entry(header)?;
        let length = usize::try_from(header.entry_size()?)?;
        let data = take(&mut bytes, length.next_multiple_of(BLOCK))?[..length].to_vec();
        match header.entry_type().as_byte() {
            b'x' => pax = records(&data)?,
            b'g' => {}
            b'L' => name = Some(until_nul(&data)),
            b'K' => link = Some(until_nul(&data)),
            _ => {
                let mut entry = Entry { data, pax: std::mem::take(&mut pax), ..entry };
                let record = |key: &str| {
                    let record = entry.pax.iter().find(|(other, _)| other == key);
                    record.map(|(_, value)| value.clone())
                };
                let (path, linkpath) = (record("path"), record("linkpath"));
                if let Some(path) = path.or(name.take()) {
                    entry.name = path;
                }
                if let Some(target) = linkpath.or(link.take()) {
                    entry.link = target;
                }
                found.push(entry);
            }
        }
    }
}

fn take<'a>(bytes: &mut &'a [u8], length: usize) -> Result<&'a [u8]> {
    let (taken, rest) = bytes.split_at_checked(length).context("the archive is cut")?;
    *bytes = rest;
    Ok(taken)
}

fn entry(header: &Header) -> Result<Entry> {
    let mut blank = header.clone();
    blank.set_cksum();
    if blank.cksum()? != header.cksum()? {
        bail!("the checksum of {:?} is wrong", String::from_utf8_lossy(&header.path_bytes()));
    }
    let link = header.link_name_bytes().map(Cow::into_owned).unwrap_or_default();
    let entry = Entry::new(header.entry_type().as_byte(), header.path_bytes());
    // Other kinds may leave these fields empty.
    let device = match header.entry_type().as_byte() {
        b'3' | b'4' => (header.device_major()?.unwrap_or(0), header.device_minor()?.unwrap_or(0)),
        _ => (0, 0),
    };
    let owner = (header.uid()?, header.gid()?);
    Ok(Entry { mode: header.mode()?, mtime: header.mtime()?, owner, link, device, ..entry })
}

fn until_nul(bytes: &[u8]) -> Vec<u8> {
    bytes.split(|byte| *byte == 0).next().unwrap_or_default().to_vec()
}

/// `LENGTH KEY=VALUE\n`, one behind the other; the length is what says where one ends. pax(1)
fn records(mut bytes: &[u8]) -> Result<Vec<(String, Vec<u8>)>> {
    let mut found = Vec::new();
    while !bytes.is_empty() {
        let space = bytes.iter().position(|byte| *byte == b' ').context("a record without a length")?;
        let length: usize = std::str::from_utf8(&bytes[..space])?.parse()?;
        let record = take(&mut bytes, length)?;
        let record = record.get(space + 1..).and_then(|record| record.strip_suffix(b"\n"));
        let record = record.context("a record of the wrong length")?;
        let equals = record.iter().position(|byte| *byte == b'=').context("a record without a value")?;
        found.push((String::from_utf8(record[..equals].to_vec())?, record[equals + 1..].to_vec()));
    }
    Ok(found)
}

/// The regular files of an archive, to be looked into.
///
/// # Errors
/// As [`entries`].
pub fn files(bytes: &[u8]) -> Result<Files> {
    let files = entries(bytes)?.into_iter().filter(|entry| entry.kind.is_file());
    Ok(files.map(|entry| (String::from_utf8_lossy(&entry.name).into_owned(), entry.data)).collect())
}
