//! Noting when keys were used, apart from the answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::TenantId;
use jiff::Timestamp;
use store::Store;
use uuid::Uuid;

/// How long uses gather before they are written.
const LONGEST_WAIT: Duration = Duration::from_mins(1);
/// A batch that takes longer is given up.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);
/// The uses of so many keys wait at most.
const MOST_WAITING: usize = 10_000;

/// When keys were used last, as far as it is not written yet. Nothing an answer waits for depends on it: a batch that fails
/// is lost, and the next use says so again.
#[derive(Clone)]
pub(crate) struct Uses {
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
    /// Held by the batch that is being written: a process that ends waits for it.
    writing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Waiting {
    last: HashMap<(TenantId, Uuid), Timestamp>,
    /// Whether a task will come for them.
    is_awaited: bool,
}

impl Waiting {
    fn add(&mut self, tenant: &TenantId, key: Uuid, now: Timestamp) {
        if let Some(last) = self.last.get_mut(&(tenant.clone(), key)) {
            *last = now.max(*last);
        } else if self.last.len() < MOST_WAITING {
            self.last.insert((tenant.clone(), key), now);
        }
    }
}

impl Uses {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, waiting: Arc::default(), writing: Arc::default() }
    }

    /// Notes that a key was used. Never waits for anything.
    pub(crate) fn record(&self, tenant: &TenantId, key: Uuid, now: Timestamp) {
        let is_awaited = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            waiting.add(tenant, key, now);
            std::mem::replace(&mut waiting.is_awaited, true)
        };
        if !is_awaited {
            let uses = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(LONGEST_WAIT).await;
                uses.flush().await;
            });
        }
    }

    /// Writes what waits, after what is being written.
    pub(crate) async fn flush(&self) {
        let _writing = self.writing.lock().await;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_tenant: HashMap<TenantId, Vec<(Uuid, Timestamp)>> = HashMap::new();
        for ((tenant, key), last) in waiting.last {
            by_tenant.entry(tenant).or_default().push((key, last));
        }
        for (tenant, uses) in by_tenant {
            match tokio::time::timeout(LONGEST_FLUSH, self.store.record_key_uses(&tenant, &uses)).await {
                Ok(Ok(())) => {}
                Ok(Err(error)) => tracing::warn!(%error, "the last use of API keys was not noted"),
                Err(_elapsed) => tracing::warn!("noting the last use of API keys took too long"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_use_counts_and_what_waits_is_bounded() {
        let at = |second| Timestamp::from_second(second).unwrap();
        let tenant = TenantId::new("acme").unwrap();
        let mut waiting = Waiting::default();
        for (key, second) in (0..MOST_WAITING as u128 + 5).map(|key| (key, 5)).chain([(0, 9), (1, 2)]) {
            waiting.add(&tenant, Uuid::from_u128(key), at(second));
        }
        assert_eq!(waiting.last.len(), MOST_WAITING);
        assert_eq!(waiting.last[&(tenant.clone(), Uuid::from_u128(0))], at(9));
        assert_eq!(waiting.last[&(tenant, Uuid::from_u128(1))], at(5));
    }
}
