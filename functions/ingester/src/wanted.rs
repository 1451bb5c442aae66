//! What tenants want of their own, as far as it matters here.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};

use domain::{GuardPolicy, HotLifetimes, TenantId, TenantSettings};
use hot::Read;
use jiff::{SignedDuration, Timestamp};

use crate::Ingester;
use crate::store_batch::PATIENCE;

/// For how long a process believes what it read.
const BELIEVED: SignedDuration = SignedDuration::from_secs(30);
/// Of how many tenants a process remembers what they want.
const MOST_KNOWN: usize = 10_000;

/// What a tenant wants.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Wanted {
    /// What is kept out.
    pub(crate) guard: GuardPolicy,
    /// For how long hot state shows what waits.
    pub(crate) lifetimes: HotLifetimes,
}

impl From<&TenantSettings> for Wanted {
    fn from(settings: &TenantSettings) -> Self {
        Self { guard: settings.guard, lifetimes: settings.lifetimes }
    }
}

/// What is known of tenants, and when that was read.
#[derive(Debug, Default)]
pub(crate) struct Known(Mutex<HashMap<TenantId, (Timestamp, Wanted)>>);

impl Known {
    /// What was read last, however long ago.
    fn last(&self, tenant: &TenantId) -> Option<(Timestamp, Wanted)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).get(tenant).copied()
    }

    fn remember(&self, tenant: &TenantId, wanted: Wanted, at: Timestamp) {
        let mut known = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_KNOWN {
            known.clear();
        }
        known.insert(tenant.clone(), (at, wanted));
    }
}

impl Ingester {
    /// What a tenant wants, and whether that is so now: where Postgres does not say, it is what was known last, here or in hot
    /// state.
    pub(crate) async fn wanted(&self, tenant: &TenantId) -> (Wanted, bool) {
        let now = (self.now)();
        let known = self.known.last(tenant);
        if let Some((read_at, wanted)) = known
            && now.duration_since(read_at) < BELIEVED
        {
            return (wanted, true);
        }
        match tokio::time::timeout(PATIENCE, self.store.tenant_settings(tenant)).await {
            Ok(Ok(settings)) => {
                let wanted = Wanted::from(&settings);
                self.known.remember(tenant, wanted, now);
                return (wanted, true);
            }
            Ok(Err(error)) => tracing::warn!(%error, "the settings of a tenant were not read"),
            Err(_elapsed) => tracing::warn!("the settings of a tenant were not read in time"),
        }
        if let Some((_, wanted)) = known {
            return (wanted, false);
        }
        match self.hot.get_settings(tenant, now).await {
            Ok(Read::Present(copy)) => {
                let wanted = Wanted::from(&copy.value.settings);
                // Old from the start: the next batch asks Postgres again.
                self.known.remember(tenant, wanted, Timestamp::MIN);
                (wanted, false)
            }
            Ok(Read::Absent | Read::Corrupt { .. }) => (Wanted::default(), false),
            Err(error) => {
                tracing::warn!(%error, "the copy of a tenant's settings was not read");
                (Wanted::default(), false)
            }
        }
    }

    /// For how long hot state shows what waits of a tenant, as far as that is known here.
    pub(crate) fn known_lifetimes(&self, tenant: &TenantId) -> HotLifetimes {
        self.known.last(tenant).map(|(_, wanted)| wanted.lifetimes).unwrap_or_default()
    }
}
