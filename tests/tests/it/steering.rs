//! Holding, calling off and sending back, setting aside and trying again, against a real Postgres: each exactly as far
//! as it was asked for, once, and whatever else runs at the same moment.

mod history;
mod holds;
mod plans;
mod windows;

use domain::{MemoryType, OnConflict, Scope, SessionId, TenantId, Thought, UserId};
use futures::future::join_all;
use jiff::Timestamp;
use serde_json::json;
use store::{
    Behind, Claim, Claimed, Committed, DatabaseConfig, Effects, ReplayFrom, Role, Run, RunOutcome, Store,
    Target,
};
use testkit::TestDatabase;
use tokio_postgres::Client;
use uuid::Uuid;

use crate::ground::thought;

const AGENTS: [&str; 2] = ["echo", "other"];

struct Stage {
    owner: Client,
    agent: Store,
    operator: Store,
    reader: Store,
    database: TestDatabase,
}

impl Stage {
    async fn set() -> Self {
        let database = TestDatabase::create().await.unwrap();
        let owner = database.client().await.unwrap();
        owner.batch_execute("insert into afterthought.tenants (tenant) values ('acme')").await.unwrap();
        let config = DatabaseConfig::parse(database.url()).unwrap();
        let store = |role| Store::new(&config, role, 4).unwrap();
        Self {
            owner,
            agent: store(Role::Agent),
            operator: store(Role::Operator),
            reader: store(Role::Reader),
            database,
        }
    }

    /// Inserts messages for `ada`, one per name.
    async fn insert(&self, tenant: &str, session: &str, contents: &[&str]) -> SessionId {
        let rows = self
            .owner
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, content)
                 select $1, 'ada', $2, 'user', content from unnest($3::text[]) as content returning session_id",
                &[&tenant, &session, &contents],
            )
            .await
            .unwrap();
        SessionId(rows[0].get(0))
    }

    async fn claim(&self, tenant: &str, session: SessionId) -> Claimed {
        let tenant = TenantId::new(tenant).unwrap();
        self.agent.claim(&claim("echo", &tenant, session)).await.unwrap().unwrap()
    }

    /// What the agent `echo` commits: every message as an entity named after it.
    async fn commit(&self, claimed: &Claimed) -> Committed {
        self.commit_as(claimed, &run("echo")).await
    }

    async fn commit_as(&self, claimed: &Claimed, run: &Run) -> Committed {
        let run = Run { redrives: claimed.redrives, ..run.clone() };
        self.agent.commit(&claimed.window, &thoughts(claimed), &run).await.unwrap()
    }

    /// Thinks about all there is.
    async fn think(&self, tenant: &str, session: SessionId) -> Claimed {
        let claimed = self.claim(tenant, session).await;
        assert!(matches!(self.commit(&claimed).await, Committed::Done(_)));
        claimed
    }

    /// Sets aside the first event that `echo` has not thought about, and answers the run.
    async fn set_aside(&self, tenant: &str, session: SessionId, error: &str) -> Uuid {
        let claimed = self.claim(tenant, session).await;
        let first = claimed.window.after + 1;
        let run = run("echo");
        assert!(self.agent.quarantine(&claimed.window.cut(first), &run, error).await.unwrap());
        run.id
    }

    async fn redrive(&self, tenant: &str, session: SessionId, run: Uuid) -> Option<Claimed> {
        let tenant = TenantId::new(tenant).unwrap();
        let claim = Claim { redrives: Some(run), ..claim("echo", &tenant, session) };
        self.agent.claim(&claim).await.unwrap()
    }

    /// Ends a hold, and answers what is behind then, read in pages.
    async fn resume(&self, target: &Target, agents: &[&str]) -> Vec<Behind> {
        self.operator.resume(target).await.unwrap();
        let (mut all, mut after): (Vec<Behind>, _) = (Vec::new(), None);
        loop {
            let page = self.operator.target_behind(target, agents, after, 2).await.unwrap();
            all.extend(page.behind);
            if page.next.is_none() {
                return all;
            }
            after = page.next;
        }
    }

    async fn number(&self, sql: &str) -> i64 {
        self.owner.query_one(sql, &[]).await.unwrap().get(0)
    }

    /// `content:memories` of every current memory.
    async fn memories(&self) -> Vec<String> {
        let rows = self
            .owner
            .query(
                "select content || ':' || count(*) from afterthought.memories where valid_to is null
                 group by content order by content",
                &[],
            )
            .await
            .unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }
}

fn claim<'a>(agent: &'a str, tenant: &'a TenantId, session: SessionId) -> Claim<'a> {
    Claim {
        agent,
        tenant,
        session,
        limit: 100,
        context: &[],
        waits_for: None,
        redrives: None,
        recalled: true,
    }
}

fn run(agent: &'static str) -> Run {
    Run { id: Uuid::now_v7(), agent, model: "echo/1".into(), ..Run::default() }
}

fn thoughts(claimed: &Claimed) -> Effects {
    let thought = |event: &domain::Event| Thought {
        data: json!({"seen": [event.version]}),
        on_conflict: if event.content.starts_with("new") { OnConflict::Supersede } else { OnConflict::Merge },
        ..thought(MemoryType::Entity, &event.content, &event.content, event.version)
    };
    let thoughts = claimed.window.events.iter().filter(|event| event.content != "nothing").map(thought);
    Effects { thoughts: thoughts.collect(), ..Effects::default() }
}

fn of_tenant(name: &str) -> Target {
    Target { tenant: Some(TenantId::new(name).unwrap()), ..Target::default() }
}

fn of_session(tenant: &str, session: SessionId) -> Target {
    Target { session: Some(session), ..of_tenant(tenant) }
}
