use domain::{
    Event, EventKind, Extent, Memory, MemoryId, MemoryType, OnConflict, Pending, Refusal, Retraction, Review,
    ReviewReason, Scope,
};
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

/// Reads a memory that waits for a person from the columns of a memory, `on_conflict` and `review_reason`.
pub(crate) fn pending(row: &Row) -> Result<Pending, Error> {
    let memory = memory(row)?;
    let on_conflict: &str = row.try_get("on_conflict")?;
    let reason: &str = row.try_get("review_reason")?;
    let review = Review {
        reason: ReviewReason::from_name(reason)
            .ok_or_else(|| unknown("memories", "review_reason", &memory.id, reason))?,
        on_conflict: OnConflict::from_name(on_conflict)
            .ok_or_else(|| unknown("memories", "on_conflict", &memory.id, on_conflict))?,
    };
    Ok(Pending { memory, review })
}

/// Reads what a person did not let pass from the columns `scope`, `type`, `key`, `content`, `data`, `refuses` and `became`.
pub(crate) fn refusal(row: &Row) -> Result<Refusal, Error> {
    let (scope, kind, refuses): (&str, &str, &str) =
        (row.try_get("scope")?, row.try_get("type")?, row.try_get("refuses")?);
    let key: String = row.try_get("key")?;
    Ok(Refusal {
        scope: Scope::from_name(scope).ok_or_else(|| unknown("reviews", "scope", &key, scope))?,
        kind: MemoryType::from_name(kind).ok_or_else(|| unknown("reviews", "type", &key, kind))?,
        extent: Extent::from_name(refuses).ok_or_else(|| unknown("reviews", "refuses", &key, refuses))?,
        content: row.try_get("content")?,
        data: row.try_get("data")?,
        became: row.try_get::<_, Option<uuid::Uuid>>("became")?.map(MemoryId),
        key,
    })
}

/// Reads what was corrected or deleted from the columns `memory_id`, `scope`, `type`, `key`, `wording`, `held` and
/// `retracted_at`.
pub(crate) fn retraction(row: &Row) -> Result<Retraction, Error> {
    let memory: uuid::Uuid = row.try_get("memory_id")?;
    let (scope, kind): (&str, &str) = (row.try_get("scope")?, row.try_get("type")?);
    let digest = |column: &'static str| {
        let bytes: &[u8] = row.try_get(column)?;
        bytes.try_into().map_err(|_not_32| unknown("retractions", column, &memory, "another length"))
    };
    Ok(Retraction {
        scope: Scope::from_name(scope).ok_or_else(|| unknown("retractions", "scope", &memory, scope))?,
        kind: MemoryType::from_name(kind).ok_or_else(|| unknown("retractions", "type", &memory, kind))?,
        key: digest("key")?,
        wording: digest("wording")?,
        held: row.try_get("held")?,
        at: row.try_get("retracted_at")?,
    })
}

fn unknown(table: &'static str, column: &'static str, key: &impl ToString, got: &str) -> Error {
    Error::Stored { table, column, key: key.to_string(), got: got.to_owned() }
}
