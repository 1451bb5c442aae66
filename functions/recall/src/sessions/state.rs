use std::collections::BTreeMap;

use axum::extract::State;
use domain::TenantId;
use domain::state::{Decided, SaidEntry, SessionState, Tail, ToolResult};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::StateAt;
use utoipa::{IntoParams, ToSchema};

use super::failed;
use crate::Parts;
use crate::http::{Answer, Caller, OfSession, PathOf, Problem, Query, Shared, Whole};

/// The state at which version.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Asked {
    /// The last event that is in it; 0 is the state before the first. The session's last version, if not given.
    #[param(value_type = Option<i64>, minimum = 0)]
    version: Option<Whole<0, { i64::MAX }>>,
}

/// What the log of a session comes to at a version.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StateAnswer {
    session: String,
    version: i64,
    /// Where the application's agent is in its graph: `start` before its first transition.
    current_node: String,
    messages: MessagesAnswer,
    decisions: DecisionsAnswer,
    /// How many tools were called.
    tool_calls: i64,
    /// The last result of each tool, by its name.
    tool_results: BTreeMap<String, ToolAnswer>,
    /// What observations and transitions said, each merged into what was there before.
    #[schema(value_type = Object)]
    metadata: Value,
    /// How many of them were left out because the metadata would have become too large.
    metadata_left_out: i64,
}

/// What was said.
#[derive(Debug, Serialize, ToSchema)]
struct MessagesAnswer {
    count: i64,
    /// The newest of them, oldest first.
    last: Vec<MessageAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
struct MessageAnswer {
    version: i64,
    role: String,
    speaker: Option<String>,
    content: String,
    occurred_at: Timestamp,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
struct DecisionsAnswer {
    count: i64,
    /// The newest of them, oldest first.
    last: Vec<DecisionAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StateDecisionAnswer)]
struct DecisionAnswer {
    version: i64,
    content: Option<String>,
    #[schema(value_type = Object)]
    payload: Value,
    occurred_at: Timestamp,
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = StateToolAnswer)]
struct ToolAnswer {
    version: i64,
    calls: i64,
    result: Value,
    occurred_at: Timestamp,
}

impl StateAnswer {
    fn of(session: &str, state: SessionState) -> Self {
        Self {
            session: session.to_owned(),
            version: state.version,
            current_node: state.current_node,
            messages: state.messages.into(),
            decisions: state.decisions.into(),
            tool_calls: state.tool_calls,
            tool_results: state
                .tool_results
                .into_iter()
                .map(|(tool, result)| (tool, result.into()))
                .collect(),
            metadata: state.metadata.into(),
            metadata_left_out: state.metadata_left_out,
        }
    }
}

impl From<Tail<SaidEntry>> for MessagesAnswer {
    fn from(Tail { count, last, .. }: Tail<SaidEntry>) -> Self {
        let last = last.into_iter().map(|said| MessageAnswer {
            version: said.version,
            role: said.role,
            speaker: said.speaker,
            content: said.content,
            occurred_at: said.occurred_at,
        });
        Self { count, last: last.collect() }
    }
}

impl From<Tail<Decided>> for DecisionsAnswer {
    fn from(Tail { count, last, .. }: Tail<Decided>) -> Self {
        let last = last.into_iter().map(|decided| DecisionAnswer {
            version: decided.version,
            content: decided.content,
            payload: decided.payload,
            occurred_at: decided.occurred_at,
        });
        Self { count, last: last.collect() }
    }
}

impl From<ToolResult> for ToolAnswer {
    fn from(last: ToolResult) -> Self {
        Self { version: last.version, calls: last.calls, result: last.result, occurred_at: last.occurred_at }
    }
}

/// The state of a session at any of its versions.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/state", tag = "sessions", params(OfSession, Asked),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = StateAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn show_state(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(Asked { version }): Query<Asked>,
) -> Result<Answer<StateAnswer>, Problem> {
    parts.state(&caller.tenant, &of, version.map(Whole::get)).await.map(Answer::ok)
}

impl Parts {
    /// The state of a session at a version, or at its last one.
    pub(crate) async fn state(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        version: Option<i64>,
    ) -> Result<StateAnswer, Problem> {
        let state = self.store.session_state(of.path(tenant), version).await;
        match state.map_err(|error| failed(&error))?.ok_or_else(|| of.unknown())? {
            StateAt::At(state) => Ok(StateAnswer::of(of.session.as_str(), *state)),
            StateAt::Beyond { head } => Err(Problem::invalid(
                "version",
                format!("parameter `version` is beyond the session's last version, expected at most {head}"),
            )),
        }
    }
}
