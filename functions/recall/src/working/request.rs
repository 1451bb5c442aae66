//! Requests as callers send them.

use axum::extract::FromRequestParts;
use axum::http::{HeaderMap, HeaderName, StatusCode, header, request};
use domain::{SessionName, TenantId, UserId};
use hot::{DocumentKey, DocumentKind, Expected, PathTo};
use serde::Deserialize;
use utoipa::IntoParams;

use crate::http::{OfSession, Problem, Whole, one_header};

/// The longest name of a tool, in bytes: what a key of DynamoDB has room for beside the session's.
const LONGEST_TOOL_BYTES: usize = 100;
/// The longest path, in bytes.
const LONGEST_PATH_BYTES: usize = 4 * 1024;

/// Which tool of which session.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfTool {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    user: UserId,
    /// A session, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    session: SessionName,
    /// A tool, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 100)]
    tool: ToolName,
}

#[derive(Debug, Deserialize)]
#[serde(try_from = "String")]
struct ToolName(String);

impl TryFrom<String> for ToolName {
    type Error = String;

    fn try_from(name: String) -> Result<Self, String> {
        if name.is_empty() || name.len() > LONGEST_TOOL_BYTES || name.chars().any(char::is_control) {
            return Err(format!("expected 1 to {LONGEST_TOOL_BYTES} bytes without control characters"));
        }
        Ok(Self(name))
    }
}

impl OfSession {
    /// Of its documents, the working memory.
    pub(super) fn key<'a>(&'a self, tenant: &'a TenantId) -> DocumentKey<'a> {
        let kind = DocumentKind::WorkingMemory;
        DocumentKey { tenant, user: &self.user, session_name: self.session.as_str(), kind }
    }
}

impl OfTool {
    pub(super) fn key<'a>(&'a self, tenant: &'a TenantId) -> DocumentKey<'a> {
        let kind = DocumentKind::ToolState(&self.tool.0);
        DocumentKey { tenant, user: &self.user, session_name: self.session.as_str(), kind }
    }
}

/// Which part is read.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Reading {
    /// A JSON Pointer (RFC 6901), such as `/current_task`; the whole when not given.
    #[param(max_length = 4096)]
    path: Option<String>,
}

/// Which part is changed, and of what.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Changing {
    /// A JSON Pointer (RFC 6901), such as `/current_task`; the whole when not given.
    #[param(max_length = 4096)]
    path: Option<String>,
    /// The version that is changed, 0 for none; another one there is a conflict. The header `if-match` says the same.
    #[param(value_type = Option<i64>, minimum = 0)]
    version: Option<Whole<0, { i64::MAX }>>,
}

fn read_path(path: Option<&str>) -> Result<PathTo, Problem> {
    let path = path.unwrap_or_default();
    if path.len() > LONGEST_PATH_BYTES {
        let problem =
            format!("parameter `path` is {} bytes, expected at most {LONGEST_PATH_BYTES}", path.len());
        return Err(Problem::invalid("path", problem));
    }
    PathTo::read(path).map_err(|_not_a_pointer| {
        let expected =
            "parameter `path` is no JSON Pointer (RFC 6901), expected one such as `/current_task/step`";
        Problem::invalid("path", expected.to_owned())
    })
}

impl Reading {
    pub(super) fn path(&self) -> Result<PathTo, Problem> {
        read_path(self.path.as_deref())
    }
}

impl Changing {
    pub(super) fn path(&self) -> Result<PathTo, Problem> {
        read_path(self.path.as_deref())
    }

    /// What the change expects to find, and the status that says that it is not there.
    pub(super) fn expected(
        &self,
        Precondition(header): Precondition,
    ) -> Result<(Expected, StatusCode), Problem> {
        let parameter = self.version.map(|version| match version.get() {
            0 => Expected::Nothing,
            version => Expected::Version(version),
        });
        match (header, parameter) {
            (Some(_), Some(_)) => {
                let problem = "parameter `version` and a header say what is expected, expected one of them";
                Err(Problem::invalid("version", problem.to_owned()))
            }
            (Some(expected), None) => Ok((expected, StatusCode::PRECONDITION_FAILED)),
            (None, expected) => Ok((expected.unwrap_or(Expected::Anything), StatusCode::CONFLICT)),
        }
    }
}

/// What the headers `if-match` and `if-none-match` expect (RFC 9110).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Precondition(pub(super) Option<Expected>);

impl<S: Sync> FromRequestParts<S> for Precondition {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut request::Parts, _state: &S) -> Result<Self, Problem> {
        Self::read(&parts.headers)
    }
}

impl Precondition {
    fn read(headers: &HeaderMap) -> Result<Self, Problem> {
        let given = |name: HeaderName| {
            let value = one_header(headers, name.as_str())?;
            Ok::<_, Problem>(value.map(|value| value.to_str().unwrap_or_default().trim()))
        };
        let invalid = |name: &str, expected: &str| {
            Problem::invalid(name, format!("header `{name}` is not understood, expected {expected}"))
        };
        let expected = match (given(header::IF_MATCH)?, given(header::IF_NONE_MATCH)?) {
            (None, None) => None,
            (Some("*"), None) => Some(Expected::Something),
            (None, Some("*")) => Some(Expected::Nothing),
            (Some(etag), None) => {
                let version =
                    etag.strip_prefix('"').and_then(|etag| etag.strip_suffix('"')).unwrap_or_default();
                let version = version.parse().map_err(|_other| {
                    invalid("if-match", "the one `etag` of a document, such as \"1767225600000\", or *")
                })?;
                Some(Expected::Version(version))
            }
            _ => return Err(invalid("if-none-match", "* and no `if-match` beside it")),
        };
        Ok(Self(expected))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(pairs: &[(&'static str, &'static str)]) -> Result<Option<Expected>, u16> {
        let headers =
            pairs.iter().map(|(name, value)| (HeaderName::from_static(name), value.parse().unwrap()));
        let read = Precondition::read(&headers.collect());
        read.map(|precondition| precondition.0).map_err(|problem| problem.status)
    }

    #[test]
    fn a_header_says_which_version_is_expected() {
        assert_eq!(read(&[]), Ok(None));
        assert_eq!(read(&[("if-match", "\"17\"")]), Ok(Some(Expected::Version(17))));
        assert_eq!(read(&[("if-match", "*")]), Ok(Some(Expected::Something)));
        assert_eq!(read(&[("if-none-match", "*")]), Ok(Some(Expected::Nothing)));
        for wrong in ["17", "W/\"17\"", "\"17\", \"18\"", "\"a\"", "", "\""] {
            assert_eq!(read(&[("if-match", wrong)]), Err(400), "{wrong}");
        }
        assert_eq!(read(&[("if-none-match", "\"17\"")]), Err(400));
        assert_eq!(read(&[("if-match", "*"), ("if-none-match", "*")]), Err(400));
        for name in ["if-match", "if-none-match"] {
            let mut twice = HeaderMap::new();
            for _ in 0..2 {
                twice.append(name, "*".parse().unwrap());
            }
            let problem = Precondition::read(&twice).unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(name)));
        }
    }

    #[test]
    fn a_version_is_expected_by_a_header_or_by_a_parameter() {
        let changing = |version: Option<i64>| Changing {
            path: None,
            version: version.map(|version| serde_json::from_value(version.into()).unwrap()),
        };
        let expected = |version, header| {
            changing(version).expected(Precondition(header)).map_err(|problem| problem.status)
        };
        assert_eq!(expected(None, None), Ok((Expected::Anything, StatusCode::CONFLICT)));
        assert_eq!(expected(Some(0), None), Ok((Expected::Nothing, StatusCode::CONFLICT)));
        assert_eq!(expected(Some(9), None), Ok((Expected::Version(9), StatusCode::CONFLICT)));
        assert_eq!(
            expected(None, Some(Expected::Something)),
            Ok((Expected::Something, StatusCode::PRECONDITION_FAILED))
        );
        assert_eq!(expected(Some(9), Some(Expected::Something)), Err(400));
    }

    #[test]
    fn a_path_is_a_pointer_of_bounded_length() {
        let path =
            |path: &str| Reading { path: Some(path.to_owned()) }.path().map_err(|problem| problem.status);
        assert_eq!(Reading { path: None }.path(), Ok(PathTo::default()));
        assert!(path("/a~1b/0").is_ok());
        for wrong in ["current_task", "/a~2", &"/a".repeat(2049)] {
            assert_eq!(path(wrong), Err(400), "{wrong}");
        }
    }
}
