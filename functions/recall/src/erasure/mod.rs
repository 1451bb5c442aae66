//! Erasing a user, a session or a memory, and what came of it.

mod answer;
mod operations;
mod request;

use axum::extract::State;
use queue::Publisher;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::answer::{ErasureAnswer, ErasuresAnswer};
use self::request::{ErasureAsked, ErasuresAsked, OfErasure};
use crate::http::{Answer, Caller, Json, Nothing, OfUser, PathOf, Problem, Query, Shared};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(erase)).routes(routes!(show_erasure)).routes(routes!(list_erasures))
}

/// Where the janitor is told of erasures.
pub(crate) struct Janitor {
    publisher: Publisher,
    queue_url: String,
}

impl Janitor {
    pub(crate) fn new(publisher: Publisher, queue_url: &str) -> Self {
        Self { publisher, queue_url: queue_url.to_owned() }
    }
}

/// Erases a user, a session or a memory. Nobody sees anything of it from the answer on. With `dry_run`, only counts what
/// would go.
///
/// Asked for again, it is about everything that was accepted until then. Where no row has come since, an erasure that is open goes on
/// under its receipt, whose `erased_at` moves on; one that is complete, or was asked for first more than an hour ago, has another after
/// it. A memory has one receipt.
#[utoipa::path(
    post, path = "/v1/users/{user}/erasures", tag = "erasure", params(OfUser), request_body = ErasureAsked,
    security(("api_key" = ["admin"])),
    responses(
        (status = 200, description = "What would go", body = ErasureAnswer),
        (status = 202, description = "It is erased, and will be cleared away", body = ErasureAnswer),
        (status = 400, body = Problem), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
async fn erase(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfUser { user }): PathOf<OfUser>,
    Query(Nothing {}): Query<Nothing>,
    Json(asked): Json<ErasureAsked>,
) -> Result<Answer<ErasureAnswer>, Problem> {
    let what = asked.checked()?;
    if asked.dry_run {
        return Box::pin(parts.count_erasable(&caller.tenant, &user, what.as_erasing()))
            .await
            .map(Answer::ok);
    }
    Box::pin(parts.erase(&caller.tenant, &user, what.as_erasing())).await.map(Answer::accepted)
}

/// What an erasure did, and how far it is.
#[utoipa::path(
    get, path = "/v1/users/{user}/erasures/{id}", tag = "erasure", params(OfErasure),
    security(("api_key" = ["admin"])),
    responses((status = 200, body = ErasureAnswer), (status = 404, body = Problem), (status = 503, body = Problem))
)]
async fn show_erasure(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfErasure { user, id }): PathOf<OfErasure>,
    Query(Nothing {}): Query<Nothing>,
) -> Result<Answer<ErasureAnswer>, Problem> {
    parts.show_erasure(&caller.tenant, &user, id).await.map(Answer::ok)
}

/// A tenant's erasures, the newest first. They do not say whom they were about.
#[utoipa::path(
    get, path = "/v1/erasures", tag = "erasure", params(ErasuresAsked),
    security(("api_key" = ["admin"])),
    responses((status = 200, body = ErasuresAnswer), (status = 400, body = Problem), (status = 503, body = Problem))
)]
async fn list_erasures(
    State(parts): State<Shared>,
    caller: Caller,
    Query(asked): Query<ErasuresAsked>,
) -> Result<Answer<ErasuresAnswer>, Problem> {
    parts.list_erasures(&caller.tenant, &asked).await.map(Answer::ok)
}
