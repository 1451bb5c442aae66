//! What every operation shares: reading requests, answering them, counting and limiting them.

mod answer;
mod document;
mod extract;
mod limit;
mod problem;
mod value;

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use utoipa::OpenApi;
use utoipa_axum::router::OpenApiRouter;

pub(crate) use self::answer::Answer;
pub(crate) use self::extract::{
    Caller, IdempotencyKey, Json, Nothing, PathOf, Query, TENANT_HEADER, body_of, read_arguments,
};
#[cfg(test)]
pub(crate) use self::extract::{read_json, read_query};
pub(crate) use self::limit::Limiter;
pub(crate) use self::problem::{Problem, postgres_is_down};
pub(crate) use self::value::{Moment, OfSession, OfUser, Question, Short, Whole};
use crate::Parts;
use crate::{admin, health, hydrate, mcp, memories, review, search, sessions, status, working};

/// What every handler is given.
pub(crate) type Shared = Arc<Parts>;

/// What the document says of the whole; its paths come from the handlers.
#[derive(OpenApi)]
#[openapi(info(
    title = "Afterthought",
    description = "What is remembered of a user, and the state of an application's own agents. The header \
                   `afterthought-tenant` names the tenant, `default` without it. Errors are problem details (RFC 9457)."
))]
struct Document;

/// Everything the function answers, and the document that describes it.
pub(crate) fn router(parts: &Shared) -> Router {
    let mut router = OpenApiRouter::with_openapi(Document::openapi())
        .merge(search::routes())
        .merge(hydrate::routes())
        .merge(memories::routes())
        .merge(review::routes())
        .merge(sessions::routes())
        .merge(working::routes())
        .merge(status::routes())
        .merge(mcp::routes())
        .layer(from_fn_with_state(Arc::clone(parts), limited))
        .merge(health::routes());
    if parts.admin.is_some() {
        router = router.merge(admin::routes());
    }
    let (router, document) = router.split_for_parts();
    // Written when it is first asked for: whoever starts the function seldom does.
    let document = Arc::new(LazyLock::new(move || {
        document::completed(serde_json::to_value(document).unwrap_or_default()).to_string()
    }));
    let router = router.route(
        "/v1/openapi.json",
        axum::routing::get(move || async move {
            ([("content-type", "application/json")], (**document).clone()).into_response()
        }),
    );
    router
        .fallback(|| async {
            Problem::not_found("there is no such path; GET /v1/openapi.json lists what there is".to_owned())
        })
        .method_not_allowed_fallback(|| async { Problem::method_unknown() })
        .layer(from_fn_with_state(Arc::clone(parts), counted))
        .with_state(Arc::clone(parts))
}

/// The answer to a request whose path is none.
pub(crate) fn not_a_path() -> Response {
    Problem::invalid("path", "the path or the query string is not percent-encoded".to_owned()).into_response()
}

/// The response as Lambda takes it: whole.
pub(crate) async fn buffered(response: Response) -> lambda_http::Response<lambda_http::Body> {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = match String::from_utf8(body.into()) {
        Ok(text) => lambda_http::Body::Text(text),
        Err(binary) => lambda_http::Body::Binary(binary.into_bytes()),
    };
    lambda_http::Response::from_parts(head, body)
}

/// Refuses what a tenant asks beyond its rate.
async fn limited(State(parts): State<Shared>, caller: Caller, request: Request, next: Next) -> Response {
    match parts.limiter.admit(&parts.store, &parts.hot, &caller.tenant, (parts.now)()).await {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

/// Counts and times a request under its path as the document names it.
async fn counted(State(parts): State<Shared>, request: Request, next: Next) -> Response {
    let started_at = (parts.now)();
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = match path {
        "" => "invalid".to_owned(),
        path => format!("{} {path}", request.method()),
    };
    let response = next.run(request).await;
    let milliseconds = (parts.now)().duration_since(started_at).as_secs_f64().max(0.0) * 1000.0;
    let status = response.status().as_u16();
    metrics::histogram!("RequestTime", "Operation" => operation.clone()).record(milliseconds);
    metrics::counter!("Requests", "Operation" => operation.clone(), "Status" => status.to_string())
        .increment(1);
    tracing::info!(operation, status, milliseconds, "request answered");
    response
}
