//! The commands of `cargo local`.

mod admin;
mod adopt;
mod archive;
mod caller;
mod chaos;
mod demo;
mod erasure;
mod eval;
mod events;
mod export;
mod flow;
mod import;
mod keys;
mod logs;
mod progress;
mod recall;
mod requests;
mod reset;
mod runs;
mod status;
mod tenants;
mod tick;
mod up;

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use clap::{Args, Parser, Subcommand};
use local::Environment;
use local::state::StateFolder;
use local::terminal;

/// Afterthought on this machine: the real template, functions, Postgres and queues, no account and no docker.
#[derive(Debug, Parser)]
#[command(name = "cargo local", bin_name = "cargo local", version, about)]
pub(crate) struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Start everything, print where it is, follow the logs; Ctrl-C stops all of it.
    Up(up::Up),
    /// Watch a conversation become memories and answer questions, then stop everything.
    Demo(demo::Demo),
    /// Import conversations while everything that may fail does, and compare with an import left in peace.
    Chaos(chaos::Chaos),
    /// Import conversations into the running stack.
    Import(import::Import),
    /// Follow a table of an application as it is, list what is followed, or end it.
    Adopt(adopt::Adopt),
    /// Bring back what is in the archive.
    Archive(archive::Archive),
    /// Ask the running stack what it remembers of a user.
    Recall(recall::Recall),
    /// Write everything about a user to a file.
    Export(export::Export),
    /// Make sure that what was erased is gone.
    Erasure(erasure::Erasure),
    /// Show how far every agent is.
    Status(status::Status),
    /// List what agents did, newest first.
    Runs(runs::Runs),
    /// Show what became of every event of a session at every agent.
    Events(events::Events),
    /// Keep agents from thinking, until resumed.
    Pause(flow::Pause),
    /// End a pause and wake what is behind.
    Resume(flow::Resume),
    /// Call off what waits to be thought about.
    Cancel(flow::Cancel),
    /// Have agents think again about what they have thought about.
    Replay(flow::Replay),
    /// Try again what failed for good.
    Redrive(flow::Redrive),
    /// Make, list and revoke the API keys of a tenant.
    Keys(keys::Keys),
    /// Make and list tenants.
    Tenants(tenants::Tenants),
    /// Measure how well the agents think and how much recall finds, on labelled files.
    Eval(eval::Eval),
    /// Wake an agent as its schedule would.
    Tick(tick::Tick),
    /// Remove the state of a stack that does not run.
    Reset(reset::Reset),
}

/// Which stack a command is about.
#[derive(Debug, Args)]
struct StateOption {
    /// The folder with the stack's state; `.afterthought` in the workspace when not given.
    #[arg(long, value_name = "DIR", global = true)]
    state: Option<PathBuf>,
}

impl StateOption {
    fn open(&self) -> Result<StateFolder> {
        StateFolder::open(&self.state.clone().unwrap_or_else(|| workspace().join(".afterthought")))
    }
}

/// The workspace this tool was built from.
fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}

/// Runs a command.
pub(crate) async fn run(cli: Cli) -> Result<()> {
    let environment = Environment::read();
    match cli.command {
        Command::Up(command) => Box::pin(command.run(&environment)).await,
        Command::Demo(command) => Box::pin(command.run(&environment)).await,
        Command::Chaos(command) => Box::pin(command.run(&environment)).await,
        Command::Import(command) => Box::pin(command.run()).await,
        Command::Adopt(command) => command.run().await,
        Command::Archive(command) => command.run().await,
        Command::Recall(command) => command.run().await,
        Command::Export(command) => command.run().await,
        Command::Erasure(command) => command.run().await,
        Command::Status(command) => command.run().await,
        Command::Runs(command) => command.run().await,
        Command::Events(command) => command.run().await,
        Command::Pause(command) => command.run().await,
        Command::Resume(command) => command.run().await,
        Command::Cancel(command) => command.run().await,
        Command::Replay(command) => command.run().await,
        Command::Redrive(command) => command.run().await,
        Command::Keys(command) => command.run().await,
        Command::Tenants(command) => command.run().await,
        Command::Eval(command) => command.run(),
        Command::Tick(command) => command.run().await,
        Command::Reset(command) => command.run(),
    }
}

/// Completes when the process is asked to stop.
async fn interrupted() -> Result<()> {
    use tokio::signal::unix::{SignalKind, signal};
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    tokio::select! {
        ended = tokio::signal::ctrl_c() => ended.context("cannot listen for Ctrl-C"),
        _ = terminate.recv() => Ok(()),
        _ = hang_up.recv() => Ok(()),
    }
}
