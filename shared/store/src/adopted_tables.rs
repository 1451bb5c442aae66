//! Tables of applications that are followed as they are.

use std::collections::HashSet;

use domain::{TenantId, UserId};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use tokio_postgres::Row;
use tokio_postgres::types::ToSql;
use uuid::Uuid;

use crate::connect::Connection;
use crate::{Error, Store};

/// An adopted table as the reader follows it.
#[derive(Debug, Clone, PartialEq)]
pub struct AdoptedTable {
    /// The adoption.
    pub id: Uuid,
    /// What the table was called when it was adopted.
    pub relation: String,
    /// The entry.
    pub mapping: Value,
    /// Goes up with every change.
    pub version: i64,
    /// When the rows that are there began to be read.
    pub backfill_from: Timestamp,
    /// Whether all of them have been.
    pub is_backfilled: bool,
    /// Why it cannot be read, by the last try.
    pub broken: Option<String>,
    /// Whether the stream brings its rows, by their keys alone.
    pub is_published: bool,
    /// The entry of the publication that the table is in by now, when it is another one than that under which its rows began
    /// to be read: it was taken out and put back, and what came meanwhile is in no stream.
    pub published_anew: Option<u32>,
    /// Whether the stream has brought rows that wait to be read.
    pub has_arrivals: bool,
}

/// An adopted table as an operator looks at it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Adoption {
    /// What the table was called when it was adopted.
    pub relation: String,
    /// The entry.
    pub mapping: Value,
    /// The columns that name a row.
    pub key: Vec<String>,
    /// Goes up with every change.
    pub version: i64,
    /// Since when it is followed.
    pub adopted_at: Timestamp,
    /// When all rows that had been there were read; `None` while they are.
    pub backfilled_at: Option<Timestamp>,
    /// Rows that became events: those that had been there.
    pub rows_backfilled: i64,
    /// Those that came later.
    pub rows_followed: i64,
    /// Rows that became none.
    pub rows_refused: i64,
    /// Rows that wait to be read.
    pub waiting: i64,
    /// Why it cannot be read at the moment.
    pub broken: Option<String>,
    /// Since when.
    pub broken_at: Option<Timestamp>,
    /// The last rows that became no event: key, reason and time of each.
    pub refusals: Value,
}

/// A new row of a table that may be adopted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArrivedRow {
    /// The table's oid.
    pub relid: u32,
    /// Its key.
    pub key: Vec<String>,
    /// When it was committed.
    pub written_at: Timestamp,
}

/// A row that waits to be read.
#[derive(Debug, Clone, PartialEq)]
pub struct Arrival {
    /// Its place in the order.
    pub position: i64,
    /// Its key, an array of texts.
    pub key: Value,
    /// When it was committed.
    pub written_at: Timestamp,
}

/// A row of an adopted table.
#[derive(Debug, Clone, PartialEq)]
pub struct AdoptedRow {
    /// Which of the keys it has, counted from 0.
    pub place: usize,
    /// How long it is as JSON.
    pub bytes: usize,
    /// The columns that the mapping reads; `None` when it is too long, by itself or together with those before.
    pub data: Option<Value>,
}

/// A row that became no event.
#[derive(Debug, Clone, PartialEq)]
pub struct RefusedRow {
    /// Its key, an array of texts.
    pub key: Value,
    /// Why; nothing of the row.
    pub reason: String,
    /// Whose row, where that could be read.
    pub of: Option<(TenantId, UserId)>,
    /// Since when it may have been there: of somebody who was erased since then, nothing is noted.
    pub written_at: Timestamp,
}

impl Store {
    /// Every adopted table. As the reader.
    pub async fn adopted_tables(&self) -> Result<Vec<AdoptedTable>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_adopted_tables.sql")).await?;
        let read = |row: &Row| {
            Ok(AdoptedTable {
                id: row.try_get("id")?,
                relation: row.try_get("relation")?,
                mapping: row.try_get("mapping")?,
                version: row.try_get("version")?,
                backfill_from: row.try_get("backfill_from")?,
                is_backfilled: row.try_get("is_backfilled")?,
                broken: row.try_get("broken")?,
                is_published: row.try_get("is_published")?,
                published_anew: row.try_get("published_anew")?,
                has_arrivals: row.try_get("has_arrivals")?,
            })
        };
        connection.query(&list, &[]).await?.iter().map(read).collect()
    }

    /// Every adopted table and what became of its rows. As the operator, or as the login.
    pub async fn adoptions(&self) -> Result<Vec<Adoption>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_adoptions.sql")).await?;
        let read = |row: &Row| {
            Ok(Adoption {
                relation: row.try_get("relation")?,
                mapping: row.try_get("mapping")?,
                key: row.try_get("key_columns")?,
                version: row.try_get("version")?,
                adopted_at: row.try_get("adopted_at")?,
                backfilled_at: row.try_get("backfilled_at")?,
                rows_backfilled: row.try_get("rows_backfilled")?,
                rows_followed: row.try_get("rows_followed")?,
                rows_refused: row.try_get("rows_refused")?,
                waiting: row.try_get("waiting")?,
                broken: row.try_get("broken")?,
                broken_at: row.try_get("broken_at")?,
                refusals: row.try_get("refusals")?,
            })
        };
        connection.query(&list, &[]).await?.iter().map(read).collect()
    }

    /// Adopts a table, or takes another entry for it; answers what is there now. As a login that owns the table and the
    /// publication. An error that [`is a refusal`](Error::is_refusal) says what is wrong with the entry, by the field.
    pub async fn adopt_table(&self, entry: &Value) -> Result<Value, Error> {
        let connection = self.connection().await?;
        let adopt = connection.prepare(include_str!("../queries/adopt_table.sql")).await?;
        let row = connection.query_opt(&adopt, &[entry]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
    }

    /// Ends an adoption; answers whether there was one. As [`Store::adopt_table`].
    pub async fn end_adoption(&self, relation: &str) -> Result<bool, Error> {
        let connection = self.connection().await?;
        let end = connection.prepare(include_str!("../queries/end_adoption.sql")).await?;
        let row = connection.query_opt(&end, &[&relation]).await?;
        Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
    }

    /// Notes new rows in the order given, in one statement. As the reader.
    pub async fn note_arrivals(&self, rows: &[ArrivedRow]) -> Result<(), Error> {
        let connection = self.connection().await?;
        let note = connection.prepare(include_str!("../queries/note_arrivals.sql")).await?;
        let relids: Vec<u32> = rows.iter().map(|row| row.relid).collect();
        let keys: Vec<Value> = rows.iter().map(|row| row.key.clone().into()).collect();
        let written_at: Vec<Timestamp> = rows.iter().map(|row| row.written_at).collect();
        connection.execute(&note, &[&relids, &keys, &written_at]).await?;
        Ok(())
    }

    /// The next rows of a table that wait to be read, in order. As the reader.
    pub async fn arrivals(&self, adoption: Uuid, limit: u16) -> Result<Vec<Arrival>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_arrivals.sql")).await?;
        let read = |row: &Row| {
            Ok(Arrival {
                position: row.try_get("position")?,
                key: row.try_get("key")?,
                written_at: row.try_get("written_at")?,
            })
        };
        connection.query(&list, &[&adoption, &i64::from(limit)]).await?.iter().map(read).collect()
    }

    /// Rows of an adopted table in the order of their keys, an array of arrays of texts; what is not there any more, or not
    /// wanted by the filter, is left out, and so is every row when the adoption has changed since `table` was listed. Rows
    /// longer than `row_bytes`, and those that come after `most_bytes` of others, have no data. An error that
    /// [`is of a lock`](Error::is_locked) when the table is locked for two seconds. As the adopter.
    pub async fn read_adopted(
        &self,
        table: &AdoptedTable,
        keys: &Value,
        row_bytes: u32,
        most_bytes: u32,
    ) -> Result<Vec<AdoptedRow>, Error> {
        let connection = self.connection().await?;
        let read = connection.prepare(include_str!("../queries/read_adopted.sql")).await?;
        let values: [&(dyn ToSql + Sync); 5] =
            [&table.id, &table.version, keys, &i64::from(row_bytes), &i64::from(most_bytes)];
        let size = |number: i64| usize::try_from(number).unwrap_or(usize::MAX);
        let row = |row: &Row| {
            Ok(AdoptedRow {
                place: size(row.try_get::<_, i64>("place")? - 1),
                bytes: size(row.try_get("bytes")?),
                data: row.try_get("data")?,
            })
        };
        connection.query(&read, &values).await?.iter().map(row).collect()
    }

    /// Opens a look at all rows of a table that have not been read, in their order. As the adopter; it keeps one connection
    /// for as long as it lives. An error that [`is of a lock`](Error::is_locked) as of [`Store::read_adopted`].
    pub async fn open_backfill(&self, adoption: Uuid) -> Result<Backfill, Error> {
        let connection = self.connection_without_deadline().await?;
        let open = connection.prepare(include_str!("../queries/open_backfill.sql")).await?;
        connection.query(&open, &[&adoption]).await?;
        Ok(Backfill { connection })
    }

    /// Notes how far a backfill has been read, what became of its rows, and when nothing is left (`through` is `None`), that it
    /// is complete. Answers whether the adoption is still as it was; if not, nothing was noted. As the reader.
    pub async fn advance_backfill(
        &self,
        table: &AdoptedTable,
        through: Option<&Value>,
        became_events: usize,
        refused: &[RefusedRow],
    ) -> Result<bool, Error> {
        let connection = self.connection().await?;
        let advance = connection.prepare(include_str!("../queries/advance_backfill.sql")).await?;
        let (events, refusals) = (count(became_events), count(refused.len()));
        let mut values: Vec<&(dyn ToSql + Sync)> =
            vec![&table.id, &table.version, &through, &events, &refusals];
        let columns = Refusals::of(refused);
        values.extend(columns.values());
        Ok(connection.query_opt(&advance, &values).await?.is_some())
    }

    /// Notes what became of rows that waited: they wait no more. Answers whether the adoption is still as it was; if not, they
    /// wait as before and nothing was noted. As the reader.
    pub async fn settle_arrivals(
        &self,
        table: &AdoptedTable,
        positions: &[i64],
        became_events: usize,
        refused: &[RefusedRow],
    ) -> Result<bool, Error> {
        let connection = self.connection().await?;
        let settle = connection.prepare(include_str!("../queries/settle_arrivals.sql")).await?;
        let (events, refusals) = (count(became_events), count(refused.len()));
        let mut values: Vec<&(dyn ToSql + Sync)> =
            vec![&table.id, &table.version, &positions, &events, &refusals];
        let columns = Refusals::of(refused);
        values.extend(columns.values());
        Ok(connection.query_opt(&settle, &values).await?.is_some())
    }

    /// Notes why a table cannot be read, in at most 1,000 bytes, unless the adoption has changed since it was listed. As the
    /// reader.
    pub async fn mark_broken(&self, table: &AdoptedTable, reason: &str) -> Result<(), Error> {
        let connection = self.connection().await?;
        let mark = connection.prepare(include_str!("../queries/mark_broken.sql")).await?;
        connection.execute(&mark, &[&table.id, &table.version, &reason]).await?;
        Ok(())
    }

    /// The transactions under way that may have written to an adopted table, by names that none has again while the server
    /// runs. As the reader.
    pub async fn table_writers(&self, adoption: Uuid) -> Result<HashSet<String>, Error> {
        let connection = self.connection().await?;
        let list = connection.prepare(include_str!("../queries/list_table_writers.sql")).await?;
        let rows = connection.query(&list, &[&adoption]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }

    /// Has a table read from its beginning that is in the publication again, by this entry of it, unless the adoption has
    /// changed since it was listed. As the reader.
    pub async fn restart_backfill(&self, table: &AdoptedTable, published_as: u32) -> Result<(), Error> {
        let connection = self.connection().await?;
        let restart = connection.prepare(include_str!("../queries/restart_backfill.sql")).await?;
        connection.execute(&restart, &[&table.id, &table.version, &published_as]).await?;
        Ok(())
    }

    /// Which of these are tenants. As the reader.
    pub async fn known_tenants(&self, names: &[&str]) -> Result<HashSet<String>, Error> {
        let connection = self.connection().await?;
        let find = connection.prepare(include_str!("../queries/find_tenants.sql")).await?;
        let rows = connection.query(&find, &[&names]).await?;
        Ok(rows.iter().map(|row| row.try_get(0)).collect::<Result<_, _>>()?)
    }
}

/// Rows of an adopted table that had been there, as their keys, in the order of the table.
pub struct Backfill {
    connection: Connection,
}

impl Backfill {
    /// The next 500: what to note when the row has been read, and the key. None when there is none left.
    pub async fn next(&mut self) -> Result<Vec<(Value, Value)>, Error> {
        let rows = self.connection.query(include_str!("../queries/fetch_backfill.sql"), &[]).await?;
        rows.iter().map(|row| Ok((row.try_get("place")?, row.try_get("key")?))).collect()
    }
}

impl Drop for Backfill {
    fn drop(&mut self) {
        // The cursor ends with its session.
        self.connection.close();
    }
}

/// Refused rows as the arrays that the statement takes.
struct Refusals<'a> {
    keys: Vec<&'a Value>,
    reasons: Vec<&'a str>,
    tenants: Vec<Option<&'a str>>,
    users: Vec<Option<&'a str>>,
    written_at: Vec<Timestamp>,
}

impl<'a> Refusals<'a> {
    fn of(refused: &'a [RefusedRow]) -> Self {
        let of = |row: &'a RefusedRow| row.of.as_ref().map(|(tenant, user)| (tenant.as_str(), user.as_str()));
        Self {
            keys: refused.iter().map(|row| &row.key).collect(),
            reasons: refused.iter().map(|row| row.reason.as_str()).collect(),
            tenants: refused.iter().map(|row| of(row).map(|(tenant, _)| tenant)).collect(),
            users: refused.iter().map(|row| of(row).map(|(_, user)| user)).collect(),
            written_at: refused.iter().map(|row| row.written_at).collect(),
        }
    }

    fn values(&self) -> [&(dyn ToSql + Sync); 5] {
        [&self.keys, &self.reasons, &self.tenants, &self.users, &self.written_at]
    }
}

fn count(rows: usize) -> i64 {
    i64::try_from(rows).unwrap_or(i64::MAX)
}
