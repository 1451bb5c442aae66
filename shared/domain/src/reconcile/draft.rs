//! The rows that a window's thoughts come to, while they are taken one by one.

use std::collections::BTreeMap;

use uuid::Uuid;

use super::{Change, Known, Said};
use crate::gate::Admitted;
use crate::merge::{is_same_wording, is_within, merged, wording_digest};
use crate::review::Refused;
use crate::{
    Dropped, Memory, MemoryId, MemoryType, OnConflict, Outcome, Pending, Refusal, Retractions, Review,
    ReviewReason, Scope, SessionId, Thought, Window,
};

/// What two accounts of the same thing share.
pub(super) type Identity = (Scope, MemoryType, String);

/// What is known, what has changed of it and what is new.
pub(super) struct Draft<'a> {
    pub(super) session: SessionId,
    pub(super) current: BTreeMap<Identity, &'a Memory>,
    pub(super) said: &'a BTreeMap<MemoryId, Said>,
    pending: BTreeMap<Identity, &'a Pending>,
    refusals: BTreeMap<Identity, Vec<&'a Refusal>>,
    retractions: &'a Retractions,
    /// Under which identity something is said in certain words.
    wordings: BTreeMap<(Scope, MemoryType, [u8; 32]), Identity>,
    pub(super) changed: BTreeMap<Identity, Change>,
    /// When the values that may change were last said, as far as this window knows.
    pub(super) latest: BTreeMap<Identity, Said>,
    /// Values of this window that another of this window replaced, and values that came late.
    pub(super) past: Vec<Change>,
    proposed: BTreeMap<Identity, Change>,
    /// How confident a new memory is at least.
    floor: f32,
    /// How many more memories the user may have.
    room: Option<u32>,
}

impl<'a> Draft<'a> {
    pub(super) fn over(window: &Window, known: &'a Known) -> Self {
        let mut refusals: BTreeMap<Identity, Vec<&Refusal>> = BTreeMap::new();
        for refusal in &known.refusals {
            refusals.entry((refusal.scope, refusal.kind, refusal.key.clone())).or_default().push(refusal);
        }
        let current = known.twins.iter().chain(&known.current);
        Self {
            session: window.session,
            current: current.clone().map(|memory| (identity(memory), memory)).collect(),
            said: &known.said,
            pending: known.pending.iter().map(|pending| (identity(&pending.memory), pending)).collect(),
            refusals,
            retractions: &known.retractions,
            wordings: current.filter(|memory| may_be_twin(memory.kind)).map(by_wording).collect(),
            changed: BTreeMap::new(),
            latest: BTreeMap::new(),
            past: Vec::new(),
            proposed: BTreeMap::new(),
            floor: known.gate.floor,
            room: known.gate.room,
        }
    }

    pub(super) fn into_changes(self) -> Vec<Change> {
        self.past.into_iter().chain(self.changed.into_values()).chain(self.proposed.into_values()).collect()
    }

    /// What becomes of a thought that makes `new`, and the memory it became or was added to.
    pub(super) fn take(
        &mut self,
        thought: &Thought,
        mut new: Memory,
        needs: Option<ReviewReason>,
        evidence: &Admitted,
    ) -> Result<(Outcome, MemoryId), Dropped> {
        let on_conflict = thought.on_conflict;
        let identity = identity(&new);
        if let Some(twin) = self.twin(&identity, &new) {
            let same = twin.clone();
            return Ok(self.settle(self::identity(&same), same, OnConflict::Merge, evidence));
        }
        let current = self.changed.get(&identity).map(|change| &change.memory);
        let current = current.or_else(|| self.current.get(&identity).copied());
        let refused = self
            .refusals
            .get(&identity)
            .and_then(|refusals| refusals.iter().find_map(|refusal| refusal.on(thought, current)));
        let is_retracted = self.retractions.rule_out(thought, evidence);
        if (refused.is_some() || needs.is_some() || is_retracted)
            && let Some(current) = current
            && adds_nothing(current, &new, on_conflict)
            && (!is_retracted || is_same_wording(&current.content, &new.content))
        {
            // Not even its capitals are taken over.
            new.content.clone_from(&current.content);
            return Ok(self.settle(identity, new, on_conflict, evidence));
        }
        if is_retracted {
            return Err(Dropped::RejectedBefore);
        }
        match (refused, current) {
            (Some(Refused::SaidAgain), Some(current)) => {
                // The current memory as it is: merging it with itself adds nothing but the evidence.
                let same = current.clone();
                return Ok(self.settle(identity, same, OnConflict::Merge, evidence));
            }
            (Some(Refused::Reworded), Some(current)) => new.content.clone_from(&current.content),
            (Some(_), _) => return Err(Dropped::RejectedBefore),
            (None, _) => {}
        }
        let is_new = current.is_none()
            && !self.proposed.contains_key(&identity)
            && !self.pending.contains_key(&identity);
        if current.is_none() && thought.confidence < self.floor {
            return Err(Dropped::LowConfidence);
        }
        if is_new && identity.0 == Scope::User {
            self.room = match self.room {
                Some(0) => return Err(Dropped::NoRoom),
                room => room.map(|room| room - 1),
            };
        }
        Ok(match needs {
            Some(reason) => self.propose(identity, new, Review { reason, on_conflict }, evidence),
            None => self.settle(identity, new, on_conflict, evidence),
        })
    }

    /// The memory that says the same in the same words under another key.
    fn twin(&self, identity: &Identity, new: &Memory) -> Option<&Memory> {
        if !may_be_twin(new.kind)
            || self.current.contains_key(identity)
            || self.changed.contains_key(identity)
        {
            return None;
        }
        let twin = self.wordings.get(&(new.scope, new.kind, wording_digest(&new.content)))?;
        let memory = self.changed.get(twin).map(|change| &change.memory);
        let memory = memory.or_else(|| self.current.get(twin).copied())?;
        is_same_wording(&memory.content, &new.content).then_some(memory)
    }

    /// Takes a thought in among what holds.
    fn settle(
        &mut self,
        identity: Identity,
        new: Memory,
        on_conflict: OnConflict,
        evidence: &Admitted,
    ) -> (Outcome, MemoryId) {
        if may_be_twin(new.kind) {
            let (wording, _) = by_wording(&new);
            self.wordings.entry(wording).or_insert_with(|| identity.clone());
        }
        if on_conflict == OnConflict::Latest {
            return self.settle_latest(identity, new, evidence);
        }
        if let Some(change) = self.changed.get_mut(&identity) {
            fold(change, new, on_conflict);
            change.add_evidence(evidence);
            return (Outcome::Merged, change.memory.id);
        }
        let (change, outcome) = match self.current.get(&identity) {
            Some(old) => meet(old, new, on_conflict, evidence),
            None => (Change::of_new(new, evidence), Outcome::Stored),
        };
        let id = change.memory.id;
        self.changed.insert(identity, change);
        (outcome, id)
    }

    /// Takes a thought in among what waits for a person.
    fn propose(
        &mut self,
        identity: Identity,
        new: Memory,
        review: Review,
        evidence: &Admitted,
    ) -> (Outcome, MemoryId) {
        let before = self.proposed.remove(&identity).or_else(|| {
            let Pending { memory, review } = (*self.pending.get(&identity)?).clone();
            Some(Change {
                updates: true,
                review: Some(review),
                ..Change::of_new(memory, &Admitted::default())
            })
        });
        let nothing = Admitted::default();
        let mut change =
            if let Some(Change { memory, review: Some(old), evidence, elsewhere, updates, .. }) = before {
                let Pending { memory, review } = Pending { memory, review: old }.joined(new, review);
                let change = Change::of_new(memory, &nothing);
                Change { evidence, elsewhere, updates, review: Some(review), ..change }
            } else {
                let memory = Memory { id: proposal_id(new.id), ..new };
                Change { review: Some(review), ..Change::of_new(memory, &nothing) }
            };
        change.add_evidence(evidence);
        let id = change.memory.id;
        self.proposed.insert(identity, change);
        (Outcome::Pending, id)
    }
}

/// Whether two memories of this type that say the same in the same words are one.
pub(crate) const fn may_be_twin(kind: MemoryType) -> bool {
    matches!(kind, MemoryType::Entity | MemoryType::Fact | MemoryType::Preference | MemoryType::Pattern)
}

fn by_wording(memory: &Memory) -> ((Scope, MemoryType, [u8; 32]), Identity) {
    ((memory.scope, memory.kind, wording_digest(&memory.content)), identity(memory))
}

pub(super) fn says_the_same(one: &Memory, other: &Memory) -> bool {
    one.content == other.content && one.data == other.data
}

pub(super) fn identity(memory: &Memory) -> Identity {
    (memory.scope, memory.kind, memory.key.clone())
}

/// Whether a thought would leave what the current memory says as it is.
fn adds_nothing(current: &Memory, new: &Memory, on_conflict: OnConflict) -> bool {
    match on_conflict {
        OnConflict::Merge => {
            let both = merged(current.clone(), new.clone());
            is_same_wording(&both.content, &current.content) && is_within(&both.data, &current.data)
        }
        OnConflict::Supersede | OnConflict::Continue | OnConflict::Latest => {
            is_same_wording(&current.content, &new.content) && current.data == new.data
        }
    }
}

/// The identifier of the memory that waits for a person, beside the one it would have at once.
fn proposal_id(id: MemoryId) -> MemoryId {
    MemoryId(Uuid::new_v5(&id.0, b"proposal"))
}

/// What a thought does to a memory that was there before the window.
fn meet(old: &Memory, new: Memory, on_conflict: OnConflict, evidence: &Admitted) -> (Change, Outcome) {
    if on_conflict == OnConflict::Merge || says_the_same(old, &new) {
        let change = Change { updates: true, ..Change::of_new(merged(old.clone(), new), evidence) };
        return (change, Outcome::Merged);
    }
    // The same window thought about again, after its cursor was moved back, makes the same identifier.
    let is_same_row = old.id == new.id;
    let memory = Memory { valid_from: new.valid_from.max(old.valid_from), ..new };
    let change = Change {
        updates: is_same_row,
        supersedes: (!is_same_row).then_some(old.id),
        inherits_evidence: !is_same_row && on_conflict == OnConflict::Continue,
        ..Change::of_new(memory, evidence)
    };
    (change, Outcome::Superseded)
}

/// A second thought of the same window about the same thing.
fn fold(change: &mut Change, new: Memory, on_conflict: OnConflict) {
    let id = change.memory.id;
    change.memory = match on_conflict {
        OnConflict::Merge => merged(change.memory.clone(), new),
        OnConflict::Supersede | OnConflict::Continue | OnConflict::Latest => Memory { id, ..new },
    };
}
