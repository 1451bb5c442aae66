//! Everything of a user, a page at a time, as lines of JSON.

use domain::{SessionId, TenantId, UserId};
use futures::try_join;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::{Error, Store};

/// So many lines are read at a time, and so many sessions looked at for them.
const LINES_AT_ONCE: i64 = 500;

/// What is exported, in this order. What is derived from it is not: vectors, words, marks, snapshots.
const LAYERS: [&str; 13] = [
    include_str!("../queries/export_profile.sql"),
    include_str!("../queries/export_sessions.sql"),
    include_str!("../queries/export_events.sql"),
    include_str!("../queries/export_memories.sql"),
    include_str!("../queries/export_versions.sql"),
    include_str!("../queries/export_reviews.sql"),
    include_str!("../queries/export_retractions.sql"),
    include_str!("../queries/export_checkpoints.sql"),
    include_str!("../queries/export_operations.sql"),
    include_str!("../queries/export_runs.sql"),
    include_str!("../queries/export_requests.sql"),
    include_str!("../queries/export_holds.sql"),
    include_str!("../queries/export_deliveries.sql"),
];

/// Which of them is of events: what was said may be in the archive.
const EVENTS: usize = 2;

/// A place in the export of a user: a layer, and the last line seen of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ExportPosition {
    /// Which layer; as many as [`Store::EXPORT_LAYERS`] when everything has been seen.
    pub layer: usize,
    /// What the last line seen of it is known by.
    pub id: Uuid,
    /// The same, where there are several under one identifier; -1 before the first.
    pub number: i64,
    /// The same.
    pub name: String,
}

impl ExportPosition {
    /// The beginning of a layer.
    pub const fn beginning(layer: usize) -> Self {
        Self { layer, id: Uuid::nil(), number: -1, name: String::new() }
    }
}

/// A line of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportLine {
    /// An object with its `kind`.
    pub text: String,
    /// Its place: what follows it comes after.
    pub at: ExportPosition,
}

/// A part of an export.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExportPage {
    /// Its lines.
    pub lines: Vec<ExportLine>,
    /// Where the next part begins; a later layer when this one has no more.
    pub next: ExportPosition,
}

impl Store {
    /// How many layers an export has.
    pub const EXPORT_LAYERS: usize = LAYERS.len();

    /// The next lines of a layer: no more than so many bytes of them and one line. A page without any may come before others of
    /// its layer: of sessions that have nothing of it. What is written meanwhile is in it or not; what was there from the first
    /// page to the last is in it once.
    pub async fn export(
        &self,
        tenant: &TenantId,
        user: &UserId,
        after: &ExportPosition,
        most_bytes: usize,
    ) -> Result<ExportPage, Error> {
        let next_layer = ExportPosition::beginning(after.layer.saturating_add(1));
        let Some(sql) = LAYERS.get(after.layer) else {
            return Ok(ExportPage { lines: Vec::new(), next: next_layer });
        };
        let transaction = self.transaction(tenant).await?;
        let export = transaction.prepare(sql).await?;
        let most_bytes = i64::try_from(most_bytes).unwrap_or(i64::MAX);
        let values: [&(dyn ToSql + Sync); 7] = [
            &tenant.as_str(),
            &user.as_str(),
            &after.id,
            &after.number,
            &after.name,
            &LINES_AT_ONCE,
            &most_bytes,
        ];
        let ((), mut rows, ()) =
            try_join!(transaction.begin(), transaction.query(&export, &values), transaction.commit())?;
        transaction.end();
        let place = |row: &Row| {
            Ok::<_, Error>(ExportPosition {
                layer: after.layer,
                id: row.try_get("id")?,
                number: row.try_get("number")?,
                name: row.try_get("name")?,
            })
        };
        let Some(last) = rows.last() else { return Ok(ExportPage { lines: Vec::new(), next: next_layer }) };
        let next = place(last)?;
        if last.try_get::<_, Option<&str>>("line")?.is_none() {
            rows.pop();
        }
        let texts: Vec<String> = if after.layer == EVENTS {
            self.whole_lines(tenant, &rows).await?
        } else {
            rows.iter().map(|row| row.try_get("line")).collect::<Result<_, _>>()?
        };
        let lines = texts.into_iter().zip(&rows).map(|(text, row)| Ok(ExportLine { text, at: place(row)? }));
        Ok(ExportPage { lines: lines.collect::<Result<_, Error>>()?, next })
    }

    /// Lines of events, those from the archive as it has them.
    async fn whole_lines(&self, tenant: &TenantId, rows: &[Row]) -> Result<Vec<String>, Error> {
        let event = |row: &Row| Ok((SessionId(row.try_get("id")?), row.try_get("number")?));
        let mut words = self.words_in(tenant, rows, event).await?;
        rows.iter()
            .map(|row| {
                let (session, version) = event(row)?;
                match words.take(session, version) {
                    Some(line) => Ok(line.text),
                    None => Ok(row.try_get("line")?),
                }
            })
            .collect()
    }
}
