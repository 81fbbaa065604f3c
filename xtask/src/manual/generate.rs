//! What `cargo xtask completions` and `man` build into a copy of a step: clap's generators for its command line.
//! Each writes its files into a folder that exists.

use clap::Command;
use clap_complete::Shell;
use std::io;
use std::path::Path;

/// One file for each shell, under the name by which that shell looks for it.
pub fn completions(mut command: Command, folder: &Path) -> io::Result<()> {
    let name = command.get_name().to_owned();
    for shell in [Shell::Bash, Shell::Zsh, Shell::Fish] {
        clap_complete::generate_to(shell, &mut command, &name, folder)?;
    }
    Ok(())
}

/// One page for the command, `step07.1`, and one for each subcommand, `step07-run.1`.
pub fn man(command: Command, folder: &Path) -> io::Result<()> {
    clap_mangen::generate_to(command, folder)
}
