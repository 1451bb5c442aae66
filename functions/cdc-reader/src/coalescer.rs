use std::collections::hash_map::Entry;
use std::collections::{HashMap, HashSet};

use domain::{Envelope, InvalidName, SessionId, TenantId, WakeUp};
use jiff::Timestamp;
use store::ArrivedRow;
use uuid::Uuid;

use crate::catalog::Change;

/// A session that gained this many events in one flush is bulk: an import, or a backlog.
const BULK_EVENTS: u32 = 20;

/// The sessions of a tenant that gained events in this many of its sessions in one flush are bulk.
const BULK_SESSIONS: usize = 100;

/// What is to be woken: per session the highest version seen, the sessions with new memories, and the endpoints that are
/// waited for. Memory is bounded by the number of sessions and endpoints, not of changes; but new rows of adopted tables are
/// kept one by one.
#[derive(Debug, Default)]
pub(crate) struct Coalescer {
    sessions: HashMap<Uuid, Gained>,
    memories: HashMap<Uuid, TenantId>,
    endpoints: HashMap<Uuid, TenantId>,
    arrivals: Vec<ArrivedRow>,
    adopted: bool,
    changes: u64,
}

#[derive(Debug)]
struct Gained {
    tenant: TenantId,
    version: i64,
    events: u32,
}

/// What one flush publishes.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Wakes {
    /// For every agent: a session with the highest version known to exist. Somebody is talking in it.
    pub sessions: Vec<(TenantId, SessionId, i64)>,
    /// The same of an import or a backlog: of a session that gained 20 events or more, and of a tenant with 100 such
    /// sessions or more. Nobody waits for these, and they are not to hold up the others.
    pub bulk: Vec<(TenantId, SessionId, i64)>,
    /// For the indexer: a session that memories came from.
    pub memories: Vec<(TenantId, SessionId)>,
    /// For the notifier: an endpoint that something waits for.
    pub endpoints: Vec<(TenantId, Uuid)>,
    /// New rows of adopted tables, in the order of commits.
    pub arrivals: Vec<ArrivedRow>,
    /// A table has been adopted.
    pub adopted: bool,
    /// How many changes these stand for.
    pub changes: u64,
}

impl Coalescer {
    /// Takes a change in. A tenant that cannot be one is an error and changes nothing.
    pub(crate) fn add(&mut self, change: Change<'_>) -> Result<(), InvalidName> {
        match change {
            Change::Event { session, version, tenant } => match self.sessions.entry(session) {
                Entry::Occupied(mut known) if known.get().tenant.as_str() == tenant => {
                    let gained = known.get_mut();
                    gained.version = version.max(gained.version);
                    gained.events = gained.events.saturating_add(1);
                }
                other => {
                    other.insert_entry(Gained { tenant: TenantId::new(tenant)?, version, events: 1 });
                }
            },
            Change::Memory { session, tenant } => note(&mut self.memories, session, tenant)?,
            Change::Delivery { endpoint, tenant } => note(&mut self.endpoints, endpoint, tenant)?,
            Change::Arrival { relid, key, written_at } => {
                self.arrivals.push(ArrivedRow { relid, key, written_at });
            }
            Change::Adopted => self.adopted = true,
        }
        self.changes += 1;
        Ok(())
    }

    /// How many wake-ups wait.
    pub(crate) fn len(&self) -> usize {
        self.sessions.len()
            + self.memories.len()
            + self.endpoints.len()
            + self.arrivals.len()
            + usize::from(self.adopted)
    }

    /// Whether none waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Takes everything out.
    pub(crate) fn take(&mut self) -> Wakes {
        let busy = self.busy_tenants();
        let is_bulk = |gained: &Gained| gained.events >= BULK_EVENTS || busy.contains(&gained.tenant);
        let (mut sessions, mut bulk) = (Vec::with_capacity(self.sessions.len()), Vec::new());
        for (id, gained) in self.sessions.drain() {
            let kind = if is_bulk(&gained) { &mut bulk } else { &mut sessions };
            kind.push((gained.tenant, SessionId(id), gained.version));
        }
        Wakes {
            sessions,
            bulk,
            memories: self.memories.drain().map(|(id, tenant)| (tenant, SessionId(id))).collect(),
            endpoints: self.endpoints.drain().map(|(id, tenant)| (tenant, id)).collect(),
            arrivals: std::mem::take(&mut self.arrivals),
            adopted: std::mem::take(&mut self.adopted),
            changes: std::mem::take(&mut self.changes),
        }
    }

    /// The tenants whose every session is bulk.
    fn busy_tenants(&self) -> HashSet<TenantId> {
        if self.sessions.len() < BULK_SESSIONS {
            return HashSet::new();
        }
        let mut sessions: HashMap<&TenantId, usize> = HashMap::new();
        for gained in self.sessions.values() {
            *sessions.entry(&gained.tenant).or_default() += 1;
        }
        let busy = sessions.into_iter().filter(|(_, count)| *count >= BULK_SESSIONS);
        busy.map(|(tenant, _)| tenant.clone()).collect()
    }
}

impl Wakes {
    /// The wake-ups for every agent, those in bulk last.
    pub fn session_envelopes(&self, now: Timestamp) -> Vec<Envelope> {
        let wake_up = |(tenant, session, version): &(TenantId, SessionId, i64)| WakeUp::Session {
            tenant: tenant.clone(),
            session: *session,
            version: *version,
        };
        self.sessions.iter().chain(&self.bulk).map(|wake| Envelope::first(wake_up(wake), now)).collect()
    }

    /// The wake-ups for the indexer alone.
    pub fn memory_envelopes(&self, now: Timestamp) -> Vec<Envelope> {
        let wake_up = |(tenant, session): &(TenantId, SessionId)| WakeUp::Memories {
            tenant: tenant.clone(),
            session: *session,
        };
        self.memories.iter().map(|wake| Envelope::first(wake_up(wake), now)).collect()
    }

    /// The wake-ups for the notifier alone.
    pub fn endpoint_envelopes(&self, now: Timestamp) -> Vec<Envelope> {
        self.endpoints.iter().map(|(tenant, endpoint)| endpoint_envelope(tenant, *endpoint, now)).collect()
    }

    /// How many wake-ups these are, before they are multiplied by agents.
    pub fn len(&self) -> usize {
        self.sessions.len()
            + self.bulk.len()
            + self.memories.len()
            + self.endpoints.len()
            + self.arrivals.len()
            + usize::from(self.adopted)
    }

    /// Whether nobody is woken.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// The wake-up of the notifier for an endpoint.
pub(crate) fn endpoint_envelope(tenant: &TenantId, endpoint: Uuid, now: Timestamp) -> Envelope {
    Envelope::first(WakeUp::Endpoint { tenant: tenant.clone(), endpoint }, now)
}

/// Notes whose something is, with a copy of the tenant only when it is new.
fn note(known: &mut HashMap<Uuid, TenantId>, id: Uuid, tenant: &str) -> Result<(), InvalidName> {
    match known.entry(id) {
        Entry::Occupied(known) if known.get().as_str() == tenant => {}
        other => {
            other.insert_entry(TenantId::new(tenant)?);
        }
    }
    Ok(())
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
    fn a_session_is_bulk_from_twenty_events_on_and_every_session_of_a_tenant_from_a_hundred_on() {
        let mut coalescer = Coalescer::default();
        let mut flush = |changes: &[(u128, i64, &str)]| {
            for (session, version, tenant) in changes {
                coalescer.add(event(*session, *version, tenant)).unwrap();
            }
            let wakes = coalescer.take();
            (wakes.sessions.len(), wakes.bulk.len())
        };
        let events = |count: i64| (1..=count).map(|version| (7, version, "acme")).collect::<Vec<_>>();
        let sessions = |count: u128| (1..=count).map(|session| (session, 1, "acme")).collect::<Vec<_>>();
        let other = [(1000, 1, "other")];
        assert_eq!(flush(&[events(19), other.to_vec()].concat()), (2, 0));
        assert_eq!(flush(&[events(20), other.to_vec()].concat()), (1, 1));
        assert_eq!(flush(&[sessions(99), other.to_vec()].concat()), (100, 0));
        assert_eq!(flush(&[sessions(100), other.to_vec()].concat()), (1, 100));
        // Counted anew in every flush.
        assert_eq!(flush(&events(19)), (1, 0));
    }

    #[test]
    fn every_row_of_an_adopted_table_is_kept_in_order() {
        let mut coalescer = Coalescer::default();
        for id in ["7", "7", "6"] {
            let arrival =
                Change::Arrival { relid: 9, key: vec![id.into()], written_at: Timestamp::UNIX_EPOCH };
            coalescer.add(arrival).unwrap();
        }
        coalescer.add(Change::Adopted).unwrap();
        assert_eq!(coalescer.len(), 4);
        let wakes = coalescer.take();
        let keys: Vec<&str> = wakes.arrivals.iter().map(|row| row.key[0].as_str()).collect();
        assert_eq!((keys, wakes.adopted, wakes.len()), (vec!["7", "7", "6"], true, 4));
        assert!(coalescer.is_empty());
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
