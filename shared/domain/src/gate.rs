//! What a thought has to pass before it is looked at as a memory.

use std::collections::BTreeSet;

use jiff::Timestamp;

use crate::{Dropped, Evidence, Thought, Window};

/// The longest content a memory may have, in bytes.
pub(crate) const LONGEST_CONTENT_BYTES: usize = 8 * 1024;
/// The longest key a memory may have, in bytes.
const LONGEST_KEY_BYTES: usize = 512;
/// The most events that one thought names.
const MOST_EVIDENCE: usize = 1000;

/// What a thought has to pass, beside having evidence and saying something. By default nothing.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Gate {
    /// A thought less confident than this becomes no memory, 0 to 1. It may add to one that is there.
    pub floor: f32,
    /// How many more memories the user may have; `None` for any number.
    pub room: Option<u32>,
    /// Events of the window that only repeat what recall handed out: they are evidence for nothing.
    pub recalled: BTreeSet<i64>,
}

/// The evidence of a thought that holds.
#[derive(Debug, Clone, Default)]
pub(crate) struct Admitted {
    /// Versions of the window, sorted and without repeats.
    pub(crate) window: Vec<i64>,
    /// Events of the user's other sessions, likewise.
    pub(crate) elsewhere: Vec<Evidence>,
    /// When the earliest of the window's happened.
    pub(crate) first_said_at: Timestamp,
    /// When the latest did. Without any evidence in the window both are the time of its last event.
    pub(crate) said_at: Timestamp,
    /// When the last of the window's was accepted by the database.
    pub(crate) accepted_at: Option<Timestamp>,
    /// The window's end, which stands for evidence that is all elsewhere.
    through: i64,
}

impl Admitted {
    /// The last version of the window that the thought came from.
    pub(crate) fn last(&self) -> i64 {
        self.window.last().copied().unwrap_or(self.through)
    }
}

impl Gate {
    /// The evidence that holds, or why the thought is not admitted.
    pub(crate) fn admit(&self, window: &Window, thought: &Thought) -> Result<Admitted, Dropped> {
        if thought.content.trim().is_empty() {
            return Err(Dropped::EmptyContent);
        }
        if thought.content.len() > LONGEST_CONTENT_BYTES {
            return Err(Dropped::ContentTooLong);
        }
        if thought.key.is_empty() || thought.key.len() > LONGEST_KEY_BYTES {
            return Err(Dropped::InvalidKey);
        }
        if !(0.0..=1.0).contains(&thought.confidence) {
            return Err(Dropped::InvalidConfidence);
        }
        if !thought.data.is_object() {
            return Err(Dropped::InvalidData);
        }
        if thought.evidence.is_empty() && thought.elsewhere.is_empty() {
            return Err(Dropped::NoEvidence);
        }
        let within: BTreeSet<i64> =
            thought.evidence.iter().copied().filter(|version| window.event(*version).is_some()).collect();
        if within.is_empty() && thought.elsewhere.is_empty() {
            return Err(Dropped::EvidenceOutsideWindow);
        }
        let held: Vec<i64> = within.difference(&self.recalled).copied().take(MOST_EVIDENCE).collect();
        if held.is_empty() && thought.elsewhere.is_empty() {
            return Err(Dropped::Recalled);
        }
        let elsewhere: BTreeSet<Evidence> = thought.elsewhere.iter().copied().collect();
        let times =
            || held.iter().filter_map(|version| window.event(*version)).map(|event| event.occurred_at);
        let end = window.events.last().map_or(Timestamp::UNIX_EPOCH, |event| event.occurred_at);
        Ok(Admitted {
            first_said_at: times().min().unwrap_or(end),
            said_at: times().max().unwrap_or(end),
            accepted_at: held
                .iter()
                .filter_map(|version| window.event(*version))
                .map(|event| event.created_at)
                .max(),
            through: window.through(),
            window: held,
            elsewhere: elsewhere.into_iter().take(MOST_EVIDENCE).collect(),
        })
    }
}
