//! The indexer and the recall function, and what they stand on.

use aws_sdk_dynamodb::types::AttributeValue;
use domain::{SessionId, TenantId, UserId, WakeUp};
use hot::Read;
use indexer::Indexer;
use model::Embedder;
use recall::Recall;
use runtime::Services;
use serde_json::Value;
use testkit::{TestAws, TestDatabase};
use tokio_postgres::Client;
use uuid::Uuid;

use crate::asking::ask;
use crate::delivery::deliver;
use crate::ground::Ground;

pub(super) const HOT_TABLE: &str = "afterthought-hot";

pub(super) struct Stage {
    pub(super) services: Services,
    pub(super) indexer: Indexer,
    pub(super) recall: Recall,
    pub(super) aws: TestAws,
    pub(super) owner: Client,
    pub(super) database: TestDatabase,
}

impl Stage {
    pub(super) async fn set() -> Self {
        Self::with(Embedder::BuiltIn).await
    }

    pub(super) async fn with(embedder: Embedder) -> Self {
        let ground = Ground::lay().await;
        let services = ground.services(&[("WAKE_UP_QUEUES", &ground.routes(&["indexer"]).await)]).await;
        ground.tenants(&["acme"]).await;
        let Ground { database, aws, owner } = ground;
        let indexer =
            Indexer::new(embedder.clone(), services.store.clone(), services.hot.clone(), services.now);
        let recall = Recall::new(services.store.clone(), services.hot.clone(), embedder, services.now);
        Self { services, indexer, recall, aws, owner, database }
    }

    /// Inserts messages of "Speaker: text" and answers their session.
    pub(super) async fn say(&self, tenant: &str, user: &str, session: &str, lines: &[&str]) -> SessionId {
        let (speakers, contents): (Vec<&str>, Vec<&str>) =
            lines.iter().map(|line| line.split_once(": ").unwrap()).unzip();
        let rows = self
            .owner
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, speaker, content)
                 select $1, $2, $3, 'user', line.* from unnest($4::text[], $5::text[]) as line
                 returning session_id",
                &[&tenant, &user, &session, &speakers, &contents],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    }

    /// Inserts messages and has them indexed.
    pub(super) async fn indexed(&self, tenant: &str, user: &str, session: &str, lines: &[&str]) -> SessionId {
        let id = self.say(tenant, user, session, lines).await;
        self.wake(tenant, id).await;
        id
    }

    pub(super) async fn wake(&self, tenant: &str, session: SessionId) {
        let head: i64 = self
            .owner
            .query_one("select head_version from afterthought.sessions where id = $1", &[&session.0])
            .await
            .unwrap()
            .get(0);
        let tenant = TenantId::new(tenant).unwrap();
        self.deliver(WakeUp::Session { tenant, session, version: head }).await;
    }

    pub(super) async fn deliver(&self, wake_up: WakeUp) {
        assert!(deliver(&self.services, &self.indexer, wake_up).await);
    }

    /// Adds a memory of the user with one event as its evidence.
    pub(super) async fn remember(
        &self,
        session: SessionId,
        scope: &str,
        kind: &str,
        content: &str,
        version: i64,
    ) -> Uuid {
        self.owner
            .query_one(
                "with made as (
                     insert into afterthought.memories
                         (id, tenant, user_id, session_id, scope, type, key, content, confidence, agent, model, valid_from)
                     select gen_random_uuid(), tenant, case when $2 <> 'global' then user_id end, id, $2, $3, $4, $4,
                            0.8, 'test', 'test', now()
                     from afterthought.sessions where id = $1
                     returning id, tenant
                 ), evidence as (
                     insert into afterthought.memory_evidence (memory_id, session_id, version, tenant)
                     select id, $1, $5, tenant from made
                 )
                 select id from made",
                &[&session.0, &scope, &kind, &content, &version],
            )
            .await
            .unwrap()
            .get(0)
    }

    pub(super) async fn memories_added(&self, tenant: &str, session: SessionId) {
        self.deliver(WakeUp::Memories { tenant: TenantId::new(tenant).unwrap(), session }).await;
    }

    pub(super) async fn get(&self, tenant: &str, path: &str, query_string: &str) -> (u16, Value) {
        get(&self.recall, tenant, path, query_string).await
    }

    pub(super) async fn ok(&self, tenant: &str, path: &str, query_string: &str) -> Value {
        let (status, body) = self.get(tenant, path, query_string).await;
        assert_eq!(status, 200, "{body}");
        body
    }

    /// How many vectors of each session come from which embedder.
    pub(super) async fn embedders(&self) -> Vec<(String, String, i64)> {
        let rows = self
            .owner
            .query(
                "select s.session, e.embedding_model, count(*)
                 from (select session_id, embedding_model from afterthought.event_index
                       union all select session_id, embedding_model from afterthought.memories) e
                 join afterthought.sessions s on s.id = e.session_id
                 group by 1, 2 order by 1, 2",
                &[],
            )
            .await
            .unwrap();
        rows.iter().map(|row| (row.get(0), row.get(1), row.get(2))).collect()
    }

    pub(super) async fn forget_context(&self, tenant: &str, user: &str, session: &str) {
        self.forget(tenant, user, &format!("context#{session}")).await;
    }

    pub(super) async fn forget_latest_session(&self, tenant: &str, user: &str) {
        self.forget(tenant, user, "latest-session").await;
    }

    async fn forget(&self, tenant: &str, user: &str, item: &str) {
        self.aws
            .dynamodb()
            .delete_item()
            .table_name(HOT_TABLE)
            .key("pk", AttributeValue::S(format!("user#{tenant}#{user}")))
            .key("sk", AttributeValue::S(item.to_owned()))
            .send()
            .await
            .unwrap();
    }

    pub(super) async fn context(&self, user: &str, session: &str) -> hot::SessionContext {
        let (tenant, user) = (TenantId::new("default").unwrap(), UserId::new(user).unwrap());
        match self.services.hot.get_context(&tenant, &user, session, (self.services.now)()).await.unwrap() {
            Read::Present(context) => context,
            other => panic!("expected a live context, got {other:?}"),
        }
    }
}

pub(super) async fn get(recall: &Recall, tenant: &str, path: &str, query_string: &str) -> (u16, Value) {
    let headers = [("afterthought-tenant", tenant)];
    let answered = ask(recall, "GET", &format!("{path}?{query_string}"), &headers, None).await;
    let kind = if answered.status == 200 { "application/json" } else { "application/problem+json" };
    assert_eq!(answered.header("content-type"), Some(kind));
    (answered.status, answered.json())
}

pub(super) fn owned((session, embedder, count): (&str, &str, i64)) -> (String, String, i64) {
    (session.to_owned(), embedder.to_owned(), count)
}

pub(super) fn texts<'a>(answer: &'a Value, list: &str) -> Vec<&'a str> {
    answer[list].as_array().unwrap().iter().map(|item| item["content"].as_str().unwrap()).collect()
}
