//! A tenant whose users talk, the agents that think about it, and what is erased among it.

use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use action_detector::ActionDetector;
use domain::{SessionId, TenantId, UserId, WakeUp};
use entity_extractor::EntityExtractor;
use indexer::Indexer;
use ingester::Ingester;
use janitor::Janitor;
use jiff::Timestamp;
use lambda_http::Body;
use memory_curator::MemoryCurator;
use model::{Embedder, Model};
use pattern_finder::PatternFinder;
use recall::{Admin, Recall};
use runtime::{Agent, Config, Services};
use sentiment_analyzer::SentimentAnalyzer;
use serde_json::{Value, json};
use store::{ReplayFrom, Role, Store, Target};
use summarizer::Summarizer;
use tempfile::TempDir;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;
use webhook::Webhook;

use crate::delivery::deliver;
use crate::notifier::sealer;
use crate::notifier::stage::Receiver;

/// In every name and every word of whoever is erased.
pub(super) const MARK: &str = "quagga";
/// Whoever is erased.
pub(super) const VICTIM: &str = "quagga-rider";
/// Those who are not.
pub(super) const OTHERS: [&str; 3] = ["ada", "ben", "cleo"];
/// Agents that think about a session at once.
pub(super) const AT_ONCE: [&str; 3] = [EntityExtractor::NAME, ActionDetector::NAME, indexer::NAME];
/// Those that wait until it has fallen quiet.
pub(super) const WHEN_QUIET: [&str; 2] = [Summarizer::NAME, SentimentAnalyzer::NAME];
/// Those that a schedule wakes for a user.
pub(super) const SCHEDULED: [&str; 2] = [MemoryCurator::NAME, PatternFinder::NAME];

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) keeper: Store,
    pub(super) recall: Recall,
    pub(super) webhook: Webhook,
    pub(super) ingester: Box<Ingester>,
    pub(super) owner: Client,
    pub(super) aws: TestAws,
    pub(super) hot_table: String,
    pub(super) database: TestDatabase,
    archive: TempDir,
    extractor: EntityExtractor,
    detector: ActionDetector,
    summarizer: Summarizer,
    sentiment: SentimentAnalyzer,
    indexer: Indexer,
    curator: MemoryCurator,
    pub(super) finder: PatternFinder,
    pub(super) receiver: Receiver,
}

/// Every agent.
pub(super) fn agents() -> impl Iterator<Item = &'static str> {
    AT_ONCE.into_iter().chain(WHEN_QUIET).chain(SCHEDULED)
}

/// A queue for each of these agents, as functions are told where they are.
async fn routes(aws: &TestAws, agents: &[&str]) -> String {
    let mut routes = Vec::new();
    for agent in agents {
        routes.push(format!("{agent}={}", aws.create_queue(agent).await.unwrap()));
    }
    routes.join(",")
}

/// What a user says in one part of an import, in a session of its own.
fn lines(user: &str, part: usize) -> Vec<String> {
    vec![
        format!("I am {user} and I live in Basel since part {part}."),
        format!("My sister Nora{part} works for Roche in Zurich and likes the {user} song."),
        format!("I have to send the {user} report {part} to Nora{part} by 3 March 2027."),
        format!("I moved to Lugano in part {part} and my favourite tea is {user} oolong."),
    ]
}

impl Stage {
    pub(super) async fn set() -> Self {
        Box::pin(Self::build()).await
    }

    async fn build() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let aws = TestAws::create().await.unwrap();
        let woken = routes(&aws, &[&AT_ONCE[..], &WHEN_QUIET].concat()).await;
        let scheduled = routes(&aws, &SCHEDULED).await;
        let notifier = aws.create_queue("notifier").await.unwrap();
        let hot_table = aws.create_hot_table().await.unwrap();
        let janitor = aws.create_queue("janitor").await.unwrap();
        let accepted = aws.create_fifo_queue("ingest").await.unwrap();
        let letters = aws.create_fifo_queue("ingest-dlq").await.unwrap();
        let archive = tempfile::tempdir().unwrap();
        let archive_url = format!("file://{}", archive.path().display());
        let variables: HashMap<String, String> = [
            ("DATABASE_URL", database.url()),
            ("HOT_TABLE", &hot_table),
            ("WAKE_UP_QUEUES", &woken),
            ("SCHEDULED_QUEUES", &scheduled),
            ("NOTIFIER_QUEUE", &notifier),
            ("NOTIFIER_REACH", "anywhere"),
            ("JANITOR_QUEUE", &janitor),
            (webhook::QUEUE, &accepted),
            (ingester::DEAD_LETTERS, &letters),
            ("ERASURE_SETTLE_SECONDS", "0"),
            ("ADMIN_API", "true"),
            ("ARCHIVE_URL", &archive_url),
            ("AGENT_CONCURRENCY", "8"),
        ]
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .into();
        let config = Config::from_map(&variables).unwrap();
        let services = Services::with_aws(&config, aws.config().clone()).await.unwrap();
        let owner = database.client().await.unwrap();
        owner.batch_execute("insert into afterthought.tenants (tenant) values ('acme')").await.unwrap();
        let (store, hot) = (services.store.clone(), services.hot.clone());
        let recall = Recall::new(store.clone(), hot.clone(), Embedder::BuiltIn, services.now)
            .with_indexer(services.publisher.clone(), &services.config.routes)
            .with_janitor(services.publisher.clone(), &janitor)
            .with_webhooks(
                sealer(),
                services.config.notifier_reach,
                Some((services.publisher.clone(), notifier)),
            )
            .with_admin(Admin::from_services(&services).unwrap());
        Self {
            keeper: store.acting_as(Role::Keeper, 2).unwrap(),
            extractor: EntityExtractor::new(Model::BuiltIn).unwrap(),
            detector: ActionDetector::new(Model::BuiltIn).unwrap(),
            summarizer: Summarizer::new(Model::BuiltIn, Duration::ZERO).unwrap(),
            sentiment: SentimentAnalyzer::new(Model::BuiltIn, Duration::ZERO).unwrap(),
            indexer: Indexer::new(Embedder::BuiltIn, store.clone(), hot, services.now),
            curator: MemoryCurator::new(Model::BuiltIn, store.clone()).unwrap(),
            finder: PatternFinder::new(Model::BuiltIn, store).unwrap(),
            receiver: Receiver::start().await,
            webhook: Webhook::from_services(&services).await.unwrap(),
            ingester: Box::new(Ingester::from_services(&services).unwrap()),
            services,
            recall,
            owner,
            aws,
            hot_table,
            database,
            archive,
        }
    }

    pub(super) fn tenant() -> TenantId {
        TenantId::new("acme").unwrap()
    }

    /// A session of a user arrives in one transaction.
    pub(super) async fn import(&self, user: &str, part: usize) {
        let client = self.database.client().await.unwrap();
        client.batch_execute("begin").await.unwrap();
        self.insert(&client, user, part).await;
        client.batch_execute("commit").await.unwrap();
    }

    pub(super) async fn insert(&self, client: &Client, user: &str, part: usize) {
        let session = format!("{user} part {part}");
        for (place, line) in lines(user, part).into_iter().enumerate() {
            let minute = i32::try_from(part * 10 + place).unwrap();
            client
                .execute(
                    "insert into afterthought.messages (tenant, user_id, session, role, speaker, content, occurred_at)
                     values ('acme', $1, $2, 'user', $1, $3, timestamptz '2027-01-01' + make_interval(mins => $4))",
                    &[&user, &session, &line, &minute],
                )
                .await
                .unwrap();
        }
    }

    /// Every agent is told of every session there is, as the reader or a sweep would. A wake-up that fails comes again.
    pub(super) async fn think(&self) {
        for agent in AT_ONCE {
            for (tenant, session, version) in self.sessions().await {
                let wake_up = WakeUp::Session { tenant, session, version };
                self.deliver(agent, wake_up).await;
            }
        }
    }

    /// The same until nothing new comes of it, and the indexer is told of every memory, as the stream of changes tells it.
    pub(super) async fn settle(&self) {
        self.think().await;
        self.think().await;
        for (tenant, session, _) in self.sessions().await {
            assert!(self.deliver(indexer::NAME, WakeUp::Memories { tenant, session }).await);
        }
    }

    pub(super) async fn deliver(&self, agent: &str, wake_up: WakeUp) -> bool {
        async fn to<A: Agent>(stage: &Stage, agent: &A, wake_up: WakeUp) -> bool {
            Box::pin(deliver(&stage.services, agent, wake_up)).await
        }
        match agent {
            EntityExtractor::NAME => to(self, &self.extractor, wake_up).await,
            ActionDetector::NAME => to(self, &self.detector, wake_up).await,
            Summarizer::NAME => to(self, &self.summarizer, wake_up).await,
            SentimentAnalyzer::NAME => to(self, &self.sentiment, wake_up).await,
            MemoryCurator::NAME => to(self, &self.curator, wake_up).await,
            PatternFinder::NAME => to(self, &self.finder, wake_up).await,
            _indexer => to(self, &self.indexer, wake_up).await,
        }
    }

    /// Every wake-up that waits in a queue reaches its agent, which acknowledges it.
    pub(super) async fn deliver_waiting(&self) {
        for agent in agents() {
            let queue = self.services.config.routes.url(agent).unwrap();
            for message in self.aws.drain(queue).await.unwrap() {
                let envelope = domain::Envelope::parse(message.body().unwrap()).unwrap();
                assert!(self.deliver(agent, envelope.wake_up).await, "{agent} does not take {message:?}");
            }
        }
    }

    /// The memory-curator thinks about a user.
    pub(super) async fn curate(&self, user: &str) {
        let wake_up = WakeUp::User { tenant: Self::tenant(), user: UserId::new(user).unwrap() };
        self.deliver(MemoryCurator::NAME, wake_up).await;
        let queue = self.services.config.routes.url(MemoryCurator::NAME).unwrap();
        loop {
            let waiting = self.aws.drain(queue).await.unwrap();
            if waiting.is_empty() {
                return;
            }
            for message in waiting {
                let envelope = domain::Envelope::parse(message.body().unwrap()).unwrap();
                self.deliver(MemoryCurator::NAME, envelope.wake_up).await;
            }
        }
    }

    async fn sessions(&self) -> Vec<(TenantId, SessionId, i64)> {
        let read = "select tenant, id, head_version from afterthought.sessions where head_version > 0 order by session";
        let rows = self.owner.query(read, &[]).await.unwrap();
        rows.iter()
            .map(|row| (TenantId::new(row.get::<_, &str>(0)).unwrap(), SessionId(row.get(1)), row.get(2)))
            .collect()
    }

    /// Sends a request about a user.
    pub(super) async fn ask(&self, method: &str, user: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, text) = self.ask_for_text(method, &format!("/v1/users/{user}{path}"), body).await;
        let body = if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap() };
        (status, body)
    }

    pub(super) async fn ask_for_text(&self, method: &str, target: &str, body: Value) -> (u16, String) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(target.replace(' ', "%20"))
            .header("host", "recall.test")
            .header("afterthought-tenant", "acme");
        if method == "POST" && target.contains("/users/") && !target.ends_with("erasures") {
            request = request.header("idempotency-key", format!("{MARK} {}", Uuid::now_v7()));
        }
        let body = match body {
            Value::Null => Body::Empty,
            body => {
                request = request.header("content-type", "application/json");
                Body::Text(body.to_string())
            }
        };
        let response = self.recall.handle(request.body(body).unwrap()).await;
        let status = response.status().as_u16();
        (status, String::from_utf8(response.body().to_vec()).unwrap())
    }

    /// The same, which must succeed.
    pub(super) async fn done(&self, method: &str, user: &str, path: &str, body: Value) -> Value {
        let (status, answer) = self.ask(method, user, path, body).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    pub(super) async fn sessions_of(&self, user: &str) -> Vec<SessionId> {
        let read = "select id from afterthought.sessions where user_id = $1 order by session";
        let rows = self.owner.query(read, &[&user]).await.unwrap();
        rows.iter().map(|row| SessionId(row.get(0))).collect()
    }

    /// The janitor gets a tick, and has time until then.
    pub(super) async fn tick(&self, body: &str, until: Timestamp) {
        let janitor = Janitor::from_services(&self.services).unwrap();
        let event = json!({"Records": [{"messageId": "m", "body": body, "receiptHandle": ""}]});
        let answer = janitor.handle(serde_json::from_value(event).unwrap(), until).await;
        assert!(answer.batch_item_failures.is_empty());
    }

    /// The janitor does what erasures have left, by one tick after the other.
    pub(super) async fn finish(&self) {
        let queue = self.services.config.variables["JANITOR_QUEUE"].clone();
        let tick = self.aws.drain(&queue).await.unwrap();
        assert!(!tick.is_empty(), "the janitor is told of an erasure");
        self.tick(tick[0].body().unwrap(), Timestamp::MAX).await;
        let open = self.keeper.open_erasures(&Self::tenant(), None, 100).await.unwrap();
        assert_eq!(open, []);
        assert_eq!(self.aws.drain(&queue).await.unwrap(), [], "nothing is left to do");
    }

    /// The agents think about every session of the victim again, from its first event.
    pub(super) async fn replay(&self) {
        let operator = Store::new(&self.services.database, Role::Operator, 1).unwrap();
        let user = UserId::new(VICTIM).unwrap();
        let target = Target { tenant: Some(Self::tenant()), user: Some(user), ..Target::default() };
        let agents = [&AT_ONCE[..], &[MemoryCurator::NAME]].concat();
        operator.replay(&target, &agents, ReplayFrom::Version(1)).await.unwrap();
        self.think().await;
        self.curate(VICTIM).await;
    }

    /// What was said in a session goes to the archive.
    pub(super) async fn archive(&self, session: &str) {
        let age =
            "update afterthought.sessions set last_event_at = now() - interval '91 days' where session = $1";
        assert_eq!(self.owner.execute(age, &[&session]).await.unwrap(), 1);
        self.tidy().await;
        assert!(!self.objects().is_empty());
    }

    /// What is old is cleared away, whenever that was done last.
    pub(super) async fn tidy(&self) {
        self.owner.batch_execute("update afterthought.tenants set tidied_at = null").await.unwrap();
        let janitor = Janitor::from_services(&self.services).unwrap();
        janitor.work(Timestamp::MAX).await.unwrap();
    }

    /// The objects in the archive.
    pub(super) fn objects(&self) -> Vec<PathBuf> {
        let mut folders = vec![self.archive.path().to_owned()];
        let mut files = Vec::new();
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }
}
