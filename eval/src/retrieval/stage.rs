//! One configuration from an empty database to its figures.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use domain::{Envelope, TenantId, UserId, WakeUp};
use futures::{StreamExt, TryStreamExt, stream};
use indexer::Indexer;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use local::import::{self, Format, Owner};
use model::Embedder;
use queue::SqsEvent;
use recall::Recall;
use runtime::{Config, Invocation, Services, handle};
use serde_json::json;
use testkit::{TestAws, TestDatabase};

use super::ask::Served;
use super::conversations::{Conversation, Conversations};
use super::figures::Measured;

/// The tenant that the importer takes for files which name none.
const TENANT: &str = "default";
/// So many questions are asked at once.
const AT_ONCE: usize = 2;
/// As many wake-ups as SQS delivers in a batch.
const BATCH: usize = 10;
/// How long an invocation may take, as on AWS at most.
const INVOCATION: Duration = Duration::from_mins(15);

/// With what recall searches.
#[derive(Debug, Clone)]
pub struct Configuration {
    /// What it is called in reports.
    pub name: String,
    /// What the indexer embeds with.
    pub indexed_by: Embedder,
    /// What recall embeds questions with; without one it searches by words alone.
    pub asked_by: Option<Embedder>,
}

/// Measures one configuration on data that is imported and indexed anew. `say` hears of every step.
pub async fn measure(
    conversations: &Conversations,
    configuration: &Configuration,
    say: impl Fn(&str),
) -> Result<Measured> {
    let begun = Instant::now();
    let name = &configuration.name;
    say(&format!("{name}: importing {} turns", conversations.turns()));
    let stage = Stage::set().await?;
    stage.import(conversations).await?;
    let indexer = Indexer::new(
        configuration.indexed_by.clone(),
        stage.services.store.clone(),
        stage.services.hot.clone(),
        stage.services.now,
    );
    say(&format!("{name}: indexing"));
    let bar = bar(name, "turns indexed", conversations.turns());
    for conversation in &conversations.all {
        stage.index(&indexer, conversation).await?;
        bar.inc(conversation.turns.len() as u64);
    }
    bar.finish_and_clear();
    stage.check(conversations.turns()).await?;

    let recall = Recall::new(
        stage.services.store.clone(),
        stage.services.hot.clone(),
        configuration.asked_by.clone(),
        stage.services.now,
    );
    let served = Served::start(recall).await?;
    let by_words = configuration.asked_by.is_none();
    say(&format!("{name}: asking {} questions", conversations.questions()));
    let bar = self::bar(name, "questions asked", conversations.questions());
    let questions = conversations
        .all
        .iter()
        .flat_map(|conversation| conversation.questions.iter().map(move |question| (conversation, question)));
    let answered = stream::iter(questions)
        .map(|(conversation, question)| served.ask(conversation, question, by_words))
        .buffered(AT_ONCE)
        .inspect_ok(|_| bar.inc(1))
        .try_collect()
        .await?;
    bar.finish_and_clear();
    Ok(Measured::of(answered, begun.elapsed()))
}

fn bar(name: &str, what: &str, length: usize) -> ProgressBar {
    let style = ProgressStyle::with_template("  {prefix:<18} {bar:40} {pos:>6}/{len} {msg}");
    let bar = ProgressBar::with_draw_target(Some(length as u64), ProgressDrawTarget::stderr());
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
        .with_prefix(name.to_owned())
        .with_message(what.to_owned())
}

struct Stage {
    services: Services,
    database: TestDatabase,
}

impl Stage {
    /// A migrated database and an AWS account, both empty, with the clients of a function on them.
    async fn set() -> Result<Self> {
        let (database, aws) = tokio::try_join!(TestDatabase::create(), TestAws::create())?;
        let (queue_url, hot_table) =
            tokio::try_join!(aws.create_queue(indexer::NAME), aws.create_hot_table())?;
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url().to_owned()),
            ("HOT_TABLE", hot_table),
            ("WAKE_UP_QUEUES", format!("{}={queue_url}", indexer::NAME)),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .into();
        let config = Config::from_map(&variables)?;
        let services = Services::with_aws(&config, aws.config().clone()).await?;
        Ok(Self { services, database })
    }

    async fn import(&self, conversations: &Conversations) -> Result<()> {
        let mut client = self.database.client().await?;
        let owner = Owner { tenant: Some(TENANT.to_owned()), user: None };
        let imported =
            import::import(&mut client, &conversations.file, Format::Locomo, &owner, |_| ()).await?;
        if usize::try_from(imported.inserted)? != conversations.turns() {
            bail!("{} of {} turns were imported", imported.inserted, conversations.turns());
        }
        Ok(())
    }

    /// Wakes the indexer for every session of a conversation, as the reader of the log would.
    async fn index(&self, indexer: &Indexer, conversation: &Conversation) -> Result<()> {
        let (tenant, user) = (TenantId::new(TENANT)?, UserId::new(&conversation.user)?);
        let behind =
            self.services.store.user_sessions_behind(indexer::NAME, &tenant, &user, u16::MAX).await?;
        for batch in behind.chunks(BATCH) {
            let now = (self.services.now)();
            let bodies = batch.iter().map(|(session, version)| {
                let wake_up =
                    WakeUp::Session { tenant: tenant.clone(), session: *session, version: *version };
                (session.0, Envelope::first(wake_up, now).to_body())
            });
            let records: Vec<_> = bodies
                .map(|(id, body)| {
                    json!({
                        "messageId": id.to_string(), "body": body, "attributes": {"ApproximateReceiveCount": "1"},
                        "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:indexer", "awsRegion": "us-east-1",
                    })
                })
                .collect();
            let event: SqsEvent = serde_json::from_value(json!({ "Records": records }))?;
            let deadline = now.saturating_add(INVOCATION)?.as_millisecond();
            let invocation = Invocation::at(now, u64::try_from(deadline)?);
            let response = handle(&self.services, indexer, event, &invocation).await;
            if !response.batch_item_failures.is_empty() {
                bail!("the indexer failed on {} sessions", response.batch_item_failures.len());
            }
        }
        Ok(())
    }

    /// Nothing is asked before everything has been thought about.
    async fn check(&self, turns: usize) -> Result<()> {
        let progress = self.services.positions.progress(&[indexer::NAME]).await?;
        let progress = progress.first().context("the indexer has not begun")?;
        if progress.events_behind > 0 || usize::try_from(progress.events)? != turns {
            bail!("the indexer is {} of {} events behind", progress.events_behind, progress.events);
        }
        Ok(())
    }
}
