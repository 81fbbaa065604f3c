//! Transcripts: every `console` block of the book is run, and prints what the page says.

pub mod block;
mod pattern;
mod reap;
mod shell;
mod stage;

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, ensure};

use crate::book::markdown::Page;
use crate::{cargo, steps};

use block::{Block, Command, Leg};
use shell::Outcome;
use stage::Stage;

#[derive(clap::Args)]
pub struct Args {
    /// Write what the commands printed into the pages; lines whose wildcards still hold stay
    #[arg(long)]
    bless: bool,
    /// Run the blocks of one kind alone
    #[arg(long)]
    leg: Option<Leg>,
    /// Take the programs from this folder instead of building them
    #[arg(long, value_name = "DIR")]
    bin_dir: Option<PathBuf>,
    /// What each command may take, in seconds
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    timeout: u64,
    /// Pages: a file, or the start of a name in book/src (`02`, `setup`); all when none is given
    #[arg(value_name = "FILE|CHAPTER")]
    pages: Vec<String>,
}

pub fn run(args: &Args) -> anyhow::Result<()> {
    let pages = choose(&steps::root().join("book/src"), &args.pages)?;
    let mut stage = Stage::set(&programs(args.bin_dir.as_deref())?, Duration::from_secs(args.timeout))?;
    let mut tally = Tally::default();
    for page in &pages {
        play(page, args, &mut stage, &mut tally)?;
    }
    println!("transcripts: {} passed, {} failed, {} skipped", tally.passed, tally.failed, tally.skipped);
    if args.pages.is_empty() && args.leg.is_none() {
        ensure!(tally.passed + tally.failed + tally.skipped > 0, "the book has no console block");
    }
    ensure!(tally.failed == 0, "{} blocks do not print what their pages say", tally.failed);
    Ok(())
}

#[derive(Debug, Default, PartialEq)]
struct Tally {
    passed: u32,
    failed: u32,
    skipped: u32,
}

/// The pages that the arguments name. One that names none is an error.
fn choose(src: &Path, names: &[String]) -> anyhow::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> = Vec::new();
    let mut folders = vec![src.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).with_context(|| format!("list {}", folder.display()))? {
            let path = entry?.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "md") {
                all.push(path);
            }
        }
    }
    all.sort();
    if names.is_empty() {
        return Ok(all);
    }
    let mut chosen = Vec::new();
    for name in names {
        if Path::new(name).is_file() {
            chosen.push(PathBuf::from(name));
            continue;
        }
        let named = |path: &&PathBuf| {
            path.file_name().is_some_and(|file| file.to_string_lossy().starts_with(name.as_str()))
        };
        let found: Vec<PathBuf> = all.iter().filter(named).cloned().collect();
        ensure!(!found.is_empty(), "no page of the book is called {name:?}");
        chosen.extend(found);
    }
    chosen.dedup();
    Ok(chosen)
}

/// The steps' binaries and the checks': those of a folder, or built now.
fn programs(folder: Option<&Path>) -> anyhow::Result<Vec<PathBuf>> {
    let mut packages: Vec<String> = steps::all().into_iter().map(|step| step.name).collect();
    packages.push("grade".into());
    let Some(folder) = folder else {
        let built = cargo::build(steps::root(), &["build", "--workspace", "--bins"])?;
        let wanted = built.into_iter().filter(|program| packages.contains(&program.target));
        return Ok(wanted.map(|program| program.path).collect());
    };
    let found: Vec<PathBuf> =
        packages.iter().map(|package| folder.join(package)).filter(|path| path.is_file()).collect();
    ensure!(!found.is_empty(), "none of {} is in {}", packages.join(", "), folder.display());
    Ok(found)
}

/// Runs the blocks of a page, and writes the page anew if they are to be blessed.
fn play(path: &Path, args: &Args, stage: &mut Stage, tally: &mut Tally) -> anyhow::Result<()> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let mut edits = Vec::new();
    for fence in Page::read(&text).fences.iter().filter(|fence| is_console(&fence.info)) {
        let place = format!("{name}:{}", fence.line);
        let block = match Block::read(fence) {
            Ok(block) => block,
            Err(error) => {
                println!("FAIL {place}: {error:#}");
                tally.failed += 1;
                continue;
            }
        };
        if args.leg.is_some_and(|leg| leg != block.leg) {
            continue;
        }
        if let Some(obstacle) = stage.obstacle(&block) {
            println!("skip {place} ({}): {obstacle}", block.leg.name());
            tally.skipped += 1;
            continue;
        }
        let mut wrong = perform(&name, &block, args.bless, stage, &mut edits)?;
        let mounts = stage.unmount_leftovers()?;
        wrong.extend(mounts.iter().map(|point| format!("{place}: it left {point} mounted")));
        if wrong.is_empty() {
            println!("ok   {place} ({})", block.leg.name());
            tally.passed += 1;
        } else {
            println!("FAIL {place} ({})\n{}", block.leg.name(), wrong.join("\n"));
            tally.failed += 1;
        }
    }
    if !edits.is_empty() {
        fs::write(path, edited(&text, &edits)).with_context(|| format!("write {}", path.display()))?;
        println!("blessed {} outputs of {name}", edits.len());
    }
    Ok(())
}

fn is_console(info: &str) -> bool {
    info.split([',', ' ']).next() == Some("console")
}

/// New lines for a place of the page.
struct Edit {
    place: std::ops::Range<usize>,
    lines: Vec<String>,
}

/// Runs one block. Returns what was wrong, command by command; output that is blessed is not.
fn perform(
    page: &str,
    block: &Block,
    bless: bool,
    stage: &mut Stage,
    edits: &mut Vec<Edit>,
) -> anyhow::Result<Vec<String>> {
    let surroundings = stage.surroundings(page, block)?;
    let commands: Vec<&str> = block.commands.iter().map(|command| command.text.as_str()).collect();
    let outcomes = shell::run(&commands, &surroundings)
        .with_context(|| format!("run the block at {page}:{}", block.line))?;
    let mut wrong = Vec::new();
    for (command, outcome) in block.commands.iter().zip(outcomes) {
        let place = format!("{page}:{}: $ {}", command.line, command.text);
        match outcome {
            Outcome::Printed(actual) if pattern::matches(&command.output, &actual) => {}
            Outcome::Printed(actual) if bless => {
                // No page should know where on this machine its block ran.
                let actual: Vec<String> = actual.iter().map(|line| stage.hide(line)).collect();
                edits.push(blessed(block, command, &actual));
            }
            Outcome::Printed(actual) => wrong.push(format!("{place}\n{}", compare(&command.output, &actual))),
            Outcome::TimedOut(actual) => wrong.push(format!(
                "{place}\n  it had not ended after {} s; until then:\n{}",
                surroundings.limit.as_secs(),
                compare(&command.output, &actual)
            )),
            Outcome::NotReached => wrong.push(format!("{place}\n  not reached: bash had ended before it")),
        }
    }
    Ok(wrong)
}

fn blessed(block: &Block, command: &Command, actual: &[String]) -> Edit {
    let indent = " ".repeat(block.indent);
    let lines = pattern::bless(&command.output, actual);
    let lines = lines.into_iter().map(|line| format!("{indent}{line}").trim_end().to_owned()).collect();
    Edit { place: command.place.clone(), lines }
}

/// What the page says beside what was printed.
fn compare(expected: &[String], actual: &[String]) -> String {
    let side = |title: &str, lines: &[String]| {
        let lines: String = lines.iter().map(|line| format!("    | {line}\n")).collect();
        format!("  {title}:\n{}", if lines.is_empty() { "    (nothing)\n".to_owned() } else { lines })
    };
    let both = side("the page says", expected) + &side("it printed", actual);
    both.trim_end().to_owned()
}

fn edited(text: &str, edits: &[Edit]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    for edit in edits.iter().rev() {
        lines.splice(edit.place.start - 1..edit.place.end - 1, edit.lines.iter().cloned());
    }
    lines.join("\n") + "\n"
}

#[cfg(test)]
mod tests;
