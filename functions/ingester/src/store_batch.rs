//! Storing a batch: as a whole, and where Postgres refuses that, piece by piece.

use std::panic::AssertUnwindSafe;
use std::time::Duration;

use domain::{AcceptedEvents, TenantId};
use futures::FutureExt;
use futures::future::join_all;
use queue::{Letter, NotAllAccepted, Ordered};

use crate::Ingester;
use crate::batch::{Batch, Delivered};

/// How long Postgres may take over one statement. What takes longer is tried again; an invocation has 60 s.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
/// The longest reason a dead letter gives, in characters.
const LONGEST_REASON: usize = 240;

/// What became of a batch.
#[derive(Debug, Default)]
pub(crate) struct Stored {
    /// Messages that are done with: in the log, or among the dead letters.
    pub(crate) stored: Vec<Delivered>,
    /// Messages to deliver again.
    pub(crate) failed: Vec<Delivered>,
}

/// Why something was not stored.
#[derive(Debug)]
enum NotStored {
    /// It never will be: why.
    Poison(String),
    /// Its session knows its key for other content: why.
    OtherUnderKey(String),
    /// It may be later.
    Outside,
}

impl Ingester {
    pub(crate) async fn store_batch(&self, batch: Batch) -> Stored {
        let mut stored = Stored { failed: batch.unknown, ..Stored::default() };
        for (delivered, error) in batch.malformed {
            tracing::error!(message_id = delivered.letter.message_id, %error, "a message cannot be read");
            let letter = dead_letter(&delivered.letter, delivered.letter.body.clone(), 0, &error.to_string());
            match self.bury(letter).await {
                Ok(()) => stored.stored.push(delivered),
                Err(_) => stored.failed.push(delivered),
            }
        }
        let tenants = batch.readable.into_iter();
        let of_tenants =
            join_all(tenants.map(|(tenant, delivered)| self.store_tenant(tenant, delivered))).await;
        for of_tenant in of_tenants {
            stored.stored.extend(of_tenant.stored);
            stored.failed.extend(of_tenant.failed);
        }
        stored
    }

    /// Stores the messages of a tenant in one statement. Where that is refused, each by itself, and of one that is
    /// refused each event by itself; the first fault from outside leaves the rest in the queue.
    async fn store_tenant(&self, tenant: TenantId, mut delivered: Vec<Delivered>) -> Stored {
        if !self.screen(&tenant, &mut delivered).await {
            return Stored { stored: Vec::new(), failed: delivered };
        }
        let all: Vec<&AcceptedEvents> = delivered.iter().filter_map(|one| one.accepted.as_ref()).collect();
        match self.ingest(&tenant, &all).await {
            Ok(()) => return Stored { stored: delivered, failed: Vec::new() },
            Err(NotStored::Outside) => return Stored { stored: Vec::new(), failed: delivered },
            Err(NotStored::Poison(_) | NotStored::OtherUnderKey(_)) => {}
        }
        let mut done = Stored::default();
        for one in delivered {
            // The whole tenant waits for what is outside: whatever follows may follow what failed.
            let is_stored = done.failed.is_empty() && self.store_by_events(&tenant, &one).await;
            if is_stored { done.stored.push(one) } else { done.failed.push(one) }
        }
        done
    }

    /// Stores a message, and where that is refused, each of its events or a dead letter of it; false when something
    /// outside failed.
    async fn store_by_events(&self, tenant: &TenantId, delivered: &Delivered) -> bool {
        let Some(accepted) = &delivered.accepted else { return true };
        match self.ingest(tenant, &[accepted]).await {
            Ok(()) => return true,
            Err(NotStored::Outside) => return false,
            Err(NotStored::Poison(_) | NotStored::OtherUnderKey(_)) => {}
        }
        for (position, event) in (accepted.preceding..).zip(&accepted.events) {
            let one = AcceptedEvents { preceding: position, events: vec![event.clone()], ..accepted.clone() };
            match self.ingest(tenant, &[&one]).await {
                Ok(()) => {}
                Err(NotStored::Outside) => return false,
                // A row of an adopted table that was said before, and changed since.
                Err(NotStored::OtherUnderKey(_)) if event.written_at.is_some() => {
                    metrics::counter!("ChangedRows").increment(1);
                }
                Err(NotStored::Poison(reason) | NotStored::OtherUnderKey(reason)) => {
                    tracing::error!(
                        message_id = delivered.letter.message_id,
                        position,
                        reason,
                        "an event was refused for good"
                    );
                    let letter = dead_letter(&delivered.letter, one.to_body(), position, &reason);
                    if self.bury(letter).await.is_err() {
                        return false;
                    }
                }
            }
        }
        true
    }

    async fn ingest(&self, tenant: &TenantId, accepted: &[&AcceptedEvents]) -> Result<(), NotStored> {
        let ingest = AssertUnwindSafe(self.store.ingest(tenant, accepted)).catch_unwind();
        match tokio::time::timeout(PATIENCE, ingest).await {
            Ok(Ok(Ok(_added))) => Ok(()),
            Ok(Ok(Err(error))) if error.is_other_under_key() => {
                Err(NotStored::OtherUnderKey(error.to_string()))
            }
            Ok(Ok(Err(error))) if error.is_refusal() => Err(NotStored::Poison(error.to_string())),
            Ok(Ok(Err(error))) => {
                tracing::warn!(%error, "events wait for Postgres");
                Err(NotStored::Outside)
            }
            // Where it panicked is logged by the hook.
            Ok(Err(_panic)) => Err(NotStored::Poison("storing it panicked".to_owned())),
            Err(_elapsed) => {
                tracing::warn!(seconds = PATIENCE.as_secs(), "Postgres did not answer in time");
                Err(NotStored::Outside)
            }
        }
    }

    /// Sends a dead letter.
    async fn bury(&self, letter: Ordered) -> Result<(), NotAllAccepted> {
        let sent = self.publisher.publish_in_order(&self.dead_letters_url, &[letter]).await;
        match &sent {
            Ok(()) => metrics::counter!("DeadLetters").increment(1),
            Err(error) => tracing::error!(%error, "a dead letter was not accepted"),
        }
        sent
    }
}

/// A dead letter of a message: what cannot be stored, in the group it came in. Sent again, it is the same letter.
fn dead_letter(letter: &Letter, body: String, position: u32, reason: &str) -> Ordered {
    let reason: String =
        reason.chars().filter(|character| !character.is_control()).take(LONGEST_REASON).collect();
    Ordered {
        body,
        group: if letter.group.is_empty() { "unknown".to_owned() } else { letter.group.clone() },
        deduplication: format!("{}-{position}", letter.message_id),
        reason: Some(reason),
    }
}
