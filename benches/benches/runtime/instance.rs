use std::collections::HashMap;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use domain::{Envelope, SessionId, TenantId, WakeUp, Window};
use jiff::{SignedDuration, Timestamp};
use queue::SqsEvent;
use runtime::{Agent, AgentSpec, Config, Context, Invocation, Services, ThinkError, Thoughts, handle};
use serde_json::json;
use testkit::TestAws;

use crate::Stage;

/// The agent's name.
pub(crate) const AGENT: &str = "bench";

/// Messages a mapping hands over at once.
const BATCH: usize = 10;

/// Thinks nothing.
struct Idle {
    spec: AgentSpec,
}

impl Agent for Idle {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, _window: &Window, _context: &Context) -> Result<Thoughts, ThinkError> {
        Ok(Thoughts::default())
    }
}

/// A warm instance of a function.
pub(crate) struct Instance {
    pub(crate) services: Services,
    agent: Idle,
}

impl Instance {
    /// An instance that reaches Postgres under `database_url`.
    pub(crate) async fn start(
        database_url: &str,
        aws: &TestAws,
        stage: &Stage,
        concurrency: usize,
    ) -> Result<Self> {
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database_url),
            ("HOT_TABLE", &stage.hot_table),
            ("WAKE_UP_QUEUES", &format!("{AGENT}={}", stage.queue_url)),
            ("AGENT_CONCURRENCY", &concurrency.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables)?;
        let services = Services::with_aws(&config, aws.config().clone()).await?;
        let spec =
            AgentSpec { name: AGENT, debounce: None, window_limit: 100, context: &[], waits_for: None };
        Ok(Self { services, agent: Idle { spec } })
    }

    /// Wakes the agent for every session so many times, in batches as a mapping would, and answers how long it took.
    pub(crate) async fn pass(&self, heads: &[(SessionId, i64)], repeats: usize) -> Result<Duration> {
        let now = (self.services.now)();
        let mut batches: Vec<SqsEvent> = Vec::new();
        for _ in 0..repeats {
            for batch in heads.chunks(BATCH) {
                batches.push(event(batch, now)?);
            }
        }
        let start = Instant::now();
        for batch in batches {
            self.invoke(batch).await?;
        }
        Ok(start.elapsed())
    }

    /// Wakes the agent for one session.
    pub(crate) async fn wake(&self, head: (SessionId, i64)) -> Result<()> {
        self.invoke(event(&[head], (self.services.now)())?).await
    }

    async fn invoke(&self, batch: SqsEvent) -> Result<()> {
        let now = (self.services.now)();
        let deadline = now.saturating_add(SignedDuration::from_mins(5))?.as_millisecond();
        let invocation = Invocation::at(now, u64::try_from(deadline)?);
        let response = handle(&self.services, &self.agent, batch, &invocation).await;
        let failed = response.batch_item_failures.len();
        ensure!(failed == 0, "{failed} wake-ups failed");
        Ok(())
    }
}

fn event(heads: &[(SessionId, i64)], now: Timestamp) -> Result<SqsEvent> {
    let tenant = TenantId::new("default")?;
    let records: Vec<_> = heads
        .iter()
        .map(|(session, version)| {
            let wake_up =
                WakeUp::Session { tenant: tenant.clone(), session: *session, version: *version };
            json!({
                "messageId": session.to_string(), "receiptHandle": session.to_string(),
                "body": Envelope::first(wake_up, now).to_body(),
                "attributes": {"ApproximateReceiveCount": "1"},
                "eventSourceARN": format!("arn:aws:sqs:us-east-1:000000000000:{AGENT}"), "awsRegion": "us-east-1",
            })
        })
        .collect();
    Ok(serde_json::from_value(json!({ "Records": records }))?)
}
