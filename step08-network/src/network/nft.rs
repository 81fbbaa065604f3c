//! nft(8): what it reads from its stdin is one transaction. All of it is done, or nothing.

use crate::explain::explain;
use anyhow::{Context, Error, Result, bail};
use std::env;
use std::io::Write;
use std::os::fd::AsRawFd;
use std::process::{Command, Stdio};

pub const MISSING: &str = "nft is not installed (Debian's package nftables has it)";

/// Whether the program is installed. Starts ask this, and to run it for an answer would take as long as its work does.
pub fn is_installed() -> bool {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).any(|folder| folder.join("nft").is_file())
}

/// Whether nft could not do it because this kernel lacks a part of nf_tables, or all of it: its words end with the errno's.
pub fn kernel_lacks(error: &Error) -> bool {
    let words = error.to_string();
    ["Operation not supported", "No such file or directory", "Invalid argument", "Protocol not supported"]
        .iter()
        .any(|errno| words.ends_with(errno))
}

/// Changes the firewall.
pub fn load(text: &str) -> Result<()> {
    let mut command = Command::new("nft");
    let streams = command
        .args(["-f", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped());
    let mut nft = streams.spawn().context("run nft: Debian's package nftables has it")?;
    let mut input = nft.stdin.take().context("write to nft")?;
    let (pipe, written) = (input.as_raw_fd(), input.write_all(text.as_bytes()));
    // nft reads until then.
    drop(input);
    let output = nft.wait_with_output().context("wait for nft")?;
    if !output.status.success() {
        let complaint = String::from_utf8_lossy(&output.stderr);
        bail!("nft: {}", complaint.lines().next().unwrap_or("it failed without a word"));
    }
    written.context("write to nft")?;
    // What stands further in is nat.nft, word for word.
    let told: Vec<_> =
        text.lines().filter(|line| line.starts_with(|c: char| c.is_ascii_lowercase())).collect();
    explain!("write({pipe} to nft, {:?}) = {}", told.join("\n"), text.len());
    Ok(())
}
