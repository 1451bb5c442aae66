//! The operations as tools of the Model Context Protocol, over streamable HTTP: one request, one JSON answer, no session.

mod schema;
mod server;
mod tools;

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::http::request::Parts as Head;
use axum::response::{IntoResponse, Response};
use domain::UserId;
use rmcp::transport::streamable_http_server::session::never::NeverSessionManager;
use rmcp::transport::streamable_http_server::{StreamableHttpServerConfig, StreamableHttpService};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use self::server::Server;
use crate::http::{Caller, Problem, Shared, one_header};

/// The header that says whose memories a client may reach.
const USER_HEADER: &str = "afterthought-user";
/// The longest message, in bytes.
const LONGEST_MESSAGE_BYTES: usize = 1024 * 1024;

pub(crate) fn routes() -> OpenApiRouter<Shared> {
    OpenApiRouter::new().routes(routes!(mcp))
}

/// The one user a client is set up for, if there is one.
#[derive(Debug, Clone)]
struct Person(Option<UserId>);

impl<S: Sync> FromRequestParts<S> for Person {
    type Rejection = Problem;

    async fn from_request_parts(head: &mut Head, _state: &S) -> Result<Self, Problem> {
        let Some(header) = one_header(&head.headers, USER_HEADER)? else { return Ok(Self(None)) };
        let name = std::str::from_utf8(header.as_bytes()).map_err(|_not_text| {
            Problem::invalid(USER_HEADER, format!("header `{USER_HEADER}` is not UTF-8, expected a user"))
        })?;
        UserId::new(name)
            .map(|user| Self(Some(user)))
            .map_err(|error| Problem::invalid(USER_HEADER, format!("header `{USER_HEADER}`: {error}")))
    }
}

/// Takes a message of the Model Context Protocol.
///
/// One JSON-RPC message, answered with one: `initialize`, `tools/list`, `tools/call`, `ping`. There are no sessions and no
/// streams, so GET and DELETE are refused. A request with the header `origin` comes from a web page and is refused.
#[utoipa::path(
    post, path = "/v1/mcp", operation_id = "mcp", tag = "mcp",
    params(
        ("afterthought-user" = Option<String>, Header, min_length = 1, max_length = 200,
            description = "The one user this client may ask about. Without it every tool takes the argument `user`."),
        ("mcp-protocol-version" = Option<String>, Header, description = "The version that was agreed on."),
    ),
    request_body(content = Object, description = "A JSON-RPC 2.0 message"),
    security(("api_key" = ["read"]), ("api_key" = ["ingest"])),
    responses(
        (status = 200, description = "The JSON-RPC 2.0 answer; an error of a tool is one of these too", body = Object),
        (status = 202, description = "A notification was taken"),
        (status = 400, body = Problem),
        (status = 403, description = "The key has not the scope, or the request comes from a web page", body = Problem),
        (status = 406, description = "`accept` must name application/json and text/event-stream", body = Problem),
        (status = 413, body = Problem),
        (status = 415, description = "Not JSON, or not one JSON-RPC message", body = Problem),
    )
)]
async fn mcp(
    State(parts): State<Shared>,
    Caller { tenant, scopes, .. }: Caller,
    Person(user): Person,
    request: Request,
) -> Response {
    let server = Server { parts, tenant, scopes, user };
    // Where the function is reached is not known to it, so every host is its own. What a page in a browser sends, also
    // one whose name was bound to this address, carries an origin, and none is expected.
    let config = StreamableHttpServerConfig::default()
        .with_legacy_session_mode(false)
        .with_json_response(true)
        .with_max_request_body_bytes(LONGEST_MESSAGE_BYTES)
        .disable_allowed_hosts()
        .enforce_origin_validation();
    let sessions = Arc::new(NeverSessionManager::default());
    let service = StreamableHttpService::new(move || Ok(server.clone()), sessions, config);
    told(service.handle(request).await.map(axum::body::Body::new)).await
}

/// The answer as it leaves: what the protocol's library refuses in plain words is a problem like every other.
async fn told(response: Response) -> Response {
    let status = response.status();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
    if status.is_success() || is_json {
        return response;
    }
    let (parameter, detail) = match status {
        StatusCode::FORBIDDEN => {
            (Some("origin"), "header `origin` is given, expected none: web pages are no clients".to_owned())
        }
        StatusCode::NOT_ACCEPTABLE => {
            (Some("accept"), "header `accept` must name application/json and text/event-stream".to_owned())
        }
        StatusCode::PAYLOAD_TOO_LARGE => (
            Some("body"),
            format!("the body is longer than {LONGEST_MESSAGE_BYTES} bytes, expected at most that"),
        ),
        StatusCode::UNSUPPORTED_MEDIA_TYPE => (
            Some("body"),
            "the body must be one JSON-RPC message, and `content-type` application/json".to_owned(),
        ),
        _ => {
            let said = axum::body::to_bytes(response.into_body(), LONGEST_MESSAGE_BYTES).await;
            (None, String::from_utf8_lossy(&said.unwrap_or_default()).into_owned())
        }
    };
    Problem::refused(status, parameter, detail).into_response()
}
