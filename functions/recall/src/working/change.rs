//! Changes as callers send them.

use axum::extract::{FromRequest, Request};
use axum::http::header;
use hot::{Edit, Edited, InvalidDocument, InvalidEdit, MOST_TOOLS, Operations, Part, PathTo};

use super::request::Changing;
use crate::http::{Problem, body_of};

const MERGE_PATCH: &str = "application/merge-patch+json";
const JSON_PATCH: &str = "application/json-patch+json";

/// A body of text, and what it says it is.
#[derive(Debug)]
pub(crate) struct Body {
    media_type: String,
    text: String,
}

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = Problem;

    async fn from_request(request: Request, _state: &S) -> Result<Self, Problem> {
        let media_type = request.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let media_type = media_type.and_then(|text| text.split(';').next()).unwrap_or_default();
        let media_type = media_type.trim().to_ascii_lowercase();
        let bytes = body_of(request.into_body()).await?;
        let text = String::from_utf8(bytes.into())
            .map_err(|_binary| Problem::invalid("body", "the body is not UTF-8, expected JSON".to_owned()))?;
        Ok(Self { media_type, text })
    }
}

/// What is put in the place of what is there.
pub(super) fn put(changing: &Changing, body: &Body) -> Result<Edit, Problem> {
    let path = changing.path()?;
    let value = Part::read(&body.text).map_err(|error| unkept(&error))?;
    Ok(Edit::Set { path, value })
}

/// A patch of one of the two kinds.
pub(super) fn merged_or_patched(changing: &Changing, body: &Body) -> Result<Edit, Problem> {
    let path = changing.path()?;
    match body.media_type.as_str() {
        MERGE_PATCH => {
            let patch = Part::read(&body.text).map_err(|error| unkept(&error))?;
            Ok(Edit::Merge { path, patch })
        }
        JSON_PATCH if path == PathTo::default() => {
            Operations::read(&body.text).map(Edit::Patch).map_err(|error| invalid(&error))
        }
        JSON_PATCH => {
            let problem =
                "parameter `path` goes with a merge patch; the operations of a JSON Patch have their own";
            Err(Problem::invalid("path", problem.to_owned()))
        }
        _ => Err(Problem::unsupported(format!(
            "header `content-type` is not that of a patch, expected `{MERGE_PATCH}` or `{JSON_PATCH}`"
        ))),
    }
}

/// Why nothing was changed, when it is not for another version.
pub(super) fn refused(edited: Edited) -> Problem {
    match edited {
        Edited::Invalid(error) => invalid(&error),
        Edited::TooManyTools => Problem::unprocessable(
            "tool",
            format!(
                "the session has {MOST_TOOLS} tools with a state, as many as it may; delete one, or wait until one expires"
            ),
        ),
        _ => Problem::unavailable("this document, changed by too many at once,"),
    }
}

fn unkept(error: &InvalidDocument) -> Problem {
    match error {
        InvalidDocument::TooLarge { .. } => Problem::too_large(format!("the document is too large: {error}")),
        InvalidDocument::Syntax(_) => {
            Problem::invalid("body", format!("the body is not as expected: {error}"))
        }
        InvalidDocument::Member { .. } => Problem::unprocessable("body", format!("in the body, {error}")),
    }
}

fn invalid(error: &InvalidEdit) -> Problem {
    match error {
        InvalidEdit::Document(error) => unkept(error),
        InvalidEdit::Operations | InvalidEdit::Operation { .. } => {
            Problem::invalid("body", error.to_string())
        }
        InvalidEdit::NoPlace(path) => {
            let detail = format!("`{path}` is not there, expected a place whose parent is");
            Problem::unprocessable("path", detail)
        }
        InvalidEdit::Failed { .. } => Problem::unprocessable("body", error.to_string()),
    }
}
