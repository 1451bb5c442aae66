use std::pin::pin;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use fastrand::Rng;
use jiff::Timestamp;
use local::database::connect;
use pgvector::HalfVector;
use store::DatabaseConfig;
use store::migrate::{self, Slot};
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

/// Memories of one `copy`: what the tables do after an insert, they do after each of these.
const BATCH: usize = 5_000;

/// Writes memories into the product's tables, as their owner.
pub(super) struct Loader {
    pub(super) client: Client,
    config: DatabaseConfig,
}

impl Loader {
    pub(super) async fn connect(url: &str) -> Result<Self> {
        let client = connect(url).await?;
        client.batch_execute("set synchronous_commit = off").await?;
        Ok(Self { client, config: DatabaseConfig::parse(url)? })
    }

    /// Writes every memory of these users with its evidence, in any order, then does what a deploy does, which makes the
    /// indexes of vectors that large users need; answers how long that took.
    pub(super) async fn load(&mut self, shape: &Shape, users: &[User]) -> Result<Duration> {
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
        for batch in order.chunks(BATCH) {
            self.copy_memories(shape, users, &sessions, batch).await?;
            self.copy_evidence(users, &sessions, batch).await?;
        }
        self.client.batch_execute("alter table afterthought.memories enable trigger memories_marked").await?;
        let started = Instant::now();
        migrate::run(&self.config, Slot::Untouched).await?;
        let indexed_in = started.elapsed();
        self.client.batch_execute("vacuum analyze").await?;
        self.client.batch_execute("checkpoint").await?;
        Ok(indexed_in)
    }

    /// Bytes of everything there is, indexes included.
    pub(super) async fn bytes(&self) -> Result<u64> {
        let row = self
            .client
            .query_one(
                "select sum(pg_total_relation_size(oid))::bigint from pg_class
                 where relnamespace = 'afterthought'::regnamespace and relkind = 'r'",
                &[],
            )
            .await?;
        Ok(u64::try_from(row.try_get::<_, i64>(0)?)?)
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
