//! The answers as operators see them.

use domain::{MemoryId, SessionId, SessionName, TenantId, UserId};
use jiff::Timestamp;
use serde::Serialize;
use store::{Adoption, HoldReason, RunRecord, ThoughtOutcome};
use utoipa::ToSchema;
use uuid::Uuid;

/// The most items that an answer to an order lists.
pub(super) const MOST_LISTED: usize = 100;

/// How far everything is.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = OperatorStatus)]
pub(super) struct Status {
    pub(super) agents: Vec<AgentStatus>,
    pub(super) holds: Vec<HoldAnswer>,
    pub(super) slot: SlotAnswer,
    /// Tables of applications that are followed, by name.
    pub(super) adopted_tables: Vec<AdoptedTableAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentStatus {
    pub(super) agent: String,
    pub(super) events: i64,
    pub(super) events_behind: i64,
    pub(super) sessions_behind: i64,
    /// Sessions behind that are held.
    pub(super) held: i64,
    pub(super) lag_seconds: Option<f64>,
    /// Windows set aside and not thought about since.
    pub(super) quarantined: i64,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct SlotAnswer {
    pub(super) name: String,
    pub(super) exists: bool,
    /// Whether it can never be read again; a slot that does not exist is.
    pub(super) lost: bool,
    pub(super) reason: Option<String>,
    pub(super) lag_bytes: Option<i64>,
    pub(super) reader: Option<String>,
}

/// A table of an application that is followed.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AdoptedTableAnswer {
    /// What it was called when it was adopted.
    relation: String,
    /// Since when it is followed.
    adopted_at: Timestamp,
    /// When all rows that had been there were read; absent while they are.
    backfilled_at: Option<Timestamp>,
    /// Rows that had been there and became events.
    rows_backfilled: i64,
    /// Rows that came later and became events.
    rows_followed: i64,
    /// Rows that became none.
    rows_refused: i64,
    /// Rows that wait to be read.
    waiting: i64,
    /// Why it cannot be read at the moment.
    broken: Option<String>,
    broken_at: Option<Timestamp>,
    /// The last rows that became no event, the newest first: `key`, `reason` and `at`.
    #[schema(value_type = Vec<Object>)]
    refusals: serde_json::Value,
}

impl From<Adoption> for AdoptedTableAnswer {
    fn from(adoption: Adoption) -> Self {
        Self {
            relation: adoption.relation,
            adopted_at: adoption.adopted_at,
            backfilled_at: adoption.backfilled_at,
            rows_backfilled: adoption.rows_backfilled,
            rows_followed: adoption.rows_followed,
            rows_refused: adoption.rows_refused,
            waiting: adoption.waiting,
            broken: adoption.broken,
            broken_at: adoption.broken_at,
            refusals: adoption.refusals,
        }
    }
}

/// What is not thought about for now.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct HoldAnswer {
    #[schema(value_type = Option<String>)]
    pub(super) tenant: Option<TenantId>,
    pub(super) agent: Option<String>,
    #[schema(value_type = Option<String>)]
    pub(super) user: Option<UserId>,
    pub(super) session: Option<String>,
    #[schema(value_type = String)]
    pub(super) reason: HoldReason,
    pub(super) until: Option<Timestamp>,
    pub(super) since: Timestamp,
}

/// A page of the history of runs.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Runs {
    pub(super) runs: Vec<RunAnswer>,
    /// What `before` gets the next page; absent on the last one.
    pub(super) next: Option<Uuid>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct RunAnswer {
    run: Uuid,
    agent: String,
    #[schema(value_type = String)]
    tenant: TenantId,
    #[schema(value_type = String)]
    user: UserId,
    session: String,
    #[schema(value_type = uuid::Uuid)]
    session_id: SessionId,
    after: i64,
    through: i64,
    outcome: String,
    reason: Option<String>,
    model: String,
    input_tokens: i64,
    output_tokens: i64,
    deferrals: i32,
    redrives: Option<Uuid>,
    redriven_by: Option<Uuid>,
    first_sent_at: Timestamp,
    started_at: Timestamp,
    finished_at: Timestamp,
}

impl From<RunRecord> for RunAnswer {
    fn from(run: RunRecord) -> Self {
        Self {
            run: run.run,
            agent: run.agent,
            tenant: run.tenant,
            user: run.user,
            session: run.session_name,
            session_id: run.session,
            after: run.after,
            through: run.through,
            outcome: run.outcome,
            reason: run.reason,
            model: run.model,
            input_tokens: run.input_tokens,
            output_tokens: run.output_tokens,
            deferrals: run.deferrals,
            redrives: run.redrives,
            redriven_by: run.redriven_by,
            first_sent_at: run.first_sent_at,
            started_at: run.started_at,
            finished_at: run.finished_at,
        }
    }
}

/// What became of the events of a session.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Became {
    #[schema(value_type = String)]
    pub(super) tenant: TenantId,
    #[schema(value_type = String)]
    pub(super) user: UserId,
    #[schema(value_type = String)]
    pub(super) session: SessionName,
    #[schema(value_type = uuid::Uuid)]
    pub(super) session_id: SessionId,
    pub(super) events: Vec<EventAnswer>,
    /// What `from` gets the next page; absent when this one is not full.
    pub(super) next: Option<i64>,
}

/// What became of an event.
#[derive(Debug, Serialize, ToSchema)]
#[schema(as = EventOutcome)]
pub(super) struct EventAnswer {
    pub(super) version: i64,
    pub(super) agents: Vec<AgentOutcome>,
}

/// What became of an event at an agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct AgentOutcome {
    pub(super) agent: String,
    /// `waiting`, `thinking`, `held`, `thought`, `nothing`, `degraded`, `quarantined` or `cancelled`.
    pub(super) state: &'static str,
    /// Why it is quarantined, or without what it was thought about.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) reason: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) run: Option<Uuid>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) at: Option<Timestamp>,
    pub(super) thoughts: Vec<ThoughtAnswer>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ThoughtAnswer {
    /// `stored`, `merged`, `superseded`, `pending` or `dropped`.
    outcome: String,
    /// None for an event that only repeats what recall handed out.
    #[serde(skip_serializing_if = "Option::is_none")]
    r#type: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    memory: Option<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl From<ThoughtOutcome> for ThoughtAnswer {
    fn from(thought: ThoughtOutcome) -> Self {
        Self {
            outcome: thought.outcome,
            r#type: thought.kind,
            memory: thought.memory,
            reason: thought.reason,
        }
    }
}

/// A session whose agent an order affected.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Affected {
    pub(super) agent: String,
    #[schema(value_type = String)]
    pub(super) tenant: TenantId,
    #[schema(value_type = Option<String>)]
    pub(super) user: Option<UserId>,
    pub(super) session: Option<String>,
    #[schema(value_type = uuid::Uuid)]
    pub(super) session_id: SessionId,
    #[serde(flatten)]
    pub(super) of: Extent,
}

/// What of the session.
#[derive(Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Extent {
    /// Woken for everything up to a version.
    Head { version: i64 },
    /// Passed over.
    Window { after: i64, through: i64 },
    /// Set aside, and now tried again.
    Quarantined { run: Uuid, after: i64, through: i64, reason: String, at: Timestamp },
}

#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Paused {
    pub(super) holds: usize,
    pub(super) until: Option<Timestamp>,
    pub(super) affected: Vec<super::Aim>,
}

/// What is woken. A session counts once for every agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Sent {
    pub(super) sessions: usize,
    pub(super) woken: usize,
    pub(super) affected: Vec<Affected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}

/// What is passed over. A session and its events count once for every agent.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct CalledOff {
    pub(super) sessions: usize,
    pub(super) events: i64,
    pub(super) affected: Vec<Affected>,
}

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Redriven {
    pub(super) windows: usize,
    pub(super) woken: usize,
    pub(super) dead_letters_deleted: usize,
    pub(super) affected: Vec<Affected>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) note: Option<&'static str>,
}
