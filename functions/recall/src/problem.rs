//! Errors as callers see them: RFC 9457 problem details.

use lambda_http::{Body, Response};
use serde::Serialize;

/// What went wrong with a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Problem {
    #[serde(rename = "type")]
    kind: &'static str,
    title: &'static str,
    pub(crate) status: u16,
    /// What to do about it.
    pub(crate) detail: String,
    /// The parameter or header that is wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) parameter: Option<String>,
    /// What the path can be asked for instead.
    #[serde(skip)]
    allow: Option<&'static str>,
    #[serde(skip)]
    retry_after_seconds: Option<u64>,
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
            allow: None,
            retry_after_seconds: None,
        }
    }

    /// A parameter or header that is not what was expected.
    pub(crate) fn invalid(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(400, "Bad Request", detail) }
    }

    /// A path that leads nowhere.
    pub(crate) fn not_found(detail: String) -> Self {
        Self::new(404, "Not Found", detail)
    }

    /// A method that the path does not have.
    pub(crate) fn method_not_allowed(allow: &'static str, detail: String) -> Self {
        Self { allow: Some(allow), ..Self::new(405, "Method Not Allowed", detail) }
    }

    /// A field that cannot be what it is, as things stand now.
    pub(crate) fn conflict(parameter: &str, detail: String) -> Self {
        Self { parameter: Some(parameter.to_owned()), ..Self::new(409, "Conflict", detail) }
    }

    /// More requests than the tenant may make.
    pub(crate) fn too_many_requests(per_minute: u32, wait: std::time::Duration) -> Self {
        let seconds = wait.as_secs() + u64::from(wait.subsec_nanos() > 0);
        let detail = format!("the tenant may ask {per_minute} times a minute; ask again in {seconds} s");
        Self { retry_after_seconds: Some(seconds), ..Self::new(429, "Too Many Requests", detail) }
    }

    /// Something behind this function did not answer.
    pub(crate) fn unavailable(what: &str) -> Self {
        let detail = format!("{what} does not answer now; ask again");
        Self { retry_after_seconds: Some(1), ..Self::new(503, "Service Unavailable", detail) }
    }

    /// The response.
    pub(crate) fn into_response(self) -> Response<Body> {
        let mut response =
            Response::builder().status(self.status).header("content-type", "application/problem+json");
        if let Some(allow) = self.allow {
            response = response.header("allow", allow);
        }
        if let Some(seconds) = self.retry_after_seconds {
            response = response.header("retry-after", seconds.to_string());
        }
        let body = serde_json::to_string(&self).expect("a problem holds only strings and numbers");
        response.body(Body::Text(body)).expect("the headers are fixed or numbers")
    }
}
