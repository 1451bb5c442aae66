//! Errors as callers see them: RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// What went wrong with a request (RFC 9457).
#[derive(Debug, Clone, PartialEq, Serialize, ToSchema)]
pub struct Problem {
    /// Always `about:blank`: the title says it all.
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    /// The HTTP status.
    pub status: u16,
    /// What to do about it.
    pub detail: String,
    /// The parameter, field or header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// What stands, where the request was made for something older.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub current: Option<Box<Value>>,
    #[serde(skip)]
    retry_after_seconds: Option<u32>,
}

impl Problem {
    const fn new(status: u16, title: &'static str, detail: String) -> Self {
        // The title says it all: there is no page about it.
        Self {
            kind: "about:blank",
            title,
            status,
            detail,
            parameter: None,
            current: None,
            retry_after_seconds: None,
        }
    }

    /// A parameter or header that is not what was expected.
    pub fn invalid(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(400, "Bad Request", detail) }
    }

    /// A request of somebody who is not known.
    pub fn unauthenticated(detail: String) -> Self {
        Self::new(401, "Unauthorized", detail)
    }

    /// A path that leads nowhere.
    pub fn not_found(detail: String) -> Self {
        Self::new(404, "Not Found", detail)
    }

    /// A method that the path does not have; the router says in `allow` which it has.
    pub fn method_unknown() -> Self {
        let detail = "this path does not have that method; the header `allow` says which it has";
        Self::new(405, "Method Not Allowed", detail.to_owned())
    }

    /// A body that is too long.
    pub fn too_large(detail: String) -> Self {
        Self { parameter: Some("body".to_owned()), ..Self::new(413, "Content Too Large", detail) }
    }

    /// A request that is well formed, and cannot be followed.
    pub fn unprocessable(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(422, "Unprocessable Content", detail) }
    }

    /// A field that cannot be what it is, as things stand now.
    pub fn conflict(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(409, "Conflict", detail) }
    }

    /// A change of a version that is not there: 409 or 412, by where the version was given.
    pub fn stale(status: StatusCode, detail: String) -> Self {
        match status {
            StatusCode::PRECONDITION_FAILED => Self::new(412, "Precondition Failed", detail),
            _ => Self::conflict("version", detail),
        }
    }

    /// A body of another kind than the path takes.
    pub fn unsupported(detail: String) -> Self {
        Self {
            parameter: Some("content-type".to_owned()),
            ..Self::new(415, "Unsupported Media Type", detail)
        }
    }

    /// More requests than the tenant may make.
    pub fn too_many_requests(per_minute: u32, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let seconds = u32::try_from(seconds).unwrap_or(u32::MAX);
        let detail = format!("the tenant may ask {per_minute} times a minute; ask again in {seconds} s");
        Self { retry_after_seconds: Some(seconds), ..Self::new(429, "Too Many Requests", detail) }
    }

    /// Something behind this function did not answer.
    pub fn unavailable(what: &str) -> Self {
        let detail = format!("{what} does not answer now; ask again");
        Self { retry_after_seconds: Some(1), ..Self::new(503, "Service Unavailable", detail) }
    }

    /// The same problem, showing what stands.
    #[must_use]
    pub fn with_current(self, current: Value) -> Self {
        Self { current: Some(Box::new(current)), ..self }
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let body = serde_json::to_string(&self).expect("a problem holds only strings, numbers and JSON");
        let headers =
            [(header::CONTENT_TYPE, "application/problem+json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (status, headers, body).into_response();
        if let Some(seconds) = self.retry_after_seconds {
            response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(seconds));
        }
        response
    }
}

/// That Postgres did not answer, written down here and told without its words.
pub fn postgres_is_down(error: &store::Error) -> Problem {
    tracing::error!(%error, "Postgres did not answer");
    Problem::unavailable("the database")
}
