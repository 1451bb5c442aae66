use std::collections::HashMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{EventKind, SessionName, TenantId, UserId};

/// Events of one session that somebody was told are accepted, on their way to the log: the versioned body of a message of
/// the ingest queue.
///
/// What one request says about a session is one of these, or several of them in order when it is too long for one message.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedEvents {
    /// Version of this format.
    pub format: u32,
    /// Whose session.
    pub tenant: TenantId,
    /// Whose conversation.
    pub user: UserId,
    /// The session.
    pub session: SessionName,
    /// When they were accepted; the repeat of a request keeps the time of the first. What was erased since is dropped.
    pub accepted_at: Timestamp,
    /// How many events of the same request and session go before them.
    pub preceding: u32,
    /// The events, in order; at least one.
    pub events: Vec<AcceptedEvent>,
}

/// An event that was accepted. It has been checked: the log takes it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct AcceptedEvent {
    /// What it records.
    #[serde(rename = "type")]
    pub kind: EventKind,
    /// `user`, `assistant`, `system` or `tool`; a message has one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<String>,
    /// The name of who spoke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<String>,
    /// The text.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<String>,
    /// Structured data, an object.
    pub payload: Value,
    /// The schema the payload was written in.
    pub schema_version: i16,
    /// Names the event within its session, so that it is stored once however often it arrives.
    pub idempotency_key: String,
    /// When it happened.
    pub occurred_at: Timestamp,
    /// Of an event that comes from a table of the application's own: since when it may have been there. What was erased since
    /// then is dropped, whenever it was accepted; and under a key that its session knows, it comes to nothing even when it
    /// says something else now, because the row was changed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written_at: Option<Timestamp>,
}

/// A message body that holds no accepted events.
#[derive(Debug, thiserror::Error)]
pub enum InvalidAccepted {
    /// Not the JSON that was expected. What was found is not repeated: it may be what people said.
    #[error("the message body holds no accepted events: {category} at line {line}, column {column}")]
    Malformed {
        /// What kind of thing is wrong.
        category: &'static str,
        /// Where.
        line: usize,
        /// Where in that line.
        column: usize,
    },
    /// A format this version does not know.
    #[error("field `format` is {got}, expected {}", AcceptedEvents::FORMAT)]
    UnknownFormat {
        /// The format found.
        got: u32,
    },
    /// No events at all.
    #[error("field `events` is empty, expected at least one event")]
    Empty,
}

#[derive(Deserialize)]
struct Format {
    format: u32,
}

impl AcceptedEvents {
    /// The format that this code writes, and the only one it knows.
    pub const FORMAT: u32 = 1;

    /// Reads a message body.
    pub fn parse(body: &str) -> Result<Self, InvalidAccepted> {
        let Format { format } = serde_json::from_str(body).map_err(|error| malformed(&error))?;
        if format != Self::FORMAT {
            return Err(InvalidAccepted::UnknownFormat { got: format });
        }
        let accepted: Self = serde_json::from_str(body).map_err(|error| malformed(&error))?;
        if accepted.events.is_empty() {
            return Err(InvalidAccepted::Empty);
        }
        Ok(accepted)
    }

    /// The message body, made only of characters that SQS takes: JSON leaves U+FFFE and U+FFFF as they are, SQS refuses
    /// them, and they can stand nowhere but in a string.
    ///
    /// # Panics
    /// Never: all of it is JSON already.
    pub fn to_body(&self) -> String {
        let body = serde_json::to_string(self).expect("names, texts, numbers and JSON are JSON");
        if body.contains(['\u{fffe}', '\u{ffff}']) {
            return body.replace('\u{fffe}', "\\ufffe").replace('\u{ffff}', "\\uffff");
        }
        body
    }

    /// The message group of the session: its messages are delivered in order, and it is not told from whom it is.
    pub fn group(&self) -> String {
        session_digest(&self.tenant, &self.user, &self.session)
    }

    /// Events as messages of at most `most_bytes` each where no event is longer: those of a session together, in the order
    /// given.
    pub fn by_session(
        events: impl IntoIterator<Item = (TenantId, UserId, SessionName, AcceptedEvent)>,
        accepted_at: Timestamp,
        most_bytes: usize,
    ) -> Vec<Self> {
        let mut sessions: Vec<Self> = Vec::new();
        let mut places: HashMap<(TenantId, UserId, SessionName), usize> = HashMap::new();
        for (tenant, user, session, event) in events {
            let next = sessions.len();
            let place = *places.entry((tenant.clone(), user.clone(), session.clone())).or_insert(next);
            match sessions.get_mut(place) {
                Some(known) => known.events.push(event),
                None => sessions.push(Self {
                    format: Self::FORMAT,
                    tenant,
                    user,
                    session,
                    accepted_at,
                    preceding: 0,
                    events: vec![event],
                }),
            }
        }
        sessions.into_iter().flat_map(|session| session.split(most_bytes)).collect()
    }

    /// The same events in as few messages as keep to `most_bytes` each; an event that is longer by itself stays alone.
    pub fn split(self, most_bytes: usize) -> Vec<Self> {
        let empty = Self { events: Vec::new(), ..self.clone() };
        let frame_bytes = empty.to_body().len();
        let mut parts: Vec<(usize, Self)> = Vec::new();
        for (position, event) in (self.preceding..).zip(self.events) {
            let one = Self { preceding: position, events: vec![event], ..empty.clone() };
            let bytes = one.to_body().len() - frame_bytes + 1;
            match parts.last_mut() {
                Some((so_far, part)) if *so_far + bytes <= most_bytes => {
                    *so_far += bytes;
                    part.events.extend(one.events);
                }
                // Room for the digits of how many go before.
                _ => parts.push((frame_bytes + 10 + bytes, one)),
            }
        }
        parts.into_iter().map(|(_, part)| part).collect()
    }
}

/// A session as 64 hexadecimal digits: SHA-256 of its names, none of which holds a control character.
fn session_digest(tenant: &TenantId, user: &UserId, session: &SessionName) -> String {
    let mut digest = Sha256::new();
    for name in [tenant.as_str(), user.as_str(), session.as_str()] {
        digest.update(name.as_bytes());
        digest.update([0x1f]);
    }
    format!("{:x}", digest.finalize())
}

fn malformed(error: &serde_json::Error) -> InvalidAccepted {
    let category = match error.classify() {
        serde_json::error::Category::Io | serde_json::error::Category::Syntax => "not JSON",
        serde_json::error::Category::Data => "a field is missing or of the wrong type",
        serde_json::error::Category::Eof => "it ends too early",
    };
    InvalidAccepted::Malformed { category, line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn event(key: &str, content: &str) -> AcceptedEvent {
        AcceptedEvent {
            kind: EventKind::Message,
            role: Some("user".into()),
            speaker: None,
            content: Some(content.into()),
            payload: json!({}),
            schema_version: 2,
            idempotency_key: key.into(),
            occurred_at: Timestamp::UNIX_EPOCH,
            written_at: None,
        }
    }

    fn accepted(events: Vec<AcceptedEvent>) -> AcceptedEvents {
        AcceptedEvents {
            format: AcceptedEvents::FORMAT,
            tenant: TenantId::new("acme").unwrap(),
            user: UserId::new("ada").unwrap(),
            session: SessionName::new("chat").unwrap(),
            accepted_at: Timestamp::UNIX_EPOCH,
            preceding: 0,
            events,
        }
    }

    #[test]
    fn a_body_is_what_it_is() {
        insta::assert_snapshot!(accepted(vec![event("k", "hi")]).to_body(), @r#"{"format":1,"tenant":"acme","user":"ada","session":"chat","accepted_at":"1970-01-01T00:00:00Z","preceding":0,"events":[{"type":"message","role":"user","content":"hi","payload":{},"schema_version":2,"idempotency_key":"k","occurred_at":"1970-01-01T00:00:00Z"}]}"#);
    }

    #[test]
    fn what_is_wrong_with_a_body_is_told_without_its_words() {
        let error = |body: &str| AcceptedEvents::parse(body).unwrap_err().to_string();
        assert_eq!(
            error("what Ada said"),
            "the message body holds no accepted events: not JSON at line 1, column 1"
        );
        assert_eq!(error(r#"{"format":2,"said":"x"}"#), "field `format` is 2, expected 1");
        let secret = error(r#"{"format":1,"tenant":"what Ada said"}"#);
        assert!(secret.contains("missing") && !secret.contains("Ada"), "{secret}");
        assert_eq!(
            error(&accepted(vec![]).to_body()),
            "field `events` is empty, expected at least one event"
        );
    }

    #[test]
    fn a_group_names_a_session_and_nobody() {
        let group = |user: &str, session: &str| {
            let (user, session) = (UserId::new(user).unwrap(), SessionName::new(session).unwrap());
            AcceptedEvents { user, session, ..accepted(vec![]) }.group()
        };
        assert_eq!(group("ada", "chat").len(), 64);
        assert_ne!(group("ada", "chat"), group("adac", "hat"));
        assert!(group("ada", "chat").bytes().all(|byte| byte.is_ascii_hexdigit()));
    }

    /// Whether SQS takes a character.
    fn is_taken(character: char) -> bool {
        matches!(character, '\t' | '\n' | '\r' | ' '..='\u{fffd}' | '\u{10000}'..)
    }

    proptest! {
        #[test]
        fn a_body_is_read_back_and_sqs_takes_every_character(content in "[\u{0}-\u{1f}a\"\\\\\u{7f}-\u{9f}\u{fffd}-\u{ffff}\u{1f600}]{0,20}") {
            let accepted = accepted(vec![event("k", &content)]);
            let body = accepted.to_body();
            prop_assert!(body.chars().all(is_taken), "{body:?}");
            prop_assert_eq!(AcceptedEvents::parse(&body).unwrap(), accepted);
        }

        #[test]
        fn parts_hold_everything_in_order_and_keep_to_the_limit(lengths in prop::collection::vec(0_usize..400, 1..20), most in 600_usize..1500) {
            let events: Vec<_> = lengths.iter().enumerate().map(|(at, length)| event(&at.to_string(), &"ü".repeat(*length))).collect();
            let parts = accepted(events.clone()).split(most);
            let mut next = 0;
            for part in &parts {
                prop_assert_eq!(part.preceding, next);
                next += u32::try_from(part.events.len()).unwrap();
                prop_assert!(part.events.len() == 1 || part.to_body().len() <= most);
            }
            let together: Vec<_> = parts.into_iter().flat_map(|part| part.events).collect();
            prop_assert_eq!(together, events);
        }

        #[test]
        fn no_body_panics(body in ".{0,80}") {
            let _ = AcceptedEvents::parse(&body);
        }
    }
}
