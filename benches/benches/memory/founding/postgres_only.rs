use std::sync::Arc;

use anyhow::{Context, Result};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use local::database::OwnDatabase;
use pgvector::Vector;
use serde_json::{Value, json};
use store::DatabaseConfig;
use tokio_postgres::NoTls;

use super::{K, LATEST, Variant};
use crate::embeddings::Embeddings;
use crate::place::Place;
use crate::world::World;

/// Connections, as many as the founding document's pool.
const CONNECTIONS: usize = 20;
/// The newest turns of working memory, as many as ours holds.
const WORKING_MEMORY: usize = 20;

/// Everything in Postgres, with the tables and queries of the founding document.
pub(crate) struct PostgresOnly {
    pool: Pool,
    agents: Vec<Kept>,
    _database: OwnDatabase,
}

struct Kept {
    user: String,
    questions: Vec<Vector>,
}

impl PostgresOnly {
    pub(crate) async fn fill(place: &Place, embeddings: &Embeddings, world: &World) -> Result<Self> {
        let database = place.empty().await?;
        let driver = DatabaseConfig::parse(database.url())?.driver()?;
        let manager_config = ManagerConfig { recycling_method: RecyclingMethod::Fast };
        let manager = Manager::from_config(driver, NoTls, manager_config);
        let pool = Pool::builder(manager).max_size(CONNECTIONS).build()?;
        let client = pool.get().await?;
        let dimensions = embeddings.dimensions().await?;
        client
            .batch_execute(&include_str!("postgres_only.sql").replace("$dimensions", &dimensions.to_string()))
            .await?;
        let mut agents = Vec::new();
        for agent in &world.agents {
            let texts: Vec<&str> = agent.turns.iter().map(|turn| turn.content.as_str()).collect();
            let vectors: Vec<Vector> = embeddings.of(&texts).await?.iter().map(vector).collect();
            let payloads: Vec<Value> = agent.turns.iter().map(payload).collect();
            let recent: Vec<&Value> = payloads.iter().rev().take(WORKING_MEMORY).rev().collect();
            let state = json!({
                "agent_id": agent.user, "recent_messages": recent, "metadata": {"turn_count": agent.turns.len()}
            });
            client
                .execute(
                    "insert into working_memory (agent_id, state, expires_at) values ($1, $2, now() + '1 hour')",
                    &[&agent.user, &state],
                )
                .await?;
            // One after the other in time, whatever the agent: as they would come.
            client
                .execute(
                    "insert into memory_events (agent_id, event_type, payload, embedding)
                     select $1, 'message', event.* from unnest($2::jsonb[], $3::vector[]) as event",
                    &[&agent.user, &payloads, &vectors],
                )
                .await?;
            let questions: Vec<&str> =
                agent.questions.iter().map(|question| question.text.as_str()).collect();
            let questions = embeddings.of(&questions).await?.iter().map(vector).collect();
            agents.push(Kept { user: agent.user.clone(), questions });
        }
        client.batch_execute("vacuum analyze").await?;
        Ok(Self { pool, agents, _database: database })
    }

    fn agent(&self, agent: usize) -> Result<&Kept> {
        self.agents.get(agent).context("no such agent")
    }

    /// The same search without an index of vectors: exact.
    pub(crate) async fn search_exactly(&self, agent: usize, question: usize) -> Result<Vec<(usize, i64)>> {
        self.searched(
            "with own as materialized (select payload, embedding from memory_events where agent_id = $2)
             select payload from own order by embedding <=> $1 limit $3",
            agent,
            question,
        )
        .await
    }

    async fn searched(&self, sql: &str, agent: usize, question: usize) -> Result<Vec<(usize, i64)>> {
        let agent = self.agent(agent)?;
        let vector = agent.questions.get(question).context("no such question")?;
        let client = self.pool.get().await?;
        let search = client.prepare_cached(sql).await?;
        let rows = client.query(&search, &[vector, &agent.user, &i64::try_from(K)?]).await?;
        rows.iter().map(|row| place_of(&row.try_get(0)?)).collect()
    }
}

impl Variant for PostgresOnly {
    fn name(&self) -> &'static str {
        "postgres_only"
    }

    async fn hot_read(&self, agent: usize) -> Result<usize> {
        let client = self.pool.get().await?;
        let read = client
            .prepare_cached("select state from working_memory where agent_id = $1 and expires_at > now()")
            .await?;
        let row = client.query_one(&read, &[&self.agent(agent)?.user]).await?;
        let state: Value = row.try_get(0)?;
        Ok(state.get("recent_messages").and_then(Value::as_array).map_or(0, Vec::len))
    }

    async fn latest(&self, agent: usize) -> Result<usize> {
        let client = self.pool.get().await?;
        let list = client
            .prepare_cached("select payload from memory_events where agent_id = $1 order by created_at desc, event_id desc limit $2")
            .await?;
        let rows = client.query(&list, &[&self.agent(agent)?.user, &i64::from(LATEST)]).await?;
        let payloads: Vec<Value> = rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?;
        Ok(payloads.len())
    }

    async fn search(&self, agent: usize, question: usize) -> Result<Vec<(usize, i64)>> {
        self.searched(
            "select payload, 1 - (embedding <=> $1) as similarity from memory_events where agent_id = $2
             order by embedding <=> $1 limit $3",
            agent,
            question,
        )
        .await
    }

    async fn bytes(&self) -> Result<Vec<(&'static str, u64)>> {
        let client = self.pool.get().await?;
        let row = client
            .query_one(
                "select pg_total_relation_size('working_memory'), pg_table_size('memory_events'),
                        pg_indexes_size('memory_events')",
                &[],
            )
            .await?;
        let bytes = |at: usize| -> Result<u64> { Ok(u64::try_from(row.try_get::<_, i64>(at)?)?) };
        Ok(vec![
            ("postgres_working_memory", bytes(0)?),
            ("postgres_events", bytes(1)?),
            ("postgres_indexes", bytes(2)?),
        ])
    }
}

fn vector(vector: &Arc<Vec<f32>>) -> Vector {
    Vector::from(vector.as_ref().clone())
}

/// A turn as the other variants keep it.
pub(super) fn payload(turn: &crate::world::Turn) -> Value {
    json!({
        "session": turn.session, "version": turn.version, "role": turn.role, "speaker": turn.speaker,
        "content": turn.content,
    })
}

/// Which turn a payload is of.
pub(super) fn place_of(payload: &Value) -> Result<(usize, i64)> {
    let session = payload.get("session").and_then(Value::as_u64).context("a payload has its session")?;
    Ok((
        usize::try_from(session)?,
        payload.get("version").and_then(Value::as_i64).context("a payload has its version")?,
    ))
}
