//! What a reviewer's request asks for: pure.

use domain::{Decision, Edit, MemoryId, MemoryType, UserId};

use crate::admin::fields::Fields;
use crate::http::Problem;

const ROUTES: &str =
    "GET /v1/reviews?user=…&type=…&agent=…&limit=…&after=…, GET /v1/reviews/{id}, POST /v1/reviews/{id}";
const LONGEST_NAME_BYTES: usize = 200;
const LONGEST_NOTE_BYTES: usize = 2_000;
/// The longest body, in bytes.
const LONGEST_BODY_BYTES: usize = 64 * 1024;
const MOST_REVIEWS: i64 = 100;
const USUAL_REVIEWS: i64 = 20;

/// An operation with its parameters, checked.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Operation {
    /// What waits for a person.
    List {
        /// About this user.
        user: Option<UserId>,
        /// Of this type.
        kind: Option<MemoryType>,
        /// Proposed by this agent.
        agent: Option<String>,
        /// The last one of the page before.
        after: Option<MemoryId>,
        /// At most this many.
        limit: u16,
    },
    /// One proposal with everything it takes to decide.
    Show {
        /// The memory.
        id: MemoryId,
    },
    /// A decision.
    Decide {
        /// The memory.
        id: MemoryId,
        /// The decision.
        decision: Decision,
        /// The version that the reviewer saw.
        version: Option<i64>,
        /// Who decided.
        reviewer: Option<String>,
        /// Why.
        note: Option<String>,
    },
}

impl Operation {
    /// Reads a request: its method, path, query string and body.
    pub(crate) fn read(method: &str, path: &str, query_string: &str, body: &[u8]) -> Result<Self, Problem> {
        let name = path.strip_prefix("/v1/reviews").unwrap_or_default();
        if name.is_empty() {
            if method != "GET" {
                return Err(Problem::method_not_allowed(
                    "GET",
                    format!("this path only has GET; there are {ROUTES}"),
                ));
            }
            return list(Fields::of_query(query_string, &["user", "type", "agent", "limit", "after"])?);
        }
        let name = name.strip_prefix('/').unwrap_or_default();
        if name.is_empty() || name.contains('/') {
            return Err(Problem::not_found(format!("there is no such path; there are {ROUTES}")));
        }
        if method != "GET" && method != "POST" {
            return Err(Problem::method_not_allowed(
                "GET, POST",
                format!("this path only has GET and POST; there are {ROUTES}"),
            ));
        }
        let id = name.parse().map(MemoryId).map_err(|_not_an_identifier| {
            Problem::invalid(
                "id",
                "`id` in the path is not an identifier as GET /v1/reviews lists them".to_owned(),
            )
        })?;
        // What is not read must not look as if it were.
        Fields::of_query(query_string, &[])?;
        if method == "GET" {
            return Ok(Self::Show { id });
        }
        if body.len() > LONGEST_BODY_BYTES {
            let got = body.len();
            return Err(Problem::invalid(
                "body",
                format!("the body is {got} bytes, expected at most {LONGEST_BODY_BYTES}"),
            ));
        }
        decide(id, Fields::of_body(body, &["decision", "content", "data", "version", "reviewer", "note"])?)
    }
}

fn list(mut fields: Fields) -> Result<Operation, Problem> {
    let types = MemoryType::ALL.map(MemoryType::as_str).join(", ");
    Ok(Operation::List {
        user: fields
            .text("user", "1 to 200 bytes without control characters", |name| UserId::new(name).ok())?,
        kind: fields.text("type", &format!("one of {types}"), MemoryType::from_name)?,
        agent: fields
            .text("agent", "the name of an agent, 1 to 200 bytes", |name| short(name, LONGEST_NAME_BYTES))?,
        after: fields.uuid("after")?.map(MemoryId),
        limit: fields
            .whole("limit", 1..=MOST_REVIEWS)?
            .unwrap_or(USUAL_REVIEWS)
            .try_into()
            .expect("the most reviews of an answer fit"),
    })
}

fn decide(id: MemoryId, mut fields: Fields) -> Result<Operation, Problem> {
    const DECISIONS: &str = "approve, edit or reject";
    let verb = fields
        .text("decision", DECISIONS, |text| {
            ["approve", "edit", "reject"].into_iter().find(|decision| *decision == text)
        })?
        .ok_or_else(|| {
            Problem::invalid("decision", format!("field `decision` is missing, expected {DECISIONS}"))
        })?;
    let content = fields.text("content", "a text", |text| Some(text.to_owned()))?;
    let data = fields.value("data");
    let decision = match verb {
        "edit" => Decision::Edit(
            Edit::new(content, data).map_err(|error| Problem::invalid(error.field(), error.to_string()))?,
        ),
        verb => {
            let edited = [("content", content.is_some()), ("data", data.is_some())];
            if let Some((name, _)) = edited.into_iter().find(|(_, given)| *given) {
                return Err(Problem::invalid(
                    name,
                    format!("field `{name}` is given, expected only with the decision edit"),
                ));
            }
            if verb == "approve" { Decision::Approve } else { Decision::Reject }
        }
    };
    Ok(Operation::Decide {
        id,
        decision,
        version: fields.whole("version", 1..=i64::MAX)?,
        reviewer: fields
            .text("reviewer", "1 to 200 bytes without NUL", |text| short(text, LONGEST_NAME_BYTES))?,
        note: fields.text("note", "1 to 2000 bytes without NUL", |text| short(text, LONGEST_NOTE_BYTES))?,
    })
}

fn short(text: &str, most_bytes: usize) -> Option<String> {
    ((1..=most_bytes).contains(&text.len()) && !text.contains('\0')).then(|| text.to_owned())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;
    use uuid::Uuid;

    use super::*;

    const ID: &str = "00000000-0000-0000-0000-000000000007";

    fn id() -> MemoryId {
        MemoryId(Uuid::from_u128(7))
    }

    fn list(query_string: &str) -> Result<Operation, Problem> {
        Operation::read("GET", "/v1/reviews", query_string, b"")
    }

    fn post(body: &str) -> Result<Operation, Problem> {
        Operation::read("POST", &format!("/v1/reviews/{ID}"), "", body.as_bytes())
    }

    fn decided(decision: Decision) -> Operation {
        Operation::Decide { id: id(), decision, version: None, reviewer: None, note: None }
    }

    #[test]
    fn a_question_is_read_with_its_parameters() {
        assert_eq!(
            list(""),
            Ok(Operation::List { user: None, kind: None, agent: None, after: None, limit: 20 })
        );
        assert_eq!(
            list(&format!("user=ada&type=fact&agent=summarizer&limit=3&after={ID}")),
            Ok(Operation::List {
                user: Some(UserId::new("ada").unwrap()),
                kind: Some(MemoryType::Fact),
                agent: Some("summarizer".into()),
                after: Some(id()),
                limit: 3
            })
        );
        assert_eq!(
            Operation::read("GET", &format!("/v1/reviews/{ID}"), "", b""),
            Ok(Operation::Show { id: id() })
        );
    }

    #[test]
    fn a_decision_is_read_with_what_belongs_to_it() {
        assert_eq!(post(r#"{"decision": "approve"}"#), Ok(decided(Decision::Approve)));
        let edit = Edit::new(Some("Ada likes tea".into()), Some(json!({"kind": "drink"}))).unwrap();
        assert_eq!(
            post(r#"{"decision": "edit", "content": "Ada likes tea", "data": {"kind": "drink"}}"#),
            Ok(decided(Decision::Edit(edit)))
        );
        assert_eq!(
            post(r#"{"decision": "reject", "version": 3, "reviewer": "grace", "note": "not said"}"#),
            Ok(Operation::Decide {
                id: id(),
                decision: Decision::Reject,
                version: Some(3),
                reviewer: Some("grace".into()),
                note: Some("not said".into())
            })
        );
    }

    #[test]
    fn an_error_names_the_field_and_what_was_expected() {
        let long = format!(r#"{{"decision": "edit", "content": "{}"}}"#, "x".repeat(8193));
        let longer = "x".repeat(LONGEST_BODY_BYTES + 1);
        let note = format!(r#"{{"decision": "reject", "note": "{}"}}"#, "x".repeat(2001));
        for (result, named, expected) in [
            (list("typ=fact"), "typ", "is unknown, expected `user`, `type`"),
            (list("type=mood"), "type", r#""mood", expected one of summary, entity"#),
            (list("limit=101"), "limit", "from 1 to 100"),
            (list("after=7"), "after", "an identifier"),
            (list("user="), "user", "1 to 200 bytes"),
            (Operation::read("GET", "/v1/reviews/seven", "", b""), "id", "GET /v1/reviews lists them"),
            (Operation::read("GET", &format!("/v1/reviews/{ID}"), "limit=1", b""), "limit", "no parameters"),
            (post(""), "body", "the body is empty"),
            (post(&longer), "body", "is 65537 bytes, expected at most 65536"),
            (post("{}"), "decision", "is missing, expected approve, edit or reject"),
            (
                post(r#"{"decision": "approved"}"#),
                "decision",
                r#""approved", expected approve, edit or reject"#,
            ),
            (post(r#"{"decision": "approve", "content": "x"}"#), "content", "only with the decision edit"),
            (post(r#"{"decision": "reject", "data": {}}"#), "data", "only with the decision edit"),
            (
                post(r#"{"decision": "edit"}"#),
                "content",
                "is missing, expected the memory in words, or `data`",
            ),
            (post(r#"{"decision": "edit", "content": " "}"#), "content", "1 to 8192"),
            (post(&long), "content", "is 8193 bytes"),
            (post(r#"{"decision": "edit", "content": "a\u0000b"}"#), "content", "without NUL"),
            (post(r#"{"decision": "edit", "data": [1]}"#), "data", "an object"),
            (post(r#"{"decision": "edit", "data": {"a": ["\u0000"]}}"#), "data", "without NUL"),
            (post(r#"{"decision": "approve", "version": 0}"#), "version", "at least 1"),
            (post(&note), "note", "1 to 2000 bytes"),
        ] {
            let problem = result.unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(named)), "{expected}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }

    #[test]
    fn a_wrong_path_or_method_is_told_the_right_ones() {
        for path in ["/v1/reviews/", "/v1/reviews/a/b"] {
            let problem = Operation::read("GET", path, "", b"").unwrap_err();
            assert!(problem.status == 404 && problem.detail.contains("POST /v1/reviews/{id}"), "{path}");
        }
        assert_eq!(Operation::read("POST", "/v1/reviews", "", b"{}").unwrap_err().status, 405);
        assert_eq!(Operation::read("PUT", &format!("/v1/reviews/{ID}"), "", b"{}").unwrap_err().status, 405);
    }

    proptest! {
        #[test]
        fn no_request_panics(path in "[%/a-zé0-9]{0,20}", query_string in "\\PC{0,60}", body in "\\PC{0,60}") {
            let _ = Operation::read("GET", &format!("/v1/reviews{path}"), &query_string, b"");
            let _ = post(&body);
        }
    }
}
