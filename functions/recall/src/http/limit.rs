//! How often a tenant may ask: a limit that refuses, because whoever asks waits for the answer.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::Duration;

use domain::TenantId;
use hot::{Admitted, Hot, Rate};
use jiff::{SignedDuration, Timestamp};
use store::Store;

use super::Problem;

/// What the limit is called in hot state.
const NAME: &str = "recall";
/// For how long a process believes what it read of a tenant's settings.
const BELIEVED: SignedDuration = SignedDuration::from_secs(60);

/// Refuses what a tenant asks beyond its rate. Where none is set, a request costs nothing for it.
pub(crate) struct Limiter {
    /// Requests per minute of a tenant that has no limit of its own; 0 for no limit.
    per_minute: u32,
    known: Mutex<HashMap<TenantId, (Timestamp, u32)>>,
}

impl Limiter {
    pub(crate) fn new(per_minute: u32) -> Self {
        Self { per_minute, known: Mutex::default() }
    }

    /// Whether the request may go on. A tenant may ask a tenth of a minute's requests at once, ten at least. Hot state
    /// or settings that cannot be read refuse nobody.
    pub(crate) async fn admit(
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
        let known = self.known.lock().ok().and_then(|known| known.get(tenant).copied());
        if let Some((_, per_minute)) = known.filter(|(read_at, _)| now.duration_since(*read_at) < BELIEVED) {
            return per_minute;
        }
        let own = match store.tenant_settings(tenant).await {
            Ok(settings) => settings.recall_requests_per_minute,
            Err(error) => {
                tracing::warn!(%error, "the settings of a tenant were not read");
                return known.map_or(self.per_minute, |(_, per_minute)| per_minute);
            }
        };
        let per_minute = own.unwrap_or(self.per_minute);
        if let Ok(mut known) = self.known.lock() {
            known.insert(tenant.clone(), (now, per_minute));
        }
        per_minute
    }
}
