//! `cargo local`: Afterthought on this machine.

mod commands;

use std::process::ExitCode;

use clap::Parser;
use commands::Cli;
use local::terminal;

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(commands::run(Cli::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            terminal::note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}
