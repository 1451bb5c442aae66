//! What handlers take out of a request. Whatever is wrong with it becomes a problem that names the field and what was expected.

mod read;

use axum::RequestPartsExt;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use domain::{KeyScopes, TenantId};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};
use store::RequestKey;
use utoipa::IntoParams;
use uuid::Uuid;

use self::read::read_pairs;
pub use self::read::{read_arguments, read_json, read_query};
use crate::Problem;

/// The header that names the tenant.
pub const TENANT_HEADER: &str = "afterthought-tenant";

/// The header that makes a repeated request have its effect once.
pub(crate) const KEY_HEADER: &str = "idempotency-key";

/// The longest key, in bytes.
const LONGEST_KEY_BYTES: usize = 255;

/// The longest body, in bytes: what a function URL takes is 6 MiB.
const LONGEST_BODY_BYTES: usize = 5 * 1024 * 1024;

/// Who asks, as the guard has found out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Caller {
    /// The tenant the request is for.
    pub tenant: TenantId,
    /// What the caller may do.
    pub scopes: KeyScopes,
    /// The API key it showed; none when it is trusted without one.
    pub key: Option<Uuid>,
}

impl<S: Sync> FromRequestParts<S> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        parts.extensions.get().cloned().ok_or_else(|| {
            tracing::error!("an operation asks for the caller and does not say what it needs of one");
            Problem::unauthenticated("nobody knows who asks".to_owned())
        })
    }
}

/// The value of a header, when it is given. Given twice, it says two things, and neither counts.
pub fn one_header<'a>(headers: &'a HeaderMap, name: &str) -> Result<Option<&'a HeaderValue>, Problem> {
    let mut values = headers.get_all(name).iter();
    match (values.next(), values.next()) {
        (value, None) => Ok(value),
        _ => Err(Problem::invalid(name, format!("header `{name}` is given more than once"))),
    }
}

/// The names in the path, percent-decoded.
#[derive(Debug)]
pub struct PathOf<T>(
    /// The names as they were read.
    pub T,
);

impl<S: Send + Sync, T: DeserializeOwned> FromRequestParts<S> for PathOf<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let names = parts.extract::<RawPathParams>().await.map_err(|_not_text| {
            Problem::invalid("path", "a name in the path is not UTF-8, percent-encoded".to_owned())
        })?;
        let pairs = names.iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect();
        read_pairs(pairs, "name in the path").map(Self)
    }
}

/// The query string, each parameter known and given at most once.
#[derive(Debug)]
pub struct Query<T>(
    /// The parameters as they were read.
    pub T,
);

impl<S: Sync, T: DeserializeOwned> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        read_query(parts.uri.query().unwrap_or_default()).map(Self)
    }
}

/// No parameters: what is not read must not look as if it were.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

/// A JSON body of at most so many bytes.
#[derive(Debug)]
pub struct Json<T, const MOST: usize = LONGEST_BODY_BYTES>(
    /// The body as it was read.
    pub T,
);

impl<S: Sync, T: DeserializeOwned, const MOST: usize> FromRequest<S> for Json<T, MOST> {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        read_json(&body_within(request.into_body(), MOST).await?).map(Self)
    }
}

/// The body as it was sent.
pub async fn body_of(body: Body) -> Result<Bytes, Problem> {
    body_within(body, LONGEST_BODY_BYTES).await
}

async fn body_within(body: Body, most: usize) -> Result<Bytes, Problem> {
    axum::body::to_bytes(body, most).await.map_err(|_too_long| {
        Problem::too_large(format!("the body is longer than {most} bytes, expected at most that"))
    })
}

/// The header `idempotency-key`, when it is given, with what is asked under it.
#[derive(Debug, Clone, PartialEq, Eq, IntoParams)]
#[into_params(names("idempotency-key"), parameter_in = Header)]
pub struct IdempotencyKey(
    /// Makes a repeat safe: for a day, unless the deployment says otherwise, the same request with the same key has its effect once and gets the same answer, and
    /// another one with that key is refused with 422.
    #[param(min_length = 1, max_length = 255)]
    pub Option<String>,
);

impl IdempotencyKey {
    /// The key of this request: `operation` names what is done and to what, `given` is everything given with it.
    ///
    /// # Panics
    /// When what was given cannot be written as JSON.
    pub fn of(self, operation: &str, given: &impl serde::Serialize) -> Option<RequestKey> {
        let key = self.0?;
        let mut digest = Sha256::new();
        digest.update(operation.as_bytes());
        digest.update([0]);
        digest.update(serde_json::to_vec(given).expect("what was read from JSON is JSON"));
        Some(RequestKey { key, fingerprint: digest.finalize().into() })
    }
}

impl<S: Sync> FromRequestParts<S> for IdempotencyKey {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Problem> {
        let Some(header) = one_header(&parts.headers, KEY_HEADER)? else { return Ok(Self(None)) };
        let key = header.to_str().ok().filter(|key| (1..=LONGEST_KEY_BYTES).contains(&key.len()));
        let key = key.ok_or_else(|| {
            Problem::invalid(
                KEY_HEADER,
                format!("header `{KEY_HEADER}` must be 1 to {LONGEST_KEY_BYTES} visible ASCII characters"),
            )
        })?;
        Ok(Self(Some(key.to_owned())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Asked {
        #[expect(dead_code, reason = "only read")]
        query: String,
    }

    async fn key_of(header: Option<&[u8]>) -> Result<Option<String>, Problem> {
        let mut request = Request::builder();
        if let Some(header) = header {
            request = request.header(KEY_HEADER, header);
        }
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        IdempotencyKey::from_request_parts(&mut head, &()).await.map(|key| key.0)
    }

    #[tokio::test]
    async fn a_header_that_is_given_twice_is_refused_by_its_name() {
        let request = Request::builder().header(KEY_HEADER, "one").header(KEY_HEADER, "two");
        let (mut head, ()) = request.body(()).unwrap().into_parts();
        let of_the_key = IdempotencyKey::from_request_parts(&mut head, &()).await.unwrap_err();
        let mut headers = HeaderMap::new();
        for tenant in ["one", "two"] {
            headers.append(TENANT_HEADER, tenant.parse().unwrap());
        }
        let of_the_tenant = one_header(&headers, TENANT_HEADER).unwrap_err();
        for (problem, name) in [(of_the_key, KEY_HEADER), (of_the_tenant, TENANT_HEADER)] {
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(name)));
            assert!(problem.detail.contains("more than once"), "{}", problem.detail);
        }
    }

    #[tokio::test]
    async fn a_request_key_is_1_to_255_visible_characters() {
        assert_eq!(key_of(None).await, Ok(None));
        assert_eq!(key_of(Some(b"k-1")).await, Ok(Some("k-1".to_owned())));
        assert_eq!(key_of(Some(&[b'x'; 255])).await, Ok(Some("x".repeat(255))));
        for wrong in [b"".as_slice(), &[b'x'; 256], "schlüssel".as_bytes()] {
            let problem = key_of(Some(wrong)).await.unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(KEY_HEADER)));
            assert!(problem.detail.contains("1 to 255"), "{}", problem.detail);
        }
    }

    #[tokio::test]
    async fn a_body_that_is_too_long_is_not_read() {
        let read = async |bytes: usize| {
            let body = format!("{{\"query\": \"{}\"}}", "x".repeat(bytes - 13));
            let request = Request::new(Body::from(body));
            Json::<Asked, 40>::from_request(request, &()).await.map(|_| ()).map_err(|problem| problem.status)
        };
        assert_eq!((read(40).await, read(41).await), (Ok(()), Err(413)));
    }

    #[test]
    fn a_key_stands_for_what_is_asked_under_it() {
        let of = |operation, given| {
            IdempotencyKey(Some("k".to_owned())).of(operation, &given).unwrap().fingerprint
        };
        assert_eq!(of("create", "x"), of("create", "x"));
        assert_ne!(of("create", "x"), of("create", "y"));
        assert_ne!(of("create", "x"), of("correct", "x"));
        assert_eq!(IdempotencyKey(None).of("create", &"x"), None);
    }
}
