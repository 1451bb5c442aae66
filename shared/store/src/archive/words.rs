use std::collections::HashMap;

use archive::{Archive, Damage};
use domain::state::Entry;
use domain::{Event, SessionId, TenantId, UserId};
use futures::{StreamExt as _, TryStreamExt as _, stream, try_join};
use serde::Deserialize;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use super::Object;
use crate::{Error, Store};

/// So many objects are read at once.
const OBJECTS_AT_ONCE: usize = 4;

/// What was said in events that are in the archive.
#[derive(Debug, Default)]
pub(crate) struct Words(HashMap<(SessionId, i64), Line>);

/// An event as it is in the archive.
#[derive(Debug)]
pub(crate) struct Line {
    /// The line of an export.
    pub(crate) text: String,
    /// What was said.
    pub(crate) content: Option<String>,
    /// The payload.
    pub(crate) metadata: Value,
}

#[derive(Deserialize)]
struct Fields {
    version: i64,
    content: Option<String>,
    metadata: Value,
}

impl Words {
    /// What was said in an event; none when it is not in the archive.
    pub(crate) fn take(&mut self, session: SessionId, version: i64) -> Option<Line> {
        self.0.remove(&(session, version))
    }

    /// Gives an event what was said in it, if that is in the archive.
    pub(crate) fn fill(&mut self, session: SessionId, event: &mut Event) {
        if let Some(line) = self.take(session, event.version) {
            event.content = line.content.unwrap_or_default();
            event.payload = line.metadata;
        }
    }

    /// The same for an event that a state is made of.
    pub(crate) fn fill_entry(&mut self, session: SessionId, entry: &mut Entry) {
        if let Some(line) = self.take(session, entry.version) {
            entry.content = line.content;
            entry.payload = line.metadata;
        }
    }

    /// The versions that are in it.
    pub(crate) fn versions(&self) -> impl Iterator<Item = i64> {
        self.0.keys().map(|(_, version)| *version)
    }
}

impl Store {
    /// Whether there is an archive.
    pub const fn has_archive(&self) -> bool {
        self.archive.is_some()
    }

    pub(super) fn archive_of(&self, session: SessionId) -> Result<&Archive, Error> {
        self.archive.as_ref().ok_or(Error::NoArchive { session })
    }

    /// What was said in those events of a session that are in the archive, by the columns `version` and `archived_bytes`. Nothing
    /// is asked when none is.
    pub(crate) async fn words_of(
        &self,
        tenant: &TenantId,
        session: SessionId,
        rows: &[Row],
    ) -> Result<Words, Error> {
        self.words_in(tenant, rows, |row| Ok((session, row.try_get("version")?))).await
    }

    /// The same of events of several sessions: `event` reads which one a row is about.
    pub(crate) async fn words_in(
        &self,
        tenant: &TenantId,
        rows: &[Row],
        event: impl Fn(&Row) -> Result<(SessionId, i64), Error>,
    ) -> Result<Words, Error> {
        let mut events = Vec::new();
        for row in rows {
            if row.try_get::<_, Option<i32>>("archived_bytes")?.is_some() {
                events.push(event(row)?);
            }
        }
        if events.is_empty() {
            return Ok(Words::default());
        }
        match self.read_words(tenant, &events).await {
            // Between the two looks it may have come back, and the object is gone.
            Err(Error::Archive(error)) if error.is_loss() => self.read_words(tenant, &events).await,
            words => words,
        }
        .inspect_err(|error| {
            if matches!(error, Error::Archive(error) if error.is_loss()) {
                metrics::counter!("ArchiveDamaged").increment(1);
            }
        })
    }

    async fn read_words(&self, tenant: &TenantId, events: &[(SessionId, i64)]) -> Result<Words, Error> {
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../../queries/read_archived.sql")).await?;
        let (sessions, versions): (Vec<Uuid>, Vec<i64>) =
            events.iter().map(|(session, version)| (session.0, *version)).unzip();
        let values: [&(dyn ToSql + Sync); 2] = [&sessions, &versions];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();

        let (mut words, mut objects) = (Words::default(), HashMap::<Uuid, (Object, Vec<i64>)>::new());
        for row in &rows {
            let session = SessionId(row.try_get("session_id")?);
            let version: i64 = row.try_get("version")?;
            let line: Option<String> = row.try_get("line")?;
            if let Some(text) = line {
                let fields = fields(&text).map_err(|got| stored(session, version, got))?;
                words.0.insert((session, version), Line::of(text, fields));
            } else if row.try_get::<_, Option<Uuid>>("id")?.is_some() {
                let object = Object::read(row)?;
                objects.entry(object.id).or_insert_with(|| (object, Vec::new())).1.push(version);
            } else {
                return Err(stored(session, version, "an archive object that no row names".to_owned()));
            }
        }
        let read: Vec<Vec<(SessionId, i64, Line)>> = stream::iter(objects.into_values())
            .map(|(object, wanted)| self.read_lines(tenant, object, wanted))
            .buffer_unordered(OBJECTS_AT_ONCE)
            .try_collect()
            .await?;
        let read = read.into_iter().flatten();
        words.0.extend(read.map(|(session, version, line)| ((session, version), line)));
        Ok(words)
    }

    /// Those of an object's lines that are wanted; all of them have to be in it.
    async fn read_lines(
        &self,
        tenant: &TenantId,
        object: Object,
        mut wanted: Vec<i64>,
    ) -> Result<Vec<(SessionId, i64, Line)>, Error> {
        let archive = self.archive_of(object.session)?;
        let damaged = |content: String| {
            Error::Archive(archive::Error::Damaged {
                place: format!("{} of session {}", object.id, object.session),
                damage: Damage::Content(content),
            })
        };
        wanted.sort_unstable();
        let mut found = Vec::with_capacity(wanted.len());
        for text in archive.read(&object.place(tenant), &object.checksum).await? {
            let fields = fields(&text).map_err(damaged)?;
            if wanted.binary_search(&fields.version).is_ok() {
                found.push((object.session, fields.version, Line::of(text, fields)));
            }
        }
        if found.len() == wanted.len() {
            return Ok(found);
        }
        Err(damaged(format!("it has {} of {} events", found.len(), wanted.len())))
    }

    /// The sentences of events from the archive that the user's memories said before the event did, by version.
    pub(crate) async fn recalled_in(
        &self,
        tenant: &TenantId,
        user: &UserId,
        events: &[&Event],
    ) -> Result<Vec<(i64, Vec<String>)>, Error> {
        if events.is_empty() {
            return Ok(Vec::new());
        }
        let transaction = self.transaction(tenant).await?;
        let read = transaction.prepare(include_str!("../../queries/read_recalled.sql")).await?;
        let versions: Vec<i64> = events.iter().map(|event| event.version).collect();
        let roles: Vec<&str> = events.iter().map(|event| event.role.as_str()).collect();
        let contents: Vec<&str> = events.iter().map(|event| event.content.as_str()).collect();
        let accepted: Vec<jiff::Timestamp> = events.iter().map(|event| event.created_at).collect();
        let values: [&(dyn ToSql + Sync); 6] =
            [&tenant.as_str(), &user.as_str(), &versions, &roles, &contents, &accepted];
        let ((), rows, ()) =
            try_join!(transaction.begin(), transaction.query(&read, &values), transaction.commit())?;
        transaction.end();
        let mut recalled = Vec::new();
        for row in &rows {
            let sentences: Option<Vec<String>> = row.try_get("recalled")?;
            recalled.extend(sentences.map(|sentences| (row.get("version"), sentences)));
        }
        Ok(recalled)
    }
}

impl Line {
    fn of(text: String, fields: Fields) -> Self {
        Self { text, content: fields.content, metadata: fields.metadata }
    }
}

fn fields(line: &str) -> Result<Fields, String> {
    // Where it is wrong, not what it holds.
    serde_json::from_str(line)
        .map_err(|error| format!("line {}, column {} is no event", error.line(), error.column()))
}

fn stored(session: SessionId, version: i64, got: String) -> Error {
    Error::Stored {
        table: "session_events",
        column: "archived_bytes",
        key: format!("version {version} of session {session}"),
        got,
    }
}
