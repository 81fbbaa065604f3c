//! What commands write: lines on stdout, and archives.

use crate::changes::{Change, What};
use crate::id;
use anyhow::{Context, Result, bail};
use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, BufWriter, IsTerminal, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

/// Writes bytes to stdout as they are.
pub fn print(bytes: &[u8]) -> Result<()> {
    let mut stdout = io::stdout().lock();
    stdout.write_all(bytes).and_then(|()| stdout.flush()).context("write to stdout")
}

pub fn print_line(line: &str) -> Result<()> {
    print(format!("{line}\n").as_bytes())
}

/// Writes what a container has changed, a path a line, as it is: a path may hold any byte.
pub fn print_changes(changes: &[Change]) -> Result<()> {
    let mut text = Vec::new();
    for Change { what, path } in changes {
        let letter = match what {
            What::Added => 'A',
            What::Changed => 'C',
            What::Deleted => 'D',
        };
        text.extend_from_slice(format!("{letter} /").as_bytes());
        text.extend_from_slice(path.as_os_str().as_bytes());
        text.push(b'\n');
    }
    print(&text)
}

/// Writes an archive to stdout, unless that is a terminal, or to a file, which is replaced whole or not at all.
pub fn write_archive(path: Option<&Path>, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let Some(path) = path else {
        if io::stdout().is_terminal() {
            bail!("an archive is nothing for a terminal: name a file with -o, or redirect stdout");
        }
        let mut stdout = BufWriter::new(io::stdout().lock());
        write(&mut stdout)?;
        return stdout.flush().context("write to stdout");
    };
    let context = || format!("write {}", path.display());
    // A device or a pipe cannot be replaced; it takes what comes.
    if path.metadata().is_ok_and(|it| !it.is_file()) {
        let mut file = BufWriter::new(File::options().write(true).open(path).with_context(context)?);
        write(&mut file)?;
        return file.flush().with_context(context);
    }
    let mut name = OsString::from(".");
    name.push(path.file_name().with_context(context)?);
    name.push(format!(".{}", id::new()?));
    let draft = path.with_file_name(name);
    let written = write_new(&draft, write).and_then(|()| fs::rename(&draft, path).map_err(Into::into));
    if written.is_err() {
        // There may be none yet; the error that is on its way matters more.
        let _ = fs::remove_file(&draft);
    }
    written.with_context(context)
}

fn write_new(path: &Path, write: impl FnOnce(&mut dyn Write) -> Result<()>) -> Result<()> {
    let mut file = BufWriter::new(File::create_new(path)?);
    write(&mut file)?;
    file.into_inner().map_err(io::IntoInnerError::into_error)?.sync_all().map_err(Into::into)
}
