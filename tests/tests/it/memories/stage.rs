use domain::{Envelope, SessionId, TenantId, UserId, WakeUp};
use entity_extractor::EntityExtractor;
use hot::{Read, SessionContext};
use indexer::Indexer;
use memory_curator::MemoryCurator;
use model::{Embedder, Model};
use recall::Recall;
use runtime::{Agent, Services};
use serde_json::Value;
use store::{ReplayFrom, Role, Store, Target};
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;

use crate::asking::ask;
use crate::delivery::deliver;
use crate::ground::Ground;

/// A database, the agents that memories go through, and the recall function.
pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) recall: Recall,
    pub(super) owner: Client,
    extractor: EntityExtractor,
    pub(super) curator: MemoryCurator,
    indexer: Indexer,
    aws: TestAws,
    pub(super) database: TestDatabase,
}

/// What was answered.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: Value,
    pub(super) etag: Option<String>,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let ground = Ground::lay().await;
        let services = ground
            .services(&[
                ("WAKE_UP_QUEUES", &ground.routes(&[indexer::NAME, EntityExtractor::NAME]).await),
                ("SCHEDULED_QUEUES", &ground.routes(&[MemoryCurator::NAME]).await),
                ("AGENT_CONCURRENCY", "8"),
            ])
            .await;
        ground.tenants(&["acme"]).await;
        let Ground { database, aws, owner } = ground;
        let (store, hot) = (services.store.clone(), services.hot.clone());
        let indexer = Indexer::new(Embedder::BuiltIn, store.clone(), hot.clone(), services.now);
        let recall = Recall::new(store.clone(), hot, Embedder::BuiltIn, services.now)
            .with_indexer(services.publisher.clone(), &services.config.routes);
        let extractor = EntityExtractor::new(Model::BuiltIn).unwrap();
        let curator = MemoryCurator::new(Model::BuiltIn, store).unwrap();
        Self { services, recall, owner, extractor, curator, indexer, aws, database }
    }

    /// Ada says something in a session; nobody thinks about it yet.
    pub(super) async fn say(&self, session: &str, content: &str) -> SessionId {
        let insert = "insert into afterthought.messages (user_id, session, role, speaker, content)
                      values ('ada', $1, 'user', 'Ada', $2) returning session_id";
        SessionId(self.owner.query_one(insert, &[&session, &content]).await.unwrap().get(0))
    }

    /// Ada says something, and the entity extractor and the indexer think about it.
    pub(super) async fn told(&self, session: &str, content: &str) -> SessionId {
        let session = self.say(session, content).await;
        self.think(session).await;
        session
    }

    /// The entity extractor and the indexer think about what is new in a session.
    pub(super) async fn think(&self, session: SessionId) {
        let head = "select head_version from afterthought.sessions where id = $1";
        let version = self.owner.query_one(head, &[&session.0]).await.unwrap().get(0);
        let tenant = TenantId::new("default").unwrap();
        self.deliver(&self.extractor, WakeUp::Session { tenant: tenant.clone(), session, version }).await;
        self.deliver(&self.indexer, WakeUp::Session { tenant, session, version }).await;
    }

    /// The entity extractor thinks about a session again, from its first event.
    pub(super) async fn replay(&self, session: SessionId) {
        let operator = Store::new(&self.services.database, Role::Operator, 1).unwrap();
        let target = Target { session: Some(session), ..Target::default() };
        operator.replay(&target, &[EntityExtractor::NAME], ReplayFrom::Version(1)).await.unwrap();
        self.think(session).await;
    }

    async fn deliver<A: Agent>(&self, agent: &A, wake_up: WakeUp) {
        assert!(deliver(&self.services, agent, wake_up).await);
    }

    /// Hands the indexer what waits in its queue, and answers how many wake-ups there were.
    pub(super) async fn index(&self) -> usize {
        let waiting = self.waiting(indexer::NAME).await;
        for wake_up in &waiting {
            self.deliver(&self.indexer, wake_up.clone()).await;
        }
        waiting.len()
    }

    /// Hands the memory-curator what waits in its queue, and answers how many wake-ups there were.
    pub(super) async fn curate(&self) -> usize {
        let mut count = 0;
        loop {
            let waiting = self.waiting(MemoryCurator::NAME).await;
            if waiting.is_empty() {
                return count;
            }
            count += waiting.len();
            for wake_up in waiting {
                self.deliver(&self.curator, wake_up).await;
            }
        }
    }

    /// A week is over for Ada.
    pub(super) async fn tick(&self) {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new("ada").unwrap());
        self.deliver(&self.curator, WakeUp::User { tenant, user }).await;
        self.curate().await;
    }

    async fn waiting(&self, agent: &str) -> Vec<WakeUp> {
        let url = self.services.config.routes.url(agent).unwrap();
        let messages = self.aws.drain(url).await.unwrap();
        messages.iter().map(|message| Envelope::parse(message.body().unwrap()).unwrap().wake_up).collect()
    }

    /// Asks something of the user `ada` of the tenant `default`.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> Answered {
        self.ask_as(("default", "ada"), method, path, body, None).await
    }

    /// Asks something under a path of a user of a tenant, with an idempotency key.
    pub(super) async fn ask_as(
        &self,
        (tenant, user): (&str, &str),
        method: &str,
        path: &str,
        body: Option<&Value>,
        key: Option<&str>,
    ) -> Answered {
        let text = body.map(Value::to_string);
        self.ask_raw((tenant, user), method, path, text.as_deref(), key).await
    }

    pub(super) async fn ask_raw(
        &self,
        (tenant, user): (&str, &str),
        method: &str,
        path: &str,
        body: Option<&str>,
        key: Option<&str>,
    ) -> Answered {
        let mut headers = vec![("afterthought-tenant", tenant)];
        headers.extend(key.map(|key| ("idempotency-key", key)));
        let answered = ask(&self.recall, method, &format!("/v1/users/{user}{path}"), &headers, body).await;
        let etag = answered.header("etag").map(str::to_owned);
        Answered { status: answered.status, body: answered.json(), etag }
    }

    pub(super) async fn get(&self, path: &str) -> Value {
        let answered = self.ask("GET", path, None).await;
        assert_eq!(answered.status, 200, "{}", answered.body);
        answered.body
    }

    /// Has a memory made, and answers what became of it.
    pub(super) async fn remember(&self, body: Value) -> Value {
        let answered = self.ask("POST", "/memories", Some(&body)).await;
        assert_eq!(answered.status, 201, "{}", answered.body);
        answered.body
    }

    /// Corrects a memory.
    pub(super) async fn correct(&self, id: &str, body: Value) -> Answered {
        self.ask("POST", &format!("/memories/{id}/correct"), Some(&body)).await
    }

    /// What is listed, by its words.
    pub(super) async fn listed(&self, query: &str) -> Vec<String> {
        contents(&self.get(&format!("/memories?{query}")).await)
    }

    /// The one memory that is listed.
    pub(super) async fn only(&self, query: &str) -> Value {
        let page = self.get(&format!("/memories?{query}")).await;
        let memories = page["memories"].as_array().unwrap();
        assert_eq!(memories.len(), 1, "{page}");
        memories[0].clone()
    }

    /// The hot context of a session of Ada's.
    pub(super) async fn context(&self, session: &str) -> SessionContext {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new("ada").unwrap());
        match self.services.hot.get_context(&tenant, &user, session, (self.services.now)()).await.unwrap() {
            Read::Present(context) => context,
            other => panic!("{other:?}"),
        }
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    pub(super) async fn texts(&self, sql: &str) -> Vec<String> {
        self.owner.query(sql, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

/// The words of the memories in an answer.
pub(super) fn contents(answer: &Value) -> Vec<String> {
    let memories = answer["memories"].as_array().unwrap();
    memories.iter().map(|memory| memory["content"].as_str().unwrap().to_owned()).collect()
}

/// The identifier in a field of an answer.
pub(super) fn id(answer: &Value, field: &str) -> String {
    answer[field].as_str().unwrap_or_else(|| panic!("no {field} in {answer}")).to_owned()
}
