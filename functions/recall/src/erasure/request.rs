use std::str::FromStr;

use domain::{MemoryId, SessionName, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use store::{Erasing, ErasurePosition, Receipt};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{Moment, Problem, Whole};

/// How many erasures a page has when nobody says.
const USUAL_PAGE: u16 = 20;

/// One of a user's erasures.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(super) struct OfErasure {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    pub(super) user: UserId,
    /// An erasure, as its receipt names it.
    pub(super) id: Uuid,
}

/// What can be erased.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Subject {
    /// Everything of the user.
    User,
    /// A session, and what was learned from it alone.
    Session,
    /// A memory, what it took the place of, and what says the same or quotes it.
    Memory,
}

/// What is to be erased.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct ErasureAsked {
    /// Of the user: all, a session or a memory.
    subject: Subject,
    /// The session, when it is one.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    session: Option<SessionName>,
    /// The memory, when it is one.
    memory: Option<Uuid>,
    /// Whether only to count what would go.
    #[serde(default)]
    pub(super) dry_run: bool,
}

/// What is to be erased, with its name.
#[derive(Debug, PartialEq)]
pub(super) enum What<'a> {
    User,
    Session(&'a SessionName),
    Memory(MemoryId),
}

impl What<'_> {
    pub(super) fn as_erasing(&self) -> Erasing<'_> {
        match self {
            Self::User => Erasing::User,
            Self::Session(name) => Erasing::Session(name.as_str()),
            Self::Memory(id) => Erasing::Memory(*id),
        }
    }
}

impl ErasureAsked {
    pub(super) fn checked(&self) -> Result<What<'_>, Problem> {
        let wrong =
            |field: &str, expected: &str| Err(Problem::invalid(field, format!("field `{field}` {expected}")));
        match (self.subject, &self.session, self.memory) {
            (Subject::User, None, None) => Ok(What::User),
            (Subject::Session, Some(session), None) => Ok(What::Session(session)),
            (Subject::Memory, None, Some(memory)) => Ok(What::Memory(MemoryId(memory))),
            (Subject::Session, None, _) => wrong("session", "is missing, expected the name of a session"),
            (Subject::Memory, _, None) => wrong("memory", "is missing, expected the id of a memory"),
            (_, Some(_), _) => wrong("session", "is given, expected only where `subject` is `session`"),
            (_, _, Some(_)) => wrong("memory", "is given, expected only where `subject` is `memory`"),
        }
    }
}

/// Which erasures are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct ErasuresAsked {
    /// Whether only those that are not complete are wanted.
    #[serde(default)]
    #[param(required = false)]
    pub(super) open: bool,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    pub(super) after: Option<Cursor>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
}

impl ErasuresAsked {
    pub(super) fn limit(&self) -> u16 {
        self.limit.map_or(USUAL_PAGE, Whole::to)
    }
}

/// A place in the list of a tenant's erasures.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(super) struct Cursor(pub(super) ErasurePosition);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let (at, id) = text.split_once('.')?;
            let at = Timestamp::from_microsecond(at.parse().ok()?).ok()?;
            Some(Self((Moment::try_from(at).ok()?.0, Uuid::from_str(id).ok()?)))
        };
        read().ok_or("expected the `next` of an answer")
    }
}

impl Cursor {
    pub(super) fn after(receipt: &Receipt) -> String {
        format!("{}.{}", receipt.erased_at.as_microsecond(), receipt.id.simple())
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(body: Value) -> Result<String, String> {
        let asked: ErasureAsked = serde_json::from_value(body).map_err(|error| error.to_string())?;
        asked.checked().map(|what| format!("{what:?}")).map_err(|problem| problem.detail)
    }

    #[test]
    fn what_is_erased_is_named_and_nothing_else_is() {
        assert_eq!(read(json!({"subject": "user"})).unwrap(), "User");
        assert!(
            read(json!({"subject": "session", "session": "s", "dry_run": true})).unwrap().contains("Session")
        );
        assert!(read(json!({"subject": "memory", "memory": Uuid::nil()})).unwrap().starts_with("Memory"));
        for (wrong, field) in [
            (json!({"subject": "session"}), "`session` is missing"),
            (json!({"subject": "memory"}), "`memory` is missing"),
            (json!({"subject": "user", "session": "s"}), "`session` is given"),
            (json!({"subject": "user", "memory": Uuid::nil()}), "`memory` is given"),
            (json!({"subject": "memory", "memory": Uuid::nil(), "session": "s"}), "`session` is given"),
            (json!({"subject": "everybody"}), "unknown variant"),
            (json!({"subject": "user", "really": true}), "unknown field"),
        ] {
            let error = read(wrong).unwrap_err();
            assert!(error.contains(field), "{error}");
        }
    }
}
