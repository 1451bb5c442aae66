//! An agent, and the function that obeys operators.

use domain::{Envelope, MemoryType, SessionId, TenantId, WakeUp, Window};
use jiff::Timestamp;
use model::Embedder;
use queue::SqsEvent;
use recall::{Admin, Recall};
use runtime::{Agent, AgentSpec, Context, Invocation, Services, ThinkError, Thoughts, handle};
use serde_json::{Value, json};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::asking::ask;
use crate::ground::{Ground, thought};

/// Remembers every message as an entity, but nothing of "nothing"; refuses "refused" until it is patient.
pub(super) struct Echo {
    pub(super) spec: AgentSpec,
    pub(super) patient: bool,
}

impl Echo {
    pub(super) const fn new(patient: bool) -> Self {
        let spec =
            AgentSpec { name: "echo", debounce: None, window_limit: 100, context: &[], waits_for: None };
        Self { spec, patient }
    }
}

impl Agent for Echo {
    fn spec(&self) -> &AgentSpec {
        &self.spec
    }

    async fn think(&self, window: &Window, _context: &Context) -> Result<Thoughts, ThinkError> {
        let mut thoughts = Vec::new();
        for event in &window.events {
            match event.content.as_str() {
                "refused" if !self.patient => return Err(model::Error::Refused.into()),
                "nothing" => {}
                name => thoughts.push(thought(MemoryType::Entity, name, name, event.version)),
            }
        }
        let usage = model::Usage { model: "echo/1".into(), ..Default::default() };
        Ok(Thoughts { thoughts, usage, ..Default::default() })
    }
}

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) recall: Recall,
    pub(super) aws: TestAws,
    pub(super) owner: Client,
    pub(super) echo: String,
    pub(super) other: String,
    pub(super) _database: TestDatabase,
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with("true").await
    }

    pub(super) async fn with(admin_api: &str) -> Self {
        let ground = Ground::lay().await;
        let echo = ground.aws.create_queue("echo").await.unwrap();
        let other = ground.aws.create_queue("other").await.unwrap();
        let mut services = ground
            .services(&[("WAKE_UP_QUEUES", &format!("echo={echo},other={other}")), ("ADMIN_API", admin_api)])
            .await;
        ground.tenants(&["acme"]).await;
        let Ground { database, aws, owner } = ground;
        services.publisher =
            services.publisher.with_retries(backon::ExponentialBuilder::default().with_max_times(0));
        let recall =
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now)
                .with_admin(Admin::from_services(&services).unwrap());
        Self { services, recall, aws, owner, echo, other, _database: database }
    }

    /// Inserts messages of ada's session `chat`.
    pub(super) async fn say(&self, tenant: &str, contents: &[&str]) -> SessionId {
        let rows = self
            .owner
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, content)
                 select $1, 'ada', 'chat', 'user', content from unnest($2::text[]) as content
                 returning session_id",
                &[&tenant, &contents],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    }

    /// Gives the echo its wake-up for a session, as its queue would.
    pub(super) async fn think(&self, tenant: &str, session: SessionId, version: i64) {
        let wake_up = WakeUp::Session { tenant: TenantId::new(tenant).unwrap(), session, version };
        let body = Envelope::first(wake_up, Timestamp::UNIX_EPOCH).to_body();
        self.deliver(&Echo::new(false), vec![body]).await;
    }

    pub(super) async fn deliver(&self, agent: &Echo, bodies: Vec<String>) {
        let records: Vec<_> = bodies
            .iter()
            .enumerate()
            .map(|(id, body)| {
                json!({"messageId": id.to_string(), "body": body,
                       "attributes": {"ApproximateReceiveCount": "1"},
                       "eventSourceARN": "arn:aws:sqs:us-east-1:000000000000:echo", "awsRegion": "us-east-1"})
            })
            .collect();
        let event: SqsEvent = serde_json::from_value(json!({ "Records": records })).unwrap();
        let invocation = Invocation::at(Timestamp::from_second(4_000_000_000).unwrap(), 0);
        let response = handle(&self.services, agent, event, &invocation).await;
        assert!(response.batch_item_failures.is_empty());
    }

    /// Takes what is in a queue.
    pub(super) async fn taken(&self, queue_url: &str) -> Vec<Envelope> {
        let messages = self.aws.drain(queue_url).await.unwrap();
        messages.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap()).collect()
    }

    pub(super) async fn ask(
        &self,
        method: &str,
        path: &str,
        query_string: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let target = format!("{path}?{query_string}");
        let answered = ask(&self.recall, method, &target, &[], body.map(Value::to_string).as_deref()).await;
        (answered.status, answered.json())
    }

    pub(super) async fn get(&self, name: &str, query_string: &str) -> Value {
        let (status, answer) = self.ask("GET", &format!("/v1/admin/{name}"), query_string, None).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(super) async fn post(&self, name: &str, body: Value) -> Value {
        let (status, answer) = self.ask("POST", &format!("/v1/admin/{name}"), "", Some(&body)).await;
        assert_eq!(status, 200, "{answer}");
        answer
    }

    pub(super) async fn refused(&self, name: &str, body: Value) -> (u16, String) {
        let (status, problem) = self.ask("POST", &format!("/v1/admin/{name}"), "", Some(&body)).await;
        (status, problem["detail"].as_str().unwrap().to_owned())
    }

    /// What became of each event of ada's chat at the echo: the state, or the outcomes of what was thought.
    pub(super) async fn became(&self, tenant: &str) -> Vec<String> {
        let answer = self.get("events", &format!("tenant={tenant}&user=ada&session=chat&agent=echo")).await;
        let events = answer["events"].as_array().unwrap().clone();
        let became = |event: &Value| {
            let agent = &event["agents"][0];
            match agent["thoughts"].as_array().unwrap().first() {
                Some(thought) if agent["state"] == "thought" => thought["outcome"].clone(),
                _ => agent["state"].clone(),
            }
        };
        events.iter().map(|event| became(event).as_str().unwrap().to_owned()).collect()
    }

    pub(super) async fn cursor(&self, session: SessionId) -> i64 {
        let sql = "select coalesce(max(through), 0) from afterthought.agent_cursors where session_id = $1 and agent = 'echo'";
        self.owner.query_one(sql, &[&session.0]).await.unwrap().get(0)
    }
}
