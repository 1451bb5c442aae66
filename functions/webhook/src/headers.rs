//! Headers that must be what they are for any request that brings a body.

use api::Problem;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

/// What is read of a request at most once. A second one may be read by somebody else on the way, so it is refused.
const READ_ONCE: [&str; 10] = [
    "afterthought-tenant",
    "authorization",
    "content-encoding",
    "content-type",
    "idempotency-key",
    "webhook-id",
    "webhook-timestamp",
    "webhook-signature",
    "x-slack-request-timestamp",
    "x-slack-signature",
];

/// Refuses a request with a header given twice, or with a body of another kind than JSON in UTF-8 as it is.
pub(crate) async fn checked(request: Request, next: Next) -> Response {
    match check(request.headers()) {
        Ok(()) => next.run(request).await,
        Err(problem) => problem.into_response(),
    }
}

fn check(headers: &HeaderMap) -> Result<(), Problem> {
    for name in READ_ONCE {
        if headers.get_all(name).iter().nth(1).is_some() {
            return Err(Problem::invalid(name, format!("header `{name}` is given more than once")));
        }
    }
    if let Some(encoding) = text(headers, header::CONTENT_ENCODING.as_str())?
        && !encoding.eq_ignore_ascii_case("identity")
    {
        return Err(Problem::unsupported(
            "header `content-encoding` is given, expected a body as it is".to_owned(),
        ));
    }
    match text(headers, header::CONTENT_TYPE.as_str())? {
        Some(kind) if !is_json(kind) => {
            Err(Problem::unsupported("header `content-type` must be application/json, in UTF-8".to_owned()))
        }
        _ => Ok(()),
    }
}

/// A header's text; a problem when it is none.
pub(crate) fn text<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a str>, Problem> {
    let Some(value) = headers.get(name) else { return Ok(None) };
    let text = value.to_str().map_err(|_not_text| {
        Problem::invalid(name, format!("header `{name}` must hold visible ASCII characters alone"))
    });
    text.map(Some)
}

/// Whether a media type is JSON, or one that is written as JSON, in UTF-8.
fn is_json(kind: &str) -> bool {
    let mut parts = kind.split(';').map(str::trim);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    let is_json =
        essence == "application/json" || (essence.starts_with("application/") && essence.ends_with("+json"));
    is_json
        && parts.filter_map(|parameter| parameter.split_once('=')).all(|(name, value)| {
            !name.trim().eq_ignore_ascii_case("charset")
                || value.trim().trim_matches('"').eq_ignore_ascii_case("utf-8")
        })
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn json_in_utf_8_is_taken_under_its_names() {
        for kind in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json;charset=\"UTF-8\"",
            "application/cloudevents+json",
        ] {
            assert!(is_json(kind), "{kind}");
        }
        for kind in
            ["", "text/plain", "application/x-www-form-urlencoded", "application/json; charset=utf-16"]
        {
            assert!(!is_json(kind), "{kind}");
        }
    }

    #[test]
    fn what_would_be_read_in_two_ways_is_refused_by_its_name() {
        let with = |pairs: &[(&'static str, &[u8])]| {
            let mut headers = HeaderMap::new();
            for (name, value) in pairs {
                headers.append(*name, HeaderValue::from_bytes(value).unwrap());
            }
            check(&headers).map_err(|problem| (problem.status, problem.parameter.unwrap()))
        };
        assert_eq!(with(&[]), Ok(()));
        assert_eq!(with(&[("content-encoding", b"identity")]), Ok(()));
        for name in READ_ONCE {
            let value = if name == "content-type" { "application/json" } else { "identity" };
            let twice = [(name, value.as_bytes()), (name, value.as_bytes())];
            assert_eq!(with(&twice), Err((400, name.to_owned())));
        }
        assert_eq!(with(&[("content-encoding", b"gzip")]), Err((415, "content-type".to_owned())));
        assert_eq!(with(&[("content-type", b"text/xml")]), Err((415, "content-type".to_owned())));
        assert_eq!(with(&[("content-type", b"\xff")]), Err((400, "content-type".to_owned())));
    }
}
