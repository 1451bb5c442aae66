use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use uuid::Uuid;

use crate::TenantId;

/// Who sends signed requests for a tenant, and how they become events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct WebhookSource {
    /// What its URL ends in.
    pub id: Uuid,
    /// Whose events they are.
    pub tenant: TenantId,
    /// What the tenant calls it.
    pub name: String,
    /// How requests become events, and how they are signed.
    pub mapping: SourceMapping,
    /// What requests may be signed with, the newest last: at least one.
    pub secrets: Vec<SealedSecret>,
    /// Goes up with every change.
    pub version: i64,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was changed last.
    pub updated_at: Timestamp,
}

/// A secret that only the deployment can read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SealedSecret {
    /// Which one it is.
    pub id: Uuid,
    /// Sealed for [`WebhookSource::seal_place`], in hexadecimal digits.
    pub sealed: String,
    /// When it was added.
    pub created_at: Timestamp,
}

/// Which kind of sender it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SourceKind {
    /// Signs as the Standard Webhooks specification says.
    Standard,
    /// Slack's Events API.
    Slack,
}

/// How requests of a source become events.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[expect(clippy::large_enum_variant, reason = "one is read for a request, and nobody keeps many")]
pub enum SourceMapping {
    /// Of Standard Webhooks.
    Standard(StandardMapping),
    /// Of Slack.
    Slack(SlackMapping),
}

/// What cannot be a mapping: what was expected.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct InvalidMapping(String);

impl WebhookSource {
    /// How many secrets a source has at most.
    pub const MOST_SECRETS: usize = 5;

    /// The place that a secret of a tenant's source is sealed for.
    pub fn seal_place(tenant: &TenantId, secret: Uuid) -> String {
        format!("webhook source secret {secret} of {tenant}")
    }
}

impl SourceKind {
    /// As it is written.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Standard => "standard",
            Self::Slack => "slack",
        }
    }
}

impl SourceMapping {
    /// Reads what a tenant gave for a kind of source.
    pub fn read(kind: SourceKind, given: Map<String, Value>) -> Result<Self, InvalidMapping> {
        let expected = |error: serde_json::Error| InvalidMapping(error.to_string());
        let mapping = match kind {
            SourceKind::Standard => Self::Standard(serde_json::from_value(given.into()).map_err(expected)?),
            SourceKind::Slack => Self::Slack(serde_json::from_value(given.into()).map_err(expected)?),
        };
        mapping.check()?;
        Ok(mapping)
    }

    /// Which kind of source it is for.
    pub const fn kind(&self) -> SourceKind {
        match self {
            Self::Standard(_) => SourceKind::Standard,
            Self::Slack(_) => SourceKind::Slack,
        }
    }

    fn check(&self) -> Result<(), InvalidMapping> {
        let wrong = |expected: &str| Err(InvalidMapping(expected.to_owned()));
        match self {
            Self::Slack(SlackMapping { user: SlackUser::Speaker, bots: SlackBots::Assistant }) => wrong(
                "`bots` is assistant, expected `user` to be channel: a bot speaks in a channel and to nobody",
            ),
            Self::Standard(mapping) if mapping.is_usual() => {
                if mapping.events.is_some() || !mapping.roles.is_empty() {
                    return wrong("`events` and `roles` need `user`, `session` and `content`");
                }
                Ok(())
            }
            Self::Standard(StandardMapping { user: Some(_), session: Some(_), content: Some(_), .. })
            | Self::Slack(_) => Ok(()),
            Self::Standard(_) => {
                wrong("`user`, `session` and `content` are needed when one of the others is given")
            }
        }
    }
}

/// Where the parts of an event are in the body of a request. With no place at all, `data` is an event as `POST /v1/events`
/// takes it, or holds several as `events`.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct StandardMapping {
    /// The `type`s of requests that become events; those of others are acknowledged, and nothing becomes of them. All of them
    /// when there is none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<String>,
    /// Where the events are: an array of them, or one. The whole body, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub events: Option<Pointer>,
    /// The user's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<Place>,
    /// The session's.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub session: Option<Place>,
    /// Who says it; `user`, if not given.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub role: Option<Place>,
    /// What the sender's words for roles mean here.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub roles: BTreeMap<String, String>,
    /// What is said.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub content: Option<Place>,
    /// The name of who says it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub speaker: Option<Place>,
    /// When: a time in RFC 3339, or seconds or milliseconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub occurred_at: Option<Place>,
    /// What the sender calls the event within its session.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub idempotency_key: Option<Place>,
}

impl StandardMapping {
    /// Whether requests have the shape that is ours.
    pub const fn is_usual(&self) -> bool {
        let Self { user, session, role, content, speaker, occurred_at, idempotency_key, .. } = self;
        user.is_none()
            && session.is_none()
            && role.is_none()
            && content.is_none()
            && speaker.is_none()
            && occurred_at.is_none()
            && idempotency_key.is_none()
    }
}

/// A JSON Pointer (RFC 6901).
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Pointer(String);

impl Pointer {
    /// What it points at.
    pub fn find<'a>(&self, document: &'a Value) -> Option<&'a Value> {
        document.pointer(&self.0)
    }

    /// As it is written.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Pointer {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let escapes_well = text.split('~').skip(1).all(|rest| rest.starts_with(['0', '1']));
        if (text.is_empty() || text.starts_with('/')) && escapes_well && text.len() <= 1024 {
            return Ok(Self(text));
        }
        Err("expected a JSON Pointer (RFC 6901) such as /data/user".to_owned())
    }
}

impl From<Pointer> for String {
    fn from(pointer: Pointer) -> Self {
        pointer.0
    }
}

/// Where a part of an event is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PlaceGiven", into = "PlaceGiven")]
pub enum Place {
    /// In the event: `/text`.
    InEvent(Pointer),
    /// In the body of the request: `#/data/user`.
    InBody(Pointer),
    /// Nowhere: it is always the same, `{"value": "…"}`.
    Always(String),
}

#[derive(Serialize, Deserialize)]
#[serde(untagged)]
enum PlaceGiven {
    At(String),
    Always(Always),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Always {
    value: String,
}

impl TryFrom<PlaceGiven> for Place {
    type Error = String;

    fn try_from(given: PlaceGiven) -> Result<Self, String> {
        match given {
            PlaceGiven::Always(Always { value }) => Ok(Self::Always(value)),
            PlaceGiven::At(text) => match text.strip_prefix('#') {
                Some(pointer) => Pointer::try_from(pointer.to_owned()).map(Self::InBody),
                None => Pointer::try_from(text).map(Self::InEvent),
            },
        }
    }
}

impl From<Place> for PlaceGiven {
    fn from(place: Place) -> Self {
        match place {
            Place::InEvent(pointer) => Self::At(pointer.0),
            Place::InBody(pointer) => Self::At(format!("#{}", pointer.0)),
            Place::Always(value) => Self::Always(Always { value }),
        }
    }
}

impl Place {
    /// What is there for an event of a request.
    pub fn find(&self, event: &Value, body: &Value) -> Option<Value> {
        match self {
            Self::InEvent(pointer) => pointer.find(event).cloned(),
            Self::InBody(pointer) => pointer.find(body).cloned(),
            Self::Always(value) => Some(Value::String(value.clone())),
        }
        .filter(|found| !found.is_null())
    }
}

/// Times in numbers from here on are milliseconds: as seconds they would be after the year 5000.
const FIRST_IN_MILLISECONDS: f64 = 1e11;

/// A time that is told as seconds or milliseconds since 1970; nothing when it is none.
#[expect(clippy::cast_possible_truncation, reason = "what is too large for a time is refused as one")]
pub fn time_of_number(number: f64) -> Option<Timestamp> {
    let milliseconds = if number.abs() < FIRST_IN_MILLISECONDS { number * 1000.0 } else { number };
    Timestamp::from_microsecond((milliseconds * 1000.0).round() as i64).ok()
}

/// How Slack's messages become events.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct SlackMapping {
    /// Whose memory it becomes.
    pub user: SlackUser,
    /// What becomes of what bots say.
    pub bots: SlackBots,
}

/// Whose memory a message of Slack becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackUser {
    /// The channel's, so that a thread is one session whoever speaks in it.
    #[default]
    Channel,
    /// That of who says it: everybody has sessions with their own words alone.
    Speaker,
}

/// What becomes of what bots say in Slack.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SlackBots {
    /// Nothing.
    #[default]
    Ignore,
    /// It is said by the assistant.
    Assistant,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn read(kind: SourceKind, given: Value) -> Result<SourceMapping, String> {
        let Value::Object(given) = given else { panic!("a mapping is an object") };
        SourceMapping::read(kind, given).map_err(|error| error.to_string())
    }

    #[test]
    fn a_mapping_is_read_and_written_alike() {
        for (kind, given) in [
            (SourceKind::Standard, json!({})),
            (SourceKind::Standard, json!({"types": ["message.created"]})),
            (
                SourceKind::Standard,
                json!({
                    "events": "/data/messages", "user": "#/data/user", "session": "/thread", "content": "/text",
                    "role": {"value": "user"}, "roles": {"agent": "assistant"}, "occurred_at": "/a~1b",
                }),
            ),
            (SourceKind::Slack, json!({"user": "channel", "bots": "assistant"})),
        ] {
            let mapping = read(kind, given.clone()).unwrap();
            assert_eq!(mapping.kind(), kind);
            let mut written = serde_json::to_value(&mapping).unwrap();
            assert_eq!(serde_json::from_value::<SourceMapping>(written.clone()).unwrap(), mapping);
            written.as_object_mut().unwrap().remove("kind");
            assert_eq!(written, given);
        }
    }

    #[test]
    fn what_cannot_be_a_mapping_is_told_from_one() {
        for (kind, given, expected) in [
            (SourceKind::Standard, json!({"user": "data"}), "JSON Pointer"),
            (SourceKind::Standard, json!({"user": "/a~2"}), "JSON Pointer"),
            (SourceKind::Standard, json!({"user": 7}), "did not match"),
            (SourceKind::Standard, json!({"user": "/u"}), "`user`, `session` and `content` are needed"),
            (SourceKind::Standard, json!({"events": "/data"}), "`events` and `roles` need"),
            (SourceKind::Standard, json!({"usr": "/u"}), "unknown field `usr`"),
            (SourceKind::Slack, json!({"bots": "listen"}), "unknown variant"),
            (SourceKind::Slack, json!({"user": "speaker", "bots": "assistant"}), "`bots` is assistant"),
        ] {
            let error = read(kind, given.clone()).unwrap_err();
            assert!(error.contains(expected), "{given}: {error}");
        }
    }

    #[test]
    fn a_place_is_in_the_event_in_the_body_or_nowhere() {
        let (event, body) = (json!({"u": "ada", "none": null}), json!({"u": "bob"}));
        let find = |place: Value| serde_json::from_value::<Place>(place).unwrap().find(&event, &body);
        assert_eq!(find(json!("/u")), Some(json!("ada")));
        assert_eq!(find(json!("#/u")), Some(json!("bob")));
        assert_eq!(find(json!({"value": "eve"})), Some(json!("eve")));
        assert_eq!((find(json!("/v")), find(json!("/none"))), (None, None));
    }
}
