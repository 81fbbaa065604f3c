//! How far a long read has come, shown while it lasts to whoever sits at a terminal, and to nobody else.

use anyhow::{Context, Result, ensure};
use indicatif::{ProgressBar, ProgressStyle};
use std::fs::File;
use std::io::{self, IsTerminal, Read};
use std::os::fd::AsFd;
use std::path::Path;

/// What stands for standard input where a file's name is asked for.
pub const STDIN: &str = "-";

/// A bar on stderr. It moves when something is read, since a thread that moves it would be copied by clone3(2) at any
/// moment of its work. Dropped, it is wiped off.
pub struct Progress(ProgressBar);

impl Progress {
    /// A bar for so many bytes; without a total, it only counts them.
    pub fn new(total: Option<u64>) -> Result<Progress> {
        // Where stderr is no terminal, it draws nothing.
        let bar = total.map_or_else(ProgressBar::no_length, ProgressBar::new);
        let template = match total {
            Some(_) => "{bar:30} {bytes} of {total_bytes}, {bytes_per_sec}, {eta} left",
            None => "{bytes}, {bytes_per_sec}",
        };
        bar.set_style(ProgressStyle::with_template(template).context("lay out the progress bar")?);
        bar.tick();
        Ok(Progress(bar))
    }

    /// A reader whose bytes move the bar.
    pub fn of<R: Read>(&self, reader: R) -> impl Read + use<R> {
        self.0.wrap_read(reader)
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}

/// Opens a file or standard input, with its length where that is known.
pub fn open(source: &Path) -> Result<(File, Option<u64>)> {
    let file = if source == Path::new(STDIN) {
        ensure!(
            !io::stdin().is_terminal(),
            "an archive is nothing to type in: name a file, or redirect stdin"
        );
        File::from(io::stdin().as_fd().try_clone_to_owned().context("open stdin")?)
    } else {
        File::open(source).context("open it")?
    };
    let about = file.metadata().context("look at it")?;
    Ok((file, about.is_file().then_some(about.len())))
}
