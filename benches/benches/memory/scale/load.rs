use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use jiff::Timestamp;
use local::database::connect;
use pgvector::HalfVector;
use tokio_postgres::Client;
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::Type;
use uuid::Uuid;

use super::shape::{Shape, User};

/// Whose memories these are.
pub(super) const TENANT: &str = "default";
/// What has embedded them.
pub(super) const MODEL: &str = "made-up-vectors";
/// What was said that the memories of a user come from.
const EVENTS: usize = 20;

/// Writes memories into the product's tables, as their owner.
pub(super) struct Loader {
    pub(super) client: Client,
}

impl Loader {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let client = connect(url).await?;
        client
            .batch_execute("set maintenance_work_mem = '3GB'; set max_parallel_maintenance_workers = 2; set synchronous_commit = off")
            .await?;
        Ok(Self { client })
    }

    /// Writes every memory of these users with its evidence, in any order, and answers how long the indexes of vectors
    /// took: they are made anew, which is many times faster than growing them row by row.
    pub(super) async fn load(&mut self, shape: &Shape, users: &[User]) -> Result<Duration> {
        let vector_indexes = self.drop_vector_indexes().await?;
        // What marks serve is not measured here: recognising what recall handed out.
        self.client
            .batch_execute("alter table afterthought.memories disable trigger memories_marked")
            .await?;
        let mut sessions = Vec::with_capacity(users.len());
        for user in users {
            sessions.push(self.talk(user).await?);
        }
        let mut order: Vec<(usize, usize)> = users
            .iter()
            .enumerate()
            .flat_map(|(place, user)| (0..user.memories).map(move |number| (place, number)))
            .collect();
        Rng::with_seed(order.len() as u64).shuffle(&mut order);
        self.copy_memories(shape, users, &sessions, &order).await?;
        self.copy_evidence(users, &sessions, &order).await?;
        self.client.batch_execute("alter table afterthought.memories enable trigger memories_marked").await?;
        let started = Instant::now();
        for index in &vector_indexes {
            self.client.batch_execute(index).await?;
        }
        let indexed_in = started.elapsed();
        self.client.batch_execute("vacuum analyze").await?;
        self.client.batch_execute("checkpoint").await?;
        Ok(indexed_in)
    }

    /// Bytes of the memories with their indexes and evidence.
    pub(super) async fn bytes(&self) -> Result<u64> {
        let row = self
            .client
            .query_one(
                "select pg_total_relation_size('afterthought.memories')
                        + pg_total_relation_size('afterthought.memory_evidence')
                        + pg_total_relation_size('afterthought.memory_index')
                        + pg_total_relation_size('afterthought.memory_words')",
                &[],
            )
            .await?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
    }

    /// Drops the indexes of vectors and answers how to make them again.
    async fn drop_vector_indexes(&self) -> Result<Vec<String>> {
        let rows = self
            .client
            .query(
                "select c.oid::regclass::text, pg_get_indexdef(c.oid)
                 from pg_index i join pg_class c on c.oid = i.indexrelid join pg_am a on a.oid = c.relam
                 where i.indrelid = 'afterthought.memories'::regclass and a.amname in ('hnsw', 'ivfflat')",
                &[],
            )
            .await?;
        let mut definitions = Vec::new();
        for row in rows {
            let (name, definition): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            self.client.batch_execute(&format!("drop index {name}")).await?;
            definitions.push(definition);
        }
        Ok(definitions)
    }

    /// A session with some events, through the view that applications insert into.
    async fn talk(&self, user: &User) -> Result<Uuid> {
        let rows = self
            .client
            .query(
                "insert into afterthought.messages (tenant, user_id, session, role, content)
                 select $1, $2, 'talk', 'user', 'message ' || number from generate_series(1, $3::int) as number
                 returning session_id",
                &[&TENANT, &user.name(), &i32::try_from(EVENTS)?],
            )
            .await?;
        Ok(rows.first().context("events were inserted")?.try_get(0)?)
    }

    async fn copy_memories(
        &self,
        shape: &Shape,
        users: &[User],
        sessions: &[Uuid],
        order: &[(usize, usize)],
    ) -> Result<()> {
        let statement = self.client.prepare("select null::halfvec").await?;
        let halfvec = statement.columns().first().context("one column")?.type_().clone();
        let sink = self
            .client
            .copy_in(
                "copy afterthought.memories (id, tenant, user_id, session_id, scope, type, key, content, confidence,
                     agent, model, valid_from, embedding, embedding_model) from stdin (format binary)",
            )
            .await?;
        let types = [
            Type::UUID,
            Type::TEXT,
            Type::TEXT,
            Type::UUID,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::TEXT,
            Type::FLOAT4,
            Type::TEXT,
            Type::TEXT,
            Type::TIMESTAMPTZ,
            halfvec,
            Type::TEXT,
        ];
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        let since = Timestamp::from_second(1_780_000_000)?;
        for (place, number) in order {
            let (user, session) = (
                users.get(*place).context("the order names users")?,
                sessions.get(*place).context("every user has talked")?,
            );
            let (id, key, content) =
                (user.memory(*number), format!("memory-{number}"), shape.content(user, *number));
            let embedding = HalfVector::from_f32_slice(&shape.vector(user, *number));
            writer
                .as_mut()
                .write(&[
                    &id,
                    &TENANT,
                    &user.name(),
                    session,
                    &"user",
                    &"fact",
                    &key,
                    &content,
                    &0.8_f32,
                    &"bench",
                    &"bench",
                    &since,
                    &embedding,
                    &MODEL,
                ])
                .await?;
        }
        writer.finish().await?;
        Ok(())
    }

    async fn copy_evidence(&self, users: &[User], sessions: &[Uuid], order: &[(usize, usize)]) -> Result<()> {
        let sink = self
            .client
            .copy_in(
                "copy afterthought.memory_evidence (memory_id, session_id, version, tenant)
                 from stdin (format binary)",
            )
            .await?;
        let types = [Type::UUID, Type::UUID, Type::INT8, Type::TEXT];
        let mut writer = pin!(BinaryCopyInWriter::new(sink, &types));
        for (place, number) in order {
            let user = users.get(*place).context("the order names users")?;
            let session = sessions.get(*place).context("every user has talked")?;
            let version = i64::try_from(number % EVENTS)? + 1;
            writer.as_mut().write(&[&user.memory(*number), session, &version, &TENANT]).await?;
        }
        writer.finish().await?;
        Ok(())
    }
}
