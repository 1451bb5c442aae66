//! The answers as callers see them.

use domain::{CARRIED, Memory, MemoryId, MemoryType, Scope};
use jiff::Timestamp;
use model::text;
use serde::{Serialize, Serializer};
use serde_json::Value;
use store::{RecalledEvent, RecalledMemory};
use utoipa::ToSchema;

use super::memories::MemoryHit;
use super::rank::{Parts, Ranked};

/// How much of an event's text an answer holds, in bytes: a hundred of them have to fit into what a function may answer.
const MOST_CONTENT_BYTES: usize = 16 * 1024;

/// What answers a question.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct RecallAnswer {
    pub(crate) query: String,
    /// Whether something that should have helped did not answer.
    pub(crate) degraded: bool,
    pub(crate) memories: Vec<MemoryAnswer>,
    pub(crate) events: Vec<EventAnswer>,
    /// How many more memories and events answer it, for which there is no room: together they have 2 MiB as they are sent. Not
    /// there when nothing is left out.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) left_out: usize,
    /// How many of the user's events are in the archive, where they are not searched; not there when none is.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) archived_events: Option<i64>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PlainMemory {
    #[schema(value_type = uuid::Uuid)]
    id: MemoryId,
    #[schema(value_type = String)]
    r#type: MemoryType,
    #[schema(value_type = String)]
    scope: Scope,
    content: String,
    #[schema(value_type = Object)]
    data: Value,
    confidence: f32,
    valid_from: Timestamp,
    /// Until when it held; not there while it holds.
    #[serde(skip_serializing_if = "Option::is_none")]
    valid_to: Option<Timestamp>,
}

#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct MemoryAnswer {
    #[serde(flatten)]
    memory: PlainMemory,
    /// Memories that say the same in the same words, and are not in the answer for that.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<uuid::Uuid>)]
    stands_for: Vec<MemoryId>,
    #[serde(skip_serializing_if = "Option::is_none")]
    score: Option<Score>,
    /// The first ten of the events it comes from.
    evidence: Vec<EvidenceAnswer>,
    /// How many there are, counted to 1,000.
    evidence_count: i64,
}

impl MemoryAnswer {
    /// The memory's identifier.
    pub(crate) const fn id(&self) -> MemoryId {
        self.memory.id
    }
}

#[derive(Debug, Serialize, ToSchema)]
#[schema(as = RecalledEvent)]
pub(crate) struct EventAnswer {
    session: String,
    version: i64,
    role: String,
    speaker: Option<String>,
    content: String,
    /// Whether `content` is only its beginning: an answer has room for 16 KiB of each event.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    is_cut: bool,
    /// Of a text of more than 1 KiB, the passage of `content` that is nearest to the question; not there of a shorter one.
    #[serde(skip_serializing_if = "Option::is_none")]
    passage: Option<String>,
    occurred_at: Timestamp,
    score: Score,
    evidence: [EvidenceAnswer; 1],
}

#[derive(Debug, Serialize, ToSchema)]
struct Score {
    #[serde(serialize_with = "rounded")]
    total: f64,
    #[serde(flatten)]
    parts: Parts,
}

#[derive(Debug, Serialize, ToSchema)]
struct EvidenceAnswer {
    session: String,
    version: i64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
const fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// Four decimals: more would only say that two machines add in another order.
#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde passes a reference")]
pub(crate) fn rounded<S: Serializer>(part: &f64, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((part * 10_000.0).round() / 10_000.0)
}

impl From<Memory> for PlainMemory {
    fn from(mut memory: Memory) -> Self {
        if let Value::Object(data) = &mut memory.data {
            data.remove(CARRIED);
        }
        Self {
            id: memory.id,
            r#type: memory.kind,
            scope: memory.scope,
            content: memory.content,
            data: memory.data,
            confidence: memory.confidence,
            valid_from: memory.valid_from,
            valid_to: None,
        }
    }
}

impl From<RecalledMemory> for MemoryAnswer {
    fn from(recalled: RecalledMemory) -> Self {
        let evidence = recalled
            .evidence
            .into_iter()
            .map(|(session, version)| EvidenceAnswer { session, version })
            .collect();
        let memory = PlainMemory { valid_to: recalled.valid_to, ..recalled.memory.into() };
        let evidence_count = recalled.evidence_count;
        Self { memory, stands_for: Vec::new(), score: None, evidence, evidence_count }
    }
}

impl From<MemoryHit> for MemoryAnswer {
    fn from(MemoryHit { best, stands_for }: MemoryHit) -> Self {
        let score = Score { total: best.score, parts: best.parts };
        Self { score: Some(score), stands_for, ..best.item.into() }
    }
}

impl From<Ranked<RecalledEvent>> for EventAnswer {
    fn from(ranked: Ranked<RecalledEvent>) -> Self {
        let event = ranked.item;
        let passage = event.passage.is_some().then(|| event.nearest().to_owned());
        Self {
            evidence: [EvidenceAnswer { session: event.session_name.clone(), version: event.version }],
            session: event.session_name,
            version: event.version,
            role: event.role,
            speaker: event.speaker,
            passage,
            is_cut: event.content.len() > MOST_CONTENT_BYTES,
            content: text::cut(&event.content, MOST_CONTENT_BYTES).to_owned(),
            occurred_at: event.occurred_at,
            score: Score { total: ranked.score, parts: ranked.parts },
        }
    }
}
