use std::collections::HashMap;
use std::collections::hash_map::Entry;

use domain::{Envelope, InvalidName, SessionId, TenantId, WakeUp};
use jiff::Timestamp;
use uuid::Uuid;

use crate::catalog::Change;

/// What is to be woken: per session the highest version seen, and the sessions with new memories. Memory is bounded by
/// the number of sessions, not of changes.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    sessions: HashMap<Uuid, (TenantId, i64)>,
    memories: HashMap<Uuid, TenantId>,
    changes: u64,
}

/// What one flush publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wakes {
    /// For every agent: a session with the highest version known to exist.
    pub sessions: Vec<(TenantId, SessionId, i64)>,
    /// For the indexer: a session that memories came from.
    pub memories: Vec<(TenantId, SessionId)>,
    /// How many changes these stand for.
    pub changes: u64,
}

impl Coalescer {
    /// Takes a change in. A tenant that cannot be one is an error and changes nothing.
    pub(crate) fn add(&mut self, change: Change<'_>) -> Result<(), InvalidName> {
        match change {
            Change::Event { session, version, tenant } => match self.sessions.entry(session) {
                Entry::Occupied(mut known) if known.get().0.as_str() == tenant => {
                    let highest = &mut known.get_mut().1;
                    *highest = version.max(*highest);
                }
                other => {
                    other.insert_entry((TenantId::new(tenant)?, version));
                }
            },
            Change::Memory { session, tenant } => match self.memories.entry(session) {
                Entry::Occupied(known) if known.get().as_str() == tenant => {}
                other => {
                    other.insert_entry(TenantId::new(tenant)?);
                }
            },
        }
        self.changes += 1;
        Ok(())
    }

    /// How many wake-ups wait.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len() + self.memories.len()
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Wakes {
        Wakes {
            sessions: self
                .sessions
                .drain()
                .map(|(id, (tenant, version))| (tenant, SessionId(id), version))
                .collect(),
            memories: self.memories.drain().map(|(id, tenant)| (tenant, SessionId(id))).collect(),
            changes: std::mem::take(&mut self.changes),
        }
    }
}

impl Wakes {
    /// The wake-ups for every agent.
    pub fn session_envelopes(&self, now: Timestamp) -> Vec<Envelope> {
        let wake_up = |(tenant, session, version): &(TenantId, SessionId, i64)| WakeUp::Session {
            tenant: tenant.clone(),
            session: *session,
            version: *version,
        };
        self.sessions.iter().map(|wake| Envelope::first(wake_up(wake), now)).collect()
    }

    /// The wake-ups for the indexer alone.
    pub fn memory_envelopes(&self, now: Timestamp) -> Vec<Envelope> {
        let wake_up = |(tenant, session): &(TenantId, SessionId)| WakeUp::Memories {
            tenant: tenant.clone(),
            session: *session,
        };
        self.memories.iter().map(|wake| Envelope::first(wake_up(wake), now)).collect()
    }

    /// How many wake-ups these are, before they are multiplied by agents.
    pub fn len(&self) -> usize {
        self.sessions.len() + self.memories.len()
    }

    /// Whether nobody is woken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: Uuid = Uuid::from_u128(7);

    fn event(session: u128, version: i64, tenant: &str) -> Change<'_> {
        Change::Event { session: Uuid::from_u128(session), version, tenant }
    }

    #[test]
    fn many_changes_of_a_session_are_one_wake_up_with_the_highest_version() {
        let mut coalescer = Coalescer::default();
        for version in [3, 9, 4] {
            coalescer.add(event(7, version, "acme")).unwrap();
        }
        for _ in 0..3 {
            coalescer.add(Change::Memory { session: ID, tenant: "acme" }).unwrap();
        }
        let wakes = coalescer.take();
        let tenant = TenantId::new("acme").unwrap();
        assert_eq!(wakes.sessions, [(tenant.clone(), SessionId(ID), 9)]);
        assert_eq!(wakes.memories, [(tenant, SessionId(ID))]);
        assert_eq!(wakes.changes, 6);
        assert!(coalescer.is_empty() && coalescer.take() == Wakes::default());
    }

    #[test]
    fn a_tenant_that_cannot_be_one_is_refused_and_leaves_nothing_behind() {
        let mut coalescer = Coalescer::default();
        assert!(coalescer.add(event(7, 1, "")).is_err());
        assert!(coalescer.add(Change::Memory { session: ID, tenant: "a\nb" }).is_err());
        assert!(coalescer.is_empty() && coalescer.take().changes == 0);
    }

    #[test]
    fn the_envelopes_are_the_domains() {
        let mut coalescer = Coalescer::default();
        coalescer.add(event(7, 3, "acme")).unwrap();
        coalescer.add(Change::Memory { session: ID, tenant: "acme" }).unwrap();
        let wakes = coalescer.take();
        for envelope in
            [wakes.session_envelopes(Timestamp::UNIX_EPOCH), wakes.memory_envelopes(Timestamp::UNIX_EPOCH)]
                .concat()
        {
            assert_eq!(Envelope::parse(&envelope.to_body()).unwrap(), envelope);
        }
    }
}
