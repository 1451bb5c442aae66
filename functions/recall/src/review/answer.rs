//! The answers as reviewers see them.

use domain::{MemoryId, MemoryType, OnConflict, ReviewReason, Scope};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use store::{DecisionRecord, ReviewCase, ReviewEvidence, ReviewItem};
use utoipa::ToSchema;

use crate::http::page_length;
use crate::search::PlainMemory;

/// A page of what waits.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewListAnswer {
    reviews: Vec<ProposalAnswer>,
    /// What to give as `after` for the next page.
    #[schema(value_type = Option<uuid::Uuid>)]
    next: Option<MemoryId>,
}

/// One proposal with everything it takes to decide.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ReviewAnswer {
    #[serde(flatten)]
    proposal: ProposalAnswer,
    /// The current memory under the same key.
    current: Option<PlainMemory>,
    evidence: Vec<ReviewedEvent>,
    evidence_count: i64,
    decision: Option<DecisionAnswer>,
}

/// What is proposed.
#[derive(Debug, Serialize, ToSchema)]
struct ProposalAnswer {
    #[schema(value_type = uuid::Uuid)]
    id: MemoryId,
    #[schema(value_type = String)]
    r#type: MemoryType,
    #[schema(value_type = String)]
    scope: Scope,
    key: String,
    content: String,
    #[schema(value_type = Object)]
    data: Value,
    confidence: f32,
    valid_from: Timestamp,
    /// `agent_asked`, `low_confidence`, `type` or `agent`.
    #[schema(value_type = String)]
    reason: ReviewReason,
    /// What an approval does to the current memory: `merge`, `supersede` or `continue`.
    #[schema(value_type = String)]
    on_conflict: OnConflict,
    version: i64,
    user: Option<String>,
    session: Option<String>,
    agent: String,
    model: String,
    proposed_at: Timestamp,
    updated_at: Timestamp,
}

/// An event that a proposal came from.
#[derive(Debug, Serialize, ToSchema)]
struct ReviewedEvent {
    session: String,
    version: i64,
    role: String,
    speaker: Option<String>,
    content: String,
    is_cut: bool,
    occurred_at: Timestamp,
}

/// What was decided.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct DecisionAnswer {
    decision: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    data: Option<Value>,
    /// The memory it went into.
    #[schema(value_type = Option<uuid::Uuid>)]
    memory: Option<MemoryId>,
    reviewer: Option<String>,
    note: Option<String>,
    decided_at: Timestamp,
}

impl ReviewListAnswer {
    /// A page of at most `limit`, made of one more where there are more.
    pub(crate) fn of(items: Vec<ReviewItem>, limit: u16) -> Self {
        let mut reviews: Vec<ProposalAnswer> = items.into_iter().map(Into::into).collect();
        let (length, found) = (page_length(&reviews, limit), reviews.len());
        reviews.truncate(length);
        let next = reviews.last().filter(|_| length < found).map(|last| last.id);
        Self { reviews, next }
    }
}

impl From<ReviewItem> for ProposalAnswer {
    fn from(item: ReviewItem) -> Self {
        let (memory, review) = (item.pending.memory, item.pending.review);
        Self {
            id: memory.id,
            r#type: memory.kind,
            scope: memory.scope,
            key: memory.key,
            content: memory.content,
            data: memory.data,
            confidence: memory.confidence,
            valid_from: memory.valid_from,
            reason: review.reason,
            on_conflict: review.on_conflict,
            version: item.version,
            user: item.user,
            session: item.session_name,
            agent: item.agent,
            model: item.model,
            proposed_at: item.proposed_at,
            updated_at: item.updated_at,
        }
    }
}

impl From<ReviewCase> for ReviewAnswer {
    fn from(case: ReviewCase) -> Self {
        Self {
            proposal: case.item.into(),
            current: case.current.map(Into::into),
            evidence: case.evidence.into_iter().map(Into::into).collect(),
            evidence_count: case.evidence_count,
            decision: case.decision.map(Into::into),
        }
    }
}

impl From<ReviewEvidence> for ReviewedEvent {
    fn from(event: ReviewEvidence) -> Self {
        Self {
            session: event.session_name,
            version: event.version,
            role: event.role,
            speaker: event.speaker,
            content: event.content,
            is_cut: event.is_cut,
            occurred_at: event.occurred_at,
        }
    }
}

impl From<DecisionRecord> for DecisionAnswer {
    fn from(record: DecisionRecord) -> Self {
        Self {
            decision: record.decision,
            content: record.edited_content,
            data: record.edited_data,
            memory: record.became,
            reviewer: record.reviewer,
            note: record.note,
            decided_at: record.decided_at,
        }
    }
}
