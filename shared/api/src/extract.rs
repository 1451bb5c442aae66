//! Reading requests. Whatever is wrong with one becomes a problem that names the field and what was expected.

use axum::RequestPartsExt;
use axum::body::{Body, Bytes};
use axum::extract::{FromRequest, FromRequestParts, RawPathParams, Request};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};
use domain::{KeyScopes, TenantId};
use percent_encoding::percent_decode_str;
use serde::Deserialize;
use serde::de::value::{Error as Plain, MapDeserializer};
use serde::de::{DeserializeOwned, Deserializer, Error as _, IntoDeserializer, Visitor};
use serde::forward_to_deserialize_any;
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};
use store::RequestKey;
use url::form_urlencoded;
use uuid::Uuid;

use crate::Problem;

/// The header that names the tenant.
pub const TENANT_HEADER: &str = "afterthought-tenant";
/// The header that makes a repeated request have its effect once.
pub(crate) const KEY_HEADER: &str = "idempotency-key";
/// The longest key, in bytes.
pub(crate) const LONGEST_KEY_BYTES: usize = 255;
/// The longest body, in bytes: what a function URL takes is 6 MiB.
const LONGEST_BODY_BYTES: usize = 5 * 1024 * 1024;
/// How much of a message a problem shows, in characters: it may quote what was sent.
const LONGEST_MESSAGE: usize = 300;

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

/// Reads a query string.
pub fn read_query<T: DeserializeOwned>(query: &str) -> Result<T, Problem> {
    if percent_decode_str(query).decode_utf8().is_err() {
        let detail = "the query string is not UTF-8, percent-encoded".to_owned();
        return Err(Problem::invalid("query string", detail));
    }
    let mut pairs: Vec<(String, String)> = Vec::new();
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        if pairs.iter().any(|(given, _)| *given == name) {
            let name: String = name.chars().take(40).collect();
            return Err(Problem::invalid(&name, format!("parameter `{name}` is given more than once")));
        }
        pairs.push((name.into_owned(), value.into_owned()));
    }
    read_pairs(pairs, "parameter")
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

/// Reads a JSON body.
pub fn read_json<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    if body.is_empty() {
        return Err(Problem::invalid("body", "the body is empty, expected JSON".to_owned()));
    }
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value = serde_path_to_error::deserialize(&mut deserializer)
        .map_err(|error| wrong("field", &error.path().to_string(), &error.inner().to_string()))?;
    deserializer
        .end()
        .map_err(|error| Problem::invalid("body", format!("the body goes on after its end: {error}")))?;
    Ok(value)
}

/// Reads the arguments of a tool.
pub fn read_arguments<T: DeserializeOwned>(arguments: Map<String, Value>) -> Result<T, Problem> {
    serde_path_to_error::deserialize(Value::Object(arguments))
        .map_err(|error| wrong("argument", &error.path().to_string(), &error.inner().to_string()))
}

/// The header `idempotency-key`, when it is given, with what is asked under it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdempotencyKey(
    /// As it was given.
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

fn read_pairs<T: DeserializeOwned>(pairs: Vec<(String, String)>, kind: &str) -> Result<T, Problem> {
    let pairs = pairs.into_iter().map(|(name, value)| (name, Text(value)));
    let deserializer = MapDeserializer::<_, Plain>::new(pairs);
    serde_path_to_error::deserialize(deserializer)
        .map_err(|error| wrong(kind, &error.path().to_string(), &error.inner().to_string()))
}

/// The problem that a field is not what was expected; `message` is serde's.
fn wrong(kind: &str, path: &str, message: &str) -> Problem {
    let quoted = |message: &str| message.split('`').nth(1).unwrap_or_default().to_owned();
    if let Some(rest) = message.strip_prefix("missing field ") {
        let name = quoted(rest);
        let name = if path == "." { name } else { format!("{path}.{name}") };
        return Problem::invalid(&name, format!("{kind} `{name}` is missing"));
    }
    if let Some(rest) = message.strip_prefix("unknown field ") {
        let name: String = quoted(rest).chars().take(40).collect();
        // What was sent may hold anything, what is expected does not.
        let expected = rest.rsplit_once("`, expected ").map_or("no others", |(_, expected)| expected);
        return Problem::invalid(&name, format!("{kind} `{name}` is unknown, expected {expected}"));
    }
    let message: String = message.chars().take(LONGEST_MESSAGE).collect();
    if matches!(path, "." | "?") {
        return Problem::invalid("body", format!("the body is not as expected: {message}"));
    }
    let path: String = path.chars().take(80).collect();
    Problem::invalid(&path, format!("{kind} `{path}`: {message}"))
}

/// A value of a query string: a text, and a number or a yes or no where one is expected.
struct Text(String);

impl IntoDeserializer<'_, Plain> for Text {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'de> Deserializer<'de> for Text {
    type Error = Plain;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        visitor.visit_string(self.0)
    }

    fn deserialize_i64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.parse() {
            Ok(number) => visitor.visit_i64(number),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_f64<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.parse() {
            Ok(number) => visitor.visit_f64(number),
            Err(_) => visitor.visit_string(self.0),
        }
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        match self.0.as_str() {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            other => Err(Plain::invalid_value(serde::de::Unexpected::Str(other), &"true or false")),
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Plain> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Plain> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Plain> {
        visitor.visit_enum(self.0.into_deserializer())
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u8 u16 u32 u64 u128 f32 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::Whole;

    #[derive(Debug, PartialEq, Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Asked {
        query: String,
        k: Option<Whole<1, 100>>,
    }

    #[test]
    fn a_query_string_is_read_with_its_encodings() {
        let asked: Asked = read_query("query=Where+does+she%20live%3F&k=3").unwrap();
        assert_eq!((asked.query.as_str(), asked.k.map(Whole::get)), ("Where does she live?", Some(3)));
    }

    #[test]
    fn a_problem_names_the_field_and_what_was_expected() {
        for (query, parameter, expected) in [
            ("", "query", "is missing"),
            ("query=x&k=0", "k", "expected a whole number from 1 to 100"),
            ("query=x&k=101", "k", "`101`"),
            ("query=x&k=ten", "k", "\"ten\""),
            ("query=x&limit=3", "limit", "is unknown, expected `query` or `k`"),
            ("query=x&query=y", "query", "more than once"),
        ] {
            let problem = read_query::<Asked>(query).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{query}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
        for (body, parameter, expected) in [
            ("", "body", "is empty"),
            ("{", "body", "EOF"),
            ("[]", "body", "not as expected"),
            (r#"{"query": "x", "k": "3"}"#, "k", "expected a whole number"),
            (r#"{"query": 3}"#, "query", "expected a string"),
            (r#"{"query": "x"} x"#, "body", "goes on"),
        ] {
            let problem = read_json::<Asked>(body.as_bytes()).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(parameter)), "{body}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
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

    proptest! {
        #[test]
        fn nothing_that_is_sent_panics(query in "\\PC{0,60}", body in prop::collection::vec(any::<u8>(), 0..80)) {
            let _ = read_query::<Asked>(&query);
            let _ = read_json::<Asked>(&body);
        }
    }
}
