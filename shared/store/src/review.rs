use domain::{Memory, MemoryId, MemoryType, Pending, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store, row};

/// Which of the memories that wait for a person are wanted: those that match all of the fields that are given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ReviewFilter<'a> {
    /// About this user, or from a session of theirs.
    pub user: Option<&'a UserId>,
    /// Of this type.
    pub kind: Option<MemoryType>,
    /// Proposed by this agent.
    pub agent: Option<&'a str>,
}

/// A memory that waits for a person, or did: as it was proposed.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewItem {
    /// What is proposed, and why it is to be reviewed.
    pub pending: Pending,
    /// Counts its changes: what is proposed again is added to it.
    pub version: i64,
    /// Whose session it came from first.
    pub user: Option<String>,
    /// The name of that session.
    pub session_name: Option<String>,
    /// Who proposed it.
    pub agent: String,
    /// The model that thought it.
    pub model: String,
    /// When it was proposed first.
    pub proposed_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// An event that a proposal came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ReviewEvidence {
    /// The name of its session.
    pub session_name: String,
    /// Its position within the session.
    pub version: i64,
    /// `user`, `assistant`, `system` or `tool`; empty for events that are not messages.
    pub role: String,
    /// Who spoke, where the application said so.
    pub speaker: Option<String>,
    /// The beginning of what was said.
    pub content: String,
    /// Whether more was said.
    pub is_cut: bool,
    /// When, by the application's account.
    pub occurred_at: Timestamp,
}

/// Everything it takes to decide about a proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct ReviewCase {
    /// The proposal.
    pub item: ReviewItem,
    /// The current memory under the same key, which an approval would add to or replace.
    pub current: Option<Memory>,
    /// The latest events it came from, oldest first.
    pub evidence: Vec<ReviewEvidence>,
    /// How many events it came from in all.
    pub evidence_count: i64,
    /// What was decided already.
    pub decision: Option<DecisionRecord>,
}

/// What was decided about a proposal.
#[derive(Debug, Clone, PartialEq)]
pub struct DecisionRecord {
    /// `approved`, `edited` or `rejected`.
    pub decision: String,
    /// The words of the edit, where it changed them.
    pub edited_content: Option<String>,
    /// The data of the edit, where it changed it.
    pub edited_data: Option<Value>,
    /// The memory it went into: itself, or the one that was there already.
    pub became: Option<MemoryId>,
    /// Who decided, as the caller said.
    pub reviewer: Option<String>,
    /// Why, as the caller said.
    pub note: Option<String>,
    /// When.
    pub decided_at: Timestamp,
}

impl Store {
    /// The memories that wait for a person, the oldest first, at most `limit`, in one round trip.
    ///
    /// `after` is the last of the page before. `None` when there is no such memory, which may well have been decided
    /// meanwhile.
    pub async fn list_reviews(
        &self,
        tenant: &TenantId,
        filter: &ReviewFilter<'_>,
        after: Option<MemoryId>,
        limit: u16,
    ) -> Result<Option<Vec<ReviewItem>>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (find, list) = try_join!(
            transaction.prepare("select from afterthought.memories where id = $1"),
            transaction.prepare(include_str!("../queries/list_reviews.sql")),
        )?;
        let after = after.map(|memory| memory.0);
        let user = filter.user.map(UserId::as_str);
        let (kind, limit) = (filter.kind.map(MemoryType::as_str), i64::from(limit));
        let find_values: [&(dyn ToSql + Sync); 1] = [&after];
        let list_values: [&(dyn ToSql + Sync); 6] =
            [&tenant.as_str(), &user, &kind, &filter.agent, &after, &limit];
        let ((), found, rows, ()) = try_join!(
            transaction.begin(),
            transaction.query(&find, &find_values),
            transaction.query(&list, &list_values),
            transaction.commit(),
        )?;
        transaction.end();
        if after.is_some() && found.is_empty() {
            return Ok(None);
        }
        rows.iter().map(item).collect::<Result<_, _>>().map(Some)
    }

    /// A memory that waits for a person, or did, with at most `most_events` of the events it came from, each cut to
    /// `most_characters`; in one round trip. `None` when the tenant has no such memory.
    pub async fn find_review(
        &self,
        tenant: &TenantId,
        memory: MemoryId,
        most_events: u16,
        most_characters: u16,
    ) -> Result<Option<ReviewCase>, Error> {
        let transaction = self.transaction(tenant).await?;
        let (find, find_current, list) = try_join!(
            transaction.prepare(include_str!("../queries/find_review.sql")),
            transaction.prepare(include_str!("../queries/find_review_current.sql")),
            transaction.prepare(include_str!("../queries/list_review_evidence.sql")),
        )?;
        let (events, characters) = (i64::from(most_events), i32::from(most_characters));
        let values: [&(dyn ToSql + Sync); 3] = [&memory.0, &events, &characters];
        let [id, ..] = values;
        let id = [id];
        let ((), found, current, evidence, ()) = try_join!(
            transaction.begin(),
            transaction.query(&find, &id),
            transaction.query(&find_current, &id),
            transaction.query(&list, &values),
            transaction.commit(),
        )?;
        transaction.end();
        let Some(found) = found.first() else { return Ok(None) };
        let evidence_count = evidence.first().map_or(Ok(0), |row| row.try_get("events"))?;
        Ok(Some(ReviewCase {
            item: item(found)?,
            current: current.first().map(row::memory).transpose()?,
            evidence: self.whole_evidence(tenant, &evidence, usize::from(most_characters)).await?,
            evidence_count,
            decision: decision_record(found)?,
        }))
    }

    /// Evidence, with what was said where that is in the archive.
    async fn whole_evidence(
        &self,
        tenant: &TenantId,
        rows: &[Row],
        most_characters: usize,
    ) -> Result<Vec<ReviewEvidence>, Error> {
        let event = |row: &Row| Ok((SessionId(row.try_get("session_id")?), row.try_get("version")?));
        let mut words = self.words_in(tenant, rows, event).await?;
        rows.iter()
            .map(|row| {
                let (session, version) = event(row)?;
                let mut evidence = review_evidence(row)?;
                if let Some(line) = words.take(session, version) {
                    let said = line.content.unwrap_or_default();
                    evidence.content = said.chars().take(most_characters).collect();
                    evidence.is_cut = evidence.content.len() < said.len();
                }
                Ok(evidence)
            })
            .collect()
    }
}

fn item(row: &Row) -> Result<ReviewItem, Error> {
    Ok(ReviewItem {
        pending: row::pending(row)?,
        version: row.try_get("version")?,
        user: row.try_get("user_id")?,
        session_name: row.try_get("session")?,
        agent: row.try_get("agent")?,
        model: row.try_get("model")?,
        proposed_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
    })
}

fn review_evidence(row: &Row) -> Result<ReviewEvidence, Error> {
    Ok(ReviewEvidence {
        session_name: row.try_get("session")?,
        version: row.try_get("version")?,
        role: row.try_get::<_, Option<String>>("role")?.unwrap_or_default(),
        speaker: row.try_get("speaker")?,
        content: row.try_get::<_, Option<String>>("content")?.unwrap_or_default(),
        is_cut: row.try_get::<_, Option<bool>>("is_cut")?.unwrap_or_default(),
        occurred_at: row.try_get("occurred_at")?,
    })
}

pub(crate) fn decision_record(row: &Row) -> Result<Option<DecisionRecord>, Error> {
    let Some(decision) = row.try_get("decision")? else { return Ok(None) };
    Ok(Some(DecisionRecord {
        decision,
        edited_content: row.try_get("edited_content")?,
        edited_data: row.try_get("edited_data")?,
        became: row.try_get::<_, Option<Uuid>>("became")?.map(MemoryId),
        reviewer: row.try_get("reviewer")?,
        note: row.try_get("note")?,
        decided_at: row.try_get("decided_at")?,
    }))
}
