//! What a reviewer asks for, as it is read and before it is checked against each other.

use domain::{Decision, Edit, MemoryType, UserId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use crate::http::{Problem, Short, Whole};

/// How many proposals an answer has when nobody says.
const USUAL_REVIEWS: u16 = 20;

/// Which proposals are wanted: those that match everything that is given.
#[derive(Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct ListAsked {
    /// About this user, or from one of the user's sessions.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) user: Option<UserId>,
    /// `summary`, `entity`, `action`, `sentiment`, `pattern`, `preference` or `fact`.
    #[param(value_type = Option<String>)]
    pub(crate) r#type: Option<MemoryType>,
    /// Proposed by this agent.
    #[param(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) agent: Option<Short<200>>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    pub(crate) limit: Option<Whole<1, 100>>,
    /// The `next` of the page before.
    pub(crate) after: Option<Uuid>,
}

impl ListAsked {
    /// How many proposals are wanted.
    pub(crate) fn limit(&self) -> u16 {
        self.limit.map_or(USUAL_REVIEWS, Whole::to)
    }
}

/// One proposal.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfReview {
    /// The proposal, as `GET /v1/reviews` lists it.
    pub(crate) id: Uuid,
}

/// What is decided.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Verb {
    /// It is remembered.
    Approve,
    /// It is remembered otherwise.
    Edit,
    /// It is not remembered.
    Reject,
}

/// A decision.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct DecisionAsked {
    /// `approve`, `edit` or `reject`.
    pub(crate) decision: Verb,
    /// With `edit`: the memory in words, 1 to 8,192 bytes.
    pub(crate) content: Option<String>,
    /// With `edit`: the memory in data.
    #[schema(value_type = Option<Object>)]
    pub(crate) data: Option<Value>,
    /// The version that was looked at.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub(crate) version: Option<Whole<1, { i64::MAX }>>,
    /// Who decided.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 200)]
    pub(crate) reviewer: Option<Short<200>>,
    /// Why.
    #[schema(value_type = Option<String>, min_length = 1, max_length = 2000)]
    pub(crate) note: Option<Short<2000>>,
}

impl DecisionAsked {
    /// What is decided, or which field does not go with it.
    pub(crate) fn decision(&self) -> Result<Decision, Problem> {
        if self.decision == Verb::Edit {
            let edit = Edit::new(self.content.clone(), self.data.clone());
            return edit
                .map(Decision::Edit)
                .map_err(|error| Problem::invalid(error.field(), error.to_string()));
        }
        let given = [("content", self.content.is_some()), ("data", self.data.is_some())];
        if let Some((name, _)) = given.into_iter().find(|(_, given)| *given) {
            return Err(Problem::invalid(
                name,
                format!("field `{name}` is given, expected only with the decision edit"),
            ));
        }
        Ok(if self.decision == Verb::Approve { Decision::Approve } else { Decision::Reject })
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::http::{read_json, read_query};

    fn post(body: &str) -> Result<(Decision, Option<i64>), Problem> {
        let asked: DecisionAsked = read_json(body.as_bytes())?;
        Ok((asked.decision()?, asked.version.map(Whole::get)))
    }

    #[test]
    fn a_question_is_read_with_its_parameters() {
        let all: ListAsked = read_query("").unwrap();
        assert_eq!((all.limit(), all.user.is_none()), (20, true));
        let id = Uuid::from_u128(7);
        let some: ListAsked =
            read_query(&format!("user=ada&type=fact&agent=summarizer&limit=3&after={id}")).unwrap();
        assert_eq!((some.limit(), some.after, some.r#type), (3, Some(id), Some(MemoryType::Fact)));
        assert_eq!(some.agent.as_ref().map(Short::as_str), Some("summarizer"));
    }

    #[test]
    fn a_decision_is_read_with_what_belongs_to_it() {
        assert_eq!(post(r#"{"decision": "approve"}"#), Ok((Decision::Approve, None)));
        let edit = Edit::new(Some("Ada likes tea".into()), Some(json!({"kind": "drink"}))).unwrap();
        assert_eq!(
            post(r#"{"decision": "edit", "content": "Ada likes tea", "data": {"kind": "drink"}}"#),
            Ok((Decision::Edit(edit), None))
        );
        assert_eq!(
            post(r#"{"decision": "reject", "version": 3, "reviewer": "grace", "note": "not said"}"#),
            Ok((Decision::Reject, Some(3)))
        );
        assert_eq!(post(r#"{"decision": "approve", "content": null}"#), Ok((Decision::Approve, None)));
    }

    #[test]
    fn an_error_names_the_field_and_what_was_expected() {
        let list = |query: &str| read_query::<ListAsked>(query).map(|_| (Decision::Approve, None));
        let long = format!(r#"{{"decision": "edit", "content": "{}"}}"#, "x".repeat(8193));
        let note = format!(r#"{{"decision": "reject", "note": "{}"}}"#, "x".repeat(2001));
        for (result, named, expected) in [
            (list("typ=fact"), "typ", "is unknown, expected one of `user`, `type`"),
            (list("type=mood"), "type", "`mood`, expected one of `summary`, `entity`"),
            (list("limit=101"), "limit", "from 1 to 100"),
            (list("after=7"), "after", "parameter `after`"),
            (list("user="), "user", "1 to 200 bytes"),
            (list("agent="), "agent", "1 to 200 bytes without NUL"),
            (post(""), "body", "the body is empty"),
            (post("{}"), "decision", "is missing"),
            (
                post(r#"{"decision": "approved"}"#),
                "decision",
                "`approved`, expected one of `approve`, `edit`",
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
            (post(&note), "note", "1 to 2000 bytes without NUL"),
        ] {
            let problem = result.unwrap_err();
            assert_eq!((problem.status, problem.parameter.as_deref()), (400, Some(named)), "{expected}");
            assert!(problem.detail.contains(expected), "{}", problem.detail);
        }
    }
}
