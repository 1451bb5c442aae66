//! Counting what is handed out, apart from the answers.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use domain::{MemoryId, TenantId};
use jiff::Timestamp;
use store::{Access, Store};
use tokio::sync::Notify;

/// So many different memories wait at most for this long before they are counted.
const FULL: usize = 500;
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// What comes while so many wait is not counted: Postgres has been away for long.
const MOST_WAITING: usize = 20_000;
/// A batch that takes longer is given up.
const LONGEST_FLUSH: Duration = Duration::from_secs(5);

/// What was handed out and is not counted yet.
///
/// It gathers in the process and is written in batches by a task of its own. Nothing an answer waits for depends on it: a
/// batch that fails is lost, and so is what a process that is killed had gathered. `AccessesLost` counts the former.
#[derive(Clone)]
pub(crate) struct Accesses {
    /// Apart from the one that answers: a batch never takes a connection from a question.
    store: Store,
    waiting: Arc<Mutex<Waiting>>,
    full: Arc<Notify>,
    /// Held by the batch that is being written: a process that ends waits for it.
    writing: Arc<tokio::sync::Mutex<()>>,
}

#[derive(Default)]
struct Waiting {
    counts: HashMap<(TenantId, MemoryId), Access>,
    /// Whether a task will come for them.
    is_awaited: bool,
}

impl Accesses {
    pub(crate) fn new(store: Store) -> Self {
        Self { store, waiting: Arc::default(), full: Arc::default(), writing: Arc::default() }
    }

    /// Notes that each of these memories was handed out once. Never waits for anything.
    pub(crate) fn record(
        &self,
        tenant: &TenantId,
        memories: impl IntoIterator<Item = MemoryId>,
        now: Timestamp,
    ) {
        let (is_full, is_awaited) = {
            let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            for memory in memories {
                waiting.add(tenant, memory, now);
            }
            if waiting.counts.is_empty() {
                return;
            }
            (waiting.counts.len() >= FULL, std::mem::replace(&mut waiting.is_awaited, true))
        };
        if !is_awaited {
            let accesses = self.clone();
            tokio::spawn(async move {
                // An elapsed wait is as good a reason as a full batch.
                let _ = tokio::time::timeout(LONGEST_WAIT, accesses.full.notified()).await;
                accesses.flush().await;
            });
        }
        if is_full {
            self.full.notify_one();
        }
    }

    /// Counts what waits, after what is being counted, and answers how many memories were counted.
    pub(crate) async fn flush(&self) -> u64 {
        let _writing = self.writing.lock().await;
        let waiting = std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner));
        let mut by_tenant: HashMap<TenantId, Vec<Access>> = HashMap::new();
        for ((tenant, _), access) in waiting.counts {
            by_tenant.entry(tenant).or_default().push(access);
        }
        let mut counted = 0;
        for (tenant, accesses) in by_tenant {
            let count = self.store.count_accesses(&tenant, &accesses);
            let lost = match tokio::time::timeout(LONGEST_FLUSH, count).await {
                Ok(Ok(rows)) => {
                    counted += rows;
                    continue;
                }
                Ok(Err(error)) => error.to_string(),
                Err(_elapsed) => "it took too long".to_owned(),
            };
            tracing::warn!(error = lost, memories = accesses.len(), "what was handed out is not counted");
            metrics::counter!("AccessesLost").increment(accesses.len() as u64);
        }
        counted
    }
}

impl Waiting {
    fn add(&mut self, tenant: &TenantId, memory: MemoryId, now: Timestamp) {
        let key = (tenant.clone(), memory);
        let has_room = self.counts.len() < MOST_WAITING;
        match self.counts.get_mut(&key) {
            Some(access) => {
                access.count = access.count.saturating_add(1);
                access.last_at = access.last_at.max(now);
            }
            None if has_room => {
                self.counts.insert(key, Access { memory, count: 1, last_at: now });
            }
            None => metrics::counter!("AccessesLost").increment(1),
        }
    }
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn what_is_handed_out_again_waits_as_one_count_of_its_tenant() {
        let (acme, other) = (TenantId::new("acme").unwrap(), TenantId::new("other").unwrap());
        let memory = MemoryId(Uuid::from_u128(1));
        let mut waiting = Waiting::default();
        for (tenant, second) in [(&acme, 5), (&other, 1), (&acme, 3)] {
            waiting.add(tenant, memory, at(second));
        }
        assert_eq!(waiting.counts[&(acme, memory)], Access { memory, count: 2, last_at: at(5) });
        assert_eq!(waiting.counts[&(other, memory)], Access { memory, count: 1, last_at: at(1) });
    }

    #[test]
    fn what_waits_is_bounded() {
        let tenant = TenantId::new("acme").unwrap();
        let mut waiting = Waiting::default();
        for memory in 0..MOST_WAITING as u128 + 5 {
            waiting.add(&tenant, MemoryId(Uuid::from_u128(memory)), at(0));
        }
        waiting.add(&tenant, MemoryId(Uuid::from_u128(0)), at(1));
        assert_eq!(waiting.counts.len(), MOST_WAITING);
        assert_eq!(waiting.counts[&(tenant, MemoryId(Uuid::from_u128(0)))].count, 2);
    }
}
