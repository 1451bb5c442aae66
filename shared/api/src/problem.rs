//! Errors as callers see them: RFC 9457 problem details.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use domain::{KeyScope, KeyScopes};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::RateLimit;
use crate::limit::whole_seconds;

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
    #[serde(skip)]
    told: Option<Box<Told>>,
}

/// What the headers of a problem tell.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Told {
    /// What a caller has to show (RFC 6750).
    challenge: Option<String>,
    limits: Vec<RateLimit>,
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
            told: None,
        }
    }

    /// A parameter or header that is not what was expected.
    pub fn invalid(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(400, "Bad Request", detail) }
    }

    /// A request of somebody who is not known.
    pub fn unauthenticated(detail: String) -> Self {
        Self::new(401, "Unauthorized", detail).challenging("Bearer".to_owned())
    }

    /// A request of somebody who may not make it.
    pub fn forbidden(parameter: Option<&str>, detail: String) -> Self {
        Self { parameter: parameter.map(str::to_owned), ..Self::new(403, "Forbidden", detail) }
    }

    /// A request of somebody who has none of these scopes.
    pub fn out_of_scope(scopes: &KeyScopes) -> Self {
        let names: Vec<&str> = scopes.iter().map(KeyScope::as_str).collect();
        let detail = format!("the API key has not the scope for this, expected `{}`", names.join("` or `"));
        let challenge = format!("Bearer error=\"insufficient_scope\", scope=\"{}\"", names.join(" "));
        Self::forbidden(None, detail).challenging(challenge)
    }

    fn challenging(self, challenge: String) -> Self {
        Self { told: Some(Box::new(Told { challenge: Some(challenge), limits: Vec::new() })), ..self }
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

    /// What something below the operations refused, with the status it gave.
    pub fn refused(status: StatusCode, parameter: Option<&str>, detail: String) -> Self {
        let title = status.canonical_reason().unwrap_or("Refused");
        Self { parameter: parameter.map(str::to_owned), ..Self::new(status.as_u16(), title, detail) }
    }

    /// More than the tenant may ask; `limit` says how much that is.
    pub fn too_many_requests(limit: &str, wait: std::time::Duration) -> Self {
        let seconds = u32::try_from(whole_seconds(wait)).unwrap_or(u32::MAX);
        let detail = format!("{limit}; ask again in {seconds} s");
        Self { retry_after_seconds: Some(seconds), ..Self::new(429, "Too Many Requests", detail) }
    }

    /// Something behind this function did not answer.
    pub fn unavailable(what: &str) -> Self {
        let detail = format!("{what} does not answer now; ask again");
        Self { retry_after_seconds: Some(1), ..Self::new(503, "Service Unavailable", detail) }
    }

    /// The same problem, telling what is left of the tenant's limits.
    #[must_use]
    pub fn with_limits(self, limits: Vec<RateLimit>) -> Self {
        let challenge = self.told.and_then(|told| told.challenge);
        Self { told: Some(Box::new(Told { challenge, limits })), ..self }
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
        if let Some(told) = self.told {
            if let Some(challenge) =
                told.challenge.and_then(|challenge| HeaderValue::try_from(challenge).ok())
            {
                response.headers_mut().insert(header::WWW_AUTHENTICATE, challenge);
            }
            told.limits.iter().for_each(|limit| limit.tell(response.headers_mut()));
        }
        response
    }
}

/// That Postgres or the archive did not answer, written down here and told without its words.
pub fn postgres_is_down(error: &store::Error) -> Problem {
    if error.is_of_archive() {
        tracing::error!(%error, "the archive did not hand out what is in it");
        let detail = "what was asked for is in the archive, which did not hand it out; the log says why";
        return Problem { detail: detail.to_owned(), ..Problem::unavailable("the archive") };
    }
    tracing::error!(%error, "Postgres did not answer");
    Problem::unavailable("the database")
}
