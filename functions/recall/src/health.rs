//! Whether the function can do its work.

use axum::extract::State;
use serde::Serialize;
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::{Answer, Caller, Problem, Shared, postgres_is_down};

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(health))
}

/// That Postgres answers.
#[derive(Debug, Serialize, ToSchema)]
struct Health {
    /// Always `ok`: what is not is a problem.
    status: &'static str,
}

/// Whether Postgres answers.
#[utoipa::path(
    get, path = "/v1/health", tag = "operations",
    security(("api_key" = [])),
    responses((status = 200, body = Health), (status = 503, body = Problem))
)]
async fn health(State(parts): State<Shared>, caller: Caller) -> Result<Answer<Health>, Problem> {
    parts.store.ping(&caller.tenant).await.map_err(|error| postgres_is_down(&error))?;
    Ok(Answer::ok(Health { status: "ok" }))
}
