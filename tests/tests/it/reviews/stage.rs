use domain::{
    Envelope, LedgerEntry, MemoryType, OnConflict, Scope, SessionId, TenantId, Thought, UserId, WakeUp,
    Window,
};
use hot::{Read, SessionContext};
use indexer::Indexer;
use jiff::Timestamp;
use model::Embedder;
use recall::Recall;
use runtime::Services;
use serde_json::{Value, json};
use store::{Claim, Committed, ContextQuery, Effects, Run};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::asking::ask;
use crate::delivery::deliver;
use crate::ground::{Ground, thought};

/// The agent that proposes.
pub(super) const AGENT: &str = "proposer";

/// A database, an indexer and the recall function.
pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) recall: Recall,
    pub(super) owner: Client,
    indexer: Indexer,
    aws: TestAws,
    queue_url: String,
    _database: TestDatabase,
}

impl Stage {
    /// With the review policy of the tenant `default`.
    pub(super) async fn set(policy: &Value) -> Self {
        let ground = Ground::lay().await;
        let queue_url = ground.aws.create_queue("indexer").await.unwrap();
        let services = ground
            .services(&[("WAKE_UP_QUEUES", &format!("indexer={queue_url}")), ("AGENT_CONCURRENCY", "8")])
            .await;
        ground.tenants(&["acme"]).await;
        let Ground { database, aws, owner } = ground;
        owner
            .execute(
                "update afterthought.tenants set settings = jsonb_build_object('review', $1::jsonb) where tenant = 'default'",
                &[policy],
            )
            .await
            .unwrap();
        let indexer =
            Indexer::new(Embedder::BuiltIn, services.store.clone(), services.hot.clone(), services.now);
        let recall =
            Recall::new(services.store.clone(), services.hot.clone(), Embedder::BuiltIn, services.now)
                .with_indexer(services.publisher.clone(), &services.config.routes);
        Self { services, recall, owner, indexer, aws, queue_url, _database: database }
    }

    /// Inserts a message of a user of a tenant and answers its session, indexed.
    pub(super) async fn say(&self, tenant: &str, user: &str, session: &str, content: &str) -> SessionId {
        let row = self
            .owner
            .query_one(
                "insert into afterthought.messages (tenant, user_id, session, role, speaker, content)
                 values ($1, $2, $3, 'user', 'Ada', $4) returning session_id, version",
                &[&tenant, &user, &session, &content],
            )
            .await
            .unwrap();
        let (session, version) = (SessionId(row.get(0)), row.get(1));
        self.deliver(WakeUp::Session { tenant: TenantId::new(tenant).unwrap(), session, version }).await;
        session
    }

    async fn deliver(&self, wake_up: WakeUp) {
        assert!(deliver(&self.services, &self.indexer, wake_up).await);
    }

    /// Hands the indexer what waits in its queue, and answers how many wake-ups of added memories there were.
    pub(super) async fn index(&self) -> usize {
        let mut of_memories = 0;
        for message in self.aws.drain(&self.queue_url).await.unwrap() {
            let envelope = Envelope::parse(message.body().unwrap()).unwrap();
            of_memories += usize::from(matches!(envelope.wake_up, WakeUp::Memories { .. }));
            self.deliver(envelope.wake_up).await;
        }
        of_memories
    }

    async fn window(&self, tenant: &str, session: SessionId) -> Window {
        let tenant = TenantId::new(tenant).unwrap();
        self.services.store.claim(&claim(&tenant, session, &[])).await.unwrap().unwrap().window
    }

    /// The memories of the user that an agent of a session would be shown.
    pub(super) async fn shown_to_agents(&self, session: SessionId, kind: MemoryType) -> Vec<String> {
        let context = [ContextQuery { kind, scope: Scope::User, limit: 100 }];
        let tenant = TenantId::new("default").unwrap();
        let claimed = self.services.store.claim(&claim(&tenant, session, &context)).await.unwrap().unwrap();
        claimed.known.into_iter().map(|memory| memory.content).collect()
    }

    /// Says something in a session of `ada`, thinks `thought` about it, and answers what became of the thought.
    pub(super) async fn think(&self, session: &str, thought: Thought) -> LedgerEntry {
        let id = self.say("default", "ada", session, &format!("about {}", thought.content)).await;
        self.commit("default", id, thought).await
    }

    /// Thinks `thought` about what is new in a session.
    pub(super) async fn commit(&self, tenant: &str, session: SessionId, thought: Thought) -> LedgerEntry {
        let window = self.window(tenant, session).await;
        let thought = Thought { evidence: vec![window.through()], ..thought };
        let run = Run {
            id: Uuid::now_v7(),
            agent: AGENT,
            model: "test/1".into(),
            started_at: Timestamp::UNIX_EPOCH,
            ..Run::default()
        };
        let effects = Effects { thoughts: vec![thought], ..Effects::default() };
        match self.services.store.commit(&window, &effects, &run).await.unwrap() {
            Committed::Done(mut reconciled) => reconciled.ledger.remove(0),
            Committed::LostRace => panic!("nobody else thinks about this session"),
        }
    }

    pub(super) async fn get(&self, tenant: &str, path: &str, query_string: &str) -> (u16, Value) {
        self.request(tenant, "GET", path, query_string, None).await
    }

    pub(super) async fn post(&self, tenant: &str, id: &str, decision: &Value) -> (u16, Value) {
        self.request(tenant, "POST", &format!("/v1/reviews/{id}"), "", Some(decision)).await
    }

    async fn request(
        &self,
        tenant: &str,
        method: &str,
        path: &str,
        query_string: &str,
        body: Option<&Value>,
    ) -> (u16, Value) {
        let (target, headers) = (format!("{path}?{query_string}"), [("afterthought-tenant", tenant)]);
        let answered =
            ask(&self.recall, method, &target, &headers, body.map(Value::to_string).as_deref()).await;
        (answered.status, answered.json())
    }

    /// What waits for a person, oldest first.
    pub(super) async fn waiting(&self) -> Vec<Value> {
        let (status, body) = self.get("default", "/v1/reviews", "limit=100").await;
        assert_eq!(status, 200, "{body}");
        body["reviews"].as_array().unwrap().clone()
    }

    /// The one proposal that waits.
    pub(super) async fn only(&self) -> String {
        let waiting = self.waiting().await;
        assert_eq!(waiting.len(), 1, "{waiting:?}");
        waiting[0]["id"].as_str().unwrap().to_owned()
    }

    /// Decides, and answers the answer.
    pub(super) async fn decide(&self, id: &str, decision: Value) -> Value {
        let (status, body) = self.post("default", id, &decision).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// Everything that an application is shown of the memories of `ada`, and the answers it was shown in.
    pub(super) async fn shown_to_application(&self, session: &str) -> (Vec<String>, String) {
        let (_, recalled) = self.get("default", "/v1/users/ada/recall", "query=Lisbon+city+tea&k=50").await;
        let (_, hydrated) = self.get("default", "/v1/users/ada/hydrate", &format!("session={session}")).await;
        let (_, searched) = self.get("default", "/v1/users/ada/hydrate", "query=Lisbon+city+tea").await;
        let mut contents: Vec<String> = recalled["memories"]
            .as_array()
            .unwrap()
            .iter()
            .map(|memory| memory["content"].as_str().unwrap().to_owned())
            .collect();
        contents.sort();
        let memories = |answer: &Value| {
            json!([
                answer["memories"],
                answer["active_entities"],
                answer["pending_actions"],
                answer["summary"]
            ])
        };
        let context = json!(self.context(session).await.map(|context| {
            let active = context.active_entities.into_iter().chain(context.pending_actions);
            active.map(|memory| memory.content).collect::<Vec<_>>()
        }));
        let rest = json!([recalled["memories"], memories(&hydrated), memories(&searched), context]);
        (contents, rest.to_string())
    }

    /// The hot context of a session of `ada`.
    pub(super) async fn context(&self, session: &str) -> Option<SessionContext> {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new("ada").unwrap());
        match self.services.hot.get_context(&tenant, &user, session, (self.services.now)()).await.unwrap() {
            Read::Present(context) => Some(context),
            Read::Absent => None,
            Read::Corrupt { reason } => panic!("{reason}"),
        }
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        self.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

fn claim<'a>(tenant: &'a TenantId, session: SessionId, context: &'a [ContextQuery]) -> Claim<'a> {
    Claim {
        agent: AGENT,
        tenant,
        session,
        limit: 100,
        context,
        waits_for: None,
        redrives: None,
        recalled: true,
    }
}

/// An entity, half as sure as can be.
pub(super) fn entity(key: &str, content: &str) -> Thought {
    Thought {
        data: json!({"names": [content]}),
        confidence: 0.5,
        evidence: Vec::new(),
        ..thought(MemoryType::Entity, key, content, 1)
    }
}

/// An account that continues the one before.
pub(super) fn account(content: &str) -> Thought {
    let kind = MemoryType::Fact;
    Thought { kind, data: json!({}), on_conflict: OnConflict::Continue, ..entity("mood", content) }
}

/// What an agent is sure enough of.
pub(super) fn sure(thought: Thought) -> Thought {
    Thought { confidence: 0.9, ..thought }
}
