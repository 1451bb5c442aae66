//! What is asked about memories, as it is read and before it is checked against each other.

use domain::{Edit, MemoryId, MemoryType, Scope, SessionName, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use store::{MemoryFilter, MemoryPosition, MemoryStatus};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{Moment, Problem, Whole};

/// How many memories a page holds where nothing else is said.
const USUAL_MEMORIES: u16 = 20;
/// The longest key, in bytes.
const LONGEST_KEY_BYTES: usize = 512;
/// The longest data, written as JSON, in bytes.
const LONGEST_DATA_BYTES: usize = 64 * 1024;
/// The most events that a memory is said to come from.
const MOST_EVIDENCE: usize = 100;

/// One of a user's memories.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfMemory {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) user: UserId,
    /// A memory, as lists and recall name it.
    pub(crate) id: Uuid,
}

/// Which memories are wanted: those that match everything that is given.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAsked {
    /// Of this type.
    #[param(value_type = Option<String>)]
    pub(crate) r#type: Option<MemoryType>,
    /// `session`, `user` or `global`; those of the user and of the user's sessions when not given.
    #[param(value_type = Option<String>)]
    pub(crate) scope: Option<Scope>,
    /// Stored from this session.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) session: Option<SessionName>,
    /// `active`, `superseded`, `expired`, `deleted`, or several of them separated by commas; `active` when not given.
    #[param(value_type = Option<String>)]
    pub(crate) status: Option<Statuses>,
    /// Those that held at this time, as far as it is known now. Not together with `status`.
    #[param(value_type = Option<String>, format = DateTime)]
    pub(crate) as_of: Option<Moment>,
    /// Whether pinned ones are wanted, or those that are not.
    pub(crate) pinned: Option<bool>,
    /// `next` of the page before.
    #[param(value_type = Option<String>)]
    pub(crate) after: Option<Cursor>,
    /// At most this many, 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    pub(crate) limit: Option<Whole<1, 100>>,
}

impl ListAsked {
    /// How many memories are wanted.
    pub(crate) fn limit(&self) -> u16 {
        self.limit.map_or(USUAL_MEMORIES, Whole::to)
    }

    /// What is wanted, as the store is asked for it.
    pub(crate) fn filter(self) -> Result<MemoryFilter, Problem> {
        if self.as_of.is_some() && self.status.is_some() {
            return Err(Problem::invalid(
                "status",
                "parameter `status` is given together with `as_of`, expected one of them: what held then is neither \
                 of these"
                    .to_owned(),
            ));
        }
        Ok(MemoryFilter {
            kind: self.r#type,
            scope: self.scope,
            session: self.session.map(|name| name.as_str().to_owned()),
            statuses: self.status.map(|statuses| statuses.0).unwrap_or_default(),
            as_of: self.as_of.map(|moment| moment.0),
            pinned: self.pinned,
        })
    }
}

/// Statuses, separated by commas.
#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Statuses(Vec<MemoryStatus>);

impl TryFrom<String> for Statuses {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        let named: Option<Vec<MemoryStatus>> = text.split(',').map(MemoryStatus::from_name).collect();
        named.map(Self).ok_or_else(|| {
            let known = MemoryStatus::ALL.map(MemoryStatus::as_str).join(", ");
            format!("expected one of {known}, or several separated by commas")
        })
    }
}

/// Where a page ended. It names no user: whose memories are listed is said by the path alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Cursor(pub(crate) MemoryPosition);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let position = || {
            let (at, id) = text.split_once('-')?;
            let created_at = Timestamp::from_microsecond(i64::from_str_radix(at, 16).ok()?).ok()?;
            let created_at = Moment::try_from(created_at).ok()?.0;
            Some(MemoryPosition { created_at, id: MemoryId(Uuid::try_parse(id).ok()?) })
        };
        position().map(Self).ok_or("expected the `next` of an answer")
    }
}

impl Cursor {
    /// As it is handed out.
    pub(crate) fn text(self) -> String {
        format!("{:x}-{}", self.0.created_at.as_microsecond(), self.0.id.0.simple())
    }
}

/// What is to be remembered.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewMemoryAsked {
    /// `summary`, `entity`, `action`, `sentiment`, `pattern`, `preference` or `fact`.
    #[schema(value_type = String)]
    pub(crate) r#type: MemoryType,
    /// `session` or `user`, which it is when not given.
    #[serde(default = "user_scope")]
    #[schema(value_type = Option<String>)]
    pub(crate) scope: Scope,
    /// The memory in words, 1 to 8,192 bytes.
    pub(crate) content: String,
    /// The memory in data, at most 64 KiB.
    #[serde(default = "no_data")]
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Value,
    /// How sure it is, 0 to 1; 1 when not given.
    #[serde(default = "sure")]
    #[schema(value_type = Option<f32>)]
    pub(crate) confidence: f32,
    /// What identifies it within its scope and type, 1 to 512 bytes; when not given, the same words are the same memory.
    pub(crate) key: Option<String>,
    /// The session it belongs to.
    #[schema(value_type = Option<String>)]
    pub(crate) session: Option<SessionName>,
    /// Events of the user's that it comes from, at most 100.
    #[serde(default)]
    #[schema(value_type = Option<Vec<EvidenceAsked>>)]
    pub(crate) evidence: Vec<EvidenceAsked>,
}

/// An event of the user's.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EvidenceAsked {
    /// Its session.
    #[schema(value_type = String)]
    pub(crate) session: SessionName,
    /// Its version there.
    pub(crate) version: i64,
}

const fn user_scope() -> Scope {
    Scope::User
}

fn no_data() -> Value {
    Value::Object(Map::new())
}

const fn sure() -> f32 {
    1.0
}

impl NewMemoryAsked {
    /// Says which field is not what was expected.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        if self.scope == Scope::Global {
            return Err(Problem::unprocessable(
                "scope",
                "field `scope` is global, expected session or user: what every user sees is no user's to say"
                    .to_owned(),
            ));
        }
        if self.scope == Scope::Session && self.session.is_none() {
            return Err(Problem::unprocessable(
                "session",
                "field `session` is missing, expected the session that the memory belongs to".to_owned(),
            ));
        }
        check_account(&self.content, Some(&self.data))?;
        if !(0.0..=1.0).contains(&self.confidence) {
            return Err(Problem::invalid("confidence", "field `confidence`: expected 0 to 1".to_owned()));
        }
        if let Some(key) = &self.key
            && (key.is_empty() || key.len() > LONGEST_KEY_BYTES || key.contains('\0'))
        {
            let got = key.len();
            return Err(Problem::invalid(
                "key",
                format!("field `key` is {got} bytes, expected 1 to {LONGEST_KEY_BYTES} without NUL"),
            ));
        }
        if self.evidence.len() > MOST_EVIDENCE {
            let got = self.evidence.len();
            return Err(Problem::invalid(
                "evidence",
                format!("field `evidence` names {got} events, expected at most {MOST_EVIDENCE}"),
            ));
        }
        Ok(())
    }
}

/// What is to be said in place of what a memory says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CorrectionAsked {
    /// The version that is corrected.
    pub(crate) version: i64,
    /// The memory in words, 1 to 8,192 bytes.
    pub(crate) content: String,
    /// The memory in data, all of it; it follows the words when not given.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Value>,
    /// Since when it is so; from now on when not given.
    pub(crate) valid_from: Option<Moment>,
    /// Whether to merge with what has changed since that version, instead of being refused.
    #[serde(default)]
    pub(crate) merge: bool,
}

impl CorrectionAsked {
    /// Says which field is not what was expected.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        check_version(self.version)?;
        check_account(&self.content, self.data.as_ref())
    }
}

/// What is to change of a memory, beside what it says.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct PatchAsked {
    /// The version that is changed.
    pub(crate) version: i64,
    /// Whether it is to be kept, whatever becomes of others.
    pub(crate) pinned: Option<bool>,
    /// Until when it is to be kept, a time to come; null for good.
    #[serde(default, deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) expires_at: Option<Until>,
    /// `active` takes a deletion back, and has a memory that faded hold again.
    pub(crate) status: Option<Restored>,
}

/// Until when a memory is kept; for good when it is null.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Until(pub(crate) Option<Moment>);

/// The one status that can be asked for.
#[derive(Debug, Clone, Copy, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Restored {
    /// As it was before it was deleted, or faded.
    Active,
}

/// A field that is given, be it null.
fn given<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    T::deserialize(deserializer).map(Some)
}

impl PatchAsked {
    /// Says which field is not what was expected.
    pub(crate) fn check(&self) -> Result<(), Problem> {
        check_version(self.version)?;
        if self.pinned.is_none() && self.expires_at.is_none() && self.status.is_none() {
            return Err(Problem::invalid(
                "body",
                "the body changes nothing, expected `pinned`, `expires_at` or `status`".to_owned(),
            ));
        }
        Ok(())
    }
}

/// Which version is deleted.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct DeletionAsked {
    /// The version that is deleted; any when not given.
    #[param(value_type = Option<i64>, minimum = 1)]
    pub(crate) version: Option<Whole<1, { i64::MAX }>>,
}

fn check_version(version: i64) -> Result<(), Problem> {
    if version >= 1 {
        return Ok(());
    }
    Err(Problem::invalid("version", "field `version`: expected a whole number of at least 1".to_owned()))
}

fn check_account(content: &str, data: Option<&Value>) -> Result<(), Problem> {
    let edit = Edit::new(Some(content.to_owned()), data.cloned());
    edit.map_err(|error| Problem::invalid(error.field(), error.to_string()))?;
    let bytes = data.map_or(0, |data| data.to_string().len());
    if bytes > LONGEST_DATA_BYTES {
        return Err(Problem::invalid(
            "data",
            format!("field `data` is {bytes} bytes, expected at most {LONGEST_DATA_BYTES}"),
        ));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn new(body: Value) -> Result<(), String> {
        let asked: NewMemoryAsked = serde_json::from_value(body).map_err(|error| error.to_string())?;
        asked.check().map_err(|problem| problem.parameter.unwrap_or_default())
    }

    #[test]
    fn what_is_to_be_remembered_needs_a_type_and_words() {
        assert_eq!(new(json!({"type": "fact", "content": "Ada likes tea"})), Ok(()));
        let with = |name: &str, value: Value| {
            let mut body = json!({"type": "fact", "content": "Ada likes tea"});
            body[name] = value;
            new(body)
        };
        for (name, value) in [
            ("content", json!("")),
            ("content", json!(" ")),
            ("content", json!("x".repeat(8193))),
            ("content", json!("a\0b")),
            ("data", json!([])),
            ("data", json!({"a": ["\0"]})),
            ("data", json!({"a": "x".repeat(65_536)})),
            ("confidence", json!(1.5)),
            ("confidence", json!(-0.1)),
            ("key", json!("")),
            ("key", json!("x".repeat(513))),
            ("key", json!("a\0b")),
            ("scope", json!("global")),
            ("evidence", json!(vec![json!({"session": "s", "version": 1}); 101])),
        ] {
            assert_eq!(with(name, value.clone()), Err(name.to_owned()), "{value}");
        }
        assert_eq!(with("scope", json!("session")), Err("session".to_owned()));
        assert_eq!(with("content", json!("x".repeat(8192))), Ok(()));
        assert!(with("more", json!(1)).is_err() && with("type", json!("mood")).is_err());
        assert!(with("session", json!("a\nb")).is_err() && with("session", json!("")).is_err());
        assert!(serde_json::from_str::<NewMemoryAsked>(r#"{"type": "fact", "content": "\ud800"}"#).is_err());
    }

    #[test]
    fn a_patch_tells_what_is_not_given_from_null() {
        let patch = |body: Value| serde_json::from_value::<PatchAsked>(body).unwrap();
        assert_eq!(patch(json!({"version": 1, "pinned": true})).expires_at, None);
        assert_eq!(patch(json!({"version": 1, "expires_at": null})).expires_at, Some(Until(None)));
        assert_eq!(patch(json!({"version": 1})).check().unwrap_err().parameter.as_deref(), Some("body"));
        let old = patch(json!({"version": 0, "pinned": true})).check().unwrap_err();
        assert_eq!(old.parameter.as_deref(), Some("version"));
        assert!(serde_json::from_value::<PatchAsked>(json!({"version": 1, "status": "deleted"})).is_err());
    }

    #[test]
    fn what_held_then_has_no_status() {
        let asked = |status: Option<&str>| ListAsked {
            status: status.map(|status| Statuses::try_from(status.to_owned()).unwrap()),
            as_of: Some(Moment(Timestamp::UNIX_EPOCH)),
            ..ListAsked::default()
        };
        assert!(asked(None).filter().is_ok());
        assert_eq!(asked(Some("active")).filter().unwrap_err().parameter.as_deref(), Some("status"));
        assert_eq!(Statuses::try_from("active,deleted".to_owned()).unwrap().0.len(), 2);
        assert!(Statuses::try_from("gone".to_owned()).is_err());
    }

    proptest! {
        #[test]
        fn a_cursor_is_read_as_it_was_written(micros in 0_i64..4_000_000_000_000_000, id in any::<u128>()) {
            let created_at = Timestamp::from_microsecond(micros).unwrap();
            let cursor = Cursor(MemoryPosition { created_at, id: MemoryId(Uuid::from_u128(id)) });
            prop_assert_eq!(Cursor::try_from(cursor.text()), Ok(cursor));
        }

        #[test]
        fn no_cursor_panics(text in "\\PC{0,60}|-?[0-9a-f]{0,20}-[0-9a-f]{32}") {
            let _ = Cursor::try_from(text);
        }
    }
}
