//! The answer as callers see it.

use domain::Memory;
use hot::{ActiveMemory, RecentMessage};
use jiff::Timestamp;
use serde::Serialize;
use serde_json::{Value, json};
use store::Profile;
use utoipa::ToSchema;

use super::people::{People, people};
use super::state::State;
use crate::search::{MemoryAnswer, PlainMemory};

/// What it takes to go on with a conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct HydrateAnswer {
    pub(crate) state: State,
    /// Whether something that should have helped did not answer.
    pub(crate) degraded: bool,
    pub(crate) session: Option<String>,
    /// The last version of the session that is in this answer.
    pub(crate) version: i64,
    #[schema(value_type = Vec<Object>)]
    pub(crate) recent_messages: Vec<RecentMessage>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) active_entities: Vec<ActiveMemory>,
    #[schema(value_type = Vec<Object>)]
    pub(crate) pending_actions: Vec<ActiveMemory>,
    pub(crate) summary: Option<PlainMemory>,
    pub(crate) profile: Option<ProfileAnswer>,
    pub(crate) memories: Vec<MemoryAnswer>,
}

/// What is kept of a user as a whole.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ProfileAnswer {
    #[schema(value_type = Object)]
    preferences: Value,
    #[schema(value_type = Vec<Object>)]
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
