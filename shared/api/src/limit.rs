//! How often a tenant may ask: a limit that refuses, because whoever asks waits for the answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use domain::TenantId;
use hot::{Admitted, Hot, Rate};
use jiff::{SignedDuration, Timestamp};
use store::Store;

use crate::Problem;

/// What the limit is called in hot state.
const NAME: &str = "recall";
/// For how long a process believes what it read of a tenant's settings.
const BELIEVED: SignedDuration = SignedDuration::from_secs(60);
/// For how long it goes without, where they could not be read.
const UNKNOWN: SignedDuration = SignedDuration::from_secs(10);
/// How long a request waits for them.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of how many tenants a process remembers the settings.
const MOST_KNOWN: usize = 10_000;

/// Refuses what a tenant asks beyond its rate. Where none is set, a request costs nothing for it.
pub struct Limiter {
    /// Requests per minute of a tenant that has no limit of its own; 0 for no limit.
    per_minute: u32,
    known: Mutex<Known>,
}

/// What a process knows of tenants' limits, each until when it is believed. The header names the tenant, so there may be any
/// number of names.
#[derive(Debug, Default)]
struct Known(HashMap<TenantId, (Timestamp, u32)>);

impl Known {
    fn get(&self, tenant: &TenantId) -> Option<(Timestamp, u32)> {
        self.0.get(tenant).copied()
    }

    /// Remembers a tenant's limit for a time. When there is no room, what is not believed any more goes; when that makes
    /// none, everything: each tenant then costs a look at its settings again.
    fn remember(&mut self, tenant: &TenantId, now: Timestamp, believed: SignedDuration, per_minute: u32) {
        if self.0.len() >= MOST_KNOWN && !self.0.contains_key(tenant) {
            self.0.retain(|_, (until, _)| now < *until);
            if self.0.len() >= MOST_KNOWN {
                self.0.clear();
            }
        }
        self.0.insert(tenant.clone(), (now.saturating_add(believed).unwrap_or(now), per_minute));
    }
}

impl Limiter {
    /// A limit of so many requests a minute for tenants that have none of their own; 0 for no limit.
    pub fn new(per_minute: u32) -> Self {
        Self { per_minute, known: Mutex::default() }
    }

    /// Whether the request may go on. A tenant may ask a tenth of a minute's requests at once, ten at least. Hot state
    /// or settings that cannot be read refuse nobody.
    pub async fn admit(
        &self,
        store: &Store,
        hot: &Hot,
        tenant: &TenantId,
        now: Timestamp,
    ) -> Result<(), Problem> {
        let per_minute = self.per_minute_of(store, tenant, now).await;
        if per_minute == 0 {
            return Ok(());
        }
        let rate = Rate { per_minute, burst: (per_minute / 10).max(10) };
        match hot.rate_limit(NAME, tenant, rate, now).await {
            Ok(Admitted::Yes) => Ok(()),
            Ok(Admitted::Later { at }) => {
                let wait = Duration::try_from(at.duration_since(now)).unwrap_or_default();
                Err(Problem::too_many_requests(per_minute, wait))
            }
            Err(error) => {
                tracing::warn!(%error, "the rate limit was not looked at");
                Ok(())
            }
        }
    }

    async fn per_minute_of(&self, store: &Store, tenant: &TenantId, now: Timestamp) -> u32 {
        let known = self.known.lock().ok().and_then(|known| known.get(tenant));
        if let Some((_, per_minute)) = known.filter(|(until, _)| now < *until) {
            return per_minute;
        }
        let (per_minute, believed) = match store.within(PATIENCE).tenant_settings(tenant).await {
            Ok(settings) => (settings.recall_requests_per_minute.unwrap_or(self.per_minute), BELIEVED),
            Err(error) => {
                tracing::warn!(%error, "the settings of a tenant were not read");
                (known.map_or(self.per_minute, |(_, per_minute)| per_minute), UNKNOWN)
            }
        };
        if let Ok(mut known) = self.known.lock() {
            known.remember(tenant, now, believed, per_minute);
        }
        per_minute
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tenant(number: usize) -> TenantId {
        TenantId::new(format!("tenant-{number}")).unwrap()
    }

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn any_number_of_tenants_takes_no_more_room_than_the_bound() {
        let mut known = Known::default();
        for number in 0..3 * MOST_KNOWN {
            known.remember(&tenant(number), at(0), BELIEVED, 7);
            assert!(known.0.len() <= MOST_KNOWN);
            assert_eq!(known.get(&tenant(number)), Some((at(60), 7)));
        }
    }

    #[test]
    fn what_is_still_believed_stays_when_old_ones_make_room() {
        let mut known = Known::default();
        (1..MOST_KNOWN).for_each(|number| known.remember(&tenant(number), at(0), BELIEVED, 7));
        known.remember(&tenant(0), at(59), BELIEVED, 8);
        known.remember(&tenant(0), at(60), UNKNOWN, 9);
        assert_eq!(known.0.len(), MOST_KNOWN, "one known already takes no room");
        known.remember(&tenant(MOST_KNOWN), at(61), BELIEVED, 7);
        assert_eq!((known.0.len(), known.get(&tenant(0))), (2, Some((at(70), 9))));
    }
}
