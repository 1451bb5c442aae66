use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use clap::Args;
use local::Environment;
use local::postgres::Durability;
use local::running::{self, Options, Running};

use super::logs::Logs;
use super::terminal::{note, say, step};
use super::{StateOption, interrupted, workspace};

/// A directory that is there, as it is called from everywhere.
fn directory(text: &str) -> Result<String, String> {
    let path = Path::new(text).canonicalize().ok().filter(|path| path.is_dir());
    let path = path.ok_or_else(|| "expected a directory".to_owned())?;
    path.into_os_string().into_string().map_err(|_| "expected a name in UTF-8".to_owned())
}

/// `cargo local up`
#[derive(Debug, Args)]
pub(crate) struct Up {
    #[command(flatten)]
    state: StateOption,
    /// So many processes of each agent and of `recall`.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
    /// How long a session has to be quiet before it is summarised.
    #[arg(long, value_name = "SECONDS", value_parser = clap::value_parser!(u16).range(0..=900))]
    summary_quiet: Option<u16>,
    /// The directory of a sentence transformer to embed with, instead of `EMBEDDER`.
    #[arg(long, value_name = "DIRECTORY", value_parser = directory)]
    embedder: Option<String>,
    /// Replace a function's processes when it is built anew (`cargo build`).
    #[arg(long)]
    reload: bool,
    /// Do not print the logs; they are in the state folder in any case.
    #[arg(long)]
    quiet: bool,
}

impl Up {
    pub(crate) async fn run(self, environment: &Environment) -> Result<()> {
        let state = self.state.open()?;
        let mut environment = environment.clone();
        environment.passed_on.extend(self.embedder.map(|directory| (running::EMBEDDER, directory)));
        let options = Options {
            workspace: workspace(),
            instances: self.concurrency,
            summary_quiet_seconds: self.summary_quiet,
            reload: self.reload,
            throw_away: false,
            durability: Durability::Full,
            programs: None,
            detour: None,
            only: None,
        };
        let mut running = tokio::select! {
            started = Box::pin(running::start(&state, &environment, &options, step)) => started?,
            asked = interrupted() => return asked,
        };
        describe(&running);
        let mut logs = Logs::new(state.logs());
        let mut ticks = tokio::time::interval(Duration::from_millis(250));
        let mut asked = std::pin::pin!(interrupted());
        let outcome = loop {
            tokio::select! {
                asked = &mut asked => break asked,
                _ = ticks.tick() => {}
            }
            if !self.quiet {
                logs.print_new(say);
            }
            if let Err(error) = running.check() {
                break Err(error);
            }
        };
        note("stopping");
        running.stop().await?;
        outcome
    }
}

fn describe(running: &Running) {
    let endpoints = &running.endpoints;
    say("");
    say("Afterthought runs:");
    say(&format!("  Postgres   {}", endpoints.database_url));
    say(&format!("  AWS        {}  (account {})", endpoints.aws_endpoint, endpoints.account));
    say(&format!("  functions  {}/<function>/invocations", endpoints.functions_url));
    say(&format!("  recall     {}/v1/users/<user>/recall?query=<question>", endpoints.recall_url));
    say(&format!("  webhook    {}/v1/events", endpoints.webhook_url));
    say("");
    say("Insert into it from another terminal:");
    say(&format!(
        "  psql '{}' -c \"insert into afterthought.messages (tenant, user_id, session, role, content) \
         values ('default', 'ada', 'first', 'user', 'I move to Lisbon on 3 May.')\"",
        endpoints.database_url
    ));
    say("  cargo local import FILE · cargo local recall ada \"Where does Ada move?\" · cargo local status");
    say("");
    say("Ctrl-C stops everything.");
    say("");
}
