use std::num::NonZeroU32;

use api::{EventType, RateLimit};
use axum::extract::State;
use axum::http::StatusCode;
use domain::{EventKind, SessionId, TenantId, TenantSettings};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::{Appended, Appending, LoggedEvent, NewEvent, Once, RequestKey};
use utoipa::{IntoParams, ToSchema};

use super::failed;
use crate::Parts;
use crate::http::{
    Answer, Caller, IdempotencyKey, Json, Moment, OfSession, PathOf, Problem, Query, Shared, Whole, once,
    page_length,
};

/// How many events are appended at once.
const MOST_EVENTS: usize = 100;
/// How many events a page has when nobody says.
const USUAL_PAGE: u16 = 50;

/// Events to be appended, all or none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsAsked {
    /// 1 to 100 of them, in order.
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) events: Vec<EventAsked>,
    /// The version the session has: if it has another, nothing is appended.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub(crate) expected_version: Option<Whole<0, { i64::MAX }>>,
}

/// An event to be appended.
#[derive(Debug, Clone, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventAsked {
    pub(crate) r#type: EventType,
    /// `user`, `assistant`, `system` or `tool`; a message has one.
    pub(crate) role: Option<String>,
    /// Who spoke, at most 200 bytes.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) speaker: Option<String>,
    /// The text, at most 256 KiB; a message has one.
    #[schema(max_length = 262_144)]
    pub(crate) content: Option<String>,
    /// Structured data, at most 256 KiB as JSON.
    #[schema(value_type = Option<Object>)]
    pub(crate) payload: Option<Map<String, Value>>,
    /// Names the event within its session: the same key again is the same event.
    #[schema(min_length = 1, max_length = 255)]
    pub(crate) idempotency_key: Option<String>,
    /// When it happened; now, if not given.
    pub(crate) occurred_at: Option<Moment>,
    /// The schema the payload was written in; the latest, if not given.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2)]
    pub(crate) schema_version: Option<Whole<1, 2>>,
}

impl EventAsked {
    /// What is wrong with it as the event at a position, if the log does not take it.
    pub(crate) fn check(&self, position: usize) -> Result<(), Problem> {
        check(position, &self.clone().into())
    }
}

/// What is wrong with the event at a position, if the log does not take it.
fn check(position: usize, event: &NewEvent) -> Result<(), Problem> {
    event.check().map_err(|wrong| {
        let parameter = format!("events[{position}].{}", wrong.field);
        Problem::invalid(&parameter, format!("field `{parameter}` {}", wrong.expected))
    })
}

impl From<EventAsked> for NewEvent {
    fn from(asked: EventAsked) -> Self {
        let empty = Self::new(asked.r#type.into());
        Self {
            role: asked.role,
            speaker: asked.speaker,
            content: asked.content,
            payload: asked.payload.map_or(empty.payload, Value::Object),
            idempotency_key: asked.idempotency_key,
            occurred_at: asked.occurred_at.map(Timestamp::from),
            schema_version: asked.schema_version.map_or(empty.schema_version, Whole::to),
            kind: empty.kind,
        }
    }
}

/// What was appended.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AppendedAnswer {
    #[schema(value_type = Uuid)]
    session_id: SessionId,
    /// The version of each event, in the order they were given.
    versions: Vec<i64>,
    /// The session's last version.
    version: i64,
}

impl From<Appended> for AppendedAnswer {
    fn from(Appended { session, versions, head }: Appended) -> Self {
        Self { session_id: session, versions, version: head }
    }
}

/// Which events are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Those after this version; the `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 0)]
    after: Option<Whole<0, { i64::MAX }>>,
    /// How many at most; 50 when not given. A page is shorter when its events are long.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
    /// Only those of this type.
    r#type: Option<EventType>,
}

/// A page of a session's log, oldest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventsAnswer {
    /// The session's last version.
    version: i64,
    events: Vec<EventAnswer>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<i64>,
}

/// An event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventAnswer {
    version: i64,
    r#type: &'static str,
    role: Option<String>,
    speaker: Option<String>,
    content: String,
    #[schema(value_type = Object)]
    payload: Value,
    schema_version: i16,
    idempotency_key: Option<String>,
    occurred_at: Timestamp,
    created_at: Timestamp,
}

impl From<LoggedEvent> for EventAnswer {
    fn from(logged: LoggedEvent) -> Self {
        let event = logged.event;
        Self {
            version: event.version,
            r#type: event.kind.as_str(),
            role: Some(event.role).filter(|role| !role.is_empty()),
            speaker: event.speaker,
            content: event.content,
            payload: event.payload,
            schema_version: logged.schema_version,
            idempotency_key: logged.idempotency_key,
            occurred_at: event.occurred_at,
            created_at: event.created_at,
        }
    }
}

/// Appends events to a session, which is made when it is new.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/events", tag = "sessions", params(OfSession, IdempotencyKey),
    request_body = EventsAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 201, body = AppendedAnswer), (status = 400, body = Problem),
        (status = 409, body = Problem, description = "the session has another version"),
        (status = 422, body = Problem, description = "a key was used for something else"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn append_events(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    key: IdempotencyKey,
    Json(asked): Json<EventsAsked>,
) -> Result<Answer<AppendedAnswer>, Problem> {
    parts.append_events(&caller.tenant, &of, key, asked).await
}

/// A session's log, page by page.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/events", tag = "sessions", params(OfSession, Listed),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = EventsAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn list_events(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(listed): Query<Listed>,
) -> Result<Answer<EventsAnswer>, Problem> {
    let after = listed.after.map_or(0, Whole::get);
    let limit = listed.limit.map_or(USUAL_PAGE, Whole::to);
    let event_type = listed.r#type.map(|kind| EventKind::from(kind).as_str());
    parts.list_events(&caller.tenant, &of, after, limit, event_type).await.map(Answer::ok)
}

impl Parts {
    /// Appends events to a session, as far as the tenant's quota goes. Whatever becomes of it, the answer tells what is left of
    /// that.
    pub(crate) async fn append_events(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        key: IdempotencyKey,
        mut asked: EventsAsked,
    ) -> Result<Answer<AppendedAnswer>, Problem> {
        let now = (self.now)();
        let settings = self.guard.keyring().settings_if_known(tenant, now).await;
        let left = async || self.quota.left(&self.hot, &settings, tenant, now).await;
        let (request, events) = match self.checked_events(tenant, of, key, &mut asked).await {
            Ok(checked) => checked,
            Err(problem) if problem.status == StatusCode::SERVICE_UNAVAILABLE.as_u16() => {
                return Err(problem);
            }
            Err(problem) => return Err(problem.with_limits(left().await)),
        };
        let count = u32::try_from(events.len()).ok().and_then(NonZeroU32::new).unwrap_or(NonZeroU32::MIN);
        let admitted = self.admit_events(tenant, &settings, of, request.as_ref(), count, now).await?;
        let expected = asked.expected_version.map(Whole::get);
        let appended = self
            .store
            .append_events(tenant, &of.user, of.session.as_str(), &events, expected, request.as_ref())
            .await;
        // Events that did not get into the log do not count. Where nobody knows whether they did, they do.
        let is_in = match &appended {
            Ok(Once::Done(Appending::Appended(_))) => true,
            Ok(_) => false,
            Err(error) => !error.names_unknown(),
        };
        let limits = match admitted {
            Some(limits) if is_in => limits,
            Some(_) => {
                self.quota.give_back(&self.hot, &settings, tenant, count, now).await;
                left().await
            }
            None => left().await,
        };
        match appended.map_err(|error| failed(&error)).and_then(answered) {
            Ok(appended) => Ok(Answer::created(appended).with_limits(limits)),
            Err(problem) => Err(problem.with_limits(limits)),
        }
    }

    /// Counts events towards the tenant's quota, unless their request was made before.
    async fn admit_events(
        &self,
        tenant: &TenantId,
        settings: &TenantSettings,
        of: &OfSession,
        request: Option<&RequestKey>,
        count: NonZeroU32,
        now: Timestamp,
    ) -> Result<Option<Vec<RateLimit>>, Problem> {
        if !self.quota.is_limiting(settings) {
            return Ok(None);
        }
        if let Some(request) = request {
            let known = self.store.knows_request(tenant, &of.user, request).await;
            if known.map_err(|error| failed(&error))? {
                return Ok(None);
            }
        }
        self.quota.admit(&self.hot, settings, tenant, count, now).await.map(Some)
    }

    /// What is to be appended, when all is right with it, without what the tenant wants kept out.
    async fn checked_events(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        key: IdempotencyKey,
        asked: &mut EventsAsked,
    ) -> Result<(Option<RequestKey>, Vec<NewEvent>), Problem> {
        if !(1..=MOST_EVENTS).contains(&asked.events.len()) {
            let detail =
                format!("field `events` must be 1 to {MOST_EVENTS} events, got {}", asked.events.len());
            return Err(Problem::invalid("events", detail));
        }
        // What was taken out is for us to write down.
        asked.events.iter_mut().filter_map(|event| event.payload.as_mut()).for_each(guard::drop_record);
        self.screen_events(tenant, &mut asked.events).await?;
        let request = key.of("append events", &(&of.user, of.session.as_str(), &*asked));
        let events: Vec<NewEvent> = asked.events.drain(..).map(Into::into).collect();
        for (position, event) in events.iter().enumerate() {
            check(position, event)?;
        }
        Ok((request, events))
    }

    /// A page of a session's log.
    pub(crate) async fn list_events(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        after: i64,
        limit: u16,
        event_type: Option<&str>,
    ) -> Result<EventsAnswer, Problem> {
        let page = self.store.session_events(of.path(tenant), after, limit, event_type).await;
        let page = page.map_err(|error| failed(&error))?.ok_or_else(|| of.unknown())?;
        let mut events: Vec<EventAnswer> = page.events.into_iter().map(Into::into).collect();
        let (length, found) = (page_length(&events, limit), events.len());
        events.truncate(length);
        let next = events.last().filter(|_| page.more || length < found).map(|event| event.version);
        Ok(EventsAnswer { version: page.head, events, next })
    }
}

/// What is answered to events that were to be appended.
fn answered(appended: Once<Appending>) -> Result<AppendedAnswer, Problem> {
    match once(appended, Appending::Appended)? {
        Appending::Appended(appended) => Ok(appended.into()),
        Appending::Stale { head } => {
            let detail = format!("the session has version {head}: look at what was appended since");
            let current = serde_json::json!({"version": head});
            Err(Problem::conflict("expected_version", detail).with_current(current))
        }
        Appending::KeyTaken { event } => {
            let parameter = format!("events[{event}].idempotency_key");
            let detail = format!("field `{parameter}` was used in this session for another event");
            Err(Problem::unprocessable(&parameter, detail))
        }
    }
}

impl EventsAnswer {
    /// The events, and what to give as `after` for more.
    pub(super) fn into_parts(self) -> (i64, Vec<EventAnswer>, Option<i64>) {
        (self.version, self.events, self.next)
    }
}
