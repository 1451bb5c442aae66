//! What is remembered in the scopes, the nearest first: what two of them say is shown once, in the nearer one. Pure.

use std::collections::HashSet;

use domain::{Memory, MemoryId, MemoryType, Scope, wording_digest};
use jiff::Timestamp;
use store::ScopeMemories;

use super::{GLOBAL_MEMORIES, USER_MEMORIES};
use crate::search::{Blend, MemoryAnswer, rank_memories};

/// What is known of a user and of the whole tenant, beside what the session shows.
#[derive(Debug, Default)]
pub(super) struct Scopes {
    pub(super) user: Vec<MemoryAnswer>,
    pub(super) global: Vec<MemoryAnswer>,
    /// Whether there are fewer than may be shown although more may be had: what was brought says the same, or is shown
    /// already.
    pub(super) is_short: bool,
}

/// What was brought of a scope.
pub(super) struct Brought {
    pub(super) memories: ScopeMemories,
    /// How many were asked for.
    pub(super) asked: u16,
}

impl Scopes {
    /// Merges the scopes; `session` is what is shown of the session already.
    pub(super) fn merged<'a>(
        session: impl Iterator<Item = &'a Memory>,
        user: Brought,
        global: Brought,
        blend: Blend,
        now: Timestamp,
    ) -> Self {
        let mut shown = Shown::default();
        session.for_each(|memory| shown.add(memory));
        let may_have_more = [&user, &global].map(Brought::may_have_more);
        let most = [USER_MEMORIES, GLOBAL_MEMORIES].map(usize::from);
        let [user_most, global_most] = most;
        let user = shown.next(user.memories, Scope::User, user_most, blend, now);
        let global = shown.next(global.memories, Scope::Global, global_most, blend, now);
        let lengths = [user.len(), global.len()].into_iter().zip(most);
        let is_short =
            lengths.zip(may_have_more).any(|((length, most), may_have_more)| length < most && may_have_more);
        Self { user, global, is_short }
    }
}

impl Brought {
    fn may_have_more(&self) -> bool {
        let brought = match &self.memories {
            ScopeMemories::Standing(memories) => memories.len(),
            ScopeMemories::Searched(found) => found.candidates.len(),
        };
        brought >= usize::from(self.asked)
    }
}

/// What is shown already.
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

    /// The first `most` memories of the next scope that say what is not shown yet.
    fn next(
        &mut self,
        found: ScopeMemories,
        scope: Scope,
        most: usize,
        blend: Blend,
        now: Timestamp,
    ) -> Vec<MemoryAnswer> {
        match found {
            ScopeMemories::Standing(memories) => {
                let mut answers = Vec::with_capacity(most);
                for recalled in memories {
                    if answers.len() < most && recalled.memory.scope == scope && !self.has(&recalled.memory) {
                        self.add(&recalled.memory);
                        answers.push(recalled.into());
                    }
                }
                answers
            }
            ScopeMemories::Searched(mut found) => {
                found.candidates.retain(|candidate| {
                    candidate.item.memory.scope == scope && !self.has(&candidate.item.memory)
                });
                let hits = rank_memories(found, blend, now, most);
                for hit in &hits {
                    self.add(&hit.best.item.memory);
                }
                hits.into_iter().map(Into::into).collect()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use store::{Candidate, Corpus, Found, RecalledMemory};
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

    fn standing(memories: Vec<Memory>, asked: u16) -> Brought {
        let memories = ScopeMemories::Standing(memories.into_iter().map(recalled).collect());
        Brought { memories, asked }
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
            standing(user_memories, 45),
            standing(global_memories, 48),
            Blend::SPELLING,
            Timestamp::UNIX_EPOCH,
        );
        assert_eq!(contents(&merged.user), ["Ada sails.", "Fact 10.", "Fact 11.", "Fact 12.", "Fact 13."]);
        assert_eq!(
            contents(&merged.global),
            ["Lisbon is warm.", "Fact 19."],
            "one that is not shown hides none"
        );
        assert!(!merged.is_short, "there is nothing more to be had");
    }

    #[test]
    fn what_is_said_twice_in_a_scope_is_shown_once_and_more_is_asked_for() {
        let fact = |id, content| memory(id, Scope::User, MemoryType::Fact, content);
        let mut same: Vec<Memory> = (0..5).map(|id| fact(id, "Take the pills.")).collect();
        for (id, memory) in same.iter_mut().enumerate() {
            memory.key = format!("pills {id}");
        }
        let of = |asked| {
            let (user, global) = (standing(same.clone(), asked), standing(vec![], asked));
            Scopes::merged([].iter(), user, global, Blend::SPELLING, Timestamp::UNIX_EPOCH)
        };
        assert_eq!(contents(&of(5).user), ["Take the pills."]);
        assert!(of(5).is_short);
        assert!(!of(6).is_short, "these are all there are");
    }

    #[test]
    fn a_search_shows_only_memories_of_its_scope() {
        let candidate = |memory: Memory, similarity| Candidate {
            item: recalled(memory),
            similarity: Some(similarity),
            length: 1,
            frequencies: vec![],
            passage: None,
        };
        let found = ScopeMemories::Searched(Found {
            corpus: Corpus::default(),
            candidates: vec![
                candidate(memory(1, Scope::Session, MemoryType::Fact, "Of another session."), 0.9),
                candidate(memory(2, Scope::User, MemoryType::Fact, "Of the user."), 0.5),
                candidate(memory(3, Scope::Global, MemoryType::Fact, "Of all."), 0.7),
            ],
        });
        let [user, global] = [found.clone(), found].map(|memories| Brought { memories, asked: 45 });
        let merged = Scopes::merged([].iter(), user, global, Blend::SPELLING, Timestamp::UNIX_EPOCH);
        assert_eq!(contents(&merged.user), ["Of the user."]);
        assert_eq!(contents(&merged.global), ["Of all."]);
    }
}
