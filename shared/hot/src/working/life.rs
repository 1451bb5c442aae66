//! How long a document lives, and what makes it live on.

use std::time::Duration;

use jiff::Timestamp;

use super::{DocumentKind, Revision};
use crate::Lifetimes;
use crate::item::{Assignment, Change, Condition, Write, attribute, number};
use crate::key::Key;
use crate::lifetime::expiry;

/// How long a document lives, and how long its item stays after that to say that it has expired.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Lives {
    pub(super) time: Duration,
    pub(super) kept: Duration,
}

impl Lives {
    pub(crate) fn of(kind: DocumentKind<'_>, lifetimes: &Lifetimes) -> Self {
        match kind {
            // The session's own activity, which its context knows of, may still come to extend it.
            DocumentKind::WorkingMemory => {
                Self { time: lifetimes.working_memory, kept: lifetimes.session_context }
            }
            DocumentKind::ToolState(_) => Self { time: lifetimes.tool_state, kept: Duration::ZERO },
        }
    }

    /// Until when a document lives whose last activity is now, and from when on its item may be deleted.
    pub(super) fn ends(self, now: Timestamp) -> (i64, i64) {
        let lives_until = expiry(now, self.time);
        (lives_until, lives_until.saturating_add(i64::try_from(self.kept.as_secs()).unwrap_or(i64::MAX)))
    }

    pub(super) fn assignments(self, now: Timestamp) -> [Assignment; 2] {
        let (lives_until, expires_at) = self.ends(now);
        [
            Assignment::Set(attribute("lives_until"), number(lives_until)),
            Assignment::Set(attribute("expires_at"), number(expires_at)),
        ]
    }

    /// Makes a document live on, when a quarter of its life has passed: activity costs a write now and then, not always.
    pub(crate) fn extended(self, key: &Key, revision: &Revision, now: Timestamp) -> Option<Write> {
        let lives_until = revision.expires_at.as_second();
        let passed = self.ends(now).0.saturating_sub(lives_until);
        let quarter = i64::try_from(self.time.as_secs() / 4).unwrap_or(i64::MAX).max(1);
        (passed >= quarter).then(|| {
            let condition = Condition::All(vec![
                Condition::Equal(attribute("version"), number(revision.version)),
                Condition::AtMost(attribute("lives_until"), number(self.ends(now).0)),
            ]);
            Write::new(key.clone(), condition, Change::Update(self.assignments(now).into()))
        })
    }
}
