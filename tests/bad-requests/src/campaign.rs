//! Bad requests against a stack of their own, until enough were refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::{Context, Result, ensure};
use jiff::Timestamp;
use local::Environment;
use local::cache::Cache;
use local::postgres::Durability;
use local::running::{self, Options, Running};
use local::state::StateFolder;
use local::terminal::{note, say, step};
use reqwest::Client;
use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::effects::Effects;
use crate::inspector::{Behind, Inspector, Tally};
use crate::malformed::{Generator, Malformed};
use crate::signed::{Signer, Source};
use crate::slack::{self, Slack};
use crate::{schemathesis, workspace};

/// The functions that answer requests. Nothing runs beside them, so that whatever is written was written by a request.
const FUNCTIONS: [&str; 2] = ["recall", "webhook"];
/// Schemathesis makes this part of them; how many exactly, and how many of them are bad, is its own.
const SCHEMA_DRIVEN: u32 = 2;

/// What is asked for.
pub(crate) struct Campaign {
    /// So many requests have to be refused.
    pub(crate) requests: u32,
    pub(crate) seed: u64,
    /// Where the functions' programs are, unless they are to be built.
    pub(crate) programs: Option<PathBuf>,
    pub(crate) json: bool,
}

/// A function, and who looks at what becomes of its requests.
struct Asked {
    name: &'static str,
    inspector: Inspector,
    document: Value,
}

impl Campaign {
    /// Makes requests that are wrong, and looks for any that fails or that is refused and has an effect.
    pub(crate) async fn run(self, state: &StateFolder, environment: &Environment) -> Result<Vec<String>> {
        note(&format!("{} bad requests, with seed {}.", self.requests, self.seed));
        let options = Options {
            workspace: workspace(),
            instances: 1,
            summary_quiet_seconds: None,
            reload: false,
            throw_away: true,
            durability: Durability::None,
            programs: self.programs.clone(),
            detour: None,
            only: Some(&FUNCTIONS),
        };
        let mut running = Box::pin(running::start(state, environment, &options, step)).await?;
        let behind: Behind = Arc::new(Mutex::new(Effects::open(&running).await?));
        let asked = [
            Asked::open("recall", &running.endpoints.recall_url, &running, &behind).await?,
            Asked::open("webhook", &running.endpoints.webhook_url, &running, &behind).await?,
        ];
        let cache = Cache::open(environment)?;
        let operations: u32 = asked.iter().map(Asked::operations).sum();
        for one in &asked {
            step(&format!("{}: what Schemathesis makes of its {} operations", one.name, one.operations()));
            let per_operation = (self.requests / SCHEMA_DRIVEN).div_ceil(operations.max(1));
            let log = state.log(&format!("schemathesis-{}", one.name));
            let asked = schemathesis::ask(&cache, &one.inspector.url(), per_operation, self.seed, &log).await;
            let tally = one.inspector.tally();
            asked.with_context(|| tally.findings.join("; "))?;
            ensure!(tally.answered() > 0, "Schemathesis asked nothing; {} says why", log.display());
            step(&format!("{} answered, {} of them refused", tally.answered(), tally.refused()));
        }
        step("bytes, encodings, sizes, depths, headers and signatures");
        let faults = Box::pin(self.malformed(&asked)).await?;
        running.check()?;
        let mut found: Vec<String> = asked.iter().flat_map(Asked::findings).collect();
        found.extend(panics(state)?);
        running.stop().await?;
        self.report(&asked, &faults, found.len())?;
        Ok(found)
    }

    /// Bad requests until enough were refused.
    async fn malformed(&self, asked: &[Asked; 2]) -> Result<BTreeMap<&'static str, u64>> {
        let client = Client::builder().no_proxy().build()?;
        let [recall, webhook] = asked;
        let standard = json!({"name": "bad-requests", "kind": "standard"});
        let standard = make_source(&client, &recall.inspector.url(), &standard).await?;
        let source = Source { path: text(&standard, "path")?, secret: text(&standard, "secret")? };
        let of_slack = json!({"name": "bad-requests-slack", "kind": "slack", "secret": slack::SECRET});
        let of_slack = make_source(&client, &recall.inspector.url(), &of_slack).await?;
        let mut generators =
            [Generator::new(&recall.document, self.seed)?, Generator::new(&webhook.document, self.seed)?];
        let bodies = |number| Generator::new(&webhook.document, self.seed.wrapping_add(number));
        let mut signer = Signer::new(&source, bodies(1)?, self.seed)?;
        let mut slack = Slack::new(text(&of_slack, "path")?, bodies(2)?, self.seed);
        let mut faults = BTreeMap::new();
        let refused = || asked.iter().map(|one| one.inspector.tally().refused()).sum::<u64>();
        let wanted = u64::from(self.requests);
        let mut number = 0_usize;
        while refused() < wanted {
            let [of_recall, of_webhook] = &mut generators;
            // Half of them to the many operations of recall.
            let (url, request) = match number % 8 {
                0 | 4 => (webhook.inspector.url(), of_webhook.request()),
                1 => (webhook.inspector.url(), signer.request(now().as_second())?),
                5 => (webhook.inspector.url(), slack.request(now().as_second())?),
                _ => (recall.inspector.url(), of_recall.request()),
            };
            number += 1;
            *faults.entry(request.fault).or_default() += 1;
            send(&client, &url, request).await;
        }
        Ok(faults)
    }

    fn report(&self, asked: &[Asked], faults: &BTreeMap<&'static str, u64>, found: usize) -> Result<()> {
        let tallies: Vec<(&str, Tally)> = asked.iter().map(|one| (one.name, one.inspector.tally())).collect();
        let refused: u64 = tallies.iter().map(|(_, tally)| tally.refused()).sum();
        let answered: u64 = tallies.iter().map(|(_, tally)| tally.answered()).sum();
        if self.json {
            let statuses: BTreeMap<&str, &BTreeMap<u16, u64>> =
                tallies.iter().map(|(name, tally)| (*name, &tally.statuses)).collect();
            let line = json!({
                "seed": self.seed, "requests": answered, "refused": refused, "statuses": statuses, "faults": faults,
                "findings": found,
            });
            say(&line.to_string());
            return Ok(());
        }
        say("");
        for (count, what) in [
            (answered, "requests answered"),
            (refused, "of them refused"),
            (u64::try_from(faults.len())?, "kinds of faults below the schema"),
            (u64::try_from(found)?, "that failed, or had an effect though refused"),
        ] {
            say(&format!("{count:>7}  {what}"));
        }
        Ok(())
    }
}

impl Asked {
    async fn open(name: &'static str, url: &str, running: &Running, behind: &Behind) -> Result<Self> {
        let invocations = format!("{}/{name}/invocations", running.endpoints.functions_url);
        let inspector = Inspector::listen(invocations, Arc::clone(behind)).await?;
        let answer = reqwest::get(format!("{url}/v1/openapi.json")).await?.error_for_status()?;
        let document = answer.json().await.with_context(|| format!("{name} has no OpenAPI document"))?;
        Ok(Self { name, inspector, document })
    }

    fn operations(&self) -> u32 {
        let paths = self.document.get("paths").and_then(Value::as_object).into_iter().flatten();
        paths
            .filter_map(|(_, item)| item.as_object())
            .map(|item| u32::try_from(item.len()).unwrap_or(u32::MAX))
            .sum()
    }

    fn findings(&self) -> Vec<String> {
        self.inspector.tally().findings.iter().map(|finding| format!("{}: {finding}", self.name)).collect()
    }
}

#[expect(clippy::disallowed_methods, reason = "webhooks are signed for the time at which they are sent")]
fn now() -> Timestamp {
    Timestamp::now()
}

async fn make_source(client: &Client, recall_url: &str, asked: &Value) -> Result<Value> {
    let sources = client.post(format!("{recall_url}/v1/webhook-sources"));
    let answer = sources.json(asked).send().await?.error_for_status()?;
    Ok(answer.json().await?)
}

fn text(source: &Value, field: &str) -> Result<String> {
    let found = source.get(field).and_then(Value::as_str).map(str::to_owned);
    found.with_context(|| format!("the source has no {field}"))
}

/// What cannot even be sent is no request.
async fn send(client: &Client, url: &str, request: Malformed) {
    let sent = client.request(request.method, format!("{url}{}", request.path));
    if let Err(error) = sent.headers(request.headers).body(request.body).send().await {
        tracing::debug!(%error, fault = request.fault, "a request was not answered");
    }
}

/// The lines of the functions' logs that tell of a panic.
fn panics(state: &StateFolder) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(state.logs())? {
        let path = entry?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let text = read_lossy(&path)?;
        found.extend(
            text.lines().filter(|line| line.contains("panicked at")).map(|line| format!("{name}: {line}")),
        );
    }
    Ok(found)
}

fn read_lossy(path: &Path) -> Result<String> {
    Ok(String::from_utf8_lossy(&fs::read(path)?).into_owned())
}
