//! Events that an application says are its own.

use api::{Answer, Caller, EventType, IdempotencyKey, Json, Moment, Problem, Whole};
use axum::extract::State;
use domain::{SessionName, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use store::NewEvent;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::accept::{AcceptedAnswer, Said, Saying};
use crate::{MOST_BODY_BYTES, Shared};

/// How many events a request says at most.
pub(crate) const MOST_EVENTS: usize = 100;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(accept_events))
}

/// Events of any users and sessions, all or none.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventsAsked {
    /// 1 to 100 of them; those of one session in order.
    #[schema(min_items = 1, max_items = 100)]
    pub(crate) events: Vec<EventAsked>,
}

/// An event.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventAsked {
    /// Whose conversation, as the application names them.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) user: UserId,
    /// Which conversation; it is made when it is new.
    #[schema(value_type = String, min_length = 1, max_length = 200)]
    pub(crate) session: SessionName,
    /// What it records; a message, if not given.
    #[serde(default)]
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
    /// When it happened; when it was accepted, if not given.
    pub(crate) occurred_at: Option<Moment>,
    /// The schema the payload was written in; the latest, if not given.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 2)]
    pub(crate) schema_version: Option<Whole<1, 2>>,
}

impl From<EventAsked> for Said {
    fn from(asked: EventAsked) -> Self {
        let empty = NewEvent::new(asked.r#type.into());
        let event = NewEvent {
            role: asked.role,
            speaker: asked.speaker,
            content: asked.content,
            payload: asked.payload.map_or(empty.payload, Value::Object),
            idempotency_key: asked.idempotency_key,
            occurred_at: asked.occurred_at.map(Timestamp::from),
            schema_version: asked.schema_version.map_or(empty.schema_version, Whole::to),
            kind: empty.kind,
        };
        Self { user: asked.user, session: asked.session, event }
    }
}

/// Accepts events. They are stored in order within each session, each once.
#[utoipa::path(
    post, path = "/v1/events", tag = "events", params(IdempotencyKey), request_body = EventsAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 202, body = AcceptedAnswer, description = "every event is in the queue, which keeps it until it is stored"),
        (status = 400, body = Problem), (status = 413, body = Problem), (status = 415, body = Problem),
        (status = 422, body = Problem, description = "the key was used for another request, or the tenant does not take it in"),
        (status = 503, body = Problem, description = "not every event was accepted: send all of them again, with the same keys")
    )
)]
async fn accept_events(
    State(parts): State<Shared>,
    caller: Caller,
    key: IdempotencyKey,
    Json(asked): Json<EventsAsked, MOST_BODY_BYTES>,
) -> Result<Answer<AcceptedAnswer>, Problem> {
    if !(1..=MOST_EVENTS).contains(&asked.events.len()) {
        let detail = format!("field `events` must be 1 to {MOST_EVENTS} events, got {}", asked.events.len());
        return Err(Problem::invalid("events", detail));
    }
    let settings = parts.settings(&caller.tenant, (parts.now)()).await;
    let saying = Saying {
        tenant: caller.tenant,
        settings,
        scope: "events".to_owned(),
        request: key.of("accept events", &asked),
        said: asked.events.into_iter().map(Into::into).collect(),
        place: |position, field| format!("events[{position}].{field}"),
    };
    parts.accept(saying).await
}
