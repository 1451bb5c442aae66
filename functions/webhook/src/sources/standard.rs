//! Requests that are signed as the Standard Webhooks specification says.

use api::Problem;
use axum::http::HeaderMap;
use domain::StandardMapping;
use jiff::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use serde_json::Value;
use standardwebhooks::{
    HEADER_WEBHOOK_ID, HEADER_WEBHOOK_SIGNATURE, HEADER_WEBHOOK_TIMESTAMP, Webhook, WebhookError,
};

use super::{Received, map};
use crate::accept::{FieldName, Said};
use crate::events::EventAsked;
use crate::headers;

/// The longest identifier of a request, in bytes.
const LONGEST_ID_BYTES: usize = 255;

/// The identifier of a request that was signed with one of the secrets, at most five minutes ago.
///
/// The signature and the time are looked at by the specification's own library.
pub(super) fn verified<'a>(
    secrets: &[SecretString],
    headers: &'a HeaderMap,
    body: &[u8],
) -> Result<&'a str, Problem> {
    for name in [HEADER_WEBHOOK_ID, HEADER_WEBHOOK_TIMESTAMP, HEADER_WEBHOOK_SIGNATURE] {
        if headers::text(headers, name)?.is_none_or(str::is_empty) {
            return Err(Problem::invalid(name, format!("header `{name}` is missing")));
        }
    }
    let id = headers::text(headers, HEADER_WEBHOOK_ID)?.unwrap_or_default();
    if id.len() > LONGEST_ID_BYTES {
        let detail = format!("header `{HEADER_WEBHOOK_ID}` must be 1 to {LONGEST_ID_BYTES} bytes");
        return Err(Problem::invalid(HEADER_WEBHOOK_ID, detail));
    }
    // The library subtracts whatever number it is given from the time that it is.
    let signed_at = headers::text(headers, HEADER_WEBHOOK_TIMESTAMP)?.and_then(|time| time.parse().ok());
    if signed_at.and_then(|second| Timestamp::from_second(second).ok()).is_none() {
        return Err(problem(&WebhookError::InvalidTimestamp));
    }
    let mut refused = WebhookError::InvalidSignature;
    for secret in secrets {
        match Webhook::new(secret.expose_secret()).and_then(|webhook| webhook.verify(body, headers)) {
            Ok(()) => return Ok(id),
            Err(error) => refused = error,
        }
    }
    Err(problem(&refused))
}

fn problem(error: &WebhookError) -> Problem {
    let header = |name: &str, expected: &str| Problem::invalid(name, format!("header `{name}` {expected}"));
    match error {
        WebhookError::InvalidTimestamp => {
            header(HEADER_WEBHOOK_TIMESTAMP, "must be a whole number of seconds since 1970")
        }
        WebhookError::TimestampTooOldError | WebhookError::FutureTimestampError => {
            Problem::unauthenticated("the request was signed more than five minutes away from now".to_owned())
        }
        WebhookError::InvalidPayload => {
            Problem::invalid("body", "the body is not UTF-8, expected JSON".to_owned())
        }
        WebhookError::InvalidSecret(_) => Problem::unavailable("what opens the source's secrets"),
        WebhookError::InvalidHeader(_) | WebhookError::MissingHeader(_) | WebhookError::InvalidSignature => {
            Problem::unauthenticated("the signature is not that of the source".to_owned())
        }
    }
}

/// What the body of a request comes to.
pub(super) fn received(mapping: &StandardMapping, id: &str, body: &Value) -> Result<Received, Problem> {
    if !mapping.types.is_empty() {
        let kind = body.get("type").and_then(Value::as_str);
        let kind = kind.ok_or_else(|| Problem::invalid("type", "field `type` is missing".to_owned()))?;
        if !mapping.types.iter().any(|known| known == kind) {
            return Ok(Received::Ignored("the source takes no requests of this type"));
        }
    }
    let (said, place): (Vec<Said>, FieldName) = if mapping.is_usual() {
        usual(body)?
    } else {
        (map::mapped(mapping, body)?, |position, field| format!("[{position}].{field}"))
    };
    if said.is_empty() {
        return Ok(Received::Ignored("the request holds no events"));
    }
    Ok(Received::Said { key: id.to_owned(), said, place })
}

/// Events of our own shape: `data` is one, or holds several.
fn usual(body: &Value) -> Result<(Vec<Said>, FieldName), Problem> {
    let data = body.get("data").and_then(Value::as_object);
    let data = data.ok_or_else(|| Problem::invalid("data", "field `data` must be an object".to_owned()))?;
    let Some(events) = data.get("events") else {
        let event: EventAsked = map::read(data.clone().into(), "data")?;
        return Ok((vec![event.into()], |_, field| format!("data.{field}")));
    };
    let events = events.as_array().filter(|_| data.len() == 1).ok_or_else(|| {
        Problem::invalid("data", "field `data` must be an event, or hold `events` alone, an array".to_owned())
    })?;
    let read = |(position, event): (usize, &Value)| {
        map::read::<EventAsked>(event.clone(), &format!("data.events[{position}]")).map(Said::from)
    };
    let said = events.iter().enumerate().map(read).collect::<Result<_, _>>()?;
    Ok((said, |position, field| format!("data.events[{position}].{field}")))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn mapping(given: Value) -> StandardMapping {
        serde_json::from_value(given).unwrap()
    }

    fn contents(mapping: &StandardMapping, body: &Value) -> Vec<String> {
        match received(mapping, "msg_1", body).unwrap() {
            Received::Said { said, .. } => said.into_iter().filter_map(|said| said.event.content).collect(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_time_that_there_is_not_is_named_and_not_reckoned_with() {
        let secrets = [SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")];
        let refused = |time: &str| {
            let mut headers = HeaderMap::new();
            for (name, value) in [
                (HEADER_WEBHOOK_ID, "msg_1"),
                (HEADER_WEBHOOK_TIMESTAMP, time),
                (HEADER_WEBHOOK_SIGNATURE, "v1,AAAA"),
            ] {
                headers.insert(name, value.parse().unwrap());
            }
            let problem = verified(&secrets, &headers, b"{}").unwrap_err();
            (problem.status, problem.parameter)
        };
        let none = (400, Some(HEADER_WEBHOOK_TIMESTAMP.to_owned()));
        for time in [i64::MIN, i64::MIN + 1, i64::MAX, -377_705_116_801] {
            assert_eq!(refused(&time.to_string()), none, "{time}");
        }
        assert_eq!(refused("soon"), none);
        for time in [0, -1, 253_402_207_200_i64] {
            assert_eq!(refused(&time.to_string()).0, 401, "{time}");
        }
    }

    #[test]
    fn our_own_shape_needs_no_mapping() {
        let event = json!({"user": "ada", "session": "chat", "role": "user", "content": "hi"});
        let none = mapping(json!({}));
        assert_eq!(contents(&none, &json!({"type": "x", "data": event})), ["hi"]);
        assert_eq!(contents(&none, &json!({"data": {"events": [event, event]}})), ["hi", "hi"]);
        let empty = received(&none, "msg_1", &json!({"data": {"events": []}})).unwrap();
        assert!(matches!(empty, Received::Ignored(_)));
        for (body, parameter) in [
            (json!({}), "data"),
            (json!({"data": []}), "data"),
            (json!({"data": {"events": {}}}), "data"),
            (json!({"data": {"events": [], "more": 1}}), "data"),
            (json!({"data": {"user": "ada"}}), "data.session"),
            (json!({"data": {"events": [event, {"user": "ada", "session": 7}]}}), "data.events[1].session"),
        ] {
            let problem = received(&none, "msg_1", &body).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{body}");
        }
    }

    #[test]
    fn requests_of_types_that_nobody_wants_are_acknowledged() {
        let some = mapping(json!({"types": ["message.created"]}));
        let event = json!({"user": "ada", "session": "chat", "role": "user", "content": "hi"});
        assert_eq!(contents(&some, &json!({"type": "message.created", "data": event})), ["hi"]);
        let other = received(&some, "msg_1", &json!({"type": "user.created", "data": {}})).unwrap();
        assert!(matches!(other, Received::Ignored(_)));
        let problem = received(&some, "msg_1", &json!({"data": event})).unwrap_err();
        assert_eq!(problem.parameter.as_deref(), Some("type"));
    }
}
