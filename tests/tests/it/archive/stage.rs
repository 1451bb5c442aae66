//! A tenant with an archive in a directory or in S3, and sessions that are as old as a test wants.

use std::path::{Path, PathBuf};

use domain::{SessionId, TenantId, UserId, WakeUp};
use indexer::Indexer;
use janitor::{Janitor, Worked};
use jiff::Timestamp;
use lambda_http::Body;
use model::Embedder;
use recall::Recall;
use runtime::Services;
use serde_json::{Value, json};
use store::{Role, SessionPath, Store};
use tempfile::TempDir;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::delivery::deliver;
use crate::ground::Ground;

pub(super) struct Stage {
    pub(super) owner: Client,
    pub(super) services: Services,
    pub(super) recall: Recall,
    pub(super) keeper: Store,
    pub(super) user: UserId,
    folder: TempDir,
    indexer: Indexer,
    _aws: TestAws,
    pub(super) database: TestDatabase,
}

/// Where the archive is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kept {
    Nowhere,
    InDirectory,
    InBucket,
}

impl Stage {
    pub(super) async fn set(kept: Kept) -> Self {
        let ground = Ground::lay().await;
        let folder = tempfile::tempdir().unwrap();
        let url = match kept {
            Kept::Nowhere => String::new(),
            Kept::InDirectory => format!("file://{}", folder.path().display()),
            Kept::InBucket => format!("s3://{}/some/where", ground.aws.create_bucket().await.unwrap()),
        };
        let janitor = ground.aws.create_queue("janitor").await.unwrap();
        let indexer = ground.routes(&["indexer"]).await;
        let services = ground
            .services(&[
                ("WAKE_UP_QUEUES", &indexer),
                ("JANITOR_QUEUE", &janitor),
                ("ERASURE_SETTLE_SECONDS", "0"),
                ("ARCHIVE_URL", &url),
            ])
            .await;
        let Ground { database, aws, owner } = ground;
        let (store, hot) = (services.store.clone(), services.hot.clone());
        Self {
            owner,
            keeper: Store::new(&services.database, Role::Keeper, 2).unwrap(),
            recall: Recall::new(store.clone(), hot.clone(), Embedder::BuiltIn, services.now)
                .with_indexer(services.publisher.clone(), &services.config.routes),
            indexer: Indexer::new(Embedder::BuiltIn, store, hot, services.now),
            user: UserId::new("Ada Lovelace").unwrap(),
            services,
            folder,
            _aws: aws,
            database,
        }
    }

    pub(super) fn tenant() -> TenantId {
        TenantId::new("default").unwrap()
    }

    /// A session with messages, with a key and without one, a tool call and what an application observed.
    pub(super) async fn talk(&self, session: &str) {
        self.owner
            .execute(
                "insert into afterthought.session_events
                     (user_id, session, event_type, role, speaker, content, metadata, schema_version, idempotency_key)
                 select 'Ada Lovelace', $1, e.event_type, e.role, e.speaker, e.content, e.metadata::jsonb, 2, e.key
                 from (values
                     (1, 'message', 'user', 'Ada', 'The lighthouse keeper of Cape Wrath paints watercolours.',
                      '{\"precise\": 1.10, \"list\": [null, \"\\u00e9\"]}', 'first'),
                     (2, 'message', 'assistant', null, 'Which colours\n\"does\" she like?', '{}', null),
                     (3, 'tool_call', null, null, null, '{\"name\": \"look\", \"result\": {\"sea\": \"grey\"}}', 'tool'),
                     (4, 'observation', null, null, null, '{\"mood\": \"calm\"}', null),
                     (5, 'message', 'user', 'Ada', 'Ultramarine, and the grey of the sea.', '{}', null)
                 ) as e (place, event_type, role, speaker, content, metadata, key)
                 order by e.place",
                &[&session],
            )
            .await
            .unwrap();
    }

    pub(super) async fn say(&self, session: &str, content: &str) {
        let say = "insert into afterthought.messages (user_id, session, role, content) values ('Ada Lovelace', $1, 'user', $2)";
        self.owner.execute(say, &[&session, &content]).await.unwrap();
    }

    /// Nothing has happened in any session for 91 days.
    pub(super) async fn age(&self) {
        let age = "update afterthought.sessions set last_event_at = now() - interval '91 days',
                       restored_at = restored_at - interval '91 days'";
        self.owner.batch_execute(age).await.unwrap();
    }

    pub(super) async fn tick(&self) {
        self.owner.batch_execute("update afterthought.tenants set tidied_at = null").await.unwrap();
        let janitor = Janitor::from_services(&self.services).unwrap();
        assert_eq!(janitor.work(Timestamp::MAX).await.unwrap(), Worked::Done);
    }

    pub(super) async fn index(&self, session: &str) {
        let found = self.services.store.session(self.path(&Self::tenant(), session)).await.unwrap().unwrap();
        let wake_up = WakeUp::Session { tenant: Self::tenant(), session: found.id, version: found.head };
        assert!(Box::pin(deliver(&self.services, &self.indexer, wake_up)).await);
    }

    pub(super) fn path<'a>(&'a self, tenant: &'a TenantId, session: &'a str) -> SessionPath<'a> {
        SessionPath { tenant, user: &self.user, session }
    }

    pub(super) async fn session(&self, name: &str) -> SessionId {
        let find = "select id from afterthought.sessions where session = $1";
        SessionId(self.owner.query_one(find, &[&name]).await.unwrap().get(0))
    }

    pub(super) async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// Events of which what was said is not in Postgres.
    pub(super) async fn archived(&self) -> i64 {
        let archived = "select count(*) from afterthought.session_events where archived_bytes is not null";
        let count = self.number(archived).await;
        let emptied = format!("{archived} and content is null and metadata = '{{}}'");
        assert_eq!(self.number(&emptied).await, count, "nothing that was said stays");
        count
    }

    /// Objects that stand for events, and all that are known.
    pub(super) async fn objects(&self) -> (i64, i64) {
        let stored = "select count(*) from afterthought.archive_objects where status = 'stored'";
        (self.number(stored).await, self.number("select count(*) from afterthought.archive_objects").await)
    }

    /// The files in the directory.
    pub(super) fn files(&self) -> Vec<PathBuf> {
        fn below(folder: &Path, files: &mut Vec<PathBuf>) {
            for entry in std::fs::read_dir(folder).unwrap() {
                let path = entry.unwrap().path();
                if path.is_dir() {
                    below(&path, files);
                } else {
                    files.push(path);
                }
            }
        }
        let mut files = Vec::new();
        below(self.folder.path(), &mut files);
        files.sort();
        files
    }

    /// Asks something about the user, or one of their sessions.
    pub(super) async fn ask(&self, method: &str, path: &str, body: Value) -> (u16, Value) {
        let (status, text) = self.ask_for_text(method, path, body).await;
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    pub(super) async fn ask_for_text(&self, method: &str, path: &str, body: Value) -> (u16, String) {
        let mut request = http::Request::builder()
            .method(method)
            .uri(format!("/v1/users/Ada%20Lovelace{path}"))
            .header("host", "recall.test")
            .header("afterthought-tenant", "default");
        if method == "POST" && !path.ends_with("erasures") && !path.ends_with("restore") {
            request = request.header("idempotency-key", Uuid::now_v7().to_string());
        }
        let body = if body.is_null() {
            Body::Empty
        } else {
            request = request.header("content-type", "application/json");
            Body::Text(body.to_string())
        };
        let response = self.recall.handle(request.body(body).unwrap()).await;
        (response.status().as_u16(), String::from_utf8(response.body().to_vec()).unwrap())
    }

    /// The same, which must succeed.
    pub(super) async fn done(&self, method: &str, path: &str) -> Value {
        let (status, answer) = self.ask(method, path, Value::Null).await;
        assert!(status < 300, "{method} {path}: {status} {answer}");
        answer
    }

    /// The lines of events in an export.
    pub(super) async fn exported(&self) -> Vec<String> {
        let (status, text) = self.ask_for_text("GET", "/export", Value::Null).await;
        assert_eq!(status, 200, "{text}");
        text.lines().filter(|line| line.contains(r#""kind": "event""#)).map(str::to_owned).collect()
    }

    /// What an application can see of a session: its events, its states, what a new conversation begins with, and an export.
    pub(super) async fn seen(&self, session: &str) -> Value {
        let of = format!("/sessions/{session}");
        self.services.hot.erase_session(&Self::tenant(), &self.user, session).await.unwrap();
        let hydrated = self.done("GET", &format!("/hydrate?session={session}")).await;
        json!({
            "events": self.done("GET", &format!("{of}/events")).await,
            "page": self.done("GET", &format!("{of}/events?after=1&limit=2")).await,
            "messages": self.done("GET", &format!("{of}/events?type=message")).await,
            "last": self.done("GET", &format!("{of}/state")).await,
            "third": self.done("GET", &format!("{of}/state?version=3")).await,
            "resumed": self.done("POST", &format!("{of}/resume")).await["events"],
            "recent": hydrated["recent_messages"].clone(),
            "exported": self.exported().await,
        })
    }
}
