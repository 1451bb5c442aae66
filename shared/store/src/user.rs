use domain::{Event, Evidence, Memory, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store, row};

/// So much of a message is read where a user's messages are read together, in characters: 4 KiB of English.
const MOST_CHARACTERS: i32 = 4096;
/// So much of all messages together, in bytes.
const MOST_BYTES: i64 = 4 * 1024 * 1024;
/// So much of all memories together, in bytes of their words and data.
const MOST_MEMORY_BYTES: i64 = 8 * 1024 * 1024;

/// A current memory of a user, as an agent sees it that thinks about the user as a whole.
#[derive(Debug, Clone, PartialEq)]
pub struct UserMemory {
    /// The memory.
    pub memory: Memory,
    /// Goes up with every change; names the state that a [`domain::Closing`] is about.
    pub version: i64,
    /// The agent that stored it first.
    pub agent: String,
    /// The session it was stored from.
    pub session: Option<SessionId>,
    /// Whether somebody wants it kept.
    pub pinned: bool,
    /// How often recall handed it out.
    pub access_count: i64,
    /// When it last did.
    pub last_accessed_at: Option<Timestamp>,
    /// When it was stored.
    pub created_at: Timestamp,
    /// When it last changed.
    pub updated_at: Timestamp,
    /// The events it came from and when they happened, oldest first.
    pub evidence: Vec<(Evidence, Timestamp)>,
}

/// Something that was said in one of a user's sessions.
#[derive(Debug, Clone, PartialEq)]
pub struct UserEvent {
    /// The session.
    pub session: SessionId,
    /// The session's name, as the application knows it.
    pub session_name: String,
    /// The message.
    pub event: Event,
}

impl Store {
    /// What is known of a user, in the user's own scope and in those of the sessions: at most `limit` current memories,
    /// those of the user's own scope first, and of each the one that changed last first. Words and data have 8 MiB together:
    /// what does not fit is left out.
    pub async fn user_memories(
        &self,
        tenant: &TenantId,
        user: &UserId,
        limit: u16,
    ) -> Result<Vec<UserMemory>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_memories_of_user.sql")).await?;
        let (tenant, user, limit) = (tenant.as_str(), user.as_str(), i64::from(limit));
        let values: [&(dyn ToSql + Sync); 4] = [&tenant, &user, &limit, &MOST_MEMORY_BYTES];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(memory).collect()
    }

    /// What was said in all of a user's sessions since a time, by people and the assistant: the newest `limit` messages,
    /// oldest first, without what recall had handed out.
    ///
    /// What comes back is bounded, however much was said. Of a message its first 4,096 characters are read; one that is
    /// longer ends with the last whole sentence in them. Metadata of more than 4,096 bytes is empty. Messages and metadata
    /// have 4 MiB together: as soon as one does not fit, it and all that are older are left out, so that fewer than
    /// `limit` may come although there are more.
    pub async fn user_events(
        &self,
        tenant: &TenantId,
        user: &UserId,
        since: Timestamp,
        limit: u16,
    ) -> Result<Vec<UserEvent>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_user_events.sql")).await?;
        let (tenant, user, limit) = (tenant.as_str(), user.as_str(), i64::from(limit));
        let values: [&(dyn ToSql + Sync); 6] =
            [&tenant, &user, &since, &limit, &MOST_CHARACTERS, &MOST_BYTES];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter()
            .map(|row| {
                let mut event = row::event(row)?;
                if row.try_get("is_cut")? {
                    event.content.truncate(whole_sentences(&event.content));
                }
                event.take_out(&row.try_get::<_, Option<Vec<String>>>("recalled")?.unwrap_or_default());
                Ok(UserEvent {
                    session: SessionId(row.try_get("session_id")?),
                    session_name: row.try_get("session_name")?,
                    event,
                })
            })
            .filter(|said| said.as_ref().is_ok_and(|said| said.event.is_said()) || said.is_err())
            .collect()
    }
}

/// Where the last whole sentence of a text that was cut ends: half of one may say what the whole does not, and half of what
/// recall handed out is not known for it. All of the text when it has no end of a sentence.
fn whole_sentences(text: &str) -> usize {
    let ends = text.char_indices().rev().find(|(_, letter)| matches!(letter, '.' | '!' | '?' | '\n'));
    ends.map_or(text.len(), |(at, letter)| at + letter.len_utf8())
}

fn memory(row: &Row) -> Result<UserMemory, Error> {
    let sessions: Option<Vec<Uuid>> = row.try_get("sessions")?;
    let versions: Option<Vec<i64>> = row.try_get("versions")?;
    let times: Option<Vec<Timestamp>> = row.try_get("times")?;
    let events = sessions.unwrap_or_default().into_iter().zip(versions.unwrap_or_default());
    let events = events.map(|(session, version)| Evidence { session: SessionId(session), version });
    Ok(UserMemory {
        memory: row::memory(row)?,
        version: row.try_get("version")?,
        agent: row.try_get("agent")?,
        session: row.try_get::<_, Option<Uuid>>("session_id")?.map(SessionId),
        pinned: row.try_get("pinned")?,
        access_count: row.try_get("access_count")?,
        last_accessed_at: row.try_get("last_accessed_at")?,
        created_at: row.try_get("created_at")?,
        updated_at: row.try_get("updated_at")?,
        evidence: events.zip(times.unwrap_or_default()).collect(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_cut_ends_with_a_sentence() {
        for (text, kept) in [
            ("I like tea. I never said that I li", "I like tea."),
            ("Really? Ünd so", "Really?"),
            ("tea\ncoff", "tea\n"),
            ("no end at al", "no end at al"),
            ("", ""),
        ] {
            assert_eq!(text.get(..whole_sentences(text)), Some(kept));
        }
    }
}
