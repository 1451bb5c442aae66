//! What is around every operation: its path as it was sent, the document, what is not there, counting.

use std::sync::{Arc, LazyLock};

use axum::Router;
use axum::extract::{MatchedPath, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use jiff::Timestamp;
use lambda_http::{Body, RequestExt};
use tower::ServiceExt;
use utoipa_axum::router::OpenApiRouter;

use crate::guard::{Gate, guarded};
use crate::scopes::Needs;
use crate::{Guard, Problem, document};

/// Where the document is.
const DOCUMENT_PATH: &str = "/v1/openapi.json";

/// The operations with what is around them: `GET /v1/openapi.json` describes them, grouped by `tags` (name and
/// description), `guard` lets in whom each of them says it is for, a path that is not there is a problem, and every request
/// is counted and timed.
pub fn routed<S>(
    operations: OpenApiRouter<S>,
    tags: &'static [(&'static str, &'static str)],
    guard: &Arc<Guard>,
) -> Router<S>
where
    S: Clone + Send + Sync + 'static,
{
    let (router, document) = operations.split_for_parts();
    let gate = Gate { guard: Arc::clone(guard), needs: Needs::of(&document), open_path: DOCUMENT_PATH };
    // Written when it is first asked for: whoever starts the function seldom does.
    let document = Arc::new(LazyLock::new(move || {
        document::completed(serde_json::to_value(document).unwrap_or_default(), tags).to_string()
    }));
    let router = router.route(
        DOCUMENT_PATH,
        axum::routing::get(move || async move {
            ([("content-type", "application/json")], (**document).clone()).into_response()
        }),
    );
    router
        .fallback(|| async {
            Problem::not_found("there is no such path; GET /v1/openapi.json lists what there is".to_owned())
        })
        .method_not_allowed_fallback(|| async { Problem::method_unknown() })
        .layer(from_fn_with_state(Arc::new(gate), guarded))
        .layer(from_fn_with_state(guard.now(), counted))
}

/// Answers one request as Lambda hands it over. Whatever is wrong with it becomes a response.
pub async fn respond(router: Router, request: lambda_http::Request) -> lambda_http::Response<Body> {
    let (mut head, body) = request.into_parts();
    // The path as it was sent: the request's own may be decoded, or begin with a stage.
    let path = head.raw_http_path();
    let path = if path.is_empty() { head.uri.path() } else { path };
    let target = match head.uri.query() {
        Some(query) => format!("{path}?{query}"),
        None => path.to_owned(),
    };
    let response = match target.parse() {
        Ok(uri) => {
            head.uri = uri;
            let body = match body {
                Body::Text(text) => axum::body::Body::from(text),
                Body::Binary(bytes) => axum::body::Body::from(bytes),
                _empty => axum::body::Body::empty(),
            };
            let answered = router.oneshot(axum::http::Request::from_parts(head, body)).await;
            answered.unwrap_or_else(|never| match never {})
        }
        Err(_) => not_a_path(),
    };
    buffered(response).await
}

/// The answer to a request whose path is none.
fn not_a_path() -> Response {
    Problem::invalid("path", "the path or the query string is not percent-encoded".to_owned()).into_response()
}

/// The response as Lambda takes it: whole.
async fn buffered(response: Response) -> lambda_http::Response<Body> {
    let (head, body) = response.into_parts();
    let body = axum::body::to_bytes(body, usize::MAX).await.unwrap_or_default();
    let body = match String::from_utf8(body.into()) {
        Ok(text) => Body::Text(text),
        Err(binary) => Body::Binary(binary.into_bytes()),
    };
    lambda_http::Response::from_parts(head, body)
}

/// Counts and times a request under its path as the document names it.
async fn counted(State(now): State<fn() -> Timestamp>, request: Request, next: Next) -> Response {
    let started_at = now();
    let path = request.extensions().get::<MatchedPath>().map_or("", MatchedPath::as_str);
    let operation = match path {
        "" => "invalid".to_owned(),
        path => format!("{} {path}", request.method()),
    };
    let response = next.run(request).await;
    let milliseconds = now().duration_since(started_at).as_secs_f64().max(0.0) * 1000.0;
    let status = response.status().as_u16();
    metrics::histogram!("RequestTime", "Operation" => operation.clone()).record(milliseconds);
    metrics::counter!("Requests", "Operation" => operation.clone(), "Status" => status.to_string())
        .increment(1);
    tracing::info!(operation, status, milliseconds, "request answered");
    response
}
