//! The operations, as they are asked for over HTTP.

use std::sync::Arc;

use axum::extract::FromRequestParts;
use axum::http::request::Parts as Head;
use jiff::Timestamp;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use super::answer::{Became, CalledOff, Paused, Redriven, Runs, Sent, Status};
use super::erasures::{Verified, VerifyAsked};
use super::janitor::{TidyAsked, Untidy};
use super::letters::{LettersOrder, RedrivenLetters};
use super::request::{
    CancelOrder, EventsAsked, EventsOf, PauseOrder, RedriveOrder, ReplayOrder, ResumeOrder, RunsAsked,
};
use super::{Admin, tenants};
use crate::http::{Answer, Json, Nothing, Problem, Query, Shared, TENANT_HEADER};

/// The operations, for a function that obeys operators.
pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(status))
        .routes(routes!(runs))
        .routes(routes!(events))
        .routes(routes!(pause))
        .routes(routes!(resume))
        .routes(routes!(cancel))
        .routes(routes!(replay))
        .routes(routes!(redrive))
        .routes(routes!(redrive_letters))
        .routes(routes!(untidy))
        .routes(routes!(verify_erasure))
        .merge(tenants::routes())
}

/// Who acts on all tenants: a request that names none in its header.
pub(super) struct Operator(Shared);

impl FromRequestParts<Shared> for Operator {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, parts: &Shared) -> Result<Self, Problem> {
        if head.headers.contains_key(TENANT_HEADER) {
            // Whoever sends it means one tenant, and would be given all.
            return Err(Problem::invalid(
                TENANT_HEADER,
                format!(
                    "header `{TENANT_HEADER}` is given, expected none: `tenant` says whose sessions are meant"
                ),
            ));
        }
        Ok(Self(Arc::clone(parts)))
    }
}

impl Operator {
    /// Everything the function answers with.
    pub(super) fn parts(&self) -> &Shared {
        &self.0
    }

    pub(super) fn admin(&self) -> &Admin {
        self.0.admin.as_ref().expect("the paths exist only where operators are obeyed")
    }

    fn now(&self) -> Timestamp {
        (self.0.now)()
    }
}

/// How far every agent is, and what is held.
#[utoipa::path(
    get, path = "/v1/admin/status", operation_id = "admin_status", tag = "admin",
    security(("operator_key" = [])),
    responses((status = 200, body = Status), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn status(operator: Operator, Query(Nothing {}): Query<Nothing>) -> Result<Answer<Status>, Problem> {
    operator.admin().status(operator.now()).await.map(Answer::ok)
}

/// The history of runs, the newest first.
#[utoipa::path(
    get, path = "/v1/admin/runs", operation_id = "admin_runs", tag = "admin", params(RunsAsked),
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Runs), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn runs(operator: Operator, Query(asked): Query<RunsAsked>) -> Result<Answer<Runs>, Problem> {
    let admin = operator.admin();
    let (aim, limit, filter) = asked.filter(&admin.agents(), operator.now())?;
    let filter = filter(admin.target(&aim).await?);
    admin.runs(&filter, limit).await.map(Answer::ok)
}

/// What became of every event of a session at every agent.
#[utoipa::path(
    get, path = "/v1/admin/events", operation_id = "admin_events", tag = "admin", params(EventsAsked),
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Became), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn events(operator: Operator, Query(asked): Query<EventsAsked>) -> Result<Answer<Became>, Problem> {
    let admin = operator.admin();
    let EventsOf { tenant, user, session, agent, from, to } = asked.checked(&admin.agents())?;
    let session_id = admin.session(&tenant, &user, &session).await?;
    let agents: Vec<&str> = match &agent {
        Some(agent) => vec![agent],
        None => admin.agents(),
    };
    let events = admin.events(&tenant, session_id, from, to, &agents, operator.now()).await?;
    let next = events.last().filter(|last| last.version == to).map(|_| to.saturating_add(1));
    Ok(Answer::ok(Became { tenant, user, session, session_id, events, next }))
}

/// Has a target not thought about, until a time or until resumed.
#[utoipa::path(
    post, path = "/v1/admin/pause", operation_id = "admin_pause", tag = "admin", request_body = PauseOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Paused), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn pause(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<PauseOrder>,
) -> Result<Answer<Paused>, Problem> {
    let admin = operator.admin();
    let (aim, until) = order.checked(&admin.agents(), operator.now())?;
    admin.pause(aim, until).await.map(Answer::ok)
}

/// Ends the holds on exactly this target, and wakes what is behind in it.
#[utoipa::path(
    post, path = "/v1/admin/resume", operation_id = "admin_resume", tag = "admin", request_body = ResumeOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Sent), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn resume(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<ResumeOrder>,
) -> Result<Answer<Sent>, Problem> {
    let admin = operator.admin();
    let aim = order.checked(&admin.agents())?;
    admin.resume(&aim, operator.now()).await.map(Answer::ok)
}

/// Passes over what waits to be thought about.
#[utoipa::path(
    post, path = "/v1/admin/cancel", operation_id = "admin_cancel", tag = "admin", request_body = CancelOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = CalledOff), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn cancel(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<CancelOrder>,
) -> Result<Answer<CalledOff>, Problem> {
    let admin = operator.admin();
    let (aim, before) = order.checked(&admin.agents(), operator.now())?;
    admin.cancel(&aim, before).await.map(Answer::ok)
}

/// Sends agents back, so that they think again. Asked again, it sends them back again.
#[utoipa::path(
    post, path = "/v1/admin/replay", operation_id = "admin_replay", tag = "admin", request_body = ReplayOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Sent), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn replay(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<ReplayOrder>,
) -> Result<Answer<Sent>, Problem> {
    let admin = operator.admin();
    let (aim, from) = order.checked(&admin.agents(), operator.now())?;
    admin.replay(&aim, from, operator.now()).await.map(Answer::ok)
}

/// Tries windows again that were set aside.
#[utoipa::path(
    post, path = "/v1/admin/redrive", operation_id = "admin_redrive", tag = "admin", request_body = RedriveOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Redriven), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn redrive(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<RedriveOrder>,
) -> Result<Answer<Redriven>, Problem> {
    let admin = operator.admin();
    let (aim, filter) = order.filter(&admin.agents(), operator.now())?;
    let filter = filter(admin.target(&aim).await?);
    admin.redrive(filter, operator.now()).await.map(Answer::ok)
}

/// Sends what was accepted and could not be stored to be stored again, in the order of each session. With `dry_run`, only lists it,
/// without what it says.
#[utoipa::path(
    post, path = "/v1/admin/ingest/redrive", operation_id = "admin_redrive_letters", tag = "admin",
    request_body = LettersOrder,
    security(("operator_key" = [])),
    responses(
        (status = 200, body = RedrivenLetters), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 413, body = Problem), (status = 503, body = Problem)
    )
)]
async fn redrive_letters(
    operator: Operator,
    Query(Nothing {}): Query<Nothing>,
    Json(order): Json<LettersOrder>,
) -> Result<Answer<RedrivenLetters>, Problem> {
    operator.admin().redrive_letters(order, operator.now()).await.map(Answer::ok)
}

/// What is left of a user, or of one of their sessions, from before they were erased: in every table, in hot state, among dead
/// letters and in the archive. Tables are read from end to end.
#[utoipa::path(
    get, path = "/v1/admin/erasures/verification", operation_id = "admin_verify_erasure", tag = "admin",
    params(VerifyAsked),
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Verified), (status = 400, body = Problem), (status = 503, body = Problem)
    )
)]
async fn verify_erasure(
    operator: Operator,
    Query(asked): Query<VerifyAsked>,
) -> Result<Answer<Verified>, Problem> {
    let keeper = operator.0.keeper.as_ref();
    Box::pin(operator.admin().verify_erasure(keeper, asked)).await.map(Answer::ok)
}

/// What the janitor would clear away of a tenant now. Nothing is changed.
#[utoipa::path(
    get, path = "/v1/admin/janitor/dry-run", operation_id = "admin_untidy", tag = "admin", params(TidyAsked),
    security(("operator_key" = [])),
    responses(
        (status = 200, body = Untidy), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn untidy(
    operator: Operator,
    Query(TidyAsked { tenant }): Query<TidyAsked>,
) -> Result<Answer<Untidy>, Problem> {
    let keeper = operator.0.keeper.as_ref();
    operator.admin().untidy(keeper, tenant, operator.now()).await.map(Answer::ok)
}
