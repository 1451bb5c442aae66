//! What becomes of a row: pure.

use domain::{AcceptedEvent, EventKind, RowMapping, SessionName, TenantId, UnusableRow, UserId};
use jiff::Timestamp;
use queue::{MOST_BYTES, SPARE_BYTES};
use serde_json::Value;
use store::NewEvent;
use uuid::Uuid;

/// An event with the session it belongs to.
pub(super) type Addressed = (TenantId, UserId, SessionName, AcceptedEvent);

/// When a row was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Written {
    /// The stream said when it was committed.
    At(Timestamp),
    /// It had been there when this backfill began; by its own account since it happened, and without one nobody knows.
    Before(Timestamp),
}

impl Written {
    /// Since when it may have been there: what was erased since then is dropped.
    pub(super) fn since(self, occurred_at: Option<Timestamp>) -> Timestamp {
        match self {
            Self::At(moment) => moment,
            Self::Before(backfill) => {
                occurred_at.map_or(Timestamp::UNIX_EPOCH, |occurred_at| occurred_at.min(backfill))
            }
        }
    }

    const fn latest(self) -> Timestamp {
        match self {
            Self::At(moment) | Self::Before(moment) => moment,
        }
    }
}

/// A row that becomes no event.
#[derive(Debug)]
pub(super) struct Unusable {
    /// Why, and whose.
    pub(super) error: UnusableRow,
    /// Since when it may have been there.
    pub(super) since: Timestamp,
}

/// The event of a row of a table.
pub(super) fn event(
    relation: &str,
    mapping: &RowMapping,
    key: &Value,
    row: &Value,
    written: Written,
) -> Result<Addressed, Unusable> {
    let said = mapping.said(row).map_err(|error| Unusable { error, since: written.since(None) })?;
    let occurred_at = said.occurred_at.map(in_microseconds);
    let since = in_microseconds(written.since(occurred_at));
    let new = NewEvent {
        role: Some(said.role),
        content: Some(said.content),
        speaker: said.speaker,
        idempotency_key: Some(event_key(relation, key)),
        ..NewEvent::new(EventKind::Message)
    };
    let unusable = |field, expected| {
        let of = Some((said.tenant.clone(), said.user.clone()));
        Unusable { error: UnusableRow { field, expected, of }, since }
    };
    new.check().map_err(|error| unusable(error.field, error.expected))?;
    let event = AcceptedEvent {
        kind: new.kind,
        role: new.role,
        speaker: new.speaker,
        content: new.content,
        payload: new.payload,
        schema_version: new.schema_version,
        idempotency_key: new.idempotency_key.unwrap_or_default(),
        occurred_at: occurred_at.unwrap_or_else(|| in_microseconds(written.latest())),
        written_at: Some(since),
    };
    let bytes = serde_json::to_string(&event).map_or(0, |event| event.len());
    if bytes > MOST_BYTES - SPARE_BYTES {
        let expected = format!("is {bytes} bytes as JSON, expected at most {}", MOST_BYTES - SPARE_BYTES);
        return Err(unusable("content", expected));
    }
    Ok((said.tenant, said.user, said.session, event))
}

/// What names the event of a row within its session: `public.messages/42`, `public.messages/["acme","42"]`.
fn event_key(relation: &str, key: &Value) -> String {
    let named = match key.as_array().map(Vec::as_slice) {
        Some([Value::String(only)]) => format!("{relation}/{only}"),
        _ => format!("{relation}/{key}"),
    };
    if named.len() <= NewEvent::LONGEST_KEY {
        return named;
    }
    Uuid::new_v5(&Uuid::NAMESPACE_OID, named.as_bytes()).to_string()
}

/// Times are as exact as the log keeps them.
fn in_microseconds(time: Timestamp) -> Timestamp {
    Timestamp::from_microsecond(time.as_microsecond()).unwrap_or(time)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    fn of(row: &Value, written: Written) -> Result<AcceptedEvent, Unusable> {
        let mapping = RowMapping::read(json!({
            "tenant": {"value": "acme"}, "user": "/who", "session": "/thread", "content": "/body", "role": "/role",
            "occurred_at": "/at",
        }))
        .unwrap();
        event("public.messages", &mapping, &json!(["7"]), row, written).map(|(.., event)| event)
    }

    fn row(occurred_at: &Value) -> Value {
        json!({"who": "ada", "thread": "t", "body": "hi", "role": "user", "at": occurred_at})
    }

    #[test]
    fn a_row_of_the_stream_was_written_when_it_was_committed_whatever_it_says() {
        let event = of(&row(&json!(50)), Written::At(at(100))).unwrap();
        assert_eq!((event.occurred_at, event.written_at), (at(50), Some(at(100))));
        assert_eq!(of(&row(&Value::Null), Written::At(at(100))).unwrap().occurred_at, at(100));
    }

    #[test]
    fn a_row_that_had_been_there_was_written_when_it_happened_and_at_the_latest_when_the_backfill_began() {
        let written = |occurred_at: Value| of(&row(&occurred_at), Written::Before(at(100))).unwrap();
        assert_eq!(written(json!(50)).written_at, Some(at(50)));
        assert_eq!(written(json!(150)).written_at, Some(at(100)));
        let untold = written(Value::Null);
        assert_eq!((untold.occurred_at, untold.written_at), (at(100), Some(Timestamp::UNIX_EPOCH)));
    }

    #[test]
    fn an_old_row_that_becomes_no_event_may_have_been_there_since_it_happened_or_nobody_knows() {
        let since = |field: &str, value: Value, occurred_at: Value, written: Written| {
            let mut row = row(&occurred_at);
            row[field] = value;
            of(&row, written).unwrap_err().since
        };
        let before = Written::Before(at(100));
        assert_eq!(since("body", json!("x".repeat(300_000)), json!(50), before), at(50));
        assert_eq!(since("body", json!("x".repeat(300_000)), Value::Null, before), Timestamp::UNIX_EPOCH);
        assert_eq!(since("body", Value::Null, json!(50), before), Timestamp::UNIX_EPOCH);
        assert_eq!(since("body", Value::Null, json!(50), Written::At(at(100))), at(100));
    }

    #[test]
    fn an_event_is_named_by_its_table_and_key() {
        let named = |key: Value| event_key("public.messages", &key);
        assert_eq!(named(json!(["7"])), "public.messages/7");
        assert_eq!(named(json!(["acme", "7"])), r#"public.messages/["acme","7"]"#);
        assert_ne!(named(json!(["a/b", "c"])), named(json!(["a", "b/c"])));
        let long = |end: &str| named(json!([format!("{}{end}", "x".repeat(300))]));
        assert_eq!(long("1").len(), 36);
        assert_ne!(long("1"), long("2"));
    }

    #[test]
    fn a_row_that_the_log_does_not_take_names_the_field_and_whose_it_is() {
        let wrong = |field: &str, value: Value| {
            let mut row = row(&Value::Null);
            row[field] = value;
            let error = of(&row, Written::At(at(100))).unwrap_err().error;
            assert_eq!(error.of.map(|(_, user)| user.as_str().to_owned()), Some("ada".to_owned()));
            error.field
        };
        assert_eq!(wrong("role", json!("customer")), "role");
        assert_eq!(wrong("body", json!("x".repeat(300_000))), "content");
        // One character of the text is six bytes of JSON.
        assert_eq!(wrong("body", json!("\u{1}".repeat(200_000))), "content");
    }
}
