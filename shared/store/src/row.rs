use domain::{Event, EventKind, Memory, MemoryId, MemoryType, Scope};
use tokio_postgres::Row;

use crate::Error;

/// Reads an event from the columns `version`, `event_type`, `role`, `speaker`, `content`, `metadata`, `occurred_at` and
/// `created_at`.
pub(crate) fn event(row: &Row) -> Result<Event, Error> {
    let version: i64 = row.try_get("version")?;
    let event_type: &str = row.try_get("event_type")?;
    Ok(Event {
        version,
        kind: EventKind::from_name(event_type)
            .ok_or_else(|| unknown("session_events", "event_type", &version, event_type))?,
        role: row.try_get::<_, Option<String>>("role")?.unwrap_or_default(),
        speaker: row.try_get("speaker")?,
        content: row.try_get::<_, Option<String>>("content")?.unwrap_or_default(),
        payload: row.try_get("metadata")?,
        occurred_at: row.try_get("occurred_at")?,
        created_at: row.try_get("created_at")?,
    })
}

/// Reads a memory from the columns `id`, `type`, `scope`, `key`, `content`, `data`, `confidence` and `valid_from`.
pub(crate) fn memory(row: &Row) -> Result<Memory, Error> {
    let id: uuid::Uuid = row.try_get("id")?;
    let kind: &str = row.try_get("type")?;
    let scope: &str = row.try_get("scope")?;
    Ok(Memory {
        id: MemoryId(id),
        kind: MemoryType::from_name(kind).ok_or_else(|| unknown("memories", "type", &id, kind))?,
        scope: Scope::from_name(scope).ok_or_else(|| unknown("memories", "scope", &id, scope))?,
        key: row.try_get("key")?,
        content: row.try_get("content")?,
        data: row.try_get("data")?,
        confidence: row.try_get("confidence")?,
        valid_from: row.try_get("valid_from")?,
    })
}

fn unknown(table: &'static str, column: &'static str, key: &impl ToString, got: &str) -> Error {
    Error::Stored { table, column, key: key.to_string(), got: got.to_owned() }
}
