use std::str::FromStr;

use axum::extract::State;
use domain::{SessionId, TenantId, UserId};
use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{InSession, Session, SessionFilter};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::{check_document, failed};
use crate::Parts;
use crate::http::{
    Answer, Caller, IdempotencyKey, Json, Moment, OfSession, OfUser, PathOf, Problem, Query, Shared, Whole,
    once, page_length,
};

/// How many sessions a page has when nobody says.
const USUAL_PAGE: u16 = 20;
/// How long a request goes on bringing events back.
const RESTORING: SignedDuration = SignedDuration::from_secs(10);
/// How large a session's metadata may be, in bytes of JSON.
const MOST_METADATA_BYTES: usize = 64 * 1024;

/// What an application says of a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Status {
    Active,
    Paused,
    Completed,
    Failed,
}

impl Status {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Completed => "completed",
            Self::Failed => "failed",
        }
    }
}

/// Which sessions are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Only those with this status.
    status: Option<Status>,
    /// The `next` of the page before.
    #[param(value_type = Option<String>)]
    after: Option<Cursor>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
}

/// A place in the list of a user's sessions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
struct Cursor(Timestamp, SessionId);

impl TryFrom<String> for Cursor {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let read = || {
            let (made, id) = text.split_once('.')?;
            let made = Timestamp::from_microsecond(made.parse().ok()?).ok()?;
            let made = Moment::try_from(made).ok()?.0;
            Some(Self(made, SessionId(Uuid::from_str(id).ok()?)))
        };
        read().ok_or("expected the `next` of an answer")
    }
}

impl Cursor {
    fn after(session: &SessionAnswer) -> String {
        format!("{}.{}", session.created_at.as_microsecond(), session.id.0.simple())
    }
}

/// A page of sessions, the newest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionsAnswer {
    sessions: Vec<SessionAnswer>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<String>,
}

/// A session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionAnswer {
    session: String,
    #[schema(value_type = Uuid)]
    id: SessionId,
    status: String,
    /// Its last version; 0 when it has no events.
    version: i64,
    /// Up to which version what was said is in the archive: it is read from there, and not searched. 0 for nothing.
    archived_through: i64,
    #[schema(value_type = Object)]
    metadata: Value,
    created_at: Timestamp,
    /// When its last event was accepted; null when it has none.
    last_event_at: Option<Timestamp>,
}

impl From<Session> for SessionAnswer {
    fn from(session: Session) -> Self {
        Self {
            session: session.name,
            id: session.id,
            status: session.status,
            version: session.head,
            archived_through: session.archived_through,
            metadata: session.metadata,
            created_at: session.created_at,
            last_event_at: (session.head > 0).then_some(session.last_event_at),
        }
    }
}

/// How a session changes.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct SessionChange {
    /// Its status from now on; it says what the application means and changes nothing else.
    status: Option<Status>,
    /// Merged into its metadata (RFC 7396), which may have 64 KiB.
    #[schema(value_type = Option<Object>)]
    metadata: Option<serde_json::Map<String, Value>>,
}

/// A user's sessions, the newest first.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions", tag = "sessions", params(OfUser, Listed),
    security(("api_key" = ["read"])),
    responses((status = 200, body = SessionsAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
pub(super) async fn list_sessions(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(listed): Query<Listed>,
) -> Result<Answer<SessionsAnswer>, Problem> {
    parts.list_sessions(&caller.tenant, &user, &listed).await.map(Answer::ok)
}

/// A session.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}", tag = "sessions", params(OfSession),
    security(("api_key" = ["read"])),
    responses((status = 200, body = SessionAnswer), (status = 404, body = Problem), (status = 503, body = Problem))
)]
pub(super) async fn show_session(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
) -> Result<Answer<SessionAnswer>, Problem> {
    let found = parts.store.session(of.path(&caller.tenant)).await.map_err(|error| failed(&error))?;
    Ok(Answer::ok(found.ok_or_else(|| of.unknown())?.into()))
}

/// Gives a session another status or other metadata.
#[utoipa::path(
    patch, path = "/v1/users/{user}/sessions/{session}", tag = "sessions", params(OfSession, IdempotencyKey),
    request_body = SessionChange,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = SessionAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn change_session(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    key: IdempotencyKey,
    Json(change): Json<SessionChange>,
) -> Result<Answer<SessionAnswer>, Problem> {
    parts.change_session(&caller.tenant, &of, key, change).await.map(Answer::ok)
}

/// What came back from the archive.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RestoredAnswer {
    /// How many events have come back.
    restored_events: u64,
    /// Whether more of the session is in the archive: ask again.
    more: bool,
}

/// Brings what was said in a session back from the archive, where it went because nothing happened in it for long. From then on
/// it is searched again, as soon as the indexer has come by, and stays for as long.
///
/// It ends after some seconds; asked again, it goes on where it ended. A session with nothing in the archive is left as it is.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/restore", tag = "sessions", params(OfSession),
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, body = RestoredAnswer), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
pub(super) async fn restore_session(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
) -> Result<Answer<RestoredAnswer>, Problem> {
    parts.restore_session(&caller.tenant, &of).await.map(Answer::ok)
}

impl Parts {
    async fn restore_session(&self, tenant: &TenantId, of: &OfSession) -> Result<RestoredAnswer, Problem> {
        let keeper = self.keeper()?;
        let until = (self.now)().saturating_add(RESTORING).unwrap_or(Timestamp::MAX);
        let mut answer = RestoredAnswer { restored_events: 0, more: true };
        while answer.more && (answer.restored_events == 0 || (self.now)() < until) {
            let restored = keeper.restore_next(of.path(tenant)).await;
            let restored = restored.map_err(|error| failed(&error))?.ok_or_else(|| of.unknown())?;
            answer.restored_events += restored.events;
            answer.more = !restored.is_done;
        }
        Ok(answer)
    }

    /// A user's sessions, the newest first.
    pub(crate) async fn list_sessions(
        &self,
        tenant: &TenantId,
        user: &UserId,
        listed: &Listed,
    ) -> Result<SessionsAnswer, Problem> {
        let limit: u16 = listed.limit.map_or(USUAL_PAGE, Whole::to);
        let filter = SessionFilter {
            status: listed.status.map(Status::as_str),
            after: listed.after.map(|Cursor(made, id)| (made, id)),
        };
        // One more than wanted tells whether there is a next page.
        let found = self.store.sessions(tenant, user, &filter, limit + 1).await;
        let mut sessions: Vec<SessionAnswer> =
            found.map_err(|error| failed(&error))?.into_iter().map(Into::into).collect();
        let (length, found) = (page_length(&sessions, limit), sessions.len());
        sessions.truncate(length);
        let next = sessions.last().filter(|_| length < found).map(Cursor::after);
        Ok(SessionsAnswer { sessions, next })
    }

    async fn change_session(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        key: IdempotencyKey,
        change: SessionChange,
    ) -> Result<SessionAnswer, Problem> {
        let request = key.of("change session", &(&of.user, of.session.as_str(), &change));
        let patch = Value::Object(change.metadata.unwrap_or_default());
        let merge = |mut metadata: Value| {
            json_patch::merge(&mut metadata, &patch);
            check_document("metadata", &metadata, MOST_METADATA_BYTES)?;
            Ok::<_, Problem>(metadata)
        };
        let status = change.status.map(Status::as_str);
        let changed = self.store.update_session(of.path(tenant), status, merge, request.as_ref()).await;
        let changed = changed.map_err(|error| failed(&error))?;
        let changed = once(changed, |kept: InSession<Session>| Some(Ok(kept.answer)))?;
        changed.ok_or_else(|| of.unknown())?.map(Into::into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_read_back_and_nothing_else_is() {
        let id = SessionId(Uuid::from_u128(7));
        let made = Timestamp::from_microsecond(1_700_000_000_123_456).unwrap();
        let text = format!("{}.{}", made.as_microsecond(), id.0.simple());
        assert_eq!(Cursor::try_from(text), Ok(Cursor(made, id)));
        for wrong in ["", ".", "1", "x.y", "1.", "99999999999999999999.00000000000000000000000000000007"] {
            assert!(Cursor::try_from(wrong.to_owned()).is_err(), "{wrong}");
        }
    }
}
