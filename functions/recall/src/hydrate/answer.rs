//! The answer as callers see it.

use domain::Memory;
use hot::{ActiveMemory, Document, Kept, PendingTurn, RecentMessage, Revision, SessionContext};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use store::Profile;
use utoipa::ToSchema;

use super::people::{People, people};
use super::state::State;
use crate::search::{EventAnswer, MemoryAnswer, PlainMemory};
use crate::working::WorkingMemoryAnswer;

/// What it takes to go on with a conversation.
#[derive(Debug, Default, Serialize, ToSchema)]
pub(crate) struct HydrateAnswer {
    pub(crate) state: State,
    /// Whether something that should have helped did not answer.
    pub(crate) degraded: bool,
    pub(crate) session: Option<String>,
    /// The last version of the session that is in this answer.
    pub(crate) version: i64,
    /// What the application keeps of the session while it works, as it was put last. It is nowhere but in hot state.
    pub(crate) working_memory: Option<WorkingMemoryAnswer>,
    pub(crate) working_memory_state: WorkingMemoryState,
    #[schema(value_type = Vec<Object>)]
    pub(crate) recent_messages: Vec<RecentMessage>,
    /// Messages that were accepted by the webhook and are on their way to the log, in order: they come after the recent ones.
    #[schema(value_type = Vec<Object>)]
    pub(crate) pending_messages: Vec<PendingTurn>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) active_entities: Vec<ActiveMemory>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) pending_actions: Vec<ActiveMemory>,
    pub(crate) summary: Option<PlainMemory>,
    pub(crate) profile: Option<ProfileAnswer>,
    /// What else is known of the session, at most 5.
    pub(crate) session_memories: Vec<PlainMemory>,
    /// What is known of the user, at most 5.
    pub(crate) memories: Vec<MemoryAnswer>,
    /// What is known of the whole tenant, at most 3.
    pub(crate) knowledge: Vec<MemoryAnswer>,
    /// Turns of the past in whichever session, best first, at most 5; none that is among the recent messages.
    pub(crate) related: Vec<EventAnswer>,
}

impl HydrateAnswer {
    /// Shows a session: the turns on their way to the log, too, but for those that it has already.
    pub(super) fn show(
        &mut self,
        context: Option<SessionContext>,
        hot_session: Option<String>,
        mut pending: Vec<PendingTurn>,
    ) {
        if let Some(context) = context {
            pending.retain(|turn| !is_logged(turn, &context));
            self.session = Some(context.session_name);
            self.version = context.version;
            self.recent_messages = context.recent_messages;
            self.active_entities = context.active_entities;
            self.pending_actions = context.pending_actions;
        } else if !pending.is_empty() {
            self.session = hot_session;
        }
        self.pending_messages = pending;
    }
}

/// Whether a turn is among what the log is known to have, where it could not be asked: of the two, one may be cut.
fn is_logged(turn: &PendingTurn, context: &SessionContext) -> bool {
    context.recent_messages.iter().any(|message| {
        message.occurred_at == turn.occurred_at
            && message.role == turn.role
            && (message.content.starts_with(&turn.content) || turn.content.starts_with(&message.content))
    })
}

/// Whether there is a working memory, and why not.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum WorkingMemoryState {
    /// There is one.
    Live,
    /// None was put, or it has been gone for more than a day.
    #[default]
    None,
    /// Neither it nor its session was active for longer than it lives.
    Expired,
    /// The session's hot state is gone although it should be there; if there was a working memory, it went along.
    Lost,
    /// What is there cannot be read, and gives way to the next write.
    Corrupt,
    /// Hot state did not answer.
    Unavailable,
}

impl WorkingMemoryState {
    /// The working memory that was found, and what it means when there is none.
    pub(crate) fn of(
        found: Option<Kept<(Revision, Document)>>,
        session: State,
    ) -> (Option<WorkingMemoryAnswer>, Self) {
        match found {
            Some(Kept::Live((revision, value))) => {
                (Some(WorkingMemoryAnswer { value, revision: (&revision).into() }), Self::Live)
            }
            Some(Kept::None) if session == State::Lost => (None, Self::Lost),
            Some(Kept::None) => (None, Self::None),
            Some(Kept::Expired) => (None, Self::Expired),
            Some(Kept::Corrupt { .. }) => (None, Self::Corrupt),
            None => (None, Self::Unavailable),
        }
    }
}

/// What is kept of a user as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileAnswer {
    #[schema(value_type = Object)]
    preferences: Value,
    #[schema(value_type = Vec<Value>)]
    learned_facts: Value,
    interaction_count: i64,
    last_active_at: Option<Timestamp>,
    /// What the people who speak as this user have told of themselves.
    #[schema(value_type = Object)]
    people: People,
}

impl ProfileAnswer {
    /// What the application keeps of a user, and what was told; none when there is neither.
    pub(crate) fn of(profile: Option<Profile>, told: &[Memory]) -> Option<Self> {
        let people = people(told);
        if profile.is_none() && people.is_empty() {
            return None;
        }
        let (preferences, learned_facts, interaction_count, last_active_at) = match profile {
            Some(kept) => {
                (kept.preferences, kept.learned_facts, kept.interaction_count, Some(kept.last_active_at))
            }
            None => (json!({}), json!([]), 0, None),
        };
        Some(Self { preferences, learned_facts, interaction_count, last_active_at, people })
    }
}
