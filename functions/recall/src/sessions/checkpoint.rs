use axum::extract::State;
use axum::response::{IntoResponse, Response};
use domain::state::Canonical;
use domain::{SessionName, TenantId, UserId};
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use store::{CheckpointRecord, LoadedCheckpoint, Loading, NewCheckpoint, SavedCheckpoint, Saving};
use utoipa::{IntoParams, ToSchema};

use super::{check_text, failed, hexadecimal};
use crate::Parts;
use crate::http::{
    Answer, Caller, IdempotencyKey, Json, OfSession, PathOf, Problem, Query, Shared, Whole, once,
};

/// How large a state may be, in bytes of canonical JSON.
const MOST_STATE_BYTES: usize = 1024 * 1024;
/// How long the name of a node may be, in bytes.
const LONGEST_NODE: usize = 200;
/// How many checkpoints a page has when nobody says.
const USUAL_PAGE: u16 = 20;

/// A state to be saved.
#[derive(Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct CheckpointAsked {
    /// Where in the application's graph it was taken.
    #[schema(min_length = 1, max_length = 200)]
    pub(crate) node_id: String,
    /// The state: any JSON, at most 1 MiB in its canonical form.
    pub(crate) state: Value,
    /// The sequence of the checkpoint that the application went on from, 0 for none: if it is not the latest, nothing is
    /// saved.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub(crate) parent: Option<Whole<0, { i64::MAX }>>,
    /// Its place among the checkpoints; the one after the latest, if not given.
    #[schema(value_type = Option<i64>, minimum = 1)]
    pub(crate) sequence: Option<Whole<1, { i64::MAX - 1 }>>,
    /// The session's last event that is in the state; its last one now, if not given.
    #[schema(value_type = Option<i64>, minimum = 0)]
    pub(crate) through: Option<Whole<0, { i64::MAX }>>,
    /// Which form the state has, by the application's own count; 1, if not given.
    #[schema(value_type = Option<i64>, minimum = 1, maximum = 32_767)]
    pub(crate) schema_version: Option<Whole<1, 32_767>>,
    /// Whether it is saved instead of the latest, if it has that one's sequence and another state.
    pub(crate) replace: Option<bool>,
}

/// What was saved.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct SavedAnswer {
    /// `session:sequence`.
    id: String,
    sequence: i64,
    /// The sequence of the checkpoint before it; null for the first.
    parent: Option<i64>,
    /// The session's last event that is in the state.
    through: i64,
    /// SHA-256, in hexadecimal digits.
    checksum: String,
    /// How long the state is as canonical JSON.
    state_bytes: usize,
    /// How much of it was written: less where it is stored as a patch.
    stored_bytes: usize,
}

impl SavedAnswer {
    fn of(session: &SessionName, saved: &SavedCheckpoint) -> Self {
        Self {
            id: format!("{}:{}", session.as_str(), saved.sequence),
            sequence: saved.sequence,
            parent: saved.parent,
            through: saved.through,
            checksum: hexadecimal(&saved.checksum),
            state_bytes: saved.state_bytes,
            stored_bytes: saved.stored_bytes,
        }
    }
}

/// Which checkpoints are listed.
#[derive(Debug, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(crate) struct Listed {
    /// Those before this sequence; the `next` of the page before.
    #[param(value_type = Option<i64>, minimum = 1)]
    after: Option<Whole<1, { i64::MAX }>>,
    /// How many; 20 when not given.
    #[param(value_type = Option<i64>, minimum = 1, maximum = 100)]
    limit: Option<Whole<1, 100>>,
}

/// A page of checkpoints without their states, the latest first.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckpointsAnswer {
    checkpoints: Vec<RecordAnswer>,
    /// What to give as `after` for the next page; null when there is none.
    next: Option<i64>,
}

/// A checkpoint without its state.
#[derive(Debug, Serialize, ToSchema)]
struct RecordAnswer {
    id: String,
    sequence: i64,
    node_id: String,
    parent: Option<i64>,
    through: i64,
    schema_version: i16,
    checksum: String,
    state_bytes: i32,
    stored_bytes: i32,
    created_at: Timestamp,
}

impl RecordAnswer {
    fn of(session: &SessionName, record: &CheckpointRecord) -> Self {
        Self {
            id: format!("{}:{}", session.as_str(), record.sequence),
            sequence: record.sequence,
            node_id: record.node_id.clone(),
            parent: record.parent,
            through: record.through,
            schema_version: record.schema_version,
            checksum: hexadecimal(&record.checksum),
            state_bytes: record.state_bytes,
            stored_bytes: record.stored_bytes,
            created_at: record.created_at,
        }
    }
}

/// A checkpoint, whose checksum was found to be the one that was stored.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct CheckpointAnswer {
    /// `session:sequence`.
    id: String,
    pub(super) sequence: i64,
    node_id: String,
    parent: Option<i64>,
    /// The session's last event that is in the state.
    pub(super) through: i64,
    schema_version: i16,
    /// SHA-256, in hexadecimal digits.
    checksum: String,
    created_at: Timestamp,
    state: Value,
}

impl CheckpointAnswer {
    pub(super) fn of(session: &SessionName, loaded: LoadedCheckpoint) -> Self {
        let checkpoint = loaded.checkpoint;
        Self {
            id: format!("{}:{}", session.as_str(), checkpoint.sequence),
            sequence: checkpoint.sequence,
            node_id: checkpoint.node_id,
            parent: checkpoint.parent.map(|parent| parent.sequence),
            through: checkpoint.through,
            schema_version: checkpoint.schema_version,
            checksum: hexadecimal(&loaded.checksum),
            created_at: loaded.created_at,
            state: checkpoint.state,
        }
    }
}

/// Of which checkpoint something is asked.
#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub(crate) struct OfCheckpoint {
    /// A user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    user: UserId,
    /// A session of the user, as the application names it.
    #[param(value_type = String, min_length = 1, max_length = 200)]
    session: SessionName,
    /// The sequence, or `latest`.
    #[param(value_type = String)]
    sequence: Place,
}

/// Which of a session's checkpoints.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
enum Place {
    Latest,
    At(i64),
}

impl TryFrom<String> for Place {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        match text.parse() {
            Ok(sequence) if sequence > 0 => Ok(Self::At(sequence)),
            _ if text == "latest" => Ok(Self::Latest),
            _ => Err("expected a whole number of at least 1, or `latest`"),
        }
    }
}

/// Saves a checkpoint after the latest one of the session, which is made when it is new.
#[utoipa::path(
    post, path = "/v1/users/{user}/sessions/{session}/checkpoints", tag = "sessions", params(OfSession, IdempotencyKey),
    request_body = CheckpointAsked,
    security(("api_key" = ["ingest"])),
    responses(
        (status = 201, body = SavedAnswer),
        (status = 200, body = SavedAnswer, description = "the very same was saved before"),
        (status = 400, body = Problem),
        (status = 409, body = Problem, description = "another checkpoint has its place, or is the latest"),
        (status = 422, body = Problem, description = "the key was used for something else"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn save_checkpoint(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    key: IdempotencyKey,
    Json(asked): Json<CheckpointAsked>,
) -> Result<Response, Problem> {
    let (answer, was_saved) = parts.save_checkpoint(&caller.tenant, &of, key, &asked).await?;
    Ok(if was_saved { Answer::ok(answer) } else { Answer::created(answer) }.into_response())
}

/// A session's checkpoints without their states, the latest first.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/checkpoints", tag = "sessions", params(OfSession, Listed),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = CheckpointsAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn list_checkpoints(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(of): PathOf<OfSession>,
    Query(listed): Query<Listed>,
) -> Result<Answer<CheckpointsAnswer>, Problem> {
    parts.list_checkpoints(&caller.tenant, &of, &listed).await.map(Answer::ok)
}

/// A checkpoint, or the latest. One that is not what was saved is not answered: the problem says which one before it is.
#[utoipa::path(
    get, path = "/v1/users/{user}/sessions/{session}/checkpoints/{sequence}", tag = "sessions",
    params(OfCheckpoint),
    security(("api_key" = ["read"])),
    responses(
        (status = 200, body = CheckpointAnswer), (status = 400, body = Problem), (status = 404, body = Problem),
        (status = 409, body = Problem, description = "the stored checkpoint is not what was saved"),
        (status = 503, body = Problem)
    )
)]
pub(super) async fn show_checkpoint(
    State(parts): State<Shared>,
    caller: Caller,
    PathOf(OfCheckpoint { user, session, sequence }): PathOf<OfCheckpoint>,
) -> Result<Answer<CheckpointAnswer>, Problem> {
    let of = OfSession { user, session };
    let sequence = match sequence {
        Place::Latest => None,
        Place::At(sequence) => Some(sequence),
    };
    parts.show_checkpoint(&caller.tenant, &of, sequence).await.map(Answer::ok)
}

impl Parts {
    /// Saves a checkpoint, and says whether it was there already.
    pub(crate) async fn save_checkpoint(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        key: IdempotencyKey,
        asked: &CheckpointAsked,
    ) -> Result<(SavedAnswer, bool), Problem> {
        let started_at = (self.now)();
        check_text("node_id", &asked.node_id, LONGEST_NODE)?;
        let canonical = Canonical::of(&asked.state, MOST_STATE_BYTES)
            .map_err(|wrong| Problem::invalid("state", format!("field `state`: {wrong}")))?;
        let request = key.of("save checkpoint", &(&of.user, of.session.as_str(), asked));
        let new = NewCheckpoint {
            node_id: &asked.node_id,
            state: &asked.state,
            canonical: &canonical,
            parent: asked.parent.map(Whole::get),
            sequence: asked.sequence.map(Whole::get),
            through: asked.through.map(Whole::get),
            schema_version: asked.schema_version.map_or(1, Whole::to),
            replace: asked.replace.unwrap_or(false),
        };
        let saving = self.store.save_checkpoint(of.path(tenant), &new, request.as_ref()).await;
        let saved = match once(saving.map_err(|error| failed(&error))?, Saving::Saved)? {
            Saving::Saved(saved) => saved,
            Saving::Stale { latest } => return Err(stale(asked, latest)),
            Saving::Beyond { head } => {
                let detail =
                    format!("field `through` is beyond the session's last version, expected at most {head}");
                return Err(Problem::invalid("through", detail));
            }
        };
        let seconds = (self.now)().duration_since(started_at).as_secs_f64().max(0.0);
        metrics::histogram!("agent_checkpoint_save_seconds").record(seconds);
        tracing::info!(
            session_id = %saved.session,
            node_id = asked.node_id,
            sequence = saved.sequence,
            state_size_bytes = saved.state_bytes,
            "checkpoint_saved"
        );
        Ok((SavedAnswer::of(&of.session, &saved), saved.was_saved))
    }

    async fn list_checkpoints(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        listed: &Listed,
    ) -> Result<CheckpointsAnswer, Problem> {
        let limit: u16 = listed.limit.map_or(USUAL_PAGE, Whole::to);
        let before = listed.after.map(Whole::get);
        // One more than wanted tells whether there is a next page.
        let found = self.store.checkpoints(of.path(tenant), before, limit + 1).await;
        let mut records = found.map_err(|error| failed(&error))?;
        if records.is_empty() {
            let session = self.store.session(of.path(tenant)).await.map_err(|error| failed(&error))?;
            session.ok_or_else(|| of.unknown())?;
        }
        let more = records.len() > usize::from(limit);
        records.truncate(usize::from(limit));
        let next = records.last().filter(|_| more).map(|record| record.sequence);
        let checkpoints = records.iter().map(|record| RecordAnswer::of(&of.session, record)).collect();
        Ok(CheckpointsAnswer { checkpoints, next })
    }

    /// A checkpoint, or the latest.
    pub(crate) async fn show_checkpoint(
        &self,
        tenant: &TenantId,
        of: &OfSession,
        sequence: Option<i64>,
    ) -> Result<CheckpointAnswer, Problem> {
        let loading = self.store.load_checkpoint(of.path(tenant), sequence).await;
        match loading.map_err(|error| failed(&error))? {
            Some(Loading::Good(loaded)) => Ok(CheckpointAnswer::of(&of.session, *loaded)),
            Some(Loading::Damaged { sequence, damage, previous_good }) => {
                let advice = match previous_good {
                    Some(good) => format!("checkpoint {good} is the last good one before it"),
                    None => "there is no good one before it".to_owned(),
                };
                let detail = format!(
                    "checkpoint integrity check failed: {}:{sequence}: {damage}; {advice}",
                    of.session.as_str()
                );
                let current = json!({"sequence": sequence, "previous_good": previous_good});
                Err(Problem::conflict("sequence", detail).with_current(current))
            }
            None => {
                let which = sequence
                    .map_or("no checkpoint".to_owned(), |sequence| format!("no checkpoint {sequence}"));
                let (user, session) = (&of.user, of.session.as_str());
                Err(Problem::not_found(format!("session `{session}` of user `{user}` has {which}")))
            }
        }
    }
}

fn stale(asked: &CheckpointAsked, latest: i64) -> Problem {
    let is_parent = asked.sequence.is_none_or(|sequence| sequence.get() > latest);
    let (parameter, what) = if is_parent {
        ("parent", "something was saved since")
    } else {
        ("sequence", "another state has this place, or a later one was saved")
    };
    let detail = format!("{what}: checkpoint {latest} is the latest, go on from that");
    Problem::conflict(parameter, detail).with_current(json!({"latest": latest}))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_a_sequence_or_the_latest() {
        let read = |text: &str| Place::try_from(text.to_owned());
        assert_eq!((read("latest"), read("3")), (Ok(Place::Latest), Ok(Place::At(3))));
        for wrong in ["", "0", "-1", "last", "3x", "99999999999999999999"] {
            assert!(read(wrong).is_err(), "{wrong}");
        }
    }
}
