//! What API keys stand for and what tenants have of their own, found where they are cheapest: in the process, in hot state,
//! in Postgres.

use std::collections::HashMap;
use std::hash::Hash;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use domain::{ApiKey, KeyGrant, KeyHash, TenantId, TenantSettings};
use hot::{Copied, Hot, Put, Read, VersionedSettings};
use jiff::{SignedDuration, Timestamp};
use store::{Store, Tenant};

use crate::{Problem, postgres_is_down};

/// For how long a process believes what it read: the longest that a revoked key is still taken anywhere.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// For how long it remembers that there is no such key.
const UNKNOWN_FOR: SignedDuration = SignedDuration::from_secs(60);
/// A copy of a key in hot state that is older is made again when Postgres answers, so that one in use never runs out.
const FRESH_KEY: SignedDuration = SignedDuration::from_hours(24);
/// The same for a copy of settings, which others than the API may change; seldom, for whoever does without Postgres otherwise.
const FRESH_SETTINGS: SignedDuration = SignedDuration::from_hours(1);
/// For how long a process goes without the settings of a tenant that could not be read.
const UNREAD_FOR: SignedDuration = SignedDuration::from_secs(10);
/// How long hot state, and Postgres after it, may take over settings that can be done without, and Postgres over a key of which
/// there is a copy.
const PATIENCE: Duration = Duration::from_secs(1);
/// How many keys, and how many tenants, a process remembers.
const MOST_KNOWN: usize = 10_000;

/// Finds keys and settings. Copies in hot state do while Postgres is away.
pub struct Keyring {
    store: Store,
    hot: Hot,
    grants: Mutex<Known<KeyHash, Option<KeyGrant>>>,
    settings: Mutex<Known<TenantId, TenantSettings>>,
    /// Tenants whose settings could not be read a moment ago.
    unread: Mutex<Known<TenantId, ()>>,
    fresh_settings: SignedDuration,
}

impl Keyring {
    /// A keyring on clients at hand. Postgres is asked only for what hot state does not have.
    pub fn new(store: Store, hot: Hot) -> Self {
        Self {
            store,
            hot,
            grants: Mutex::default(),
            settings: Mutex::default(),
            unread: Mutex::default(),
            fresh_settings: FRESH_SETTINGS,
        }
    }

    /// The same, asking Postgres for settings once their copy is so old; an hour when nothing is said.
    #[must_use]
    pub fn with_settings_fresh_for(self, fresh_settings: SignedDuration) -> Self {
        Self { fresh_settings, ..self }
    }

    /// What a key stands for, ended or not; `None` for one that there is not.
    ///
    /// # Errors
    /// When neither hot state nor Postgres can tell.
    pub(crate) async fn grant(&self, key: &ApiKey, now: Timestamp) -> Result<Option<KeyGrant>, Problem> {
        let hash = key.hash();
        if let Some(known) = locked(&self.grants).get(&hash, now) {
            return Ok(known);
        }
        let copy = match self.hot.get_key(&hash, now).await {
            Ok(Read::Present(copy)) => Some(copy),
            Ok(Read::Absent) => None,
            Ok(Read::Corrupt { reason }) => {
                tracing::warn!(reason, "the copy of an API key cannot be read");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the copy of an API key was not read");
                None
            }
        };
        let found = match copy {
            Some(Copied { value, at }) if now.duration_since(at) < FRESH_KEY => Some(value),
            Some(Copied { value, .. }) => {
                // What comes of it is believed for a while, also when Postgres did not answer.
                let stored = self.stored_grant(&self.store.within(PATIENCE), &hash, now).await;
                Some(stored.ok().flatten().unwrap_or(value))
            }
            None => {
                self.stored_grant(&self.store, &hash, now).await.map_err(|error| postgres_is_down(&error))?
            }
        };
        let lifetime = if found.is_some() { BELIEVED } else { UNKNOWN_FOR };
        locked(&self.grants).remember(hash, found.clone(), now, lifetime);
        Ok(found)
    }

    /// What Postgres has under a hash, copied to hot state. Where the copy there ends earlier, that one is the newer.
    async fn stored_grant(
        &self,
        store: &Store,
        hash: &KeyHash,
        now: Timestamp,
    ) -> Result<Option<KeyGrant>, store::Error> {
        let Some(grant) = store.key_grant(hash).await? else { return Ok(None) };
        match self.hot.put_key(hash, &grant, now).await {
            Ok(Put::Outdated) => {
                if let Ok(Read::Present(copy)) = self.hot.get_key(hash, now).await {
                    return Ok(Some(copy.value));
                }
                tracing::warn!("the copy of an API key that ends earlier was not read");
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "an API key was not copied"),
        }
        Ok(Some(grant))
    }

    /// Copies what a key stands for to hot state, and forgets what this process believed of it.
    ///
    /// # Errors
    /// When hot state does not answer: then other processes may go on with what they know.
    pub async fn publish_key(&self, hash: &KeyHash, grant: &KeyGrant, now: Timestamp) -> Result<(), Problem> {
        locked(&self.grants).forget(hash);
        self.hot.put_key(hash, grant, now).await.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "an API key was not copied");
            Problem::unavailable("hot state")
        })
    }

    /// What a tenant has of its own; nothing for one that is not there.
    ///
    /// A change over HTTP is seen within 30 seconds, one made in the database that much after the copy is fresh no more.
    ///
    /// # Errors
    /// When neither hot state nor Postgres can tell.
    pub async fn settings(&self, tenant: &TenantId, now: Timestamp) -> Result<TenantSettings, Problem> {
        if let Some(known) = locked(&self.settings).get(tenant, now) {
            return Ok(known);
        }
        let read = self.read_settings(&self.store, tenant, now).await;
        read.map_err(|error| postgres_is_down(&error))
    }

    /// The same for whoever can do without: the last that is known where nobody can tell in time, and nothing where nothing
    /// is. That is believed for ten seconds, so that one request waits and not all.
    pub async fn settings_if_known(&self, tenant: &TenantId, now: Timestamp) -> TenantSettings {
        if let Some(known) = locked(&self.settings).get(tenant, now) {
            return known;
        }
        if locked(&self.unread).get(tenant, now).is_none() {
            match self.read_settings(&self.store.within(PATIENCE), tenant, now).await {
                Ok(settings) => return settings,
                Err(error) => {
                    tracing::warn!(%error, "the settings of a tenant were not read");
                    locked(&self.unread).remember(tenant.clone(), (), now, UNREAD_FOR);
                }
            }
        }
        locked(&self.settings).last(tenant).unwrap_or_default()
    }

    /// The copy if it is fresh, else what is in Postgres, which `store` asks where there is no copy.
    async fn read_settings(
        &self,
        store: &Store,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<TenantSettings, store::Error> {
        let settings = match self.copied_settings(tenant, now).await {
            Some(Copied { value, at }) if now.duration_since(at) < self.fresh_settings => value.settings,
            Some(Copied { value, .. }) => self
                .stored_settings(&self.store.within(PATIENCE), tenant, now)
                .await
                .unwrap_or(value.settings),
            None => self.stored_settings(store, tenant, now).await?,
        };
        locked(&self.settings).remember(tenant.clone(), settings.clone(), now, BELIEVED);
        Ok(settings)
    }

    async fn copied_settings(&self, tenant: &TenantId, now: Timestamp) -> Option<Copied<VersionedSettings>> {
        match tokio::time::timeout(PATIENCE, self.hot.get_settings(tenant, now)).await {
            Ok(Ok(Read::Present(copy))) => Some(copy),
            Ok(Ok(Read::Absent)) => None,
            Ok(Ok(Read::Corrupt { reason })) => {
                tracing::warn!(reason, "the copy of a tenant's settings cannot be read");
                None
            }
            Ok(Err(error)) => {
                tracing::warn!(%error, "the copy of a tenant's settings was not read");
                None
            }
            Err(_elapsed) => {
                tracing::warn!("the copy of a tenant's settings was not read in time");
                None
            }
        }
    }

    async fn stored_settings(
        &self,
        store: &Store,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<TenantSettings, store::Error> {
        let Some(found) = store.tenant(tenant).await? else { return Ok(TenantSettings::default()) };
        // What cannot be copied is read again by whoever needs it next.
        let _ = self.publish_settings(&found, now).await;
        Ok(found.settings)
    }

    /// Copies a tenant's settings to hot state, and forgets what this process believed of them.
    ///
    /// # Errors
    /// When hot state does not answer: then other processes may go on with what they know.
    pub async fn publish_settings(&self, tenant: &Tenant, now: Timestamp) -> Result<(), Problem> {
        locked(&self.settings).forget(&tenant.name);
        let settings = VersionedSettings { version: tenant.version, settings: tenant.settings.clone() };
        self.hot.put_settings(&tenant.name, &settings, now).await.map(|_| ()).map_err(|error| {
            tracing::error!(%error, "the settings of a tenant were not copied");
            Problem::unavailable("hot state")
        })
    }
}

fn locked<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

/// What a process believes, each for a time. Whoever asks chooses the names, so there may be any number of them.
#[derive(Debug)]
pub(crate) struct Known<K, V>(HashMap<K, (Timestamp, V)>);

impl<K, V> Default for Known<K, V> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash, V: Clone> Known<K, V> {
    pub(crate) fn get(&self, key: &K, now: Timestamp) -> Option<V> {
        self.0.get(key).filter(|(until, _)| now < *until).map(|(_, value)| value.clone())
    }

    /// The same, believed or not any more.
    pub(crate) fn last(&self, key: &K) -> Option<V> {
        self.0.get(key).map(|(_, value)| value.clone())
    }

    /// Remembers what was read just now. When there is no room, what is not believed any more goes; when that makes none,
    /// everything: each then costs a look again.
    pub(crate) fn remember(&mut self, key: K, value: V, now: Timestamp, lifetime: SignedDuration) {
        if self.0.len() >= MOST_KNOWN && !self.0.contains_key(&key) {
            self.0.retain(|_, (until, _)| now < *until);
            if self.0.len() >= MOST_KNOWN {
                self.0.clear();
            }
        }
        self.0.insert(key, (now.checked_add(lifetime).unwrap_or(Timestamp::MAX), value));
    }

    fn forget(&mut self, key: &K) {
        self.0.remove(key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: SignedDuration = SignedDuration::from_secs(60);

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn any_number_of_names_takes_no_more_room_than_the_bound() {
        let mut known = Known::default();
        for number in 0..3 * MOST_KNOWN {
            known.remember(number, 7, at(0), MINUTE);
            assert!(known.0.len() <= MOST_KNOWN);
            assert_eq!(known.get(&number, at(0)), Some(7));
        }
    }

    #[test]
    fn what_is_still_believed_stays_when_old_ones_make_room() {
        let mut known = Known::default();
        (1..MOST_KNOWN).for_each(|number| known.remember(number, 7, at(0), MINUTE));
        known.remember(0, 8, at(59), MINUTE);
        known.remember(0, 9, at(60), MINUTE);
        assert_eq!(known.0.len(), MOST_KNOWN, "one known already takes no room");
        known.remember(MOST_KNOWN, 7, at(61), MINUTE);
        assert_eq!((known.0.len(), known.get(&0, at(61))), (2, Some(9)));
    }

    #[test]
    fn nothing_is_believed_for_longer_than_its_time() {
        let mut known = Known::default();
        known.remember("key", 7, at(0), MINUTE);
        assert_eq!((known.get(&"key", at(59)), known.get(&"key", at(60))), (Some(7), None));
        assert_eq!(known.last(&"key"), Some(7));
        known.forget(&"key");
        assert_eq!(known.last(&"key"), None);
    }
}
