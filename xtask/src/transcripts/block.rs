//! A console block as it stands on a page: how it is to be run, its commands, and what they should print.

use std::ops::Range;

use anyhow::{bail, ensure};

use crate::book::markdown::Fence;

/// The step whose containers are connected: no page's example may change the links and rules of who tries it.
const NETWORKS: &str = "step08";

/// As whom a block runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, clap::ValueEnum)]
pub enum Leg {
    Root,
    User,
}

impl Leg {
    pub fn name(self) -> &'static str {
        match self {
            Leg::Root => "root",
            Leg::User => "user",
        }
    }
}

#[derive(Debug, PartialEq)]
pub struct Command {
    /// What bash is given, its continuation lines included.
    pub text: String,
    /// The page's line (from 1) that has the `$`.
    pub line: usize,
    /// Lines of the page, from 1, that hold the expected output.
    pub place: Range<usize>,
    pub output: Vec<String>,
}

#[derive(Debug, PartialEq)]
pub struct Block {
    pub line: usize,
    pub indent: usize,
    pub leg: Leg,
    /// Programs without which the block cannot run.
    pub needs: Vec<String>,
    /// The cgroup version that the host's controllers must be on.
    pub cgroup: Option<u8>,
    /// Whether it runs in a network namespace of its own, which stands in for the machine.
    pub own_network: bool,
    pub commands: Vec<Command>,
}

impl Block {
    /// Reads a `console` fence. What is not understood is an error: nothing is left unrun by mistake.
    pub fn read(fence: &Fence) -> anyhow::Result<Block> {
        let mut tags = fence.info.split(',').map(str::trim);
        ensure!(tags.next() == Some("console"), "not a console block");
        let (mut legs, mut needs, mut cgroup, mut own_network) = (Vec::new(), Vec::new(), None, false);
        for tag in tags {
            match tag.split_once('=').unwrap_or((tag, "")) {
                ("root", "") => legs.push(Leg::Root),
                ("user", "") => legs.push(Leg::User),
                ("needs", program) if !program.is_empty() => needs.push(program.to_owned()),
                ("net", "own") => own_network = true,
                ("cgroup", "v1") => cgroup = Some(1),
                ("cgroup", "v2") => cgroup = Some(2),
                _ => bail!("a console block has no tag `{tag}`"),
            }
        }
        let [leg] = legs.as_slice() else {
            bail!("a console block has one tag that says how it is run: `console,root` or `console,user`");
        };
        ensure!(
            !own_network || *leg == Leg::Root,
            "`net=own` is for `console,root`: the namespace is root's"
        );
        let commands = commands(fence)?;
        ensure!(
            own_network
                || *leg == Leg::User
                || commands.iter().all(|command| !command.text.contains(NETWORKS)),
            "root's {NETWORKS} changes the machine's network: `console,root,net=own` keeps it away"
        );
        Ok(Block { line: fence.line, indent: fence.indent, leg: *leg, needs, cgroup, own_network, commands })
    }
}

fn commands(fence: &Fence) -> anyhow::Result<Vec<Command>> {
    let mut commands: Vec<Command> = Vec::new();
    // Whether the line before belongs to a command, so that this one may continue it.
    let mut in_command = false;
    for (index, line) in fence.body.iter().enumerate() {
        let number = fence.line + 1 + index;
        if let Some(text) = line.strip_prefix("$ ") {
            let place = number + 1..number + 1;
            commands.push(Command { text: text.to_owned(), line: number, place, output: Vec::new() });
            in_command = true;
            continue;
        }
        let Some(command) = commands.last_mut() else {
            bail!("a console block begins with a command: `$ ` and what is run");
        };
        let continued = line.strip_prefix("> ").or((line == ">").then_some(""));
        let awaited = command.text.ends_with('\\');
        match continued.or(awaited.then_some(line.as_str())) {
            Some(more) if in_command => {
                command.text.push('\n');
                command.text.push_str(more);
                command.place = number + 1..number + 1;
            }
            _ => {
                in_command = false;
                command.output.push(line.clone());
                command.place.end = number + 1;
            }
        }
    }
    ensure!(!commands.is_empty(), "a console block begins with a command: `$ ` and what is run");
    Ok(commands)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::book::markdown::Page;

    fn read(text: &str) -> anyhow::Result<Block> {
        Block::read(&Page::read(text).fences[0])
    }

    #[test]
    fn commands_continue_and_have_output() {
        let block = read(
            "```console,user,needs=strace,cgroup=v1\n$ cat <<E\n> a\n> E\na\n> not a command\n$ echo \\\nb\n$ true\n```\n",
        )
        .unwrap();
        assert_eq!((block.leg, block.needs, block.cgroup), (Leg::User, vec!["strace".to_owned()], Some(1)));
        let texts: Vec<_> = block.commands.iter().map(|command| command.text.as_str()).collect();
        assert_eq!(texts, ["cat <<E\na\nE", "echo \\\nb", "true"]);
        assert_eq!(block.commands[0].output, ["a", "> not a command"]);
        assert_eq!(block.commands[0].place, 5..7);
        assert_eq!(block.commands[1].place, 9..9);
    }

    #[test]
    fn a_block_that_would_not_run_is_an_error() {
        for info in [
            "console",
            "console,illustration",
            "console,root,user",
            "console,root,cgroup=v3",
            "console,root,needs=",
            "console,user,net=own",
            "console,root,net=host",
        ] {
            assert!(read(&format!("```{info}\n$ true\n```\n")).is_err(), "{info}");
        }
        assert!(read("```console,root\nhello\n$ true\n```\n").is_err());
        assert!(read("```console,root\n$ step08 run base true\n```\n").is_err());
        assert!(read("```console,user\n$ step08 run base true\n```\n").is_ok());
        assert!(read("```console,root,net=own\n$ step08 run base true\n```\n").unwrap().own_network);
        assert!(read("```console,root\n```\n").is_err());
        assert!(read("```console,root\n$ true\n```\n").is_ok());
    }
}
