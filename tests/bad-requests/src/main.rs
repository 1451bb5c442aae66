//! Bad requests: `cargo run -p bad-requests -- --requests 10000`. The functions that answer requests are asked for what is
//! wrong, and whatever fails, or has an effect though it was refused, is a finding. docs/TESTING.md says what is made up.

mod campaign;
mod effects;
mod inspector;
mod malformed;
mod schemathesis;
mod signed;
mod slack;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Result, bail};
use clap::Parser;
use local::Environment;
use local::state::StateFolder;
use local::terminal::note;

use campaign::Campaign;

/// So many findings are printed.
const LISTED: usize = 50;

/// Makes requests that are wrong until so many were refused, and looks for any that fails or that has an effect though it
/// was refused.
#[derive(Debug, Parser)]
struct Arguments {
    /// So many have to be refused.
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(1..))]
    requests: u32,
    /// What they are drawn from; another one each time when not given.
    #[arg(long)]
    seed: Option<u64>,
    /// End with one line of JSON.
    #[arg(long)]
    json: bool,
    /// The folder of the functions' programs, built before; they are built now, if not given.
    #[arg(long, value_name = "DIR")]
    programs: Option<PathBuf>,
    /// Keep logs and database in this folder, which is emptied first.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

#[tokio::main]
async fn main() -> ExitCode {
    match Box::pin(run(Arguments::parse())).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            note(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(arguments: Arguments) -> Result<()> {
    // What is used here is thrown away, so it is never what somebody else uses.
    let environment = Environment { database_url: None, aws_endpoint_url: None, ..Environment::read() };
    let seed = arguments.seed.unwrap_or_else(|| u64::from(fastrand::u32(..)));
    let temporary = folder(&environment)?;
    let folder = arguments.state.as_deref().unwrap_or_else(|| temporary.path());
    // What an earlier run left there would be in the way.
    StateFolder::open(folder)?.reset()?;
    let state = StateFolder::open(folder)?;
    let campaign =
        Campaign { requests: arguments.requests, seed, programs: arguments.programs, json: arguments.json };
    let found = tokio::select! {
        found = Box::pin(campaign.run(&state, &environment)) => found?,
        interrupted = tokio::signal::ctrl_c() => { interrupted?; bail!("interrupted") }
    };
    for finding in found.iter().take(LISTED) {
        note(finding);
    }
    if arguments.state.is_none() {
        state.reset()?;
    }
    if !found.is_empty() {
        bail!("{} requests failed, or had an effect though they were refused", found.len());
    }
    Ok(())
}

/// A folder of its own, which the account that Postgres runs as may enter.
fn folder(environment: &Environment) -> Result<tempfile::TempDir> {
    use std::os::unix::fs::PermissionsExt as _;

    let root = local::cache::Cache::open(environment)?.root().join("campaigns");
    std::fs::create_dir_all(&root)?;
    let folder = tempfile::Builder::new().prefix("bad-requests-").tempdir_in(&root)?;
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o755))?;
    Ok(folder)
}

fn workspace() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    root.canonicalize().unwrap_or(root)
}
