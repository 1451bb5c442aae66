//! The answer as callers see it.

use jiff::Timestamp;
use serde::Serialize;
use store::{SessionAgent, SessionProgress};
use utoipa::ToSchema;

use super::Place;

/// How far every agent is with a user's sessions.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct StatusAnswer {
    /// The one with the latest event first.
    sessions: Vec<SessionStatus>,
    /// What to give as `after` for the next page; null on the last.
    #[schema(value_type = Option<String>)]
    next: Option<Place>,
}

/// How far every agent is with a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SessionStatus {
    session: String,
    /// The version of its last event.
    version: i64,
    last_event_at: Timestamp,
    /// Whether every agent has thought about all of it.
    is_settled: bool,
    agents: Vec<AgentProgress>,
}

/// How far an agent is with a session. Thoughts are counted over all its runs, a replay's too.
#[derive(Debug, Serialize, ToSchema)]
struct AgentProgress {
    agent: String,
    /// The last version it has thought about, 0 before the first.
    through: i64,
    /// How many events it has yet to think about.
    waiting: i64,
    /// How long the oldest of them has waited, in seconds; null when none waits.
    oldest_waiting_seconds: Option<f64>,
    /// Thoughts that became a memory.
    stored: i64,
    /// Thoughts that were added to a memory.
    merged: i64,
    /// Thoughts that took the place of a memory.
    superseded: i64,
    /// Thoughts that were proposed to a person.
    pending: i64,
    /// Thoughts that were not kept.
    dropped: i64,
}

impl StatusAnswer {
    /// A page; `now` is what waiting is counted up to.
    pub(crate) fn of(sessions: Vec<SessionProgress>, next: Option<Place>, now: Timestamp) -> Self {
        let sessions = sessions.into_iter().map(|session| {
            let head = session.head;
            let agents: Vec<AgentProgress> =
                session.agents.into_iter().map(|agent| AgentProgress::of(agent, head, now)).collect();
            SessionStatus {
                session: session.session,
                version: head,
                last_event_at: session.last_event_at,
                is_settled: agents.iter().all(|agent| agent.waiting == 0),
                agents,
            }
        });
        Self { sessions: sessions.collect(), next }
    }
}

impl AgentProgress {
    fn of(agent: SessionAgent, head: i64, now: Timestamp) -> Self {
        let waited = |since: Timestamp| now.duration_since(since).as_secs_f64().max(0.0);
        Self {
            waiting: head.saturating_sub(agent.through).max(0),
            oldest_waiting_seconds: agent.waiting_since.map(waited),
            agent: agent.agent,
            through: agent.through,
            stored: agent.stored,
            merged: agent.merged,
            superseded: agent.superseded,
            pending: agent.pending,
            dropped: agent.dropped,
        }
    }
}
