//! What an application keeps about its own long-running agents. Real Postgres.

mod append;
mod checkpoints;
mod http;
mod operations;
mod state;

use domain::{EventKind, TenantId, UserId};
use serde_json::json;
use store::{Appended, Appending, NewEvent, Once, RequestKey, SessionFilter, SessionPath, Store};
use testkit::TestDatabase;

use crate::ground::store_over;

/// A database, and a store that acts as the functions do.
struct World {
    database: TestDatabase,
    store: Store,
    tenant: TenantId,
    user: UserId,
}

impl World {
    async fn start() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let store = store_over(&database, 8);
        Self { database, store, tenant: TenantId::new("default").unwrap(), user: UserId::new("ada").unwrap() }
    }

    async fn append(&self, session: &str, events: &[NewEvent]) -> Once<Appending> {
        self.store.append_events(&self.tenant, &self.user, session, events, None, None).await.unwrap()
    }

    fn path<'a>(&'a self, session: &'a str) -> SessionPath<'a> {
        SessionPath { tenant: &self.tenant, user: &self.user, session }
    }

    async fn count(&self, table: &str) -> i64 {
        let owner = self.database.client().await.unwrap();
        owner.query_one(&format!("select count(*) from afterthought.{table}"), &[]).await.unwrap().get(0)
    }
}

fn message(content: &str) -> NewEvent {
    NewEvent { role: Some("user".into()), content: Some(content.into()), ..NewEvent::new(EventKind::Message) }
}

fn keyed(content: &str, key: &str) -> NewEvent {
    NewEvent { idempotency_key: Some(key.into()), ..message(content) }
}

fn request(key: &str, fingerprint: u8) -> RequestKey {
    RequestKey { key: key.into(), fingerprint: [fingerprint; 32] }
}

fn appended(outcome: Once<Appending>) -> Appended {
    let Once::Done(Appending::Appended(appended)) = outcome else { panic!("{outcome:?}") };
    appended
}

fn one_of_each_kind() -> Vec<NewEvent> {
    let with = |kind, payload| NewEvent { payload, ..NewEvent::new(kind) };
    vec![
        message("hello"),
        with(EventKind::ToolCall, json!({"name": "search", "result": [1, 2]})),
        with(EventKind::Decision, json!({"choice": "book"})),
        with(EventKind::Observation, json!({"weather": "wet"})),
        with(EventKind::NodeTransition, json!({"to": "booking"})),
    ]
}
