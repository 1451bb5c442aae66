use archive::{Pack, Place};
use domain::{OWN_PAYLOAD, SessionId, TenantId, UserId};
use futures::try_join;
use jiff::Timestamp;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, SessionPath, Store};

/// So many events go into an object.
const MOST_EVENTS: i64 = 1_000;
/// And so many bytes of them, unless a single one has more.
const MOST_BYTES: i64 = 4 * 1024 * 1024;
/// A longer one stays where it is.
#[expect(clippy::cast_possible_wrap, reason = "it is far less")]
const LONGEST_EVENT: i32 = archive::MOST_BYTES as i32;

/// A session in which nothing has happened for long, and of which something is not in the archive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdleSession {
    /// The session.
    pub id: SessionId,
    /// Whose it is.
    pub user: UserId,
    /// Its name.
    pub name: String,
}

/// What came of a step of archiving.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Archived {
    /// So many events went into an object. There may be more after this version.
    Some {
        /// How many.
        events: u64,
        /// The last of them.
        through: i64,
    },
    /// Everything of the session is where it belongs.
    All,
    /// Somebody else is at it, or has changed it, or something happened in it or came back: the next look at it shows what is left.
    Taken,
}

/// What is next to be archived of a session.
enum Next {
    /// These events.
    Lines(Lines),
    /// None.
    All,
    /// Nothing any more: the session is not old, or is gone.
    Kept,
}

impl Store {
    /// Sessions in which nothing has happened since a time and of which something is not in the archive, in the order of their
    /// identifiers.
    pub async fn sessions_to_archive(
        &self,
        tenant: &TenantId,
        since: Timestamp,
        after: Option<SessionId>,
        limit: u32,
    ) -> Result<Vec<IdleSession>, Error> {
        let transaction = self.transaction(tenant).await?;
        let list = transaction.prepare(include_str!("../../queries/list_sessions_to_archive.sql")).await?;
        let after = after.map_or(Uuid::nil(), |session| session.0);
        let values: [&(dyn ToSql + Sync); 4] = [&tenant.as_str(), &since, &after, &i64::from(limit)];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        rows.iter().map(idle_session).collect()
    }

    /// Keeps what the log of a session comes to, so that its state is answered without the archive.
    pub async fn keep_last_state(&self, tenant: &TenantId, session: &IdleSession) -> Result<(), Error> {
        let path = SessionPath { tenant, user: &session.user, session: &session.name };
        self.keep_state(path).await
    }

    /// Puts the next events of a session after a version into an object, and takes out of them what is in it, unless something has
    /// happened in the session since a time, or came back.
    ///
    /// The object is written and read back before anything is taken, and nothing is taken but what is in it, byte by byte. Ended
    /// anywhere, nothing is lost: the events are as they were or the object is there, and an object that nothing stands for is
    /// known by its row ([`Store::clear_archive`]).
    pub async fn archive_next(
        &self,
        tenant: &TenantId,
        session: &IdleSession,
        since: Timestamp,
        after: i64,
    ) -> Result<Archived, Error> {
        let archive = self.archive_of(session.id)?;
        let lines = match self.lines_to_archive(tenant, session.id, since, after).await? {
            Next::Lines(lines) => lines,
            Next::All => return Ok(Archived::All),
            Next::Kept => return Ok(Archived::Taken),
        };
        let (first, through, events) = (lines.first, lines.through, lines.texts.len() as u64);
        let pack = Pack::of(&lines.texts);
        let id = Uuid::now_v7();
        if !self.begin_object(tenant, session, id, (first, through), events, &pack).await? {
            return Ok(Archived::Taken);
        }
        let place = Place { tenant, session: session.id, id, first, last: through };
        let written = archive.write(&place, &pack).await.map_err(Error::from);
        let taken = match written {
            Ok(()) => self.take_words(tenant, &place, since, events, &pack).await,
            Err(error) => Err(error),
        };
        match taken {
            Ok(true) => Ok(Archived::Some { events, through }),
            Ok(false) => {
                self.drop_object(tenant, id).await?;
                Ok(Archived::Taken)
            }
            Err(error) => {
                // Whether Postgres did what it was asked last may not be known: nothing is given up that stands for events.
                if matches!(error, Error::Archive(_))
                    && let Err(error) = self.drop_object(tenant, id).await
                {
                    tracing::warn!(%error, object = %id, "an object that was not written is given up later");
                }
                Err(error)
            }
        }
    }

    /// The next lines; marks the session when there is none.
    async fn lines_to_archive(
        &self,
        tenant: &TenantId,
        session: SessionId,
        since: Timestamp,
        after: i64,
    ) -> Result<Next, Error> {
        let transaction = self.transaction(tenant).await?;
        let (lock, list, mark) = try_join!(
            transaction.prepare(include_str!("../../queries/lock_session_to_archive.sql")),
            transaction.prepare(include_str!("../../queries/list_events_to_archive.sql")),
            transaction.prepare(include_str!("../../queries/mark_archived.sql")),
        )?;
        let locking: [&(dyn ToSql + Sync); 2] = [&session.0, &since];
        let ((), locked) = try_join!(transaction.begin(), transaction.query(&lock, &locking))?;
        let Some(locked) = locked.first() else { return transaction.leave(Next::Kept).await };
        let head: i64 = locked.try_get("head_version")?;
        let values: [&(dyn ToSql + Sync); 7] =
            [&session.0, &after, &head, &MOST_EVENTS, &MOST_BYTES, &OWN_PAYLOAD, &LONGEST_EVENT];
        let rows = transaction.query(&list, &values).await?;
        let Some((first, last)) = rows.first().zip(rows.last()) else {
            let marked: [&(dyn ToSql + Sync); 2] = [&session.0, &head];
            try_join!(transaction.execute(&mark, &marked), transaction.commit())?;
            transaction.end();
            return Ok(Next::All);
        };
        let lines = Lines {
            first: first.try_get("version")?,
            through: last.try_get("version")?,
            texts: rows.iter().map(|row| row.try_get("line")).collect::<Result<_, _>>()?,
        };
        transaction.leave(Next::Lines(lines)).await
    }

    /// Notes that an object will be there; not when somebody else is at these events, or the session is gone.
    async fn begin_object(
        &self,
        tenant: &TenantId,
        session: &IdleSession,
        id: Uuid,
        (first, last): (i64, i64),
        events: u64,
        pack: &Pack,
    ) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let insert = transaction.prepare(include_str!("../../queries/insert_archive_object.sql")).await?;
        let events = i32::try_from(events).unwrap_or(i32::MAX);
        let bytes = i64::try_from(pack.bytes().len()).unwrap_or(i64::MAX);
        let checksum = pack.checksum().as_slice();
        let values: [&(dyn ToSql + Sync); 9] = [
            &id,
            &tenant.as_str(),
            &session.id.0,
            &first,
            &last,
            &events,
            &bytes,
            &checksum,
            &session.user.as_str(),
        ];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&insert, &values), transaction.commit())?;
        transaction.end();
        Ok(!rows.is_empty())
    }

    /// Takes what is in an object out of the events; not when they are not what is in it, or the session is not old any more, or gone.
    async fn take_words(
        &self,
        tenant: &TenantId,
        place: &Place<'_>,
        since: Timestamp,
        events: u64,
        pack: &Pack,
    ) -> Result<bool, Error> {
        let transaction = self.transaction(tenant).await?;
        let (lock, settle, take, unindex, mark) = try_join!(
            transaction.prepare(include_str!("../../queries/lock_session_to_archive.sql")),
            transaction.prepare(include_str!("../../queries/settle_archive_object.sql")),
            transaction.prepare(include_str!("../../queries/archive_events.sql")),
            transaction.prepare(include_str!("../../queries/unindex_archived_events.sql")),
            transaction.prepare(include_str!("../../queries/mark_archived.sql")),
        )?;
        let Place { session, id, first, last, .. } = *place;
        let checksum = pack.text_checksum().as_slice();
        let locking: [&(dyn ToSql + Sync); 2] = [&session.0, &since];
        let objects: [&(dyn ToSql + Sync); 1] = [&id];
        let taken: [&(dyn ToSql + Sync); 6] =
            [&session.0, &first, &last, &checksum, &OWN_PAYLOAD, &LONGEST_EVENT];
        let range: [&(dyn ToSql + Sync); 3] = [&session.0, &first, &last];
        let marked: [&(dyn ToSql + Sync); 2] = [&session.0, &last];
        let ((), locked, settled, taken, _unindexed, _marked) = try_join!(
            transaction.begin(),
            transaction.query(&lock, &locking),
            transaction.query(&settle, &objects),
            transaction.execute(&take, &taken),
            transaction.execute(&unindex, &range),
            transaction.execute(&mark, &marked),
        )?;
        if locked.is_empty() || settled.is_empty() || taken != events {
            return transaction.leave(false).await;
        }
        transaction.commit().await?;
        transaction.end();
        Ok(true)
    }

    async fn drop_object(&self, tenant: &TenantId, id: Uuid) -> Result<(), Error> {
        let transaction = self.transaction(tenant).await?;
        let drop = transaction.prepare(include_str!("../../queries/drop_archive_object.sql")).await?;
        let values: [&(dyn ToSql + Sync); 1] = [&id];
        try_join!(transaction.begin(), transaction.execute(&drop, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }
}

/// Events as they go into an object.
struct Lines {
    first: i64,
    through: i64,
    texts: Vec<String>,
}

pub(super) fn idle_session(row: &tokio_postgres::Row) -> Result<IdleSession, Error> {
    let id = SessionId(row.try_get("id")?);
    Ok(IdleSession {
        id,
        user: UserId::new(row.try_get::<_, String>("user_id")?).map_err(|error| Error::Stored {
            table: "sessions",
            column: "user_id",
            key: id.to_string(),
            got: error.got,
        })?,
        name: row.try_get("session")?,
    })
}
