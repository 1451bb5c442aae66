//! An agent that remembers what it hears, and what surrounds it.

use std::sync::Mutex;
use std::time::Duration;

use domain::{Debounce, Envelope, MemoryType, SessionId, TenantId, Thought, WakeUp, Window};
use jiff::Timestamp;
use queue::{SqsBatchResponse, SqsEvent};
use runtime::{Agent, AgentSpec, Context, Invocation, Services, ThinkError, Thoughts, handle};
use serde_json::json;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::ground::{Ground, thought};

/// Remembers every message as an entity named after its content; panics on "panic" and fails on "fail".
pub(super) struct Echo {
    pub(super) spec: AgentSpec,
    pub(super) windows: Mutex<Vec<(i64, i64)>>,
    /// Of each window whether it was the last of its user.
    pub(super) ends: Mutex<Vec<bool>>,
}

impl Echo {
    pub(super) fn new(debounce: Option<Debounce>, window_limit: u16) -> Self {
        let spec = AgentSpec { name: "echo", debounce, window_limit, context: &[], waits_for: None };
        Self { spec, windows: Mutex::default(), ends: Mutex::default() }
    }

    pub(super) fn windows(&self) -> Vec<(i64, i64)> {
        self.windows.lock().unwrap().clone()
    }
}

impl Agent for Echo {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, context: &Context) -> Result<Thoughts, ThinkError> {
        self.windows.lock().unwrap().push((window.after, window.through()));
        self.ends.lock().unwrap().push(context.ends_user);
        tokio::task::yield_now().await;
        let mut thoughts = Vec::new();
        for event in &window.events {
            match event.content.as_str() {
                "panic" => panic!("asked to"),
                "fail" => return Err(model::Error::Transient("asked to".into()).into()),
                "limited" => {
                    return Err(
                        model::Error::RateLimited { retry_after: Some(Duration::from_secs(90)) }.into()
                    );
                }
                name => thoughts.push(Thought {
                    data: json!({"seen": [format!("{}:{}", window.session_name, event.version)]}),
                    ..thought(MemoryType::Entity, name, name, event.version)
                }),
            }
        }
        let usage = model::Usage { model: "echo/1".into(), ..Default::default() };
        Ok(Thoughts { thoughts, usage, ..Default::default() })
    }
}

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) database: TestDatabase,
    pub(super) aws: TestAws,
    pub(super) owner: Client,
    pub(super) queue_url: String,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let ground = Ground::lay().await;
        let queue_url = ground.aws.create_queue("echo").await.unwrap();
        let services = ground.services(&[("WAKE_UP_QUEUES", &format!("echo={queue_url}"))]).await;
        let Ground { database, aws, owner } = ground;
        Self { services, database, aws, owner, queue_url }
    }

    pub(super) async fn insert(&self, session: &str, contents: &[&str]) -> SessionId {
        let row = self
            .owner
            .query(
                "insert into afterthought.messages (user_id, session, role, content)
                 select 'ada', $1, 'user', content from unnest($2::text[]) as content returning session_id",
                &[&session, &contents],
            )
            .await
            .unwrap();
        SessionId(row[0].get(0))
    }

    pub(super) async fn deliver(&self, agent: &Echo, bodies: &[(&str, String)]) -> Vec<String> {
        failures(&handle(&self.services, agent, event(bodies), &soon()).await)
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// What was sent to the agent's queue.
    pub(super) async fn sent(&self) -> Vec<WakeUp> {
        let sent = self.aws.drain(&self.queue_url).await.unwrap();
        sent.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap().wake_up).collect()
    }

    pub(super) async fn woken_users(&self) -> Vec<String> {
        let user = |wake_up| match wake_up {
            WakeUp::User { user, .. } => user.as_str().to_owned(),
            other => panic!("a wake-up of a user was expected, not {other:?}"),
        };
        let mut users: Vec<String> = self.sent().await.into_iter().map(user).collect();
        users.sort();
        users
    }

    pub(super) async fn memories(&self) -> Vec<String> {
        let rows = self
            .owner
            .query("select content from afterthought.memories order by content", &[])
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

pub(super) fn soon() -> Invocation {
    let now = Timestamp::from_second(4_000_000_000).unwrap();
    Invocation::at(now, 0)
}

pub(super) fn claim(tenant: &TenantId, session: SessionId) -> store::Claim<'_> {
    store::Claim {
        agent: "echo",
        tenant,
        session,
        limit: 10,
        context: &[],
        waits_for: None,
        redrives: None,
        recalled: true,
    }
}

pub(super) fn wake_up(session: SessionId, version: i64) -> String {
    let wake_up = WakeUp::Session { tenant: TenantId::new("default").unwrap(), session, version };
    Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body()
}

pub(super) fn event(bodies: &[(&str, String)]) -> SqsEvent {
    let records: Vec<_> = bodies
        .iter()
        .map(|(id, body)| {
            json!({"messageId": id, "body": body, "attributes": {"ApproximateReceiveCount": "1"},
                   "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:echo", "awsRegion": "us-east-1"})
        })
        .collect();
    serde_json::from_value(json!({ "Records": records })).unwrap()
}

pub(super) fn failures(response: &SqsBatchResponse) -> Vec<String> {
    let mut ids: Vec<String> =
        response.batch_item_failures.iter().map(|failure| failure.item_identifier.clone()).collect();
    ids.sort();
    ids
}
