use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::Args;
use local::Environment;
use local::cache::Cache;
use local::import::{self, Format, Imported, Owner};
use local::postgres::Durability;
use local::running::{self, Options, Running};
use local::state::StateFolder;
use serde_json::{Value, json};
use store::{DatabaseConfig, Role, Store};
use tokio::time::Instant;

use super::caller::Caller;
use super::import::{import_file, summary};
use super::progress::{dead_letters, until_thought_through};
use super::recall::{ask, readable};
use super::terminal::{note, say, step};
use super::{interrupted, workspace};

/// In production a summary waits until a session has been quiet for 30 s; nobody wants to watch that.
const SUMMARY_QUIET_SECONDS: u16 = 2;
const SAMPLE: &str = "infra/local/samples/conversations.jsonl";
const SAMPLE_USER: &str = "nora";
const SAMPLE_QUESTIONS: [&str; 2] =
    ["What did Nora promise Ines about the exhibition?", "Which plants are poisonous for the cat?"];
const QUESTIONS: [&str; 2] = ["What was agreed last?", "What are the plans?"];

/// `cargo local demo`
#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// The conversations; some that we wrote when not given. Formats as for `import`.
    file: Option<PathBuf>,
    /// The file's format, when it is not told right by its beginning.
    #[arg(long)]
    format: Option<Format>,
    /// So many processes of each agent.
    #[arg(long, default_value_t = 4, value_parser = clap::value_parser!(u16).range(1..=64))]
    concurrency: u16,
    /// End with one line of JSON instead of memories and answers.
    #[arg(long)]
    json: bool,
    /// Keep the stack's state in this folder instead of a temporary one.
    #[arg(long, value_name = "DIR")]
    state: Option<PathBuf>,
}

/// What a demonstration came to.
struct Outcome {
    imported: Imported,
    memories: BTreeMap<String, i64>,
    behind: i64,
    dead_letters: u64,
    failures: i64,
    answers: Vec<(String, Value)>,
    import_seconds: f64,
    think_seconds: f64,
}

impl Demo {
    pub(crate) async fn run(self, environment: &Environment) -> Result<()> {
        let started = Instant::now();
        let file = self.file.clone().unwrap_or_else(|| workspace().join(SAMPLE));
        let format = match self.format {
            Some(format) => format,
            None => import::detect(&file)?,
        };
        let (state, _temporary) = self.state_folder(environment)?;
        note(&format!(
            "Afterthought, from {} to memories. Summaries wait for {SUMMARY_QUIET_SECONDS} s of quiet here, 30 s in production.",
            file.display()
        ));
        let options = Options {
            workspace: workspace(),
            instances: self.concurrency,
            summary_quiet_seconds: Some(SUMMARY_QUIET_SECONDS),
            reload: false,
            throw_away: true,
            durability: Durability::None,
            programs: None,
            detour: None,
            only: None,
        };
        // A stack that is new has no key that could be shown.
        let mut environment = environment.clone();
        environment.passed_on.remove("API_KEYS");
        let mut running = tokio::select! {
            started = Box::pin(running::start(&state, &environment, &options, step)) => started?,
            asked = interrupted() => { asked?; bail!("interrupted") }
        };
        let start_seconds = started.elapsed().as_secs_f64();
        let outcome = tokio::select! {
            outcome = Box::pin(self.watch(&mut running, &file, format)) => outcome,
            asked = interrupted() => { asked?; Err(anyhow::anyhow!("interrupted")) }
        };
        if outcome.is_err() {
            note(&format!("the logs are in {}", keep_logs(&state)?.display()));
        }
        step("stopping everything");
        running.stop().await?;
        let outcome = outcome?;
        let seconds = started.elapsed().as_secs_f64();
        if self.json {
            say(&outcome.json(start_seconds, seconds).to_string());
        } else {
            outcome.print(seconds);
        }
        if outcome.behind > 0 || outcome.dead_letters > 0 {
            bail!("{} events were not thought about, {} wake-ups died", outcome.behind, outcome.dead_letters);
        }
        Ok(())
    }

    /// A folder nobody else uses, so that the demonstration is always fresh. One that a killed demonstration left
    /// behind is cleared away.
    fn state_folder(&self, environment: &Environment) -> Result<(StateFolder, Option<tempfile::TempDir>)> {
        if let Some(folder) = &self.state {
            StateFolder::open(folder)?.reset()?;
            return Ok((StateFolder::open(folder)?, None));
        }
        let demos = Cache::open(environment)?.root().join("demos");
        fs::create_dir_all(&demos)?;
        for entry in fs::read_dir(&demos)? {
            // In use by a demonstration that runs now: its claim says so.
            let _ = StateFolder::open(&entry?.path()).and_then(StateFolder::reset);
        }
        let temporary = tempfile::Builder::new().prefix("demo-").tempdir_in(&demos)?;
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            fs::set_permissions(temporary.path(), fs::Permissions::from_mode(0o755))?;
        }
        Ok((StateFolder::open(temporary.path())?, Some(temporary)))
    }

    async fn watch(&self, running: &mut Running, file: &Path, format: Format) -> Result<Outcome> {
        let store = Store::new(&DatabaseConfig::parse(&running.endpoints.database_url)?, Role::Login, 2)?;
        let importing = Instant::now();
        let imported =
            import_file(&running.endpoints.database_url, file, Some(format), &Owner::default()).await?;
        let import_seconds = importing.elapsed().as_secs_f64();
        step(&summary(&imported));
        let thinking = Instant::now();
        let progress = until_thought_through(running, &store).await?;
        let think_seconds = thinking.elapsed().as_secs_f64();
        let sqs = aws_sdk_sqs::Client::new(&running.aws);
        let dead_letters = dead_letters(&sqs, &running.endpoints.queues).await?;
        let (tenant, user, questions) = self.questions(&store).await?;
        let (mut answers, caller) = (Vec::new(), Caller::trusted(tenant));
        for question in questions {
            let answer = ask(&running.endpoints.recall_url, &caller, &user, question, 3).await?;
            answers.push((question.to_owned(), answer));
        }
        Ok(Outcome {
            imported,
            memories: store.memory_counts().await?,
            behind: progress.iter().map(|agent| agent.events_behind).sum(),
            dead_letters: dead_letters.values().sum(),
            failures: store.quarantined_counts().await?.values().sum(),
            answers,
            import_seconds,
            think_seconds,
        })
    }

    /// Whom to ask about, and what: of a file we do not know, something that can be asked of anybody.
    async fn questions(&self, store: &Store) -> Result<(String, String, [&'static str; 2])> {
        if self.file.is_none() {
            return Ok(("default".to_owned(), SAMPLE_USER.to_owned(), SAMPLE_QUESTIONS));
        }
        let (tenant, user) = store.busiest_user().await?.context("the file holds no message")?;
        Ok((tenant, user, QUESTIONS))
    }
}

/// Copies the logs out of a folder that is about to go.
fn keep_logs(state: &StateFolder) -> Result<PathBuf> {
    let kept = tempfile::Builder::new().prefix("afterthought-demo-logs-").tempdir()?.keep();
    for entry in fs::read_dir(state.logs())? {
        let entry = entry?;
        fs::copy(entry.path(), kept.join(entry.file_name()))?;
    }
    Ok(kept)
}

impl Outcome {
    fn json(&self, start_seconds: f64, seconds: f64) -> Value {
        let round = |seconds: f64| (seconds * 1_000.0).round() / 1_000.0;
        json!({
            "events": self.imported.inserted,
            "sessions": self.imported.sessions,
            "memories": self.memories,
            "behind": self.behind,
            "dead_letters": self.dead_letters,
            "failures": self.failures,
            "start_seconds": round(start_seconds),
            "import_seconds": round(self.import_seconds),
            "think_seconds": round(self.think_seconds),
            "seconds": round(seconds),
            "recall": self.answers.iter().map(|(question, answer)| json!({ "query": question, "answer": answer })).collect::<Vec<_>>(),
        })
    }

    fn print(&self, seconds: f64) {
        say("");
        say(&format!(
            "{} messages were thought about in {:.1} s and became:",
            self.imported.inserted, self.think_seconds
        ));
        for (kind, count) in &self.memories {
            say(&format!("  {count:>6}  {kind}"));
        }
        for (question, answer) in &self.answers {
            say("");
            say(&format!("  “{question}”"));
            say(&readable(answer));
        }
        say("");
        say(&format!(
            "Done in {seconds:.0} s; everything is stopped. `cargo local up` keeps a stack running."
        ));
    }
}
