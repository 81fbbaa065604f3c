//! `cargo xtask completions` and `cargo xtask man`: a step's command line for shells and for man(1).
//!
//! Only a step's own sources know its command line, and they are a program, which nothing can link to. So a copy of
//! them is built beneath the target folder with another `main`, which hands the command line to clap's generators.

#[cfg(test)]
mod generate;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};
use nix::fcntl::{Flock, FlockArg};

use crate::{cargo, steps, workspace};

const GENERATE: &str = include_str!("manual/generate.rs");

/// What the copy's manifest ends with. The binary has a name of its own, so that the step's own stays where it is in
/// the target folder, while what both depend on is built once.
const MANIFEST: &str = "
[[bin]]
name = \"manual\"
path = \"src/main.rs\"
[dependencies.clap_complete]
workspace = true
[dependencies.clap_mangen]
workspace = true
";

/// What the copy's main.rs ends with. The step's own `main` stays, under another name, and nothing calls it.
const MAIN: &str = "
mod generate;

fn main() -> std::io::Result<()> {
    let words: Vec<String> = std::env::args().collect();
    let command = <Cli as clap::CommandFactory>::command();
    let generate = if words[1] == \"man\" { generate::man } else { generate::completions };
    generate(command, words[2].as_ref())
}
";

#[derive(clap::Args)]
pub struct Args {
    /// The step; the last one when none is named
    step: Option<String>,
    /// Where to put the files, instead of a folder beneath target
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

#[derive(Clone, Copy)]
pub enum Kind {
    Completions,
    Man,
}

impl Kind {
    fn name(self) -> &'static str {
        match self {
            Kind::Completions => "completions",
            Kind::Man => "man",
        }
    }

    /// The pages lie where `man -M target/man` looks for them.
    fn folder(self) -> PathBuf {
        workspace::beneath_target(match self {
            Kind::Completions => "completions",
            Kind::Man => "man/man1",
        })
    }
}

pub fn run(args: &Args, kind: Kind) -> Result<()> {
    let out = args.out.clone().unwrap_or_else(|| kind.folder());
    write(args.step.as_deref(), &[(kind, &out)])?;
    println!("{}", out.display());
    Ok(())
}

/// Builds the generator of a step, and lets it write each kind into its folder.
fn write(step: Option<&str>, outputs: &[(Kind, &Path)]) -> Result<()> {
    let steps = steps::all();
    let step = match step {
        Some(name) => steps::find(&steps, name)?.0,
        None => steps.last().context("there is no step")?,
    };
    let workspace = workspace::beneath_target("manual");
    fs::create_dir_all(&workspace).with_context(|| format!("make {}", workspace.display()))?;
    let lock = File::create(workspace.join("lock")).context("make the workspace's lock")?;
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).map_err(|(_, error)| error)?;
    workspace::lay_out(&step.path, &workspace)?;
    let folder = workspace.join("step");
    let main = fs::read_to_string(folder.join("src/main.rs")).context("read the step's main.rs")?;
    ensure!(main.matches("\nfn main()").count() == 1, "{}/src/main.rs has no `fn main()`", step.folder());
    let main = main.replace("\nfn main()", "\nfn step()");
    fs::write(folder.join("src/main.rs"), format!("#![allow(dead_code)]\n{main}{MAIN}"))?;
    fs::write(folder.join("src/generate.rs"), GENERATE)?;
    let manifest = fs::read_to_string(folder.join("Cargo.toml")).context("read the copy's manifest")?;
    fs::write(folder.join("Cargo.toml"), manifest + MANIFEST)?;
    let target = workspace::beneath_target("");
    let target = target.to_str().context("the target folder's path is not UTF-8")?;
    let built = cargo::build(&workspace, &["build", "--quiet", "--target-dir", target])?;
    let generator = built.iter().find(|one| one.target == "manual").context("cargo built no binary")?;
    for (kind, out) in outputs {
        fs::create_dir_all(out).with_context(|| format!("make {}", out.display()))?;
        let status = Command::new(&generator.path).arg(kind.name()).arg(out).status();
        let status = status.with_context(|| format!("start {}", generator.path.display()))?;
        ensure!(status.success(), "writing {} to {}: {status}", kind.name(), out.display());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::scratch::Scratch;
    use clap::CommandFactory;

    /// Runs a program; None when this machine has no such program.
    fn output(program: &str, arguments: &[&str], folder: &Path) -> Option<(String, String)> {
        match Command::new(program).args(arguments).current_dir(folder).output() {
            Ok(output) => {
                let text = |bytes| String::from_utf8(bytes).unwrap();
                Some((text(output.stdout), text(output.stderr)))
            }
            Err(error) => {
                eprintln!("skipped: {program}: {error}");
                None
            }
        }
    }

    fn files(folder: &Path) -> Vec<String> {
        let names =
            fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    }

    /// What bash offers for the last of `words`.
    fn offers(name: &str, words: &[&str], folder: &Path) -> Option<Vec<String>> {
        let (last, before) = (words[words.len() - 1], words[words.len() - 2]);
        let script = format!(
            "source ./{name}.bash; COMP_WORDS=({}); COMP_CWORD={}; _{name} {name} {last} {before}; echo ${{COMPREPLY[@]}}",
            words.join(" "),
            words.len() - 1
        );
        let (stdout, stderr) = output("bash", &["--norc", "-c", &script], folder)?;
        assert_eq!(stderr, "");
        Some(stdout.split_whitespace().map(str::to_owned).collect())
    }

    #[test]
    fn the_last_step_is_completed_and_described() {
        let scratch = Scratch::new("manual").unwrap();
        let (shells, pages) = (scratch.path().join("completions"), scratch.path().join("man"));
        write(None, &[(Kind::Completions, &shells), (Kind::Man, &pages)]).unwrap();
        let name = steps::all().pop().unwrap().name;
        assert_eq!(files(&shells), [format!("_{name}"), format!("{name}.bash"), format!("{name}.fish")]);
        if let Some(offered) = offers(&name, &[&name, "ex"], &shells) {
            assert_eq!(offered, ["export", "exec"]);
            assert_eq!(offers(&name, &[&name, "exec", "--work"], &shells).unwrap(), ["--workdir"]);
        }
        for one in ["", "-run", "-exec", "-ps"] {
            assert!(files(&pages).contains(&format!("{name}{one}.1")), "{:?}", files(&pages));
        }
        for page in files(&pages) {
            let Some((text, complaints)) =
                output("groff", &["-man", "-ww", "-Tutf8", "-P-cbou", &page], &pages)
            else {
                return;
            };
            assert_eq!(complaints, "", "{page}");
            let headings = ["NAME", "SYNOPSIS", "DESCRIPTION"];
            assert!(
                headings.iter().all(|heading| text.lines().any(|line| line == *heading)),
                "{page}:\n{text}"
            );
        }
    }

    #[test]
    fn hidden_commands_have_no_page() {
        let scratch = Scratch::new("pages").unwrap();
        generate::man(crate::Cli::command(), scratch.path()).unwrap();
        generate::completions(crate::Cli::command(), scratch.path()).unwrap();
        let files = files(scratch.path());
        assert!(files.contains(&"xtask-drift.1".to_owned()), "{files:?}");
        assert!(!files.contains(&"xtask-preprocess.1".to_owned()), "{files:?}");
    }
}
