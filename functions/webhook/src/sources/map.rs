//! Bodies of another shape than ours, by the places that a tenant names: pure.

use api::{Moment, Problem, read_arguments};
use domain::{EventKind, Place, SessionName, StandardMapping, UserId, time_of_number};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::NewEvent;

use crate::accept::Said;

/// The events of a body.
pub(super) fn mapped(mapping: &StandardMapping, body: &Value) -> Result<Vec<Said>, Problem> {
    let found = match &mapping.events {
        None => Some(body),
        Some(pointer) => pointer.find(body),
    };
    let events = match found {
        Some(Value::Array(events)) => events.iter().collect(),
        Some(event @ Value::Object(_)) => vec![event],
        _ => {
            let place = mapping.events.as_ref().map_or("", |pointer| pointer.as_str());
            return Err(Problem::invalid(place, format!("`{place}` must be an event or an array of events")));
        }
    };
    events.into_iter().map(|event| said(mapping, event, body)).collect()
}

fn said(mapping: &StandardMapping, event: &Value, body: &Value) -> Result<Said, Problem> {
    let text = |field: &str, place: Option<&Place>| find(field, place, event, body);
    let needed = |field: &str, place: Option<&Place>| {
        let found = text(field, place)?;
        found.ok_or_else(|| {
            let place = place_of(place);
            Problem::invalid(&place, format!("`{place}` is missing, expected the event's `{field}`"))
        })
    };
    let name = |field: &str, place: Option<&Place>, error: domain::InvalidName| {
        let place = place_of(place);
        Problem::invalid(&place, format!("`{place}`, the event's `{field}`: {error}"))
    };
    let user = UserId::new(needed("user", mapping.user.as_ref())?)
        .map_err(|error| name("user", mapping.user.as_ref(), error))?;
    let session = SessionName::new(needed("session", mapping.session.as_ref())?)
        .map_err(|error| name("session", mapping.session.as_ref(), error))?;
    let role = match &mapping.role {
        None => "user".to_owned(),
        Some(place) => needed("role", Some(place))?,
    };
    let event = NewEvent {
        role: Some(mapping.roles.get(&role).cloned().unwrap_or(role)),
        content: Some(needed("content", mapping.content.as_ref())?),
        speaker: text("speaker", mapping.speaker.as_ref())?.filter(|speaker| !speaker.is_empty()),
        idempotency_key: text("idempotency_key", mapping.idempotency_key.as_ref())?,
        occurred_at: occurred_at(mapping.occurred_at.as_ref(), event, body)?,
        ..NewEvent::new(EventKind::Message)
    };
    Ok(Said { user, session, event })
}

/// A text, or a number as one: senders number their users.
fn find(field: &str, place: Option<&Place>, event: &Value, body: &Value) -> Result<Option<String>, Problem> {
    match place.and_then(|place| place.find(event, body)) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Number(number)) if field != "content" => Ok(Some(number.to_string())),
        Some(_) => {
            let place = place_of(place);
            Err(Problem::invalid(&place, format!("`{place}`, the event's `{field}`, must be a text")))
        }
    }
}

fn occurred_at(place: Option<&Place>, event: &Value, body: &Value) -> Result<Option<Timestamp>, Problem> {
    let found = match place.and_then(|place| place.find(event, body)) {
        None => return Ok(None),
        Some(Value::String(text)) => text.parse::<Timestamp>().ok(),
        Some(Value::Number(number)) => number.as_f64().and_then(time_of_number),
        Some(_) => None,
    };
    let moment = found.and_then(|time| Moment::try_from(time).ok());
    moment.map(|moment| Some(moment.into())).ok_or_else(|| {
        let place = place_of(place);
        let expected = "must be a time in RFC 3339, or seconds or milliseconds since 1970";
        Problem::invalid(&place, format!("`{place}`, the event's `occurred_at`, {expected}"))
    })
}

fn place_of(place: Option<&Place>) -> String {
    match place {
        Some(Place::InEvent(pointer)) => pointer.as_str().to_owned(),
        Some(Place::InBody(pointer)) => format!("#{}", pointer.as_str()),
        Some(Place::Always(_)) | None => "mapping".to_owned(),
    }
}

/// Reads a value of our own shape; a problem names its fields below `place`.
pub(super) fn read<T: DeserializeOwned>(value: Value, place: &str) -> Result<T, Problem> {
    let Value::Object(fields) = value else {
        return Err(Problem::invalid(place, format!("field `{place}` must be an object")));
    };
    read_arguments(fields).map_err(|problem| {
        let field = problem.parameter.as_deref().filter(|field| *field != "body");
        let whole = field.map_or_else(|| place.to_owned(), |field| format!("{place}.{field}"));
        Problem::invalid(&whole, format!("in `{place}`: {}", problem.detail))
    })
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn mapping() -> StandardMapping {
        serde_json::from_value(json!({
            "events": "/data/messages", "user": "#/data/customer/id", "session": "#/data/ticket", "content": "/text",
            "role": "/from", "roles": {"customer": "user", "agent": "assistant"}, "speaker": "/name",
            "occurred_at": "/at", "idempotency_key": "/id",
        }))
        .unwrap()
    }

    fn body(message: &Value) -> Value {
        json!({"type": "ticket.replied", "data": {"customer": {"id": 17}, "ticket": "T-1", "messages": [message]}})
    }

    #[test]
    fn a_ticket_becomes_a_conversation() {
        let message =
            json!({"text": "Hello", "from": "agent", "name": "Grace", "at": 1_800_000_000, "id": "m1"});
        let said = mapped(&mapping(), &body(&message)).unwrap();
        let [Said { user, session, event }] = said.as_slice() else { panic!("{said:?}") };
        assert_eq!((user.as_str(), session.as_str()), ("17", "T-1"));
        assert_eq!((event.role.as_deref(), event.speaker.as_deref()), (Some("assistant"), Some("Grace")));
        assert_eq!(event.occurred_at.unwrap().as_second(), 1_800_000_000);
        assert_eq!(event.idempotency_key.as_deref(), Some("m1"));
        assert!(event.check().is_ok());
    }

    #[test]
    fn a_time_is_told_in_three_ways() {
        let at = |at: Value| {
            let mut message = json!({"text": "Hello", "from": "customer"});
            message["at"] = at;
            mapped(&mapping(), &body(&message)).map(|said| said[0].event.occurred_at)
        };
        let expected = Some(Timestamp::from_millisecond(1_800_000_000_500).unwrap());
        for told in [json!("2027-01-15T08:00:00.5Z"), json!(1_800_000_000.5), json!(1_800_000_000_500_i64)] {
            assert_eq!(at(told.clone()).unwrap(), expected, "{told}");
        }
        assert_eq!(at(Value::Null).unwrap(), None);
        for wrong in [json!("yesterday"), json!(1e300), json!(-1e14), json!([])] {
            assert_eq!(at(wrong.clone()).unwrap_err().parameter.as_deref(), Some("/at"), "{wrong}");
        }
    }

    #[test]
    fn what_is_not_at_its_place_is_named_by_it() {
        let wrong = |body: Value| mapped(&mapping(), &body).unwrap_err().parameter.unwrap();
        assert_eq!(wrong(json!({})), "/data/messages");
        assert_eq!(wrong(json!({"data": {"messages": [7]}})), "#/data/customer/id");
        assert_eq!(wrong(body(&json!({"from": "agent"}))), "/text");
        assert_eq!(wrong(body(&json!({"from": "agent", "text": 7}))), "/text");
        assert_eq!(wrong(body(&json!({"text": "hi"}))), "/from");
    }

    proptest! {
        #[test]
        fn no_body_panics(texts in prop::collection::vec(".{0,12}", 5), number in any::<f64>()) {
            let message = json!({"text": texts[0], "from": texts[1], "name": texts[2], "at": number, "id": texts[3]});
            let _ = mapped(&mapping(), &body(&message));
            let _ = mapped(&mapping(), &json!({"data": texts}));
        }
    }
}
