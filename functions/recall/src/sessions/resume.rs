use axum::extract::State;
use domain::TenantId;
use serde::Serialize;
use utoipa::ToSchema;

use super::checkpoint::CheckpointAnswer;
use super::event::EventAnswer;
use super::failed;
use super::operation::OperationAnswer;
use crate::Parts;
use crate::http::{Answer, Caller, OfSession, PathOf, Problem, Shared};

/// How many events, and how many operations, are answered with.
const MOST_EVENTS: u16 = 100;
const MOST_OPERATIONS: u16 = 10;

/// Everything an application's agent goes on from.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ResumeAnswer {
    session: String,
    /// The session's last version.
    version: i64,
    /// The latest checkpoint that is what was saved; null when there is none.
    checkpoint: Option<CheckpointAnswer>,
    /// Later ones, which are not what was saved, the latest first.
    damaged: Vec<i64>,
    /// What has happened since that checkpoint, or since the beginning, oldest first.
    events: Vec<EventAnswer>,
    /// What to give as `after` when listing the events that did not fit; null when there are none.
    next: Option<i64>,
    /// What was begun and is not ended, in the order of beginning.
    operations: Vec<OperationAnswer>,
    /// Whether there are more of them; list them with `status=pending`.
    more_operations: bool,
    /// What was recovered from: `checkpoint`, `event_replay`, `wal`.
    recovered_from: Vec<&'static str>,
}

/// What an application's agent goes on from after a crash or a pause.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/resume", tag = "sessions", params(OfSession),
    security(("api_key" = ["ingest"])),
    responses(
        (status = 200, body = ResumeAnswer), (status = 404, body = Problem), (status = 503, body = Problem)
    )
)]
pub(super) async fn resume(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
) -> Result<Answer<ResumeAnswer>, Problem> {
    parts.resume(&caller.tenant, &of).await.map(Answer::ok)
}

impl Parts {
    /// What an application's agent goes on from.
    pub(crate) async fn resume(&self, tenant: &TenantId, of: &OfSession) -> Result<ResumeAnswer, Problem> {
        let path = of.path(tenant);
        let latest = self.store.latest_good_checkpoint(path, i64::MAX);
        let latest = latest.await.map_err(|error| failed(&error))?;
        let checkpoint = latest.loaded.map(|loaded| (loaded.checkpoint.session, loaded));
        let session_id = checkpoint.as_ref().map(|(session, _)| *session);
        let checkpoint = checkpoint.map(|(_, loaded)| CheckpointAnswer::of(&of.session, loaded));
        let through = checkpoint.as_ref().map_or(0, |checkpoint| checkpoint.through);
        let (events, operations) = futures::try_join!(
            self.list_events(tenant, of, through, MOST_EVENTS, None),
            self.list_operations(tenant, of, 0, MOST_OPERATIONS, Some("pending")),
        )?;
        let (version, events, next) = events.into_parts();
        let (operations, more_operations) = operations.into_parts();
        let recovered_from: Vec<&'static str> = [
            (checkpoint.is_some(), "checkpoint"),
            (!events.is_empty(), "event_replay"),
            (!operations.is_empty(), "wal"),
        ]
        .into_iter()
        .filter_map(|(is_used, kind)| is_used.then_some(kind))
        .collect();
        for kind in &recovered_from {
            metrics::counter!("agent_recovery_total", "recovery_type" => *kind).increment(1);
        }
        if let (Some(session_id), Some(checkpoint)) = (session_id, &checkpoint) {
            tracing::info!(
                %session_id,
                recovered_at_sequence = checkpoint.sequence,
                events = events.len(),
                operations = operations.len(),
                "checkpoint_recovered"
            );
        }
        Ok(ResumeAnswer {
            session: of.session.as_str().to_owned(),
            version,
            checkpoint,
            damaged: latest.damaged,
            events,
            next,
            operations,
            more_operations,
            recovered_from,
        })
    }
}
