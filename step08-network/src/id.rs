//! A container's id: twelve hexadecimal digits, as long as Docker shows them.

use anyhow::{Context, Result};
use nix::errno::Errno;

/// A new random id, from getrandom(2).
pub fn new() -> Result<String> {
    let mut bytes = [0u8; 6];
    // SAFETY: the call writes at most the six bytes that it is given.
    let result = unsafe { libc::getrandom(bytes.as_mut_ptr().cast(), bytes.len(), 0) };
    Errno::result(result).context("read random bytes")?;
    Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
}
