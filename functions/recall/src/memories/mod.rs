//! Memories as applications handle them: listed, shown, made, corrected, pinned, deleted, promoted.

mod answer;
mod operations;
mod request;

use axum::extract::State;
use axum::http::StatusCode;
use domain::MemoryId;
use queue::{Publisher, Routes};
use serde_json::json;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

pub(crate) use self::answer::{MemoryDetails, MemoryPage, MemoryWritten, Promotion};
use self::request::OfMemory;
pub(crate) use self::request::{CorrectionAsked, DeletionAsked, ListAsked, NewMemoryAsked, PatchAsked};
use crate::http::{Answer, Caller, IdempotencyKey, Json, OfUser, PathOf, Problem, Query, Shared, Whole};

/// The agent that thinks about promotions.
const CURATOR: &str = "memory-curator";

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new()
        .routes(routes!(list, remember))
        .routes(routes!(show, patch, delete))
        .routes(routes!(correct))
        .routes(routes!(promote))
}

/// Where the memory-curator is told of promotions.
pub(crate) struct Curator {
    publisher: Publisher,
    queue_url: String,
}

impl Curator {
    /// The memory-curator's queue among the routes; `None` when it is not routed.
    pub(crate) fn routed(publisher: Publisher, routes: &Routes) -> Option<Self> {
        Some(Self { publisher, queue_url: routes.url(CURATOR)?.to_owned() })
    }
}

/// A user's memories, the last stored first.
#[utoipa::path(
    get, path = "/v1/users/{user}/memories", tag = "memories", params(OfUser, ListAsked),
    security(("api_key" = ["read"])),
    responses((status = 200, body = MemoryPage), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn list(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(asked): Query<ListAsked>,
) -> Result<Answer<MemoryPage>, Problem> {
    parts.list_memories(&caller.tenant, &user, asked).await.map(Answer::ok)
}

/// Remembers something, by the rules that hold for what agents think. The header `idempotency-key` makes a repeat safe.
#[utoipa::path(
    post, path = "/v1/users/{user}/memories", tag = "memories", params(OfUser, IdempotencyKey), request_body = NewMemoryAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 201, body = MemoryWritten), (status = 400, body = Problem),
        (status = 422, description = "It is not kept; the detail says why", body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn remember(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    key: IdempotencyKey,
    Json(mut asked): Json<NewMemoryAsked>,
) -> Result<Answer<MemoryWritten>, Problem> {
    parts.screen_memory(&caller.tenant, Some(&mut asked.content), Some(&mut asked.data)).await?;
    let request = key.of("remember", &asked);
    let written = parts.remember(&caller.tenant, &user, asked, request.as_ref()).await?;
    let version = written.version;
    Ok(Answer::created(written).with_version(version))
}

/// One memory, with the events it came from and what took whose place.
#[utoipa::path(
    get, path = "/v1/users/{user}/memories/{id}", tag = "memories", params(OfMemory),
    security(("api_key" = ["read"])),
    responses((status = 200, body = MemoryDetails), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn show(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfMemory { user, id }): PathOf<OfMemory>,
) -> Result<Answer<MemoryDetails>, Problem> {
    let (details, version) = parts.show_memory(&caller.tenant, &user, MemoryId(id)).await?;
    Ok(Answer::ok(details).with_version(version))
}

/// Pins a memory, says until when it is kept, takes its deletion back, or has it hold again after it faded.
#[utoipa::path(
    patch, path = "/v1/users/{user}/memories/{id}", tag = "memories", params(OfMemory, IdempotencyKey), request_body = PatchAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = MemoryWritten), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "It has changed; `current` shows what holds", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn patch(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfMemory { user, id }): PathOf<OfMemory>,
    key: IdempotencyKey,
    Json(asked): Json<PatchAsked>,
) -> Result<Answer<MemoryWritten>, Problem> {
    let request = key.of("patch-memory", &json!([id, asked]));
    let written = parts.patch_memory(&caller.tenant, &user, MemoryId(id), &asked, request.as_ref()).await?;
    let version = written.version;
    Ok(Answer::ok(written).with_version(version))
}

/// Deletes a memory. It can be taken back until it is cleared away. Of a memory that is deleted the answer is the same.
#[utoipa::path(
    delete, path = "/v1/users/{user}/memories/{id}", tag = "memories", params(OfMemory, DeletionAsked, IdempotencyKey),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 204, description = "It is deleted"), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "It has changed; `current` shows what holds", body = Problem),
        (status = 503, body = Problem)
    )
)]
async fn delete(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfMemory { user, id }): PathOf<OfMemory>,
    key: IdempotencyKey,
    Query(DeletionAsked { version }): Query<DeletionAsked>,
) -> Result<StatusCode, Problem> {
    let version = version.map(Whole::get);
    let request = key.of("delete-memory", &json!([id, version]));
    parts.forget(&caller.tenant, &user, MemoryId(id), version, request.as_ref()).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Says what is so in place of what a memory says. The correction takes its place.
#[utoipa::path(
    post, path = "/v1/users/{user}/memories/{id}/correct", tag = "memories", params(OfMemory, IdempotencyKey),
    request_body = CorrectionAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = MemoryWritten), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, description = "It has changed; `current` shows what holds", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn correct(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfMemory { user, id }): PathOf<OfMemory>,
    key: IdempotencyKey,
    Json(mut asked): Json<CorrectionAsked>,
) -> Result<Answer<MemoryWritten>, Problem> {
    parts.screen_memory(&caller.tenant, Some(&mut asked.content), asked.data.as_mut()).await?;
    let request = key.of("correct-memory", &json!([id, asked]));
    let written = parts.correct_memory(&caller.tenant, &user, MemoryId(id), asked, request.as_ref()).await?;
    let version = written.version;
    Ok(Answer::ok(written).with_version(version))
}

/// Asks for what one session knows to be known to every session of the user.
#[utoipa::path(
    post, path = "/v1/users/{user}/memories/{id}/promote", tag = "memories", params(OfMemory, IdempotencyKey),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 202, body = Promotion), (status = 404, body = Problem),
        (status = 409, description = "It does not hold; `current` shows what does", body = Problem),
        (status = 422, body = Problem), (status = 503, body = Problem)
    )
)]
async fn promote(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfMemory { user, id }): PathOf<OfMemory>,
    key: IdempotencyKey,
) -> Result<Answer<Promotion>, Problem> {
    let request = key.of("promote-memory", &id);
    let promotion = parts.promote_memory(&caller.tenant, &user, MemoryId(id), request.as_ref()).await?;
    Ok(Answer::accepted(promotion))
}
