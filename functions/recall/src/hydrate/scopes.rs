//! What is remembered in the scopes, the nearest first: what two of them say is shown once, in the nearer one. Pure.

use std::collections::HashSet;

use domain::{Memory, MemoryId, MemoryType, Scope, wording_digest};
use jiff::Timestamp;
use store::{RecalledMemory, ScopeMemories};

use super::{GLOBAL_MEMORIES, USER_MEMORIES};
use crate::search::{Blend, MemoryAnswer, rank_memories};

/// What is known of a user and of the whole tenant, beside what the session shows.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    pub(super) user: Vec<MemoryAnswer>,
    pub(super) global: Vec<MemoryAnswer>,
}

impl Scopes {
    /// Merges the scopes; `session` is what is shown of the session already.
    pub(super) fn merged<'a>(
        session: impl Iterator<Item = &'a Memory>,
        user: ScopeMemories,
        global: ScopeMemories,
        blend: Blend,
        now: Timestamp,
    ) -> Self {
        let mut shown = Shown::default();
        session.for_each(|memory| shown.add(memory));
        Self {
            user: shown.next(user, Scope::User, usize::from(USER_MEMORIES), blend, now),
            global: shown.next(global, Scope::Global, usize::from(GLOBAL_MEMORIES), blend, now),
        }
    }
}

/// What nearer scopes show.
#[derive(Debug, Default)]
struct Shown {
    ids: HashSet<MemoryId>,
    keys: HashSet<(MemoryType, String)>,
    wordings: HashSet<[u8; 32]>,
}

impl Shown {
    fn add(&mut self, memory: &Memory) {
        self.ids.insert(memory.id);
        self.keys.insert((memory.kind, memory.key.clone()));
        self.wordings.insert(wording_digest(&memory.content));
    }

    fn has(&self, memory: &Memory) -> bool {
        self.ids.contains(&memory.id)
            || self.keys.contains(&(memory.kind, memory.key.clone()))
            || self.wordings.contains(&wording_digest(&memory.content))
    }

    /// The first `most` memories of the next scope that are not shown yet. Within a scope they are told apart already.
    fn next(
        &mut self,
        found: ScopeMemories,
        scope: Scope,
        most: usize,
        blend: Blend,
        now: Timestamp,
    ) -> Vec<MemoryAnswer> {
        let fresh = |recalled: &RecalledMemory| recalled.memory.scope == scope && !self.has(&recalled.memory);
        let (memories, answers): (Vec<Memory>, Vec<MemoryAnswer>) = match found {
            ScopeMemories::Standing(memories) => memories
                .into_iter()
                .filter(|recalled| fresh(recalled))
                .take(most)
                .map(|recalled| (recalled.memory.clone(), recalled.into()))
                .unzip(),
            ScopeMemories::Searched(mut found) => {
                found.candidates.retain(|candidate| fresh(&candidate.item));
                rank_memories(found, blend, now, most)
                    .into_iter()
                    .map(|hit| (hit.best.item.memory.clone(), hit.into()))
                    .unzip()
            }
        };
        for memory in &memories {
            self.add(memory);
        }
        answers
    }
}

#[cfg(test)]
mod tests {
    use store::{Candidate, Corpus, Found};
    use uuid::Uuid;

    use super::*;

    fn memory(id: u128, scope: Scope, kind: MemoryType, content: &str) -> Memory {
        Memory {
            id: MemoryId(Uuid::from_u128(id)),
            kind,
            scope,
            key: format!("key of {content}").to_lowercase(),
            content: content.into(),
            data: serde_json::json!({}),
            confidence: 0.9,
            valid_from: Timestamp::UNIX_EPOCH,
        }
    }

    fn recalled(memory: Memory) -> RecalledMemory {
        RecalledMemory {
            memory,
            valid_to: None,
            pinned: false,
            updated_at: Timestamp::UNIX_EPOCH,
            accesses: 0,
            accessed_at: None,
            evidence: vec![],
            evidence_count: 0,
        }
    }

    fn standing(memories: Vec<Memory>) -> ScopeMemories {
        ScopeMemories::Standing(memories.into_iter().map(recalled).collect())
    }

    fn contents(answers: &[MemoryAnswer]) -> Vec<String> {
        answers
            .iter()
            .map(|answer| serde_json::json!(answer)["content"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn what_two_scopes_say_is_shown_in_the_nearer_one() {
        let (session, user, global) = (Scope::Session, Scope::User, Scope::Global);
        let fact = MemoryType::Fact;
        let shown = [memory(1, user, MemoryType::Entity, "Lisbon"), memory(2, session, fact, "Told now.")];
        let mut user_memories = vec![
            memory(1, user, MemoryType::Entity, "Lisbon"),
            memory(3, user, MemoryType::Preference, "told  NOW."),
            memory(4, user, fact, "Ada sails."),
        ];
        user_memories.extend((10..20).map(|id| memory(id, user, fact, &format!("Fact {id}."))));
        let global_memories = vec![
            memory(30, global, fact, "ada SAILS."),
            memory(31, global, fact, "Lisbon is warm."),
            memory(32, global, fact, "Fact 19."),
        ];
        let merged = Scopes::merged(
            shown.iter(),
            standing(user_memories),
            standing(global_memories),
            Blend::SPELLING,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(contents(&merged.user), ["Ada sails.", "Fact 10.", "Fact 11.", "Fact 12.", "Fact 13."]);
        assert_eq!(
            contents(&merged.global),
            ["Lisbon is warm.", "Fact 19."],
            "one that is not shown hides none"
        );
    }

    #[test]
    fn a_search_shows_only_memories_of_its_scope() {
        let candidate = |memory: Memory, similarity| Candidate {
            item: recalled(memory),
            similarity: Some(similarity),
            length: 1,
            frequencies: vec![],
        };
        let found = ScopeMemories::Searched(Found {
            corpus: Corpus::default(),
            candidates: vec![
                candidate(memory(1, Scope::Session, MemoryType::Fact, "Of another session."), 0.9),
                candidate(memory(2, Scope::User, MemoryType::Fact, "Of the user."), 0.5),
                candidate(memory(3, Scope::Global, MemoryType::Fact, "Of all."), 0.7),
            ],
        });
        let merged = Scopes::merged([].iter(), found.clone(), found, Blend::SPELLING, Timestamp::UNIX_EPOCH);
        assert_eq!(contents(&merged.user), ["Of the user."]);
        assert_eq!(contents(&merged.global), ["Of all."]);
    }
}
