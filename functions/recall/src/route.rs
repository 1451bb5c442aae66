//! Which operation a request asks for, and with what: pure.

use std::collections::BTreeMap;

use domain::{TenantId, UserId};
use percent_encoding::percent_decode_str;
use url::form_urlencoded;

use crate::problem::Problem;
use crate::review;

/// The header that names the tenant.
pub(crate) const TENANT_HEADER: &str = "afterthought-tenant";
/// The tenant of requests that name none.
const DEFAULT_TENANT: &str = "default";

const ROUTES: &str = "GET /v1/users/{user}/recall?query=…&k=…, GET /v1/users/{user}/hydrate?session=…&query=…, \
                      GET /v1/reviews, GET and POST /v1/reviews/{id}, GET /v1/health";
/// The longest question, in bytes.
const LONGEST_QUERY_BYTES: usize = 4 * 1024;
const LONGEST_SESSION_BYTES: usize = 200;
const MOST_RESULTS: usize = 100;
const USUAL_RESULTS: usize = 10;

/// An operation with its parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// What answers a question.
    Recall {
        /// Whose memory.
        user: UserId,
        /// The question.
        query: String,
        /// How many memories, and how many events.
        k: usize,
    },
    /// What it takes to go on with a conversation.
    Hydrate {
        /// Whose memory.
        user: UserId,
        /// The session, or the one active last.
        session: Option<String>,
        /// What the user's memories are chosen by.
        query: Option<String>,
    },
    /// What a reviewer asks or decides.
    Review(review::Operation),
    /// Whether Postgres answers.
    Health,
}

impl Operation {
    /// The operation's name, for logs and metrics.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Recall { .. } => "recall",
            Self::Hydrate { .. } => "hydrate",
            Self::Review(operation) => operation.name(),
            Self::Health => "health",
        }
    }

    /// Reads a request: its method, its path as it was sent, and its query string.
    pub(crate) fn read(method: &str, path: &str, query_string: Option<&str>) -> Result<Self, Problem> {
        let segments: Vec<&str> = path.strip_prefix('/').unwrap_or(path).split('/').collect();
        if !matches!(segments.as_slice(), ["v1", "users", _, "recall" | "hydrate"] | ["v1", "health"]) {
            return Err(Problem::not_found(format!("there is no such path; there are {ROUTES}")));
        }
        if method != "GET" {
            return Err(Problem::method_not_allowed(
                "GET",
                format!("this path only has GET; there are {ROUTES}"),
            ));
        }
        let query_string = query_string.unwrap_or_default();
        match segments.as_slice() {
            ["v1", "users", user, "recall"] => {
                let user = read_user(user)?;
                let mut parameters = Parameters::read(query_string, &["query", "k"])?;
                let query = parameters.take("query");
                let query = checked_query(query.ok_or_else(|| {
                    Problem::invalid("query", "parameter `query` is missing, expected a question".to_owned())
                })?)?;
                let k = parameters.take("k").map_or(Ok(USUAL_RESULTS), |k| checked_k(&k))?;
                Ok(Self::Recall { user, query, k })
            }
            ["v1", "users", user, _hydrate] => {
                let user = read_user(user)?;
                let mut parameters = Parameters::read(query_string, &["session", "query"])?;
                let session = parameters.take("session").map(checked_session).transpose()?;
                let query = parameters.take("query").map(checked_query).transpose()?;
                Ok(Self::Hydrate { user, session, query })
            }
            _health => {
                Parameters::read(query_string, &[])?;
                Ok(Self::Health)
            }
        }
    }
}

/// The tenant a request is for.
pub(crate) fn read_tenant(header: Option<&[u8]>) -> Result<TenantId, Problem> {
    let invalid = |detail: String| Problem::invalid(TENANT_HEADER, detail);
    let name = header.map_or(Ok(DEFAULT_TENANT), |bytes| {
        std::str::from_utf8(bytes)
            .map_err(|_not_text| invalid(format!("header `{TENANT_HEADER}` is not UTF-8, expected a tenant")))
    })?;
    TenantId::new(name).map_err(|error| invalid(format!("header `{TENANT_HEADER}`: {error}")))
}

fn read_user(segment: &str) -> Result<UserId, Problem> {
    let name = percent_decode_str(segment).decode_utf8().map_err(|_not_text| {
        Problem::invalid("user", "`user` in the path is not UTF-8, percent-encoded".to_owned())
    })?;
    UserId::new(name).map_err(|error| Problem::invalid("user", format!("`user` in the path: {error}")))
}

fn checked_query(query: String) -> Result<String, Problem> {
    let got = match query.trim() {
        "" => "empty".to_owned(),
        _ if query.len() > LONGEST_QUERY_BYTES => format!("{} bytes", query.len()),
        _ => return Ok(query),
    };
    Err(Problem::invalid(
        "query",
        format!("parameter `query` is {got}, expected a question of at most {LONGEST_QUERY_BYTES} bytes"),
    ))
}

fn checked_k(k: &str) -> Result<usize, Problem> {
    if let Ok(k @ 1..=MOST_RESULTS) = k.parse() {
        return Ok(k);
    }
    let got: String = k.chars().take(20).collect();
    Err(Problem::invalid(
        "k",
        format!("parameter `k` is {got:?}, expected a whole number from 1 to {MOST_RESULTS}"),
    ))
}

fn checked_session(session: String) -> Result<String, Problem> {
    if session.is_empty() || session.len() > LONGEST_SESSION_BYTES || session.chars().any(char::is_control) {
        return Err(Problem::invalid(
            "session",
            format!(
                "parameter `session` must be 1 to {LONGEST_SESSION_BYTES} bytes without control characters"
            ),
        ));
    }
    Ok(session)
}

/// The parameters of a query string, each given at most once and known by name.
#[derive(Debug)]
pub(crate) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(crate) fn read(query_string: &str, known: &[&str]) -> Result<Self, Problem> {
        let mut parameters = BTreeMap::new();
        for (name, value) in form_urlencoded::parse(query_string.as_bytes()) {
            if !known.contains(&name.as_ref()) {
                let name: String = name.chars().take(40).collect();
                let expected = if known.is_empty() {
                    "no parameters".to_owned()
                } else {
                    format!("`{}`", known.join("`, `"))
                };
                return Err(Problem::invalid(
                    &name,
                    format!("parameter `{name}` is unknown, expected {expected}"),
                ));
            }
            if parameters.insert(name.clone().into_owned(), value.into_owned()).is_some() {
                return Err(Problem::invalid(&name, format!("parameter `{name}` is given more than once")));
            }
        }
        Ok(Self(parameters))
    }

    pub(crate) fn take(&mut self, name: &str) -> Option<String> {
        self.0.remove(name)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn get(path: &str, query_string: &str) -> Result<Operation, Problem> {
        Operation::read("GET", path, Some(query_string).filter(|text| !text.is_empty()))
    }

    #[test]
    fn a_request_is_read_with_its_encodings() {
        assert_eq!(
            get("/v1/users/zo%C3%AB%2F1/recall", "query=Where+does+she%20live%3F&k=3"),
            Ok(Operation::Recall {
                user: UserId::new("zoë/1").unwrap(),
                query: "Where does she live?".to_owned(),
                k: 3
            })
        );
        assert_eq!(
            get("/v1/users/ada/hydrate", ""),
            Ok(Operation::Hydrate { user: UserId::new("ada").unwrap(), session: None, query: None })
        );
        assert_eq!(get("/v1/health", ""), Ok(Operation::Health));
    }

    #[test]
    fn a_wrong_path_is_told_the_right_ones() {
        for path in ["", "/", "/v1/users/ada", "/v1/users/ada/recall/", "//v1/health", "/v2/health"] {
            let problem = get(path, "").unwrap_err();
            assert_eq!(problem.status, 404, "{path}");
            assert!(problem.detail.contains("/v1/users/{user}/recall"), "{path}");
        }
        let problem = Operation::read("POST", "/v1/health", None).unwrap_err();
        assert_eq!(problem.status, 405);
        assert_eq!(problem.into_response().headers()["allow"], "GET");
    }

    #[test]
    fn an_error_names_the_parameter_and_what_was_expected() {
        let long = format!("query={}", "x".repeat(LONGEST_QUERY_BYTES + 1));
        for (query_string, parameter, expected) in [
            ("", "query", "expected a question"),
            ("query=%20", "query", "is empty, expected a question of at most 4096 bytes"),
            (long.as_str(), "query", "4097 bytes"),
            ("query=x&k=0", "k", "expected a whole number from 1 to 100"),
            ("query=x&k=101", "k", "\"101\""),
            ("query=x&k=ten", "k", "\"ten\""),
            ("query=x&limit=3", "limit", "is unknown, expected `query`, `k`"),
            ("query=x&query=y", "query", "more than once"),
        ] {
            let problem = get("/v1/users/ada/recall", query_string).unwrap_err();
            assert_eq!(
                (problem.status, problem.parameter.as_deref()),
                (400, Some(parameter)),
                "{query_string}"
            );
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
        let problem = get("/v1/users/%FF/recall", "query=x").unwrap_err();
        assert_eq!(problem.parameter.as_deref(), Some("user"));
        assert_eq!(get("/v1/users//recall", "query=x").unwrap_err().parameter.as_deref(), Some("user"));
        assert_eq!(get("/v1/users/a/hydrate", "session=").unwrap_err().parameter.as_deref(), Some("session"));
    }

    #[test]
    fn a_request_without_a_tenant_is_the_default_tenants() {
        assert_eq!(read_tenant(None).unwrap().as_str(), "default");
        assert_eq!(read_tenant(Some(b"acme")).unwrap().as_str(), "acme");
        for wrong in [b"".as_slice(), b"a\tb", b"\xFF"] {
            assert_eq!(read_tenant(Some(wrong)).unwrap_err().parameter.as_deref(), Some(TENANT_HEADER));
        }
    }

    proptest! {
        #[test]
        fn no_request_panics(path in "(/v1/users/)?[%/a-zé0-9]{0,20}(/recall|/hydrate)?", query_string in "\\PC{0,60}") {
            let _ = get(&path, &query_string);
        }
    }
}
