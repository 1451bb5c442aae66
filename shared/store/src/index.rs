use std::ops::Range;

use domain::{Event, Memory, MemoryId, SessionId, TenantId, UserId};
use futures::try_join;
use pgvector::HalfVector;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::conflict::until_alone;
use crate::{Error, Store, row};

/// What recall finds an event by.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedEvent {
    /// The event, by its version in the window's session.
    pub version: i64,
    /// Its vector, of length 1 and of the dimension the embedder makes.
    pub embedding: Vec<f32>,
    /// The embedder, with its version. Vectors of different embedders are never compared.
    pub embedding_model: String,
    /// The text whose words it is found by.
    pub terms: String,
    /// The passages of a long text, in order; a short one has none.
    pub passages: Vec<IndexedPassage>,
}

/// A passage that recall finds a long event by.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedPassage {
    /// Where it is in [`IndexedEvent::terms`].
    pub bytes: Range<usize>,
    /// Its vector, of length 1, by the embedder of the event.
    pub embedding: Vec<f32>,
}

/// A memory that waits for its embedding.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UnindexedMemory {
    /// The memory.
    pub id: MemoryId,
    /// Its version when it was read.
    pub version: i64,
    /// Its text.
    pub content: String,
}

/// What recall finds a memory by, beside its words.
#[derive(Debug, Clone, PartialEq)]
pub struct IndexedMemory {
    /// The memory.
    pub id: MemoryId,
    /// Its version when it was read.
    pub version: i64,
    /// The vector of its text, of length 1.
    pub embedding: Vec<f32>,
}

/// What is active in a session.
#[derive(Debug, Clone, PartialEq)]
pub struct ActiveSession {
    /// The user the session belongs to.
    pub user: UserId,
    /// The session's name, as the application knows it.
    pub session_name: String,
    /// Its last version.
    pub head: i64,
    /// Current entities and actions that its last events are evidence of, the most recent first.
    pub memories: Vec<Memory>,
}

impl Store {
    /// Memories that wait for an embedding by `embedding_model`, at most `limit`: those of the session's user that have
    /// none, being new or changed since they were embedded, and those of the session that another embedder has embedded.
    pub async fn memories_to_index(
        &self,
        tenant: &TenantId,
        session: SessionId,
        embedding_model: &str,
        limit: u16,
    ) -> Result<Vec<UnindexedMemory>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_memories_to_index.sql")).await?;
        let limit = i64::from(limit);
        let values: [&(dyn ToSql + Sync); 3] = [&session.0, &limit, &embedding_model];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter()
            .map(|row| {
                Ok(UnindexedMemory {
                    id: MemoryId(row.try_get("id")?),
                    version: row.try_get("version")?,
                    content: row.try_get("content")?,
                })
            })
            .collect()
    }

    /// Keeps the embeddings of memories and answers how many it kept. A memory that has been embedded by the same
    /// embedder or has changed since it was read is left alone, so this may be repeated: it starts over when it meets an
    /// agent that updates the same memories in another order.
    pub async fn index_memories(
        &self,
        tenant: &TenantId,
        memories: &[IndexedMemory],
        embedding_model: &str,
    ) -> Result<u64, Error> {
        until_alone(|| self.index_memories_once(tenant, memories, embedding_model)).await
    }

    async fn index_memories_once(
        &self,
        tenant: &TenantId,
        memories: &[IndexedMemory],
        embedding_model: &str,
    ) -> Result<u64, Error> {
        let transaction = self.transaction(tenant).await?;
        let update = transaction.prepare(include_str!("../queries/update_memory_index.sql")).await?;
        let ids: Vec<Uuid> = memories.iter().map(|memory| memory.id.0).collect();
        let versions: Vec<i64> = memories.iter().map(|memory| memory.version).collect();
        let embeddings: Vec<HalfVector> =
            memories.iter().map(|memory| HalfVector::from_f32_slice(&memory.embedding)).collect();
        let values: [&(dyn ToSql + Sync); 4] = [&embedding_model, &ids, &versions, &embeddings];
        let ((), updated, ()) =
            try_join!(transaction.begin(), transaction.execute(&update, &values), transaction.commit())?;
        transaction.end();
        Ok(updated)
    }

    /// The last messages of a session up to `through`, at most `limit` and among its last thousand events, oldest first.
    pub async fn messages_up_to(
        &self,
        tenant: &TenantId,
        session: SessionId,
        through: i64,
        limit: u16,
    ) -> Result<Vec<Event>, Error> {
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../queries/read_messages_up_to.sql")).await?;
        let limit = i64::from(limit);
        let values: [&(dyn ToSql + Sync); 3] = [&session.0, &through, &limit];
        let ((), rows, ()) =
            try_join!(transaction.begin_planned(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();
        let mut words = self.words_of(tenant, session, &rows).await?;
        let event = |row| {
            let mut event = row::event(row)?;
            words.fill(session, &mut event);
            Ok(event)
        };
        rows.iter().rev().map(event).collect()
    }

    /// What is active in a session: the entities of its last `last_events` events and every open action, at most `limit`
    /// of each.
    ///
    /// `None` when the tenant has no such session.
    pub async fn active_memories(
        &self,
        tenant: &TenantId,
        session: SessionId,
        last_events: u16,
        limit: u16,
    ) -> Result<Option<ActiveSession>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (find, list) = try_join!(
            transaction
                .prepare("select user_id, session, head_version from afterthought.sessions where id = $1"),
            transaction.prepare(include_str!("../queries/list_active_memories.sql")),
        )?;
        let (last_events, limit) = (i64::from(last_events), i64::from(limit));
        let find_values: [&(dyn ToSql + Sync); 1] = [&session.0];
        let list_values: [&(dyn ToSql + Sync); 3] = [&session.0, &last_events, &limit];
        let ((), found, memories, ()) = try_join!(
            transaction.begin(),
            transaction.query(&find, &find_values),
            transaction.query(&list, &list_values),
            transaction.commit(),
        )?;
        transaction.end();
        let Some(found) = found.first() else { return Ok(None) };
        Ok(Some(ActiveSession {
            user: user(found, session)?,
            session_name: found.try_get("session")?,
            head: found.try_get("head_version")?,
            memories: memories.iter().map(row::memory).collect::<Result<_, _>>()?,
        }))
    }
}

fn user(row: &Row, session: SessionId) -> Result<UserId, Error> {
    UserId::new(row.try_get::<_, String>("user_id")?).map_err(|error| Error::Stored {
        table: "sessions",
        column: "user_id",
        key: session.to_string(),
        got: error.got,
    })
}
