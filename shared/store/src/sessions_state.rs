//! What the log of a session comes to, at any version.

use std::time::Duration;

use domain::SessionId;
use domain::state::{
    Entry, SNAPSHOT_EVERY, STATE_SCHEMA, SessionState, Understood, read_snapshot, write_snapshot,
};
use futures::try_join;
use serde_json::Value;
use tokio::time::timeout;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, SessionPath, Store};

/// So many events are folded at a time; no fewer, or snapshots would be passed by.
const PAGE: i64 = SNAPSHOT_EVERY;
/// And so many bytes of them.
const MOST_PAGE_BYTES: i64 = 8 * 1024 * 1024;
/// Keeping snapshots is given up after this: whoever asked does not wait for them.
const KEEPING: Duration = Duration::from_millis(500);

/// A session's state, where there is one.
#[derive(Debug, Clone, PartialEq)]
pub enum StateAt {
    /// This is it.
    At(Box<SessionState>),
    /// The log does not reach that far, only here.
    Beyond {
        /// Its last version.
        head: i64,
    },
}

impl Store {
    /// The state of a session at a version, or at its last one: what its log up to there comes to, from the latest snapshot on.
    /// None when the user has no such session.
    ///
    /// One round trip when at most a thousand events follow the snapshot. A snapshot is kept of every thousandth version that is
    /// come by; that takes a round trip more, never fails the answer, and delays it by half a second at most.
    pub async fn session_state(
        &self,
        path: SessionPath<'_>,
        version: Option<i64>,
    ) -> Result<Option<StateAt>, Error> {
        let Some((start, page)) = self.start_of_fold(path, version).await? else { return Ok(None) };
        let target = version.unwrap_or(start.head);
        if target > start.head {
            return Ok(Some(StateAt::Beyond { head: start.head }));
        }
        let folded = self.fold(path, start, page, target).await?;
        Ok(Some(StateAt::At(Box::new(folded.state))))
    }

    /// Keeps a snapshot of the last state of a session, unless it has events that are not understood. None when the user has no such
    /// session.
    pub(crate) async fn keep_state(&self, path: SessionPath<'_>) -> Result<(), Error> {
        let Some((start, page)) = self.start_of_fold(path, None).await? else { return Ok(()) };
        let (session, head, kept) = (start.session, start.head, start.state.version);
        if kept == head {
            return Ok(());
        }
        let folded = self.fold(path, start, page, head).await?;
        if folded.is_understood {
            let snapshot = (head, write_snapshot(&folded.state).1);
            self.insert_snapshots(path, session, vec![snapshot]).await?;
        }
        Ok(())
    }

    async fn fold(
        &self,
        path: SessionPath<'_>,
        start: Start,
        mut page: Vec<Entry>,
        target: i64,
    ) -> Result<Folded, Error> {
        let mut state = start.state;
        let mut is_understood = true;
        while state.version < target {
            // Another snapshot may have been kept between the two looks, so that the events follow that one.
            if page.first().is_none_or(|entry| entry.version != state.version + 1) {
                page = self.entries(path, start.session, target, state.version).await?;
            }
            let mut snapshots = Vec::new();
            let before = state.version;
            for entry in std::mem::take(&mut page) {
                let understood = state.apply(entry).map_err(|gap| Error::Gap {
                    session: start.session,
                    after: gap.at,
                    found: gap.found,
                })?;
                is_understood &= understood == Understood::Yes;
                if state.version % SNAPSHOT_EVERY == 0 && is_understood {
                    snapshots.push((state.version, write_snapshot(&state).1));
                }
            }
            if state.version == before {
                return Err(Error::Gap { session: start.session, after: before, found: start.head });
            }
            self.keep_snapshots(path, start.session, snapshots).await;
        }
        Ok(Folded { state, is_understood })
    }

    /// The state that the latest snapshot holds, or the empty one, and the first events after it.
    async fn start_of_fold(
        &self,
        path: SessionPath<'_>,
        version: Option<i64>,
    ) -> Result<Option<(Start, Vec<Entry>)>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let (read, list) = try_join!(
            transaction.prepare(include_str!("../queries/read_snapshot.sql")),
            transaction.prepare(include_str!("../queries/list_events_to_fold.sql")),
        )?;
        let (tenant, user) = (path.tenant.as_str(), path.user.as_str());
        let read_values: [&(dyn ToSql + Sync); 5] = [&tenant, &user, &path.session, &version, &STATE_SCHEMA];
        let list_values: [&(dyn ToSql + Sync); 8] =
            [&tenant, &user, &path.session, &version, &None::<i64>, &PAGE, &MOST_PAGE_BYTES, &STATE_SCHEMA];
        let ((), found, entries, ()) = try_join!(
            transaction.begin(),
            transaction.query(&read, &read_values),
            transaction.query(&list, &list_values),
            transaction.commit(),
        )?;
        transaction.end();
        let Some(found) = found.first() else { return Ok(None) };
        let session: Uuid = found.try_get("id")?;
        let start =
            Start { session: SessionId(session), head: found.try_get("head_version")?, state: kept(found)? };
        let entries = self.whole_entries(path, start.session, &entries).await?;
        Ok(Some((start, entries)))
    }

    async fn entries(
        &self,
        path: SessionPath<'_>,
        session: SessionId,
        through: i64,
        after: i64,
    ) -> Result<Vec<Entry>, Error> {
        let transaction = self.transaction(path.tenant).await?;
        let list = transaction.prepare(include_str!("../queries/list_events_to_fold.sql")).await?;
        let values: [&(dyn ToSql + Sync); 8] = [
            &path.tenant.as_str(),
            &path.user.as_str(),
            &path.session,
            &through,
            &after,
            &PAGE,
            &MOST_PAGE_BYTES,
            &STATE_SCHEMA,
        ];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&list, &values), transaction.commit())?;
        transaction.end();
        self.whole_entries(path, session, &rows).await
    }

    /// Events, with what was said where that is in the archive.
    async fn whole_entries(
        &self,
        path: SessionPath<'_>,
        session: SessionId,
        rows: &[Row],
    ) -> Result<Vec<Entry>, Error> {
        let mut words = self.words_of(path.tenant, session, rows).await?;
        rows.iter()
            .map(|row| {
                let mut entry = entry(row)?;
                words.fill_entry(session, &mut entry);
                Ok(entry)
            })
            .collect()
    }

    /// Keeps snapshots for whoever comes next. Without them the state is the same, and takes longer.
    async fn keep_snapshots(&self, path: SessionPath<'_>, session: SessionId, snapshots: Vec<(i64, Value)>) {
        if snapshots.is_empty() {
            return;
        }
        let keep = self.insert_snapshots(path, session, snapshots);
        match timeout(KEEPING, keep).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(%session, %error, "snapshots were not kept"),
            Err(_late) => tracing::warn!(%session, "snapshots were not kept in time"),
        }
    }

    async fn insert_snapshots(
        &self,
        path: SessionPath<'_>,
        session: SessionId,
        snapshots: Vec<(i64, Value)>,
    ) -> Result<(), Error> {
        let transaction = self.transaction(path.tenant).await?;
        let insert = transaction.prepare(include_str!("../queries/insert_snapshots.sql")).await?;
        let (versions, states): (Vec<i64>, Vec<Value>) = snapshots.into_iter().unzip();
        let values: [&(dyn ToSql + Sync); 5] =
            [&path.tenant.as_str(), &session.0, &STATE_SCHEMA, &versions, &states];
        try_join!(transaction.begin(), transaction.execute(&insert, &values), transaction.commit())?;
        transaction.end();
        Ok(())
    }
}

/// What folding came to.
struct Folded {
    state: SessionState,
    /// Whether every event was understood.
    is_understood: bool,
}

/// Where folding begins.
struct Start {
    session: SessionId,
    head: i64,
    state: SessionState,
}

/// The state that a snapshot holds. One that cannot be read is done without.
fn kept(row: &Row) -> Result<SessionState, Error> {
    let Some(version) = row.try_get::<_, Option<i64>>("version")? else { return Ok(SessionState::default()) };
    let schema: i16 = row.try_get("schema_version")?;
    match read_snapshot(schema, version, row.try_get("state")?) {
        Ok(state) => Ok(state),
        Err(error) => {
            tracing::error!(version, %error, "a snapshot cannot be read: folding from the beginning");
            Ok(SessionState::default())
        }
    }
}

fn entry(row: &Row) -> Result<Entry, Error> {
    Ok(Entry {
        version: row.try_get("version")?,
        event_type: row.try_get("event_type")?,
        schema_version: row.try_get("schema_version")?,
        role: row.try_get("role")?,
        speaker: row.try_get("speaker")?,
        content: row.try_get("content")?,
        payload: row.try_get("metadata")?,
        occurred_at: row.try_get("occurred_at")?,
    })
}
