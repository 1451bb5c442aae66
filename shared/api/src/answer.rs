//! Answers as they leave.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::{Problem, RateLimit};

/// A JSON answer that nobody may keep.
#[derive(Debug)]
pub struct Answer<T> {
    body: T,
    status: StatusCode,
    version: Option<i64>,
    limits: Vec<RateLimit>,
}

impl<T> Answer<T> {
    /// What was asked for.
    pub const fn ok(body: T) -> Self {
        Self { body, status: StatusCode::OK, version: None, limits: Vec::new() }
    }

    /// What was made.
    pub const fn created(body: T) -> Self {
        Self { body, status: StatusCode::CREATED, version: None, limits: Vec::new() }
    }

    /// What will be done.
    pub const fn accepted(body: T) -> Self {
        Self { body, status: StatusCode::ACCEPTED, version: None, limits: Vec::new() }
    }

    /// The same answer with the version of what it shows as its `etag`.
    #[must_use]
    pub fn with_version(self, version: i64) -> Self {
        Self { version: Some(version), ..self }
    }

    /// The same answer, telling what is left of the tenant's limits.
    #[must_use]
    pub fn with_limits(self, limits: Vec<RateLimit>) -> Self {
        Self { limits, ..self }
    }
}

impl<T: Serialize> IntoResponse for Answer<T> {
    fn into_response(self) -> Response {
        let body = match serde_json::to_string(&self.body) {
            Ok(body) => body,
            Err(error) => {
                tracing::error!(%error, "an answer could not be written");
                return Problem::unavailable("this function").into_response();
            }
        };
        let headers = [(header::CONTENT_TYPE, "application/json"), (header::CACHE_CONTROL, "no-store")];
        let mut response = (self.status, headers, body).into_response();
        if let Some(version) = self.version {
            let etag = HeaderValue::try_from(format!("\"{version}\"")).expect("digits and quotes");
            response.headers_mut().insert(header::ETAG, etag);
        }
        self.limits.iter().for_each(|limit| limit.tell(response.headers_mut()));
        response
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_which_version_it_shows() {
        let of = |answer: Answer<&'static str>| {
            let response = answer.into_response();
            let etag = response.headers().get(header::ETAG).map(|etag| etag.to_str().unwrap().to_owned());
            (response.status().as_u16(), etag)
        };
        assert_eq!(of(Answer::ok("x")), (200, None));
        assert_eq!(of(Answer::ok("x").with_version(7)), (200, Some("\"7\"".to_owned())));
        assert_eq!(of(Answer::created("x").with_version(1)), (201, Some("\"1\"".to_owned())));
        assert_eq!(of(Answer::accepted("x")), (202, None));
    }

    #[test]
    fn nobody_keeps_an_answer() {
        let response = Answer::ok("x").into_response();
        assert_eq!(response.headers()[header::CACHE_CONTROL], "no-store");
        assert_eq!(response.headers()[header::CONTENT_TYPE], "application/json");
    }
}
