//! A session that is thought about, step by step.

use std::collections::BTreeMap;

use domain::{
    ClosedBecause, Closing, MemoryId, MemoryType, OnConflict, SessionId, TenantId, Thought, UserId,
};
use serde_json::json;
use store::{Claim, Claimed, Committed, Effects, Run, Store};
use testkit::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::ground::{self, store_over};

pub(super) struct Stage {
    pub(super) store: Store,
    pub(super) owner: Client,
    pub(super) database: TestDatabase,
}

impl Stage {
    pub(super) async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let store = store_over(&database, 4);
        let owner = database.client().await.unwrap();
        Self { store, owner, database }
    }

    pub(super) async fn say(&self, session: &str, role: &str, content: &str) -> SessionId {
        let insert = "insert into afterthought.messages (user_id, session, role, content, occurred_at)
                      values ('ada', $1, $2, $3, '2026-03-01') returning session_id";
        SessionId(self.owner.query_one(insert, &[&session, &role, &content]).await.unwrap().get(0))
    }

    pub(super) async fn claim(&self, agent: &str, session: SessionId) -> Claimed {
        let claim = Claim {
            agent,
            tenant: &tenant(),
            session,
            limit: 100,
            context: &[],
            waits_for: None,
            redrives: None,
            recalled: true,
        };
        self.store.claim(&claim).await.unwrap().unwrap()
    }

    pub(super) async fn commit(&self, claimed: &Claimed, effects: &Effects) -> Committed {
        let run = Run { id: Uuid::now_v7(), agent: "gate", model: "gate/1".into(), ..Run::default() };
        self.store.commit(&claimed.window, effects, &run).await.unwrap()
    }

    /// Says something in a session and has it remembered.
    pub(super) async fn learn(&self, session: &str, thought: Thought) -> SessionId {
        let id = self.say(session, "user", "…").await;
        let claimed = self.claim("gate", id).await;
        let thought = Thought { evidence: vec![claimed.window.through()], ..thought };
        let effects = Effects { thoughts: vec![thought], ..Effects::default() };
        assert!(matches!(self.commit(&claimed, &effects).await, Committed::Done(_)));
        id
    }

    /// `content:pieces of evidence` of every current memory.
    pub(super) async fn current(&self) -> Vec<String> {
        let list = "select content || ':' || (select count(*) from afterthought.memory_evidence where memory_id = m.id)
                    from afterthought.memories m where valid_to is null order by 1";
        self.owner.query(list, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn ledger(&self) -> Vec<String> {
        let list = "select concat_ws(' ', l.outcome, l.type, l.reason, l.evidence::text) from afterthought.ledger l
                    join afterthought.agent_runs r on r.id = l.run_id order by r.finished_at, r.id, l.position";
        self.owner.query(list, &[]).await.unwrap().iter().map(|row| row.get(0)).collect()
    }
}

pub(super) fn tenant() -> TenantId {
    TenantId::new("default").unwrap()
}

pub(super) fn thought(kind: MemoryType, key: &str, content: &str) -> Thought {
    Thought { confidence: 0.9, ..ground::thought(kind, key, content, 1) }
}

pub(super) fn fact(key: &str, content: &str) -> Thought {
    thought(MemoryType::Fact, key, content)
}

pub(super) fn home(city: &str) -> Thought {
    Thought {
        on_conflict: OnConflict::Latest,
        data: json!({ "value": city }),
        ..fact("fact:ada:home", &format!("Ada lives in {city}."))
    }
}

pub(super) async fn known(stage: &Stage) -> BTreeMap<String, store::UserMemory> {
    let memories = stage.store.user_memories(&tenant(), &UserId::new("ada").unwrap(), 100).await.unwrap();
    memories.into_iter().map(|memory| (memory.memory.content.clone(), memory)).collect()
}

pub(super) fn closing(of: &store::UserMemory, reason: ClosedBecause, by: Option<MemoryId>) -> Closing {
    let at = "2026-04-01T00:00:00Z".parse().unwrap();
    Closing { memory: of.memory.id, kind: of.memory.kind, version: of.version, reason, by, at }
}
