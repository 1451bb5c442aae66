use std::sync::Arc;
use std::time::Duration;

use store::{ArrivedRow, Store};
use tokio::sync::Notify;

use crate::pauses;

/// How many rows one statement notes.
const ROWS: usize = 5_000;

/// Where new rows of adopted tables are noted until they are read: by their keys, in the order of commits, in Postgres, so that
/// the slot need not wait for them. Cheap to clone.
#[derive(Clone)]
pub struct Arrivals {
    store: Store,
    news: Arc<Notify>,
}

impl std::fmt::Debug for Arrivals {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Arrivals").finish_non_exhaustive()
    }
}

impl Arrivals {
    /// `store` acts as the reader's role.
    pub fn new(store: Store) -> Self {
        Self { store, news: Arc::default() }
    }

    /// Notes all of them, however long it takes, and tells whoever follows the tables. What is noted twice, because an answer
    /// was lost, is read twice and stored once.
    pub(crate) async fn note(&self, rows: &[ArrivedRow], adopted: bool) {
        for rows in rows.chunks(ROWS) {
            let mut pauses = pauses::unending(Duration::from_millis(200), Duration::from_secs(30));
            while let Err(error) = self.store.note_arrivals(rows).await {
                tracing::warn!(%error, "new rows of adopted tables were not noted, trying again");
                if let Some(pause) = pauses.next() {
                    tokio::time::sleep(pause).await;
                }
            }
        }
        if adopted || !rows.is_empty() {
            self.news.notify_one();
        }
    }

    /// What is told when something was noted.
    pub(crate) fn news(&self) -> Arc<Notify> {
        Arc::clone(&self.news)
    }
}
