//! Values that may change: the one that was said last holds, in whatever order sessions are thought about.

use jiff::Timestamp;

use super::Change;
use super::draft::{Draft, Identity, says_the_same};
use crate::gate::Admitted;
use crate::merge::merged;
use crate::{Evidence, Memory, MemoryId, Outcome};

/// When and where a memory was last said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Said {
    /// When.
    pub at: Timestamp,
    /// In which event.
    pub event: Evidence,
}

impl Said {
    /// Whether this was said before what holds, which was last said `before` if that is known. Of what was said at the
    /// same time the order of sessions and versions decides, the same for everybody.
    fn is_before(&self, before: Option<Self>, holding: &Memory) -> bool {
        match before {
            Some(before) => (self.at, self.event) < (before.at, before.event),
            None => self.at < holding.valid_from,
        }
    }
}

impl Draft<'_> {
    /// Takes in the value of something that may change: the one said last holds, the others are history.
    pub(super) fn settle_latest(
        &mut self,
        identity: Identity,
        new: Memory,
        evidence: &Admitted,
    ) -> (Outcome, MemoryId) {
        let event = Evidence { session: self.session, version: evidence.last() };
        let said = Said { at: evidence.said_at, event };
        let known = self.current.get(&identity).copied();
        let before = self.latest.get(&identity).or_else(|| self.said.get(&known?.id)).copied();
        let holding = self.changed.get(&identity).map(|change| &change.memory).or(known).cloned();
        let Some(holding) = holding else {
            let id = new.id;
            self.latest.insert(identity.clone(), said);
            self.changed.insert(identity, Change::of_new(new, evidence));
            return (Outcome::Stored, id);
        };
        let is_older = said.is_before(before, &holding);
        if says_the_same(&holding, &new) || holding.id == new.id {
            let latest = if is_older { before.unwrap_or(said) } else { said };
            self.latest.insert(identity.clone(), latest);
            let id = holding.id;
            if let Some(change) = self.changed.get_mut(&identity) {
                change.memory = merged(change.memory.clone(), new);
                change.add_evidence(evidence);
            } else {
                let memory = merged(holding, new);
                let change = Change { updates: true, ..Change::of_new(memory, evidence) };
                self.changed.insert(identity, change);
            }
            return (Outcome::Merged, id);
        }
        let id = new.id;
        if is_older {
            if let Some(same) = self.past.iter_mut().find(|change| change.memory.id == id) {
                // A second value out of the same event.
                same.add_evidence(evidence);
            } else {
                let past = Some((holding.valid_from.max(new.valid_from), holding.id));
                self.past.push(Change { past, ..Change::of_new(new, evidence) });
            }
            return (Outcome::Stored, id);
        }
        let memory = Memory { valid_from: new.valid_from.max(holding.valid_from), ..new };
        let since = memory.valid_from;
        let mut next = Change::of_new(memory, evidence);
        match self.changed.remove(&identity) {
            // What this window took for the latest value a moment ago.
            Some(mut old) => {
                if old.updates {
                    next.supersedes = Some(old.memory.id);
                } else {
                    old.past = Some((since, id));
                }
                self.past.push(old);
            }
            None => next.supersedes = Some(holding.id),
        }
        self.latest.insert(identity.clone(), said);
        self.changed.insert(identity, next);
        (Outcome::Superseded, id)
    }
}
