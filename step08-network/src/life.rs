//! The commands for containers and their lives.

mod exec;
mod listing;
mod logs;
mod processes;

use crate::cgroups::members::Members;
use crate::container::{self, Container, Running, Status, signal_number};
use crate::ending::{self, Ending};
use crate::image::store::Store;
use crate::supervisor::{self, Caller};
use crate::{explain, failure, output, parent};
use anyhow::{Context, Result, bail, ensure};
use clap::{Args, Subcommand};
use std::time::{Duration, Instant};

#[derive(Subcommand)]
pub enum Command {
    /// List containers
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " ps -a --filter status=exited"))]
    Ps(listing::Ps),
    /// Print what a detached container has written
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " logs -f --tail 10 box"))]
    Logs(logs::Logs),
    Exec(Box<exec::Exec>),
    /// Ask containers to end, and end them after a while
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " stop -t 1 box"))]
    Stop {
        #[command(flatten)]
        patience: Patience,
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Send a signal to containers
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " kill -s HUP box"))]
    Kill {
        /// The signal, by name or number
        #[arg(short, long, value_name = "SIGNAL", default_value = "KILL", value_parser = signal_number)]
        signal: i32,
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Start containers again that have ended
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " start box"))]
    Start {
        /// Run it in the foreground, and leave with its exit status
        #[arg(short, long)]
        attach: bool,
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Stop containers and start them again
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " restart -t 1 box"))]
    Restart {
        #[command(flatten)]
        patience: Patience,
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Remove containers
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " rm -f box"))]
    Rm {
        /// End those that run
        #[arg(short, long)]
        force: bool,
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Wait until containers end, and print their exit codes
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " wait box"))]
    Wait {
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Tell all that is known of containers, as JSON
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " inspect box"))]
    Inspect {
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Show what running containers use
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " stats --no-stream"))]
    Stats(processes::Stats),
    /// List a container's processes
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " top box"))]
    Top {
        container: String,
    },
    /// Stop every process of containers where it stands
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " pause box"))]
    Pause {
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Let paused containers go on
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " unpause box"))]
    Unpause {
        #[arg(required = true, value_name = "CONTAINER")]
        containers: Vec<String>,
    },
    /// Give a container another name
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " rename box chest"))]
    Rename {
        container: String,
        name: String,
    },
    /// Remove all containers that do not run
    #[command(after_help = concat!("Example: ", env!("CARGO_PKG_NAME"), " prune"))]
    Prune,
}

#[derive(Args)]
pub struct Patience {
    /// How long a container may take to end, in seconds
    #[arg(short, long, value_name = "SECONDS", default_value_t = 10)]
    time: u32,
}

impl Patience {
    /// When it ends, beginning now.
    fn deadline(&self) -> Instant {
        Instant::now() + Duration::from_secs(self.time.into())
    }
}

impl Command {
    /// Does what was asked for; the exit code is 0, or the one that the command or an error asks for.
    pub fn run(&self) -> Result<u8> {
        let store = Store::open()?;
        container::sweep(&store)?;
        let each = |names: &[String], work: &dyn Fn(&mut Container) -> Result<()>| each(&store, names, work);
        match self {
            Command::Ps(ps) => ps.run(&store),
            Command::Logs(logs) => logs.run(&store),
            Command::Exec(exec) => exec.run(&store),
            Command::Stop { patience, containers } => stop_all(&store, containers, patience),
            Command::Kill { signal, containers } => each(containers, &|it| ending::signal(it, *signal)),
            Command::Start { attach, containers } => start_all(&store, containers, *attach),
            Command::Restart { patience, containers } => each(containers, &|it| {
                if let Some(ending) = Ending::ask(it)? {
                    ending.wait_until(patience.deadline())?;
                }
                start_detached(&store, it)
            }),
            Command::Rm { force, containers } => each(containers, &|it| {
                if *force {
                    ending::kill(it)?;
                }
                it.remove_stopped()
            }),
            Command::Wait { containers } => {
                told_each(&store, containers, &mut |it, _| output::print_line(&ending::wait(it)?.to_string()))
            }
            Command::Inspect { containers } => listing::inspect(&store, containers),
            Command::Stats(stats) => stats.run(&store),
            Command::Top { container } => processes::top(&Container::find(&store, container)?),
            Command::Pause { containers } => each(containers, &|it| freeze(it, true)),
            Command::Unpause { containers } => each(containers, &|it| freeze(it, false)),
            Command::Rename { container, name } => {
                Container::find(&store, container)?.rename(&store, name).map(|()| 0)
            }
            Command::Prune => prune(&store),
        }
    }
}

/// Does something with each container and prints its name, as it was given.
fn each(store: &Store, names: &[String], work: &dyn Fn(&mut Container) -> Result<()>) -> Result<u8> {
    told_each(store, names, &mut |container, name| {
        work(container)?;
        output::print_line(name)
    })
}

/// Does something with each container. An error with one is told, and does not keep the others from their turn.
fn told_each(
    store: &Store,
    names: &[String],
    work: &mut dyn FnMut(&mut Container, &str) -> Result<()>,
) -> Result<u8> {
    let mut code = 0;
    for name in names {
        if let Err(error) = Container::find(store, name).and_then(|mut container| work(&mut container, name))
        {
            explain::tell(format_args!("{error:#}"));
            code = failure::exit_code(&error);
        }
    }
    Ok(code)
}

/// Asks all containers to end before it waits for any: ten that take ten seconds take ten seconds.
fn stop_all(store: &Store, names: &[String], patience: &Patience) -> Result<u8> {
    let deadline = patience.deadline();
    let mut asked = Vec::new();
    let code = told_each(store, names, &mut |container, name| {
        asked.push((name.to_owned(), Ending::ask(container)?));
        Ok(())
    })?;
    for (name, ending) in asked {
        ending.map_or(Ok(()), |ending| ending.wait_until(deadline))?;
        output::print_line(&name)?;
    }
    Ok(code)
}

fn start_all(store: &Store, names: &[String], attach: bool) -> Result<u8> {
    match (names, attach) {
        ([name], true) => start(store, Container::find(store, name)?, &mut None),
        (_, true) => bail!("-a: one container at a time"),
        (_, false) => each(store, names, &|container| start_detached(store, container)),
    }
}

/// Starts a container that does not run.
fn start_detached(store: &Store, container: &mut Container) -> Result<()> {
    match container.status()? {
        Status::Running => Ok(()),
        Status::Paused => bail!("container {}: it is paused; 'unpause' lets it go on", container.title()),
        Status::Created | Status::Exited => {
            let again = Container::find(store, &container.record.id)?;
            supervisor::detach(|caller| start(store, again, caller)).map(drop)
        }
    }
}

fn start(store: &Store, container: Container, caller: &mut Option<Caller>) -> Result<u8> {
    let run = container.record.run.clone();
    parent::start(&run, Running::again(container, store.clone())?, caller)
}

fn freeze(container: &Container, on: bool) -> Result<()> {
    let process = container.running()?;
    let members = Members::of(process.pid)?;
    ensure!(process.is_alive(), "container {}: it has just ended", container.title());
    if members.is_frozen() == on {
        bail!("container {}: it is {} paused", container.title(), if on { "already" } else { "not" });
    }
    members.freeze(on).with_context(|| format!("container {}", container.title()))
}

fn prune(store: &Store) -> Result<u8> {
    for container in Container::list(store)? {
        // One that has just been started is none that does not run.
        if !container.record.state.is_running() && container.remove_stopped().is_ok() {
            output::print_line(&container.record.id)?;
        }
    }
    Ok(0)
}
